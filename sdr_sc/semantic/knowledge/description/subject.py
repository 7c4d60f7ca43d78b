# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver has of one item when it is described: answers of all tasks, the entries looked up, the base."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sdr_sc.errors import SdrScError
from sdr_sc.semantic.knowledge.answering.known import USED, KnownAnswers
from sdr_sc.semantic.knowledge.interface import NO_ENTRY, Entry
from sdr_sc.semantic.shown_answers import WITHOUT, ShownAnswer
from sdr_sc.semantic.tasks.base import LOST
from sdr_sc.shown import reason_of


@dataclass(frozen=True)
class NearEntry:
    """An entry that was looked up.

    Attributes:
        number: its id.
        similarity: cosine to what was received.
        share: of the answer's probability, from 0 to 1, that is from this entry.
        entry: what the base has of it; None where it could not be read.
        fault: why not; '' where it could.
        is_local: whether it is one of this receiver's own, of what it was sure of lately.
    """

    number: int
    similarity: float
    share: float = 0.0
    entry: Entry | None = field(default=None, repr=False)
    fault: str = ""
    is_local: bool = False


@dataclass(frozen=True)
class Subject:
    """What is known of an item.

    Attributes:
        answers: of each task, the first task's first; `ShownAnswer.without` says why one has none.
        alone: name that the decoder alone would have answered, by task, where a base had a part in the answer;
            '' where it had no answer.
        entries: looked up, the nearest first.
        base: its state, `USED` or why it was not asked; '' where the receiver has none.
        base_name: what the base is called; '' where nobody says.
        task: that the base has a part in.
        calibrated: tasks whose confidence is calibrated.
        question: that the task ``question`` answers; '' for none.
    """

    answers: tuple[ShownAnswer, ...]
    alone: Mapping[str, str] = field(default_factory=dict)
    entries: tuple[NearEntry, ...] = ()
    base: str = ""
    base_name: str = ""
    task: str = "classification"
    calibrated: frozenset[str] = frozenset()
    question: str = ""


def near_entries(
    ids: Sequence[int] | np.ndarray,
    similarity: Sequence[float] | np.ndarray,
    shares: Sequence[float] | np.ndarray,
    is_local: Sequence[int] | np.ndarray,
    entry: Callable[[int, bool], Entry],
) -> tuple[NearEntry, ...]:
    """The entries of one item with what their base has of them.

    Args:
        ids, similarity, shares, is_local: of each, nearest first; `NO_ENTRY` as id where there is none.
        entry: of a base, by its id and whether that is the local one. An entry that cannot be read, or is gone since,
            has a fault.
    """
    found = []
    for number, near, share, local in zip(ids, similarity, shares, is_local, strict=True):
        if int(number) == NO_ENTRY:
            continue
        one = NearEntry(int(number), float(near), float(share), is_local=bool(local))
        try:
            found.append(replace(one, entry=entry(one.number, one.is_local)))
        except SdrScError as error:
            found.append(replace(one, fault=reason_of(error, 120).removesuffix(".")))
    return tuple(found)


def subject_of(
    found: KnownAnswers,
    place: int,
    alone: str,
    entry: Callable[[int, bool], Entry],
    others: Sequence[ShownAnswer] = (),
    task: str = "classification",
    base_name: str = "",
    calibrated: frozenset[str] = frozenset(),
    question: str = "",
    is_fused: bool = True,
) -> Subject:
    """An item of a frame that was answered with a base.

    Args:
        found: the frame's answers.
        place: of the item.
        alone: name of what the decoder alone says; '' for nothing.
        entry: see `near_entries`.
        others: answers to further tasks.
        task: that the base has a part in.
        base_name, calibrated, question: see `Subject`.
        is_fused: whether a base that was used had a part in the answer, whose confidence is calibrated then, and was
            not only looked up.
    """
    number, sure = int(found.ids[place]), float(found.confidence[place])
    if number < 0:
        own = ShownAnswer(task, without=WITHOUT.get(number, WITHOUT[LOST]))
    else:
        own = ShownAnswer(task, ((found.names[place], sure),))
    entries, shares = found.entries[place], found.shares[place]
    used = found.state == USED
    return Subject(
        (own, *others),
        {task: alone} if used else {},
        near_entries(entries, found.similarity[place], shares, found.is_local[place], entry),
        found.state,
        base_name or found.base_id,
        task,
        calibrated | {task} if used and is_fused else calibrated,
        question,
    )
