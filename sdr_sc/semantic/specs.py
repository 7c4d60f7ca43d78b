# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a model's contract: its modality, its tasks, and the table of its channel-adaptive module."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from sdr_sc.documents import whole_number
from sdr_sc.errors import ContractError
from sdr_sc.shown import shown

LARGEST_ITEM = 1 << 24
MOST_NAMES = 1 << 16
LONGEST_NAME = 256
MOST_PARAMETERS = 64


@dataclass(frozen=True)
class ModalitySpec:
    """What kind of items a model takes.

    Attributes:
        name: such as ``image``; see `sdr_sc.semantic.modalities`.
        shape: of one item, uint8.
        parameters: the modality's own; of images ``mean`` and ``std`` of pixels scaled to 0..1.

    Raises:
        ContractError: the shape is none, or the parameters are too many.
    """

    name: str
    shape: tuple[int, ...]
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes_fit = all(isinstance(size, int) and size > 0 for size in self.shape)
        if not self.shape or not sizes_fit or math.prod(self.shape) > LARGEST_ITEM:
            raise ContractError(
                f"items of shape {shown(repr(list(self.shape)), 80)}, which must be whole numbers above 0, of "
                f"{LARGEST_ITEM} values at most"
            )
        if len(self.parameters) > MOST_PARAMETERS:
            raise ContractError(f"{len(self.parameters)} parameters of its modality, more than {MOST_PARAMETERS}")

    def number(self, name: str, default: float) -> float:
        """A parameter that is a number; NaN for one that is another thing."""
        value = self.parameters.get(name, default)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


@dataclass(frozen=True)
class TaskSpec:
    """One task of a model.

    Attributes:
        name: such as ``classification``; see `sdr_sc.semantic.tasks`.
        names: what its answers are called, such as the classes; none where these are entries of a gallery, or pictures.
        outputs: numbers that the decoder gives of each item, such as the length of a vector; 0 for one a name.
        shape: of a picture that they are; empty where they are none.

    Raises:
        ContractError: there are no names, too many, or two alike.
    """

    name: str
    names: tuple[str, ...]
    outputs: int = 0
    shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if whole_number(self.outputs, 0, MOST_NAMES) is None:
            raise ContractError(
                f"{shown(repr(self.outputs), 80)} outputs of the task {shown(self.name)}; it must be up to {MOST_NAMES}"
            )
        if self.outputs and not self.names:
            return
        if not 1 <= len(self.names) <= MOST_NAMES or len(set(self.names)) != len(self.names):
            raise ContractError(
                f"{len(self.names)} class names, of which {len(set(self.names))} differ; it must be one for each "
                f"class, 1 to {MOST_NAMES} of them"
            )


@dataclass(frozen=True)
class CamTable:
    """Which k the channel-adaptive module sends at which SNR (see `sdr_sc.semantic.cam`).

    Attributes:
        snr_db: rising SNR grid, dB.
        k: feature symbols per item at each grid point, never rising with the SNR.
        accuracy: measured quality of the first task, the mean of its score, 0 to 1: one row for each grid point, one
            column for each k of the model's list.
        max_loss_points: accuracy points below the best that the choice gives away, at most.
        measured_on: the data that the accuracies come from.
        others: the same of the other tasks that were measured, by their names.
    """

    snr_db: tuple[float, ...]
    k: tuple[int, ...]
    accuracy: tuple[tuple[float, ...], ...]
    max_loss_points: float
    measured_on: str
    others: dict[str, tuple[tuple[float, ...], ...]] = field(default_factory=dict)

    def quality(self, task: str, first: str) -> tuple[tuple[float, ...], ...]:
        """Measured quality of a task, as ``accuracy`` is of the first one.

        Raises:
            ContractError: it was not measured.
        """
        if task == first:
            return self.accuracy
        if task not in self.others:
            known = ", ".join((first, *self.others))
            raise ContractError(f"the quality of task {shown(repr(task), 80)} was not measured, only that of {known}")
        return self.others[task]
