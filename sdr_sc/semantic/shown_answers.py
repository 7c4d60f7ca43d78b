# SPDX-License-Identifier: GPL-3.0-or-later
"""A task's answer to one item as people read it: names, probabilities, and whether it is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sdr_sc.semantic.tasks.base import LOST, NO_ANSWER, NOT_A_NUMBER, REJECTED

WITHOUT = {LOST: "lost", NOT_A_NUMBER: "no number", REJECTED: "not sure", NO_ANSWER: "none"}
"""What stands in place of an answer, by the number in place of its id."""
Names = Sequence[str] | Mapping[int, str]


@dataclass(frozen=True)
class ShownAnswer:
    """What a task answered of an item.

    Attributes:
        task: its name.
        answers: name and probability of each, best first; the probability is None where it is not known.
        right: place of the right one among them, -1 where it is none of them, None where nobody knows what is right.
        truth: name of what is right; '' where it is not known.
        without: why there is no answer; '' where there is one.
    """

    task: str
    answers: tuple[tuple[str, float | None], ...] = ()
    right: int | None = None
    truth: str = ""
    without: str = ""

    @property
    def state(self) -> str:
        """``right``; ``listed``, where a further answer is right; ``wrong``; ``lost``, where there is no answer; or
        ``unknown``, where nobody knows what is right."""
        if self.without:
            return "lost"
        if self.right is None:
            return "unknown"
        return "right" if self.right == 0 else "listed" if self.right > 0 else "wrong"


def shown_answer(task: str, names: Names, ids: np.ndarray, probability: Sequence[float], target: int) -> ShownAnswer:
    """A task's answer to one item.

    Args:
        names: what the answers are called, by their ids; others are called by their number.
        ids: int (top,), best first; see `sdr_sc.semantic.tasks.base.TaskAnswer`.
        probability: of the first ones of these.
        target: id of what is right; below 0 where it is not known.

    >>> found = shown_answer("retrieval", ["cat", "dog"], np.array([1, 0]), [0.75], 0)
    >>> found.answers, found.right, found.truth, found.state
    ((('dog', 0.75), ('cat', None)), 1, 'cat', 'listed')
    >>> shown_answer("retrieval", ["cat", "dog"], np.array([-1, -1]), [0.0], 7).without
    'lost'
    """
    truth = name_of(names, target) if target >= 0 else ""
    first = int(ids[0]) if len(ids) else LOST
    if first < 0:
        return ShownAnswer(task, truth=truth, without=WITHOUT.get(first, WITHOUT[LOST]))
    sure = [*map(float, probability), *[None] * len(ids)]
    answers = tuple((name_of(names, int(one)), each) for one, each in zip(ids, sure, strict=False) if one >= 0)
    places = np.flatnonzero(ids == target)
    right = None if target < 0 else int(places[0]) if len(places) else -1
    return ShownAnswer(task, answers, right, truth)


def name_of(names: Names, number: int) -> str:
    """What an answer is called; its number, 0 or more, where nobody gave it a name.

    >>> name_of(["cat", "dog"], 1), name_of({4: "cat"}, 1)
    ('dog', 'number 1')
    """
    try:
        return names[number]
    except LookupError:
        return f"number {number}"
