# SPDX-License-Identifier: GPL-3.0-or-later
"""One setting of the thumbnail coder, read from its file: side, levels, context model and classifier."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.documents import real_number, whole_number
from sdr_sc.errors import ContractError
from sdr_sc.files import write_whole
from sdr_sc.schemes.digital.grouped import Decoded
from sdr_sc.schemes.thumbnail import coder
from sdr_sc.schemes.thumbnail.context import ContextModel, inputs_of
from sdr_sc.schemes.thumbnail.pictures import quantised, thumbnails
from sdr_sc.sealed import check_sidecar, sidecar, sidecar_line
from sdr_sc.shown import reason_of, shown

FOLDER = Path(__file__).parents[1] / "tables"
_LARGEST_SIDE, _MOST_LEVELS = 64, 64
_MAKE = "make it with 'python -m sdr_sc.schemes.thumbnail.fit'"


@dataclass(frozen=True)
class ThumbnailSource:
    """See `sdr_sc.schemes.digital.grouped.Source`.

    Attributes:
        context: of the pixels.
        levels: float64 (levels,), 0..255, rising.
        network: float32 tensors of a `ThumbnailNet`, by name.
        accuracy: on held-out images.
        item_bits: on held-out images, by the real coder.
    """

    context: ContextModel
    levels: np.ndarray
    network: dict[str, np.ndarray]
    accuracy: float
    item_bits: float

    @property
    def name(self) -> str:
        """Such as ``14 x 14, 6 levels``."""
        return f"{self.context.side} x {self.context.side}, {self.context.levels} levels"

    @property
    def classes(self) -> int:
        """How many the classifier tells apart."""
        return len(self.network["f.bias"])

    def __post_init__(self) -> None:
        import torch

        from sdr_sc.schemes.thumbnail.classifier import ThumbnailNet

        torch.set_num_threads(1)  # the same answers whatever the machine's threads
        network = ThumbnailNet(self.classes)
        counted = {name: torch.tensor(0) for name in network.state_dict() if name.endswith("num_batches_tracked")}
        network.load_state_dict({**{name: torch.from_numpy(one) for name, one in self.network.items()}, **counted})
        object.__setattr__(self, "_network", network.eval())

    def encode(self, images: np.ndarray) -> np.ndarray:
        """uint8 (bits,) of 0 and 1 for uint8 images (n, height, width)."""
        return coder.encode(quantised(thumbnails(images, self.context.side), self.levels), self.context)

    def decode(self, bits: np.ndarray, items: int) -> Decoded | None:
        """The classifier's chances, and the pixels, 0..1; None where the bits are none of a message."""
        from sdr_sc.schemes.thumbnail.classifier import probabilities

        index = coder.decode(bits, items, self.context)
        if index is None:
            return None
        values = (self.levels / 255).astype(np.float32)[index]
        return Decoded(probabilities(self._network, values), values.reshape(items, -1))  # type: ignore[attr-defined]

    def save(self, path: Path) -> None:
        """Write a safetensors file with its checksum beside it, whole or not at all."""
        from safetensors.numpy import save

        tensors = {f"network.{name}": one.astype(np.float16) for name, one in self.network.items()}
        for place, (weight, bias) in enumerate(self.context.layers):
            tensors[f"context.weight{place}"], tensors[f"context.bias{place}"] = weight, bias
        tensors["levels"] = self.levels.astype(np.float32)
        about = {"kind": "sdr_sc thumbnail", "side": str(self.context.side), "accuracy": repr(self.accuracy),
                 "item_bits": repr(self.item_bits)}  # fmt: skip
        content = save({name: np.ascontiguousarray(one) for name, one in tensors.items()}, metadata=about)
        write_whole({path: content, sidecar(path): sidecar_line(path, content)})

    @classmethod
    def read(cls, path: Path) -> ThumbnailSource:
        """Read what `save` wrote.

        Raises:
            ContractError: there is no such file, it is damaged, or it holds something else.
        """
        from safetensors import SafetensorError, safe_open

        check_sidecar(path, "setting of the thumbnail coder", "get it again", ContractError)
        try:
            with safe_open(path, framework="numpy") as file:
                about = file.metadata() or {}
                raw = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
            return cls._of(about, raw)
        except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError, IndexError) as error:
            raise ContractError(
                f"{shown(path)} holds no setting of the thumbnail coder that can be read ({reason_of(error)}); {_MAKE}."
            ) from error

    @classmethod
    def _of(cls, about: dict[str, str], raw: dict[str, np.ndarray]) -> ThumbnailSource:
        side, levels = int(about["side"]), raw["levels"].astype(np.float64)
        accuracy, bits = float(about["accuracy"]), float(about["item_bits"])
        if whole_number(side, 2, _LARGEST_SIDE) is None or not 2 <= len(levels) <= _MOST_LEVELS:
            raise ValueError("a side or a number of levels that cannot be")
        if real_number(accuracy, 0, 1) is None or real_number(bits, 0.1, 1e5) is None:
            raise ValueError("an accuracy or a number of bits that cannot be")
        if not all(np.isfinite(one).all() for one in raw.values()) or (np.diff(levels) <= 0).any():
            raise ValueError("values that are not finite, or levels that do not rise")
        layers: list[tuple[np.ndarray, np.ndarray]] = []
        while f"context.weight{len(layers)}" in raw:
            layers.append((raw[f"context.weight{len(layers)}"], raw[f"context.bias{len(layers)}"]))
        sizes = [inputs_of(side), *(len(bias) for _, bias in layers)]
        if (
            not layers
            or sizes[-1] != len(levels)
            or any(
                weight.shape != shape
                for (weight, _), shape in zip(layers, zip(sizes, sizes[1:], strict=False), strict=True)
            )
        ):
            raise ValueError("shapes that do not fit one another")
        network = {name.removeprefix("network."): one for name, one in raw.items() if name.startswith("network.")}
        return cls(ContextModel(side, len(levels), tuple(layers)), levels, network, accuracy, bits)
