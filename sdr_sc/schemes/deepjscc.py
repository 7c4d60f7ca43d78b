# SPDX-License-Identifier: GPL-3.0-or-later
"""A learned image codec over the air: pictures as analog symbols, classified as they arrive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.phy.receive.receiver import ReceivedFrame
from sdr_sc.schemes.model_files import sha256_of, size_of_tensors
from sdr_sc.schemes.scheme import BaseScheme, Transmission, known_parts, wire_id
from sdr_sc.sealed import check_sidecar
from sdr_sc.shown import reason_of, shown

_LOWEST_DB = 0.0  # prepared for where nothing is known of the channel


class JsccScheme(BaseScheme):
    """One row of the payload an item. It has no rule for k: without one, the largest is sent.

    Args:
        file: weights, '' for those that come with the package.
        name: what results call it.
        data_set: must be the one that the weights are of.

    Raises:
        SdrScError: another data set.
        ContractError: the file is missing or damaged, or holds something else.
    """

    def __init__(self, file: str | Path, name: str, data_set: str = DEFAULT_DATA_SET) -> None:
        import torch

        from sdr_sc.schemes.jscc import networks
        from sdr_sc.schemes.jscc.fit import SHIPPED

        if data_set != DEFAULT_DATA_SET:
            raise SdrScError(
                f"the learned image codec is of {DEFAULT_DATA_SET}, not of {shown(data_set)}; leave scheme {name} out."
            )
        torch.set_num_threads(1)  # the same answers whatever the machine's threads
        self._torch, self._networks = torch, networks
        self.name, self._path, self.k_list = name, Path(file) if file else SHIPPED, networks.K_LIST
        self._link, self._minutes = self._read(self._path)
        self._id = wire_id(name)

    def _read(self, path: Path) -> tuple[Any, str]:
        from safetensors import SafetensorError, safe_open

        check_sidecar(path, "learned image codec", "get it again", ContractError)
        try:
            with safe_open(path, framework="pt") as file:
                about = file.metadata() or {}
                tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
            link = self._networks.ImageLink(len(tensors["classifier.f.bias"]))
            counted = {name: one for name, one in link.state_dict().items() if name.endswith("tracked")}
            link.load_state_dict({**tensors, **counted})
            if not all(bool(one.isfinite().all()) for one in tensors.values()):
                raise ValueError("a value that is not finite")
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError, TypeError) as error:
            raise ContractError(
                f"{shown(path)} holds no learned image codec that can be read ({reason_of(error)}); make it with "
                "'python -m sdr_sc.schemes.jscc.fit FILE', or leave the file out for the shipped one."
            ) from error
        return link.eval(), about.get("processor_minutes", "unknown")

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """One frame."""
        ks = self._networks.K_LIST
        k = ks[-1] if k is None else k
        if k not in ks:
            raise SdrScError(
                f"k={k} is not in the list of scheme {self.name}; choose one of {', '.join(map(str, ks))}."
            )
        values = self._torch.from_numpy(images[:, None].astype(np.float32) / 255)
        with self._torch.inference_mode():
            symbols = self._link.symbols(values, self._told(snr_db, len(images), k), k).numpy()
        return [Transmission(np.ascontiguousarray(symbols).view(np.complex64), slice(0, len(images)), self._id)]

    def _told(self, snr_db: float | None, items: int, k: int) -> Any:
        return self._networks.told(self._torch.full((items,), _LOWEST_DB if snr_db is None else float(snr_db)), k)

    def answer(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The classifier's answers, -1 for an item of which every symbol is erased."""
        found = self._logits(received).argmax(1).numpy()
        return np.where(received.erased.all(axis=1), -1, found).astype(np.int64)

    def probabilities(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The classifier's, NaN for an item of which every symbol is erased."""
        found = self._torch.softmax(self._logits(received).double(), 1).numpy()
        return np.where(received.erased.all(axis=1)[:, None], np.nan, found)

    def knowledge(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The received symbols, real and imaginary parts in turn."""
        return known_parts(received)

    def _logits(self, received: ReceivedFrame) -> Any:
        items, k = received.features.shape
        values = np.nan_to_num(np.ascontiguousarray(received.features, np.complex64).view(np.float32))
        with self._torch.inference_mode():
            pictures = self._link.pictures(self._torch.from_numpy(values), self._told(received.snr_db, items, k))
            return self._link.logits(pictures)

    def describe(self) -> dict[str, Any]:
        """The file and which it is, how long it was trained, and sizes."""
        return {
            "scheme": self.name,
            "kind": "learned image codec over the air + classifier of its pictures",
            "file": self._path.name,
            "file_sha256": sha256_of(self._path),
            "training_processor_minutes": self._minutes,
            "sizes": {
                "transmitter": size_of_tensors(self._path, lambda name: name.startswith("encoder.")),
                "receiver": size_of_tensors(self._path, lambda name: not name.startswith("encoder.")),
            },
        }
