# SPDX-License-Identifier: GPL-3.0-or-later
"""Fusion rules for a base: fitted on held-out items and classes of another data set, harmless with the base itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.fusion.fit import HeldOut, fit_rule, harm, without_harm
from sdr_sc.semantic.knowledge.fusion.fuse import Fused, fuse
from sdr_sc.semantic.knowledge.fusion.posterior import class_prior
from sdr_sc.semantic.knowledge.fusion.rule import OFF, FusionRule
from sdr_sc.semantic.knowledge.interface import UNKNOWN_CLASS, all_names, classes_of
from sdr_sc.semantic.knowledge.local import LEAST_MARGIN
from sdr_sc.semantic.knowledge.rules.book import Rules
from sdr_sc.semantic.knowledge.rules.held_out import Items, NewClasses, NoisyLink, Received, known_items, new_classes
from sdr_sc.semantic.knowledge.rules.memory import MemoryBase, asked_of
from sdr_sc.semantic.knowledge.storage.state import check_model, contract_checksum
from sdr_sc.shown import shown

SNRS_DB = (-5.0, 0.0, 5.0, 10.0, 15.0, 20.0)
ALLOWED_POINTS = 0.15
"""Accuracy that items of known classes may lose at any SNR, points, by what held-out ones show."""
_HARM_TIMES = 4
"""How often each held-out item is received to find out what the base costs."""
SHARE_OF_NEW = 0.25
"""Weight of items of new classes over that of known ones in the fit."""
LOCAL_FROM_DB = 5.0
"""Estimated SNR from which on a local base takes items, dB: its rule takes all entries for as noisy as at this one."""
MOST_KNOWN, MOST_ENTRIES, MOST_EXAMPLES = 1000, 20_000, 20
_LOCAL_ITEMS, _LEAST_LOCAL, _LOCAL_TIMES, _LOCAL_NEIGHBOURS = 100, 20, 2, 16


@dataclass(frozen=True)
class FitSetting:
    """What rules are fitted on.

    Attributes:
        data_set: the model's own data, of whose held-out items nothing may be lost.
        calibration_set: another data set, whose classes stand for the base's new ones; '' where the base has none.
        k_list: symbols that rules are wanted for.
        snrs_db: rising, dB.
        allowed_points: see `ALLOWED_POINTS`.
        items: of the model's data, at most.
        seed: of items and noise.
    """

    data_set: str
    calibration_set: str
    k_list: Sequence[int]
    snrs_db: Sequence[float] = SNRS_DB
    allowed_points: float = ALLOWED_POINTS
    items: int = MOST_KNOWN
    seed: int = 1


@dataclass(frozen=True)
class Fitted:
    """What came of one k.

    Attributes:
        k: symbols.
        lost_points: accuracy that the held-out known items lose, at the worst SNR; few hundred items show no less than
            one of them.
        new_right: share of the calibration set's new items that are answered right, by SNR; empty without any.
    """

    k: int
    lost_points: float
    new_right: Mapping[float, float]


def fit_rules(
    base: KnowledgeBase, model: str, task: str, setting: FitSetting, done: Callable[[Fitted], None]
) -> Rules:  # fmt: skip
    """Rules for a base in its present version.

    Args:
        model: weights file, or name of a shipped model.
        task: of the model, that has classes.
        done: called after each k.

    Raises:
        KnowledgeError: the base is another model's, empty, or has new classes and there is no calibration set.
        SdrScError: a data set or the model cannot be used.
    """
    link = NoisyLink(model, task)
    contract = link.encoder.contract
    check_model(base.state, contract, base.named)
    for k in setting.k_list:
        contract.check_k(k)
    if not len(base):
        raise KnowledgeError(f"{base.named} is empty; build it of items first.")
    asked = _Asked.of(base, contract.task(task).names, task)
    examples = asked.examples_of_new()
    if examples and not setting.calibration_set:
        raise KnowledgeError(
            f"{base.named} has classes that model {contract.name!r} lacks, such as "
            f"{shown(repr(asked.names[asked.own]), 80)}; give another data set with classes that both lack, as "
            "--calibration-set."
        )
    known = known_items(contract, setting.data_set, task, setting.items, setting.seed)
    new = None
    if examples:
        new = new_classes(contract, setting.calibration_set, task, asked.names, examples, setting.seed)
    fit = _Fit(link, asked, known, new, setting)
    by_k: dict[int, FusionRule] = {}
    local: dict[int, FusionRule] = {}
    for k in setting.k_list:
        by_k[k], report = fit.rule(k)
        own = fit.local_rule(k, by_k[k])
        if own is not None:
            local[k] = own
        done(report)
    return Rules(
        contract.model_id, contract_checksum(contract), task, base.base_id, base.version, base.checksum, by_k, local,
        LOCAL_FROM_DB if local else np.inf,
        {"model": contract.name, "data_set": setting.data_set, "calibration_set": setting.calibration_set,
         "snrs_db": list(setting.snrs_db), "allowed_points": setting.allowed_points, "known_items": len(known),
         "new_examples": examples, "seed": setting.seed},
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Asked:
    """A base with the classes of its entries, by the places of their ids."""

    base: KnowledgeBase
    ids: np.ndarray
    classes: np.ndarray
    names: tuple[str, ...]
    own: int

    @classmethod
    def of(cls, base: KnowledgeBase, own_names: Sequence[str], task: str) -> _Asked:
        names, ids = all_names(base, task, own_names), base.table.ids
        return cls(base, ids, classes_of(base, ids, task, names), names, len(own_names))

    def counts(self) -> np.ndarray:
        return np.bincount(self.classes[self.classes >= 0], minlength=len(self.names))

    def examples_of_new(self) -> int:
        """Entries that a class of the base alone has: the median, 0 where there is no such class."""
        of_new = self.counts()[self.own :]
        return int(np.clip(np.median(of_new[of_new > 0]), 1, MOST_EXAMPLES)) if (of_new > 0).any() else 0

    def of_known(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Vectors and classes of entries of the decoder's classes, at most `MOST_ENTRIES`."""
        chosen = np.flatnonzero((self.classes >= 0) & (self.classes < self.own))
        chosen = np.sort(rng.permutation(chosen)[:MOST_ENTRIES])
        return self.base.table.vectors[chosen], self.classes[chosen]

    def class_of(self, ids: np.ndarray) -> np.ndarray:
        places = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[places] == ids, self.classes[places], UNKNOWN_CLASS)

    def says(self, received: Received, truth: np.ndarray, snr_db: float) -> HeldOut:
        prior = class_prior(self.counts(), self.own)
        dimension = self.base.space.dimension
        return asked_of(self.base.search, self.class_of, dimension, prior, received, received.logits, truth, snr_db)


