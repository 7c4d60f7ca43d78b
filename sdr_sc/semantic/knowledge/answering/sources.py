# SPDX-License-Identifier: GPL-3.0-or-later
"""A base and its fusion rules, open in a receiver: whether they may be asked, also after their files changed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from sdr_sc.errors import KnowledgeError, MissingDependencyError
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.knowledge.answering.known import USED
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.features import FeatureVectors
from sdr_sc.semantic.knowledge.fusion.posterior import class_prior
from sdr_sc.semantic.knowledge.interface import UNKNOWN_CLASS, all_names, classes_of
from sdr_sc.semantic.knowledge.rules.book import Rules
from sdr_sc.semantic.knowledge.storage.signatures import check_signature
from sdr_sc.semantic.knowledge.storage.state import check_model, contract_checksum
from sdr_sc.semantic.knowledge.storage.table import EXACT_LIMIT
from sdr_sc.shown import shown

OTHER_MODEL, OTHER_CONTRACT, OTHER_VECTORS = "other model", "other contract", "other vectors"
NOT_SIGNED, EMPTY, NO_INDEX, TOO_MANY = "not signed as required", "empty", "no index", "too many classes"
DAMAGED, RULES_DAMAGED = "damaged", "rules damaged"
RULES_OTHER_MODEL, RULES_OTHER_BASE = "rules of other model", "rules of other base"
RULES_OTHER_VERSION = "other version"
MOST_CLASSES = 4096
"""Classes of a task that a base may name, beyond the model's own: answers are arrays of items x classes."""
_MOST_ID = (1 << 31) - 1
_Stamp = tuple[int, ...]


class SwitchedOffError(Exception):
    """Why a base may not be asked.

    Args:
        state: in a few words, by which it is counted.
        sentence: for people.
    """

    def __init__(self, state: str, sentence: str) -> None:
        super().__init__(sentence)
        self.state, self.sentence = state, sentence


def check_there(base: Path | str, rules: Path | str) -> None:
    """Refuse files that are not there, before anything is opened.

    Raises:
        KnowledgeError: one is not.
    """
    for path, what, fix in (
        (base, "knowledge base", "make it with 'sdr-sc kb build'"),
        (rules, "rules", "make them with 'sdr-sc kb fit'"),
    ):
        if not os.path.exists(path):
            raise KnowledgeError(f"{what} {shown(path)} cannot be read (no such file); {fix}.")


