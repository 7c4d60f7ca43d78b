# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task is: what the decoder's outputs mean, what training minimises, and how answers are scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sdr_sc.errors import ContractError
from sdr_sc.shown import shown

if TYPE_CHECKING:
    from torch import Tensor

    from sdr_sc.semantic.contract import ModelContract
    from sdr_sc.semantic.specs import ModalitySpec, TaskSpec

LOST, NOT_A_NUMBER, REJECTED, NO_ANSWER = -1, -2, -3, -4
"""In place of an answer's id: nothing of the item arrived; something did, and the model gave no number for it; its
confidence stayed too low for an answer ("I do not know"); or the item has no answer to this task, as a text has no
thumbnail."""
LARGEST_WIRE_ID = 15


@dataclass(frozen=True)
class TaskAnswer:
    """Answers to some items.

    Attributes:
        ids: int64 (n, top), best first: places among the task's names; `LOST`, `NOT_A_NUMBER` or `NO_ANSWER` where
            there is none.
        confidence: float32 (n,), the probability of the first; 0 where there is none.
        each: float32 (n, top), the probability of each answer, where a task gives several; None otherwise.
        pictures: uint8 (n, [3,] height, width) of a task that answers with pictures, whose ids are 0 where there is
            one, and whose confidence is 0; None of the others.
    """

    ids: np.ndarray
    confidence: np.ndarray
    each: np.ndarray | None = None
    pictures: np.ndarray | None = None

    @property
    def best(self) -> np.ndarray:
        """int64 (n,), the first of each."""
        return self.ids[:, 0]


class Task:
    """A task; a subclass is registered by its name with `register_task`.

    Attributes:
        name: in contracts, data sets and results.
        wire_id: 0..15, in the frame header.
        metric, unit: what `figure` of the mean of `score` is called, and its unit.
        top: answers that a receiver gives of an item, best first.
        needs: what the receiver needs beside the outputs: ``gallery``, ``question``, or '' for nothing.
        of_items: whether its targets are made of the items themselves, so that no data set lists them.
    """

    name = ""
    wire_id = 0
    metric, unit = "accuracy", "%"
    top = 1
    needs = ""
    of_items = False

    def outputs(self, spec: TaskSpec) -> int:
        """Numbers that the decoder gives of each item: one for each of the task's names, if the contract has no other
        number."""
        return spec.outputs or len(spec.names)

    def loss(self, output: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        """What training minimises beside distillation, which is of the outputs as logits.

        Args:
            output: float32 (..., items, outputs).
            targets: int64 (items,).
            smoothing: probability that is spread over all outputs, where they are probabilities.

        Returns:
            float32 (..., items).
        """
        raise NotImplementedError

    def answer(self, output: np.ndarray, spec: TaskSpec, top: int = 1) -> TaskAnswer:
        """Answers from the decoder's outputs.

        Args:
            output: float32 (n, outputs); NaN where the item was lost, infinite where the model gave no number.
            top: answers an item, best first.
        """
        raise NotImplementedError

    def score(self, ids: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """How good answers are: float32 (n,), 0 to 1.

        Args:
            ids: int (n,), the best answers.
            targets: int (n,), what is right.
        """
        raise NotImplementedError

    def figure(self, score: np.ndarray | float) -> np.ndarray:
        """The metric from a mean of `score`, or from several, in `unit`; it rises with the score.

        What may be lost of it, such as by the channel-adaptive module, counts in this unit: points, or dB.
        """
        return 100.0 * np.asarray(score, np.float64)

    def refusal(self, spec: TaskSpec, modality: ModalitySpec) -> str:
        """Why a contract's task makes no sense for items of its modality, to follow "has"; '' if it does."""
        return ""

    def right(self, ids: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Which answers count as right: bool (n,); where an answer or its target is below 0, it is none."""
        known = (ids >= 0) & (targets >= 0)
        return known & (self.score(ids, targets) >= 0.5)


_TASKS: dict[str, Task] = {}


def register_task(task: Callable[[], Task]) -> Callable[[], Task]:
    """Decorator of a subclass of `Task`: contracts may name it.

    Raises:
        ContractError: its name or wire id is another task's.
    """
    made = task()
    for other in _TASKS.values():
        if type(other).__qualname__ != type(made).__qualname__ and made.wire_id == other.wire_id:
            raise ContractError(f"task {made.name!r} has the wire id {made.wire_id} of task {other.name!r}.")
    if not 0 <= made.wire_id <= LARGEST_WIRE_ID or not made.name:
        raise ContractError(
            f"task {made.name!r} has the wire id {made.wire_id}; use a name, and 0 to {LARGEST_WIRE_ID}."
        )
    _TASKS[made.name] = made
    return task


def output_slices(contract: ModelContract) -> list[slice]:
    """Which of a decoder's outputs are those of each of its tasks, in the contract's order."""
    ends = np.cumsum([0, *(task_of(spec.name).outputs(spec) for spec in contract.tasks)]).tolist()
    return [slice(start, stop) for start, stop in zip(ends, ends[1:], strict=False)]


def task_by_wire_id(wire_id: int) -> Task:
    """The task of a frame's header.

    Raises:
        ContractError: there is none.
    """
    for task in _TASKS.values():
        if task.wire_id == wire_id:
            return task
    raise ContractError(f"no task has the wire id {wire_id}.")


def registered_tasks() -> frozenset[str]:
    """Names of the tasks that this program knows."""
    return frozenset(_TASKS)


def task_of(name: Any) -> Task:
    """The task of a name.

    Raises:
        ContractError: there is none.
    """
    if not isinstance(name, str) or name not in _TASKS:
        raise ContractError(f"task {shown(repr(name), 80)} is unknown; this program knows {', '.join(sorted(_TASKS))}.")
    return _TASKS[name]
