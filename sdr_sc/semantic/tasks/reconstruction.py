# SPDX-License-Identifier: GPL-3.0-or-later
"""A thumbnail of the picture that was sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sdr_sc.data.composed import area_shares
from sdr_sc.data.joint.slots import side_of
from sdr_sc.semantic.tasks.base import LOST, NO_ANSWER, NOT_A_NUMBER, Task, TaskAnswer, register_task

if TYPE_CHECKING:
    from torch import Tensor

    from sdr_sc.semantic.specs import ModalitySpec, TaskSpec

RECONSTRUCTION = "reconstruction"
LARGEST_SIDE = 16
LEAST_ERROR = 1e-6
"""Mean square error that counts as none: of rounding to 8 bits it is 1.3e-6. So no PSNR exceeds 60 dB."""
LOST_LEVEL = 0.5
WITH_THUMBNAILS = ("image", "image_text")
"""Modalities that this task is for."""


@register_task
class Reconstruction(Task):
    """The item itself in few pixels, of values from 0 to 1; the contract has their shape.

    Its score is 1 minus the mean square error from the item's `thumbnails`, and its metric the peak signal-to-noise
    ratio in dB of the mean error. A lost item counts as a picture of medium grey.

    Where items are pictures or texts, one more output says which this one is, above 0 for a picture: a text has no
    thumbnail, and its answer is `NO_ANSWER`. A picture that is taken for a text counts as a lost one.
    """

    name, wire_id, metric, unit, of_items = RECONSTRUCTION, 4, "PSNR", "dB", True

    def loss(self, output: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        """Mean square error.

        Args:
            output: float32 (..., items, values).
            targets: float32 (items, values), of `thumbnails`.
            smoothing: without effect.
        """
        return (output - targets).square().mean(-1)

    def answer(self, output: np.ndarray, spec: TaskSpec, top: int = 1) -> TaskAnswer:
        """The pictures; of items without one, black, and an id below 0."""
        lost, faulty = np.isnan(output).any(axis=1), np.isinf(output).any(axis=1)
        pixels = math.prod(spec.shape)
        is_text = (output[:, pixels:] <= 0.0).any(axis=1)  # none where all items are pictures
        ids = np.where(faulty, NOT_A_NUMBER, np.where(lost, LOST, np.where(is_text, NO_ANSWER, 0))).astype(np.int64)
        values = np.where(ids[:, None] < 0, 0.0, np.clip(output[:, :pixels], 0.0, 1.0))
        pictures = np.rint(255.0 * values).astype(np.uint8).reshape(len(output), *spec.shape)
        return TaskAnswer(ids[:, None], np.zeros(len(output), np.float32), pictures=pictures)

    def score_pictures(self, answer: TaskAnswer, items: np.ndarray) -> np.ndarray:
        """How good answers are: float32 (n,), 0 to 1.

        Args:
            answer: of `answer`.
            items: uint8 (n, [3,] height, width), what was sent.
        """
        assert answer.pictures is not None
        shape = answer.pictures.shape[1:]
        values = answer.pictures.reshape(len(items), -1).astype(np.float32) / 255.0
        known = answer.ids[:, :1] >= 0
        return 1.0 - np.square(np.where(known, values, LOST_LEVEL) - thumbnails(items, shape)).mean(axis=1)

    def figure(self, score: np.ndarray | float) -> np.ndarray:
        """PSNR, dB, of pixels from 0 to 1.

        >>> Reconstruction().figure(np.array([0.99, 0.999, 1.0])).round(2).tolist()
        [20.0, 30.0, 60.0]
        """
        return -10.0 * np.log10(np.maximum(1.0 - np.asarray(score, np.float64), LEAST_ERROR))

    def refusal(self, spec: TaskSpec, modality: ModalitySpec) -> str:
        if modality.name not in WITH_THUMBNAILS:
            return f"the task {self.name}, which is of pictures, for {modality.name}s"
        wanted = thumbnail_shape(picture_shape(modality.name, modality.shape))
        outputs = thumbnail_outputs(modality.name, wanted)
        if tuple(spec.shape) != wanted or spec.outputs != outputs:
            return (
                f"thumbnails of shape {list(spec.shape)} and {spec.outputs} values, where those of its items are "
                f"{list(wanted)}, of {outputs}"
            )
        return ""


def picture_shape(modality: str, item_shape: Sequence[int]) -> tuple[int, ...]:
    """Shape of the pictures among items of a modality of `WITH_THUMBNAILS`.

    >>> picture_shape("image", (28, 28)), picture_shape("image_text", (3073,))
    ((28, 28), (3, 32, 32))
    """
    if modality == "image":
        return tuple(item_shape)
    side = side_of(item_shape[0]) if len(item_shape) == 1 else 0
    return 3, side, side


def thumbnail_outputs(modality: str, shape: Sequence[int]) -> int:
    """A decoder's outputs for thumbnails of a shape: the pixels, and where items may be texts one for which it is."""
    return math.prod(shape) + (modality == "image_text")


def thumbnail_shape(item_shape: Sequence[int]) -> tuple[int, ...]:
    """Of a picture's thumbnail: half its height and width, and `LARGEST_SIDE` at most.

    >>> thumbnail_shape((28, 28)), thumbnail_shape((3, 64, 32))
    ((14, 14), (3, 16, 16))
    """
    return (*item_shape[:-2], *(min(LARGEST_SIDE, -(-side // 2)) for side in item_shape[-2:]))


def thumbnails(items: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Pictures averaged over areas: float32 (n, values), 0 to 1.

    Args:
        items: uint8 (n, [3,] height, width).
        shape: ([3,] rows, columns).

    >>> thumbnails(np.array([[[0, 255], [255, 255]]], np.uint8), (1, 1)).tolist()
    [[0.75]]
    """
    rows, columns = area_matrices(items.shape[-2:], shape)
    found = np.matmul(rows, np.matmul(items.astype(np.float32) / 255.0, columns.T))
    return found.reshape(len(items), -1).astype(np.float32)


def area_matrices(sides: Sequence[int], shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """What averages rows, and columns: float32 (rows, height) and (columns, width).

    Args:
        sides: height and width of a picture.
        shape: of its thumbnail.
    """
    return area_shares(int(sides[-2]), int(shape[-2])), area_shares(int(sides[-1]), int(shape[-1]))
