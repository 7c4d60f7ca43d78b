# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame's answers from the decoder, a global knowledge base, and what this receiver was sure of lately.

Where both bases are used they are joined one after the other (`sdr_sc.semantic.knowledge.fusion.fuse` twice). The local
base comes first: its entries are earlier receptions with the decoder's own answers, so that decoder and local base
together are one better decoder, whose probabilities have the same classes. These are fused with the global base. Both
gates go by the margin of the decoder alone, as they were fitted: an entry of the local base must not talk a new class
down. With weights ``l`` and ``g`` the bases count ``1 - (1 - l)(1 - g)`` together, and where the guard holds for the
decoder both are 0.

Whatever does not fit switches the bases off: the decoder's answers then pass as they are, and are counted by the
reason. A lost item stays lost.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sdr_sc.errors import ContractError, KnowledgeError
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.knowledge.answering.known import LISTED, USED, Decoded, KnownAnswers
from sdr_sc.semantic.knowledge.answering.seen import Seen
from sdr_sc.semantic.knowledge.answering.sources import Sources
from sdr_sc.semantic.knowledge.fusion.fuse import fuse
from sdr_sc.semantic.knowledge.fusion.posterior import evidence_of, query_of
from sdr_sc.semantic.knowledge.fusion.rule import FusionRule
from sdr_sc.semantic.knowledge.interface import NO_ENTRY, Entry
from sdr_sc.semantic.knowledge.local import CAPACITY
from sdr_sc.shown import shown

NEIGHBOURS = 64
"""Entries of a global base that an answer is made from."""
SOURCES = 2
"""Of the listed entries, those that an answer comes from most are among them whatever is nearer."""
LOST_FRAME, NO_RULE, BELOW_RULES = "lost frame", "no rule for this k", "SNR below the rules"
BELOW_DB = 2.0
"""How far below the lowest SNR of its rules a base is still asked, dB."""
_log = logging.getLogger(__name__)