class Sources:
    """Base and rules, opened for a model; opened again when one of their files changes.

    Args:
        contract: of the receiver's model.
        task: whose answers are wanted.
        base, rules: their files.
        require_signature: see `KnowledgeBase`.

    Attributes:
        base: as it is open, or None.
        rules: of the base, or None.
        state: `USED`, or why the base is off, in a few words; ``sentence`` for people.
        names: of all classes of the base's answers, the model's first.

    Raises:
        KnowledgeError: a file is not there.
    """

    def __init__(
        self, contract: ModelContract, task: str, base: Path | str, rules: Path | str, require_signature: str = ""
    ) -> None:
        self._contract, self._task, self._required = contract, task, require_signature
        self._own_names = tuple(contract.task(task).names)
        self._sha256 = contract_checksum(contract)
        self._paths = Path(base), Path(rules)
        check_there(*self._paths)
        self.base: KnowledgeBase | None = None
        self.rules: Rules | None = None
        self._stamps: list[_Stamp] = [(), ()]
        self._faults: list[SwitchedOffError | None] = [None, None]
        self._load_base()
        self._load_rules()
        self._judge()

    def close(self) -> None:
        """Close the base."""
        if self.base is not None:
            self.base.close()
            self.base = None

    def refresh(self) -> bool:
        """Open again what has changed since; whether anything had.

        To be called for each frame: it takes some fifty microseconds where nothing has changed.
        """
        base_changed, rules_changed = self._is_changed(0), self._is_changed(1)
        if self.base is not None and not base_changed:
            try:
                base_changed = not self.base.is_current()
            except KnowledgeError:
                base_changed = True
        if not (base_changed or rules_changed):
            return False
        if base_changed:
            self._load_base()
        if rules_changed:
            self._load_rules()
        self._judge()
        return True

    def _is_changed(self, which: int) -> bool:
        """Of a base that is open its own question is asked; otherwise whether another attempt makes sense."""
        if which == 0 and self.base is not None:
            return False
        return _stamp(self._paths[which]) != self._stamps[which]

    def _load_base(self) -> None:
        self.close()
        path = self._paths[0]
        self._stamps[0], self._faults[0] = _stamp(path), None
        try:
            self.base = KnowledgeBase(path)
        except (KnowledgeError, MissingDependencyError) as error:
            self._faults[0] = SwitchedOffError(DAMAGED, str(error))

    def _load_rules(self) -> None:
        path = self._paths[1]
        self._stamps[1], self._faults[1], self.rules = _stamp(path), None, None
        try:
            self.rules = Rules.load(path)
        except KnowledgeError as error:
            self._faults[1] = SwitchedOffError(RULES_DAMAGED, str(error))

    def _judge(self) -> None:
        self.names, self.state, self.sentence = self._own_names, USED, ""
        try:
            self._check()
            self._prepare()
        except SwitchedOffError as off:
            self.state, self.sentence = off.state, off.sentence

    def _check(self) -> None:
        """Raise `SwitchedOffError` where base and rules are not for this model, and for each other."""
        for fault in self._faults:
            if fault is not None:
                raise fault
        assert self.base is not None and self.rules is not None
        state, named, rules = self.base.state, self.base.named, self.rules
        try:
            check_model(state, self._contract, named)
        except KnowledgeError as error:
            is_model = state.space.model_id != self._contract.model_id
            raise SwitchedOffError(OTHER_MODEL if is_model else OTHER_CONTRACT, str(error)) from None
        try:
            check_signature(state, named, self._required)
        except (KnowledgeError, MissingDependencyError) as error:
            raise SwitchedOffError(NOT_SIGNED, str(error)) from None
        try:
            FeatureVectors.of_name(state.space.name)
        except KnowledgeError as error:
            raise SwitchedOffError(OTHER_VECTORS, str(error)) from None
        if not len(self.base):
            raise SwitchedOffError(EMPTY, f"{named} is empty; build it of items, or update it.")
        if len(self.base) > EXACT_LIMIT and self.base.table.index is None:
            raise SwitchedOffError(
                NO_INDEX,
                f"{named} has {len(self.base)} entries, and the Python module 'faiss' is missing, without which a "
                "frame's search would take too long; run 'make setup'.",
            )
        book, fit = f"rules {shown(self._paths[1])}", "make them again with 'sdr-sc kb fit'"
        if (rules.model_id, rules.contract_sha256) != (self._contract.model_id, self._sha256):
            raise SwitchedOffError(RULES_OTHER_MODEL, f"{book} were fitted with another model or contract; {fit}.")
        if rules.base_id != state.base_id or rules.task != self._task:
            raise SwitchedOffError(
                RULES_OTHER_BASE,
                f"{book} were fitted for base {shown(rules.base_id, 40)} and task {shown(repr(rules.task), 80)}, and "
                f"{named} is {state.base_id}, asked for {self._task!r}; {fit}.",
            )
        if not rules.fits(state):
            raise SwitchedOffError(
                RULES_OTHER_VERSION,
                f"{book} were fitted for version {rules.version} of the base, and {named} is version {state.version}; "
                f"{fit}.",
            )

    def _prepare(self) -> None:
        """Look up what does not change between frames: the classes of all entries."""
        assert self.base is not None
        base, own = self.base, len(self._own_names)
        if len(base.names_of(self._task)) > MOST_CLASSES:
            raise SwitchedOffError(
                TOO_MANY, f"{base.named} names more than {MOST_CLASSES} classes; build a smaller one."
            )
        ids = base.table.ids
        if int(ids.max()) > _MOST_ID:
            raise SwitchedOffError(DAMAGED, f"{base.named} has entries of numbers above {_MOST_ID}; build it again.")
        names = all_names(base, self._task, self._own_names)
        self._ids, self._classes = ids, classes_of(base, ids, self._task, names)
        counted = np.bincount(self._classes[self._classes >= 0], minlength=len(names))
        self.prior, self.names = class_prior(counted, own), names

    def classes(self, ids: np.ndarray) -> np.ndarray:
        """Classes of entries among `names`: int64 of the same shape, `UNKNOWN_CLASS` where there is none."""
        places = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        return np.where(self._ids[places] == ids, self._classes[places], UNKNOWN_CLASS)


def _stamp(path: Path) -> _Stamp:
    """What changes with a file; () where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
