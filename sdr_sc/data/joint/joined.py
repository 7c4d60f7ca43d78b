# SPDX-License-Identifier: GPL-3.0-or-later
"""Several data sets as one, of the modality ``image_text``: ``wordnet+noto_emoji``.

Pictures that have names for the task ``retrieval`` bring these names as texts, too: a picture and its name have one
entry in common. A task's answers are those of all members, one after the other, so that those of ``a+b`` are the first
of ``a+b+c``; an item of a member that lacks a task has the target -1 there. ``wordnet+noto_emoji,only=noto_emoji``
has the items of one member, with the answers of all, so that a model of both can be asked about it;
``only=noto_emoji_names`` its names. A set that asks questions (`sdr_sc.data.asked`) brings its pictures, each once, and
what is asked of it; nothing is asked of the other members' items.

Pictures are brought to one size: the largest of the members, but 32 pixels a side at most, or that of ``side=64``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from sdr_sc.data.asked import QUESTION, AskedItems, asked_items, each_once
from sdr_sc.data.dataset import CLASSIFICATION, LOADERS, Dataset, Split
from sdr_sc.data.joint.slots import longest_text, picture_slots, slot_bytes, text_slots
from sdr_sc.data.own_options import LARGEST_SIDE, SMALLEST_SIDE
from sdr_sc.data.ragged import HEAD_BYTES
from sdr_sc.data.texts import Texts, text_items
from sdr_sc.errors import DataSetError
from sdr_sc.sealed import digest_of
from sdr_sc.shown import shown

JOINT, NAMES_OF = "+", "_names"
RETRIEVAL, UNKNOWN = "retrieval", -1
TOGETHER: Mapping[str, float] = {"texts": 0.6, "pictures": 0.3, "asked": 0.1, "names": 0.1}
"""Weights of the shares of a training batch, by what the members hold, ``asked`` being pictures that questions are
asked of; what is missing leaves its share to the others."""
USUAL_SIDE = 32
"""Pixels, at most, unless another side is asked for: the work of an encoder grows with the square."""
_LONGEST_NAME = 256


@dataclass(frozen=True)
class Member:
    """Items of one data set among those of a `JoinedSet`.

    Attributes:
        key: by which it is chosen.
        kind: ``texts``, ``pictures``, or ``names`` of pictures.
        data: the data set; of names that of the pictures.
        first: place of each task's first answer among those of all members.
    """

    key: str
    kind: str
    data: Dataset
    first: dict[str, int]

    def __len__(self) -> int:
        return len(self.data.names(RETRIEVAL)) if self.kind == "names" else len(self.data)

    @cached_property
    def one_of_entry(self) -> np.ndarray:
        """Of each entry a picture of it: int64 (entries,)."""
        entries, first = np.unique(self.data.targets(RETRIEVAL, np.arange(len(self.data))), return_index=True)
        if len(entries) != len(self.data.names(RETRIEVAL)):
            raise DataSetError(f"data set {self.key} has entries without a picture; leave it out.")
        return first

    @property
    def stratum(self) -> str:
        """Which of `TOGETHER` its items are."""
        return "asked" if self.kind == "pictures" and asked_items(self.data) is not None else self.kind

    def places(self, index: np.ndarray) -> np.ndarray:
        """Places in the data set of items by their place here; of a name that of a picture of its entry."""
        return self.one_of_entry[index] if self.kind == "names" else index

    def slots(self, index: np.ndarray, side: int) -> np.ndarray:
        """Items in slots."""
        if self.kind == "pictures":
            return picture_slots(self.data.items(index), side)
        if self.kind == "texts":
            return text_slots(self.data.items(index), side)
        names, longest = self.data.names(RETRIEVAL), min(_LONGEST_NAME, longest_text(side))
        return text_slots(text_items((names[place] for place in index), longest).batch.slots(longest), side)

    def targets(self, task: str, index: np.ndarray) -> np.ndarray:
        """Answers among those of all members, `UNKNOWN` where it lacks the task: int32 (n,)."""
        if task not in self.first:
            return np.full(len(index), UNKNOWN, np.int32)
        return (self.data.targets(task, self.places(index)) + self.first[task]).astype(np.int32)


@dataclass(frozen=True)
class JoinedSet:
    """A `Dataset` of several; see above.

    Attributes:
        members: whose items these are, one after the other.
        answers: what each task's answers are called, ``classification`` first.
        side: of pictures, pixels.
        name, split, sha256, training_sha256: see `Dataset`.
    """

    members: tuple[Member, ...]
    answers: dict[str, tuple[str, ...]]
    side: int
    name: str
    split: Split
    sha256: str
    training_sha256: str
    modality: str = "image_text"

    def __len__(self) -> int:
        return int(self._ends[-1])

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum([0, *map(len, self.members)])

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those of any member, ``classification`` first."""
        return tuple(self.answers)

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Of a slot."""
        return (slot_bytes(self.side),)

    @cached_property
    def groups(self) -> np.ndarray:
        """int64 (items,), alike for items of one origin; a name is of its picture's."""
        found: list[np.ndarray] = []
        start = 0
        for member in self.members:
            own = np.asarray(getattr(member.data, "groups", ()), np.int64)
            own = own if len(own) else np.arange(len(member.data))
            _, numbered = np.unique(own, return_inverse=True)
            before = next((part for other, part in zip(self.members, found, strict=False)
                           if other.data is member.data), None)  # fmt: skip
            offset = start if before is None else int(before.min())
            found.append(numbered[member.places(np.arange(len(member)))] + offset)
            start = max(start, int(found[-1].max()) + 1)
        return np.concatenate(found)

    def strata(self, shares: Mapping[str, float] = TOGETHER) -> tuple[tuple[np.ndarray, float], ...]:
        """Places of the items of each kind, and the share of a training batch that is drawn from them.

        Args:
            shares: weights by the names of `TOGETHER`; a kind of weight 0 is left out.

        Raises:
            DataSetError: none of the kinds that are here has a weight.
        """
        found = []
        for kind in TOGETHER:
            parts = [np.arange(start, stop) for member, start, stop in self._spans() if member.stratum == kind]
            if parts and shares[kind] > 0:
                found.append((np.concatenate(parts), shares[kind]))
        whole = sum(share for _, share in found)
        if not found:
            raise DataSetError(f"data set {self.name} has no items of a kind with a share above 0; give it one.")
        return tuple((places, share / whole) for places, share in found)

    def _spans(self) -> list[tuple[Member, int, int]]:
        return list(zip(self.members, self._ends[:-1].tolist(), self._ends[1:].tolist(), strict=True))

    @cached_property
    def names_of_items(self) -> np.ndarray:
        """Of each picture the place of its name among the items, `UNKNOWN` of others: int64 (items,)."""
        found = np.full(len(self), UNKNOWN, np.int64)
        for names, first, _ in self._spans():
            for pictures, start, stop in self._spans():
                if names.kind == "names" and pictures.kind == "pictures" and pictures.data is names.data:
                    found[start:stop] = first + pictures.data.targets(RETRIEVAL, np.arange(stop - start))
        return found

    def items(self, index: np.ndarray) -> np.ndarray:
        """Items by place: uint8 (n, slot), see `sdr_sc.data.joint.slots`."""
        return self._gathered(index, np.empty((len(index), slot_bytes(self.side)), np.uint8),
                              lambda member, places: member.slots(places, self.side))  # fmt: skip

    def targets(self, task: str, index: np.ndarray) -> np.ndarray:
        """Places among a task's names, by items, `UNKNOWN` where an item has none: int32 (n,); of the task ``question``
        the answers to all that is asked of each, int32 (n, most).

        Raises:
            DataSetError: no member has targets for this task.
        """
        self.names(task)
        if task == QUESTION and self.asked_items is not None:
            return self.asked_items.answer[np.asarray(index) % len(self)].astype(np.int32)
        return self._gathered(index, np.empty(len(index), np.int32), lambda member, at: member.targets(task, at))

    @cached_property
    def asked_items(self) -> AskedItems | None:
        """What is asked of each item; None where no member asks."""
        if QUESTION not in self.answers:
            return None
        each: list[tuple[AskedItems, int, int, int]] = []
        for member, start, stop in self._spans():
            asked = asked_items(member.data)
            if asked is not None:
                each.append((asked, member.first[QUESTION], start, stop))
        texts = [*dict.fromkeys(text for asked, *_ in each for text in asked.texts)]
        place_of = {text: place for place, text in enumerate(texts)}
        most = max((asked.question.shape[1] for asked, *_ in each), default=1)
        question, answer = np.full((2, len(self), most), UNKNOWN, np.int64)
        for asked, first, start, stop in each:
            known, columns = asked.question >= 0, slice(asked.question.shape[1])
            here = np.array([place_of[text] for text in asked.texts], np.int64)
            question[start:stop, columns] = np.where(known, here[asked.question], UNKNOWN)
            answer[start:stop, columns] = np.where(known, asked.answer + first, UNKNOWN)
        longest = max((asked.longest for asked, *_ in each), default=1)
        return AskedItems(Texts.of(texts), longest, question, answer)

    def of_members(self, by_member: Sequence[np.ndarray]) -> np.ndarray:
        """What is known of the members' own items, such as vectors, for the items here.

        Args:
            by_member: (len(member.data), ...) of each.
        """
        known = {id(member): values for member, values in zip(self.members, by_member, strict=True)}
        found = np.empty((len(self), *by_member[0].shape[1:]), by_member[0].dtype)
        return self._gathered(np.arange(len(self)), found, lambda member, at: known[id(member)][member.places(at)])

    def _gathered(self, index: np.ndarray, found: np.ndarray, part_of: Any) -> np.ndarray:
        index = np.asarray(index) % len(self)
        number = np.searchsorted(self._ends, index, side="right") - 1
        for place, member in enumerate(self.members):
            chosen = number == place
            if chosen.any():
                found[chosen] = part_of(member, index[chosen] - self._ends[place])
        return found

    def names(self, task: str) -> tuple[str, ...]:
        """What a task's answers are called; errors as for `targets`."""
        if task not in self.answers:
            known = ", ".join(map(repr, self.tasks))
            raise DataSetError(f"data set {self.name} has no targets for the task {task!r}; it has {known}.")
        return self.answers[task]