class KnowledgeAnswers:
    """The bases of a receiver.

    Args:
        contract: of its model.
        base, rules: files of the global base and of its fusion rules (`sdr_sc.semantic.knowledge.rules.book`).
        local: file of the local base, which is made where there is none; '' for no local base.
        capacity: entries of the local base.
        task: that is answered; '' for the model's first one.
        require_signature: public key, or its file, that has to have signed the global base; '' for none.
        names: what answers are numbered by, such as the names of a data set; names that are missing there get the
            numbers that follow, and keep them. Empty for the model's own names.
        log: called with a sentence when the bases' state changes.

    Attributes:
        names: of the answers, by their ids.
        counts: items by state.

    Raises:
        KnowledgeError: a file is not there, or the local base cannot be used; in one sentence. Bases and rules that
            are there and do not fit are no error, but a state.
        ContractError: the model has no such task, or one without classes.
    """

    def __init__(
        self,
        contract: ModelContract,
        base: Path | str,
        rules: Path | str,
        local: Path | str = "",
        capacity: int = CAPACITY,
        task: str = "",
        require_signature: str = "",
        names: Sequence[str] = (),
        log: Callable[[str], None] = _log.warning,
    ) -> None:
        self.contract, self.task = contract, task or contract.tasks[0].name
        self._own = tuple(contract.task(self.task).names)
        if not self._own or self.task == "question":
            raise ContractError(
                f"the task {shown(repr(self.task), 80)} of model {contract.name!r} has no classes that a base could "
                "answer; give a task such as classification."
            )
        self._log = log
        self.counts: Counter[str] = Counter()
        self.names: list[str] = list(dict.fromkeys(names or self._own))
        if names and len(self.names) != len(names):
            raise KnowledgeError("the names that answers are numbered by have one twice; give another numbering.")
        self._number: dict[str, int] = {name: place for place, name in enumerate(self.names)}
        self.sources = Sources(contract, self.task, base, rules, require_signature)
        self.seen: Seen | None = None
        try:
            if local:
                self.seen = Seen(contract, self.task, local, capacity)
        except BaseException:
            self.sources.close()
            raise
        self._renumber()
        if self.sources.sentence:
            self._log(self._off_line())

    def close(self) -> None:
        """Close the files."""
        self.sources.close()
        if self.seen is not None:
            self.seen.close()

    def entry(self, number: int, is_local: bool = False) -> Entry:
        """An entry that an answer lists.

        Raises:
            KnowledgeError: it is not there any more.
        """
        base = self.seen.base if is_local and self.seen is not None else None if is_local else self.sources.base
        if base is None:
            raise KnowledgeError(f"entry {number} cannot be shown: its base is not open.")
        return base.entry(number)

    def answers(self, decoded: Decoded) -> KnownAnswers:
        """Answers to a frame.

        Raises:
            ContractError: logits, features and answers are of different items, or of another model's classes.
        """
        count = len(decoded.ids)
        if decoded.logits.shape != (count, len(self._own)) or len(decoded.features) != count:
            raise ContractError(
                f"{count} answers with logits of shape {decoded.logits.shape} and {len(decoded.features)} items' "
                f"features do not fit a model of {len(self._own)} classes."
            )
        before = self.sources.state, self.sources.sentence
        if self.sources.refresh():
            self._renumber()
            if (self.sources.state, self.sources.sentence) != before:
                self._log(self._off_line() if self.sources.sentence else "the knowledge base is used again.")
        state, rule = self._state_of(decoded)
        if state != USED or rule is None:
            return self.passed(decoded.ids, decoded.confidence, state)
        self.counts[state] += count
        return self._fused(decoded, rule)

    def passed(self, ids: np.ndarray, confidence: np.ndarray, state: str, is_other: bool = False) -> KnownAnswers:
        """The decoder's answers to a frame as they are.

        Args:
            ids, confidence: of `Decoded`.
            state: why, by which they are counted.
            is_other: they are another model's, whose numbers mean nothing here.
        """
        count = len(ids)
        self.counts[state] += count
        numbered = np.asarray(ids, np.int32) if is_other else self._numbered(np.asarray(ids))
        names = ("",) * count if is_other else self._names_of(numbered)
        none = np.full((count, LISTED), NO_ENTRY, np.float32)
        return KnownAnswers(
            numbered, numbered, np.asarray(confidence, np.float32), np.zeros(count, np.float32), none.astype(np.int32),
            np.zeros((count, LISTED), np.uint8), none, np.zeros((count, LISTED), np.float32), names,
            *self._base(), state,
        )  # fmt: skip

    def _off_line(self) -> str:
        return f"{self.sources.sentence} The decoder answers alone until then."

    def _state_of(self, decoded: Decoded) -> tuple[str, FusionRule | None]:
        """Whether this frame's items are answered with the base, and by which rule."""
        if self.sources.state != USED:
            return self.sources.state, None
        assert self.sources.rules is not None
        rule = self.sources.rules.by_k.get(decoded.features.shape[1])
        if rule is None:
            return NO_RULE, None
        if not decoded.snr_db >= min(rule.snr_db, default=-np.inf) - BELOW_DB:  # also of NaN
            return BELOW_RULES, rule
        there = (np.asarray(decoded.ids) >= 0) & np.isfinite(decoded.logits).all(axis=1)
        return (USED if there.any() else LOST_FRAME), rule

    def _renumber(self) -> None:
        """Give new names numbers, which they keep."""
        for name in self.sources.names:
            if name not in self._number:
                self._number[name] = len(self.names)
                self.names.append(name)
        self._numbers = np.array([self._number[name] for name in self.sources.names], np.int32)

    def _numbered(self, classes: np.ndarray) -> np.ndarray:
        """Classes as numbers of `names`; what is below 0 stays."""
        return np.where(classes >= 0, self._numbers[np.clip(classes, 0, len(self._numbers) - 1)], classes).astype(
            np.int32
        )

    def _base(self) -> tuple[str, int]:
        base = self.sources.base
        return ("", 0) if base is None else (base.base_id, base.version)

    def _names_of(self, ids: np.ndarray) -> tuple[str, ...]:
        return tuple(self.names[number] if number >= 0 else "" for number in ids.tolist())

    def _fused(self, decoded: Decoded, rule: FusionRule) -> KnownAnswers:
        sources, snr_db = self.sources, decoded.snr_db
        assert sources.base is not None and sources.rules is not None
        decoder_ids = np.asarray(decoded.ids)
        answered = decoder_ids >= 0
        logits = np.where(answered[:, None], decoded.logits, np.nan)
        sure = rule.decoder_probabilities(logits, snr_db)
        local = None if self.seen is None else self.seen.asked(sources.rules, decoded, sure)
        dimension = sources.base.space.dimension
        compared = slice(min(decoded.features.shape[1], dimension // 2))
        features, noise_variance = decoded.features[:, compared], decoded.noise_variance[:, compared]
        query = query_of(features, noise_variance, rule.kernel, dimension)
        found = sources.base.search(query.vectors, min(NEIGHBOURS, len(sources.base)), query.known)
        said = evidence_of(query, found, sources.classes(found.ids), len(self._own), sources.prior)
        if local is None:
            fused = fuse(sure, said, rule, snr_db)
        else:  # the gates were fitted beside the decoder alone
            fused = fuse(local.fused.probabilities, said, rule, snr_db, local.margin)
        answer = fused.answer()
        best = np.where(answer.best >= 0, answer.best, decoder_ids)
        total = np.nan_to_num(fused.probabilities[np.arange(len(best)), np.maximum(answer.best, 0)])
        listed = [(found.ids, found.similarity, fused.supports, 0)]
        weight = fused.weight
        if local is not None:
            weight = 1.0 - (1.0 - fused.weight) * (1.0 - local.fused.weight)
            supports = local.supports(best) * (1.0 - fused.weight)[:, None]
            listed.append((local.said.ids, local.similarity, supports, 1))
        if self.seen is not None:
            self.seen.confirm(sources.rules, decoded, sure, np.where(best == decoder_ids, best, NO_ENTRY))
        entries, is_local, similarity, shares = _listed(listed, total)
        ids = self._numbered(best)
        confidence = np.where(answer.best >= 0, answer.confidence, 0.0).astype(np.float32)
        weight = np.where(answer.best >= 0, weight, 0.0).astype(np.float32)
        return KnownAnswers(
            ids, self._numbered(decoder_ids), confidence, weight, entries, is_local, similarity, shares,
            self._names_of(ids), *self._base(), USED,
        )  # fmt: skip


def _listed(
    parts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray, int]], total: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The nearest entries of all bases, and those that an answer comes from most: ids, of which base, similarity, share
    of the answer; (n, `LISTED`) each.

    Args:
        parts: of each base ids, similarity and supports, (n, count), and its mark.
        total: float (n,), probability of the answer.
    """
    ids, similarity, supports = (np.concatenate([part[of] for part in parts], axis=1) for of in range(3))
    mark = np.concatenate([np.full(part[0].shape, part[3], np.uint8) for part in parts], axis=1)
    distance = np.where(ids == NO_ENTRY, np.inf, -similarity.astype(np.float64))
    weakest = -np.sort(-supports, axis=1)[:, min(SOURCES, supports.shape[1]) - 1][:, None]
    chosen = np.where((supports > 0) & (supports >= weakest), distance - 10.0, distance)  # sources come before others
    rows = np.arange(len(ids))[:, None]
    first = np.argsort(chosen, axis=1, kind="stable")[:, :LISTED]
    order = first[rows, np.argsort(distance[rows, first], axis=1, kind="stable")]
    every = ids[rows, order]
    room = LISTED - every.shape[1]
    shares = supports[rows, order] / np.maximum(total, 1e-30)[:, None]
    columns = (
        (every.astype(np.int32), NO_ENTRY),
        (np.where(every == NO_ENTRY, 0, mark[rows, order]).astype(np.uint8), 0),
        (similarity[rows, order].astype(np.float32), NO_ENTRY),
        (np.clip(shares, 0.0, 1.0).astype(np.float32), 0),
    )
    if not room:
        return columns[0][0], columns[1][0], columns[2][0], columns[3][0]
    padded = [np.pad(values, ((0, 0), (0, room)), constant_values=filler) for values, filler in columns]
    return padded[0], padded[1], padded[2], padded[3]