class _Fit:
    def __init__(
        self, link: NoisyLink, asked: _Asked, known: Items, new: NewClasses | None, setting: FitSetting
    ) -> None:
        self._link, self._asked, self._known, self._new, self._setting = link, asked, known, new, setting
        self._of_known: dict[float, np.ndarray] = {}
        own, dimension = asked.own, asked.base.space.dimension
        vectors, classes = asked.of_known(np.random.default_rng(setting.seed))
        self._fitting = MemoryBase(vectors, classes, own, own)
        if new is not None:
            self._of_new = {snr: link.symbols(new.sent.items, snr) for snr in setting.snrs_db}
            made_for = float(np.clip(10.0, *link.encoder.contract.training_snr_db))
            entries = link.encoder.first(link.symbols(new.entries.items, made_for), dimension // 2).view(np.float32)
            self._fitting = self._fitting.joined(entries, own + new.entries.classes, own + len(new.names))

    def _known_at(self, snr_db: float) -> np.ndarray:
        if snr_db not in self._of_known:
            self._of_known[snr_db] = self._link.symbols(self._known.items, snr_db)
        return self._of_known[snr_db]

    def rule(self, k: int) -> tuple[FusionRule, Fitted]:
        """The rule of a k, harmless with the base itself."""
        known, against, new = [], [], []
        for number, snr_db in enumerate(self._setting.snrs_db):
            rng = np.random.default_rng((self._setting.seed, k, number))
            heard = self._link.receive(self._known_at(snr_db), snr_db, k, rng)
            if len(self._fitting.classes):
                known.append(self._fitting.asked(heard, heard.logits, self._known.classes, snr_db))
            against.append(self._asked.says(heard, self._known.classes, snr_db))
            for _ in range(_HARM_TIMES - 1):
                again = self._link.receive(self._known_at(snr_db), snr_db, k, rng)
                against.append(self._asked.says(again, self._known.classes, snr_db))
            if self._new is not None:
                heard = self._link.receive(self._of_new[snr_db], snr_db, k, rng)
                truth = self._asked.own + self._new.sent.classes
                new.append(self._fitting.asked(heard, heard.logits, truth, snr_db, SHARE_OF_NEW))
        eager = fit_rule(k, [*(known or against), *new])
        rule = without_harm(eager, against, self._setting.allowed_points)
        right = {one.snr_db: float(np.mean(_fused(rule, one).best == one.truth)) for one in new}
        lost = [
            float(np.mean([harm(rule, one) for one in against if one.snr_db == snr_db]))
            for snr_db in self._setting.snrs_db
        ]
        return rule, Fitted(k, max(lost), right)

    def local_rule(self, k: int, rule: FusionRule) -> FusionRule | None:
        """For entries that the receiver keeps itself: items are received, those with margin become entries, and then
        the same items are received again, and as many others; None where there are too few."""
        rng = np.random.default_rng((self._setting.seed, k, 1000))
        order = rng.permutation(len(self._known))[: 2 * _LOCAL_ITEMS]
        pool, others = np.array_split(order, 2)
        if len(pool) < _LEAST_LOCAL:
            return None
        held = []
        for snr_db in self._setting.snrs_db:
            from_db = max(snr_db, LOCAL_FROM_DB)
            first = self._link.receive(self._known_at(from_db)[pool], from_db, k, rng)
            sure = rule.decoder_probabilities(first.logits, from_db)
            best = np.sort(sure, axis=1)
            kept = best[:, -1] - best[:, -2] >= LEAST_MARGIN
            if np.count_nonzero(kept) < _LEAST_LOCAL:
                continue
            vectors, own = first.features[kept].view(np.float32), self._asked.own
            entries = MemoryBase(vectors, sure[kept].argmax(axis=1), own, own)
            again = np.tile(np.concatenate([pool, others]), _LOCAL_TIMES)
            heard = self._link.receive(self._known_at(snr_db)[again], snr_db, k, rng)
            temperature = np.exp(np.interp(snr_db, rule.snr_db, np.log(rule.temperature)))
            held.append(
                asked_of(
                    entries.search, entries.classes_of, 2 * k, np.full(own, 1.0 / len(vectors)), heard,
                    heard.logits / temperature, self._known.classes[again], snr_db, count=_LOCAL_NEIGHBOURS,
                )
            )  # fmt: skip
        if not held:
            return None
        fitted = fit_rule(k, held, entry_noise=10.0 ** (-LOCAL_FROM_DB / 10), calibrated=True)
        return without_harm(replace(fitted, new=OFF), held, 0.0, 0.0)


def _fused(rule: FusionRule, one: HeldOut) -> Fused:
    return fuse(rule.decoder_probabilities(one.logits, one.snr_db), one.evidence(rule.kernel), rule, one.snr_db)