def load_joined(spec: str, split: Split) -> JoinedSet:
    """Registered data sets as one.

    Args:
        spec: their names with ``+`` between, and the options ``,only=`` with the member whose items are wanted, and
            ``,side=`` with the pixels a side of pictures.

    Raises:
        DataSetError: one is unknown, is missing, or has what cannot be joined; in one sentence.
    """
    names, only, side = parse_joined(spec)
    return _joined(names, split, only, side)


def parse_joined(spec: str) -> tuple[tuple[str, ...], str, int]:
    """The members' names of a joined set's specification, the one whose items are wanted or '', and the side or 0;
    nothing is loaded.

    Raises:
        DataSetError: a name or an option is unknown.
    """
    listed, *words = spec.split(",")
    names, options = listed.split(JOINT), {"only": "", "side": ""}
    for one in words:
        word, equals, value = one.strip().partition("=")
        if word not in options or not equals or options[word]:
            raise DataSetError(
                f"data set {shown(spec)}: option {shown(repr(one.strip()))} is unknown; use only=MEMBER and "
                "side=PIXELS, each once."
            )
        options[word] = value
    side_text = options["side"]
    side = int(side_text) if side_text.isascii() and side_text.isdigit() and len(side_text) < 6 else 0
    if side_text and not SMALLEST_SIDE <= side <= LARGEST_SIDE:
        raise DataSetError(
            f"data set {shown(spec)} has side={shown(side_text)}; use {SMALLEST_SIDE} to {LARGEST_SIDE} pixels."
        )
    unknown = [name for name in names if name not in LOADERS]
    if unknown or len(set(names)) != len(names):
        wrong = f"{shown(repr(unknown[0]))} is unknown" if unknown else "a member is named twice"
        raise DataSetError(f"data set {shown(spec)}: {wrong}; join names such as {', '.join(sorted(LOADERS))}.")
    return tuple(names), options["only"], side


