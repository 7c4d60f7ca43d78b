# SPDX-License-Identifier: GPL-3.0-or-later
"""Principal components sent as analog symbols: the classical linear baseline."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.phy.receive.receiver import ReceivedFrame
from sdr_sc.schemes.classify import images_of
from sdr_sc.schemes.model_files import sha256_of, size_of_tensors
from sdr_sc.schemes.pca import K_LIST, SHIPPED, PcaModel
from sdr_sc.schemes.scheme import BaseScheme, Transmission, known_parts, wire_id
from sdr_sc.shown import command_line, shown


class PcaScheme(BaseScheme):
    """One row of the payload an item; the power is even over a frame, so that an item's own contrast is kept.

    It has no rule for k: without one, the largest is sent.

    Args:
        model: components and classifier.
        name: what results call it.
        path: the file that the model comes from, for `describe`; None for none.
    """

    def __init__(self, model: PcaModel, name: str = "pca", path: Path | None = None) -> None:
        self.name, self._model = name, model
        self._file = {} if path is None else _about(path)
        k_max = model.basis.shape[1] // 2
        self._ks = tuple(k for k in K_LIST if k <= k_max)
        self.k_list = self._ks
        self._id = wire_id(name)

    @classmethod
    def load(cls, file: str | Path = "", name: str = "pca", data_set: str = DEFAULT_DATA_SET) -> PcaScheme:
        """The scheme of a file, '' for the one of the default data set that comes with the package.

        Raises:
            ContractError: the file cannot be read, is of other images, or none is given for another data set.
        """
        make = f"make one with 'python -m sdr_sc.schemes.pca FILE {command_line([data_set])}'"
        if not file and data_set != DEFAULT_DATA_SET:
            raise ContractError(
                f"the principal components that come with the package are of {DEFAULT_DATA_SET}; give file: FILE, and "
                f"{make}."
            )
        path, data = Path(file) if file else SHIPPED, images_of(data_set)
        model = PcaModel.read(path)
        values = math.prod(data.item_shape)
        if (len(model.mean), model.classes) != (values, len(data.class_names)):
            raise ContractError(
                f"{shown(path)} is for images of {len(model.mean)} values and {model.classes} classes, the data set "
                f"{shown(data_set)} has {values} and {len(data.class_names)}; {make}."
            )
        return cls(model, name, path)

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """One frame."""
        if k is not None and k not in self._ks:
            raise SdrScError(
                f"k={k} is not in the list of scheme {self.name}; choose one of {', '.join(map(str, self._ks))}."
            )
        features = self._model.encode(images, k or self._ks[-1])
        return [Transmission(features, slice(0, len(images)), self._id, by_importance=self.by_importance)]

    def answer(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The classifier's answers, -1 for an item of which every symbol is erased."""
        found = self._model.logits(received.features, received.snr_db).argmax(axis=1)
        return np.where(received.erased.all(axis=1), -1, found).astype(np.int64)

    def knowledge(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The received components, real and imaginary parts in turn; 0 for what is erased of an item."""
        return known_parts(received)

    def describe(self) -> dict[str, Any]:
        """Components, the file and which it is, and sizes."""
        return {
            "scheme": self.name,
            "kind": "principal components as analog symbols + a network of two hidden layers",
            "components": int(self._model.basis.shape[1]),
            **self.mapping(),
            **self._file,
        }


def _about(path: Path) -> dict[str, Any]:
    at_receiver = ("weight", "bias")
    return {
        "file": path.name,
        "file_sha256": sha256_of(path),
        "sizes": {
            "transmitter": size_of_tensors(path, lambda name: not name.startswith(at_receiver)),
            "receiver": size_of_tensors(path, lambda name: name.startswith(at_receiver)),
        },
    }