def with_further(spec: str, further: Sequence[str]) -> str:
    """The specification of a data set with further members.

    >>> with_further("wordnet+noto_emoji,side=64", ["openclipart"])
    'wordnet+noto_emoji+openclipart,side=64'
    """
    listed, comma, options = spec.partition(",")
    return JOINT.join((listed, *further)) + comma + options


@lru_cache(maxsize=6)
def _joined(names: tuple[str, ...], split: Split, only: str, wanted_side: int) -> JoinedSet:
    sets = {name: each_once(LOADERS[name](split)) for name in names}
    answers, members = _members(sets)
    kept = [member for member in members if member.key == only] if only else members
    if not kept:
        known = ", ".join(member.key for member in members)
        raise DataSetError(f"data set {JOINT.join(names)} has no member {shown(repr(only))}; use one of {known}.")
    side = wanted_side
    if not side:
        largest = max((data.item_shape[-1] for data in sets.values() if data.modality == "image"), default=16)
        side = min(largest, USUAL_SIDE)
    longest = max((data.item_shape[0] - HEAD_BYTES for data in sets.values() if data.modality == "text"), default=0)
    while longest > longest_text(side):
        side += 1
    sha256, training_sha256 = (
        digest_of(["joined", *(getattr(data, which) for data in sets.values()), *([side] if wanted_side else [])])
        for which in ("sha256", "training_sha256")
    )
    if only:
        sha256 = digest_of([sha256, only])
    title = " + ".join(data.name for data in sets.values()) + (f", {only} alone" if only else "")
    return JoinedSet(tuple(kept), answers, side, title, split, sha256, training_sha256)


def _members(sets: Mapping[str, Dataset]) -> tuple[dict[str, tuple[str, ...]], list[Member]]:
    """Answers of all tasks of the members, and the members."""
    for name, data in sets.items():
        if data.modality not in ("image", "text") or not {CLASSIFICATION, QUESTION} & set(data.tasks):
            raise DataSetError(
                f"data set {name} cannot be joined; take sets of pictures or texts with classes, or that ask questions."
            )
    tasks = dict.fromkeys(task for data in sets.values() for task in data.tasks)
    if CLASSIFICATION not in tasks:
        raise DataSetError(f"data set {JOINT.join(sets)} has no classes; join at least one set with classes.")
    answers: dict[str, tuple[str, ...]] = {}
    first: dict[str, dict[str, int]] = {name: {} for name in sets}
    for task in sorted(tasks, key=lambda one: one != CLASSIFICATION):
        having = {
            name: data
            for name, data in sets.items()
            if task in data.tasks and (task == QUESTION or data.targets(task, np.arange(1)).ndim == 1)
        }
        if not having:
            continue
        together: list[str] = []
        taken: set[str] = set()
        for name, data in having.items():
            first[name][task] = len(together)
            own = [one if task == RETRIEVAL or one not in taken else f"{one} ({name})" for one in data.names(task)]
            taken.update(own)
            together += own
        answers[task] = tuple(together)
    members = []
    for name, data in sets.items():
        members.append(Member(name, "texts" if data.modality == "text" else "pictures", data, first[name]))
        if data.modality == "image" and RETRIEVAL in first[name]:
            members.append(Member(name + NAMES_OF, "names", data, first[name]))
    return answers, members
