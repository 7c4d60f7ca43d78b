# SPDX-License-Identifier: GPL-3.0-or-later
"""Classes that are added to the base after training, and what that costs the classes that the decoder has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sdr_sc.evidence.knowledge.bases import MemoryBase, best_of, fused_of, without_features
from sdr_sc.evidence.knowledge.received import Air, Received
from sdr_sc.evidence.knowledge.rivals import by_fitted_head, by_name
from sdr_sc.evidence.knowledge.worlds import Added, Items, Known
from sdr_sc.evidence.tables import APART
from sdr_sc.results.rows import Row, clustered_interval, mean_interval
from sdr_sc.semantic.knowledge.fusion.fit import HeldOut, fit_rule, without_harm
from sdr_sc.semantic.knowledge.fusion.rule import FusionRule
from sdr_sc.semantic.tasks.classification import Classification

Log = Callable[[str], None]
GAIN_POINTS, GAIN_FROM_DB, LEAST_ENTRIES, HARM_POINTS = 10.0, 5.0, 5, 0.3
"""Goals: what a base gains for new classes, from which SNR and entries up; what known classes may lose or gain."""
ALLOWED_POINTS = 0.1
"""Loss of known classes that calibration allows, less than the goal, since it is measured on few items."""
SHARE_OF_NEW = 0.25
"""Weight of items of new classes over that of known ones in the fit."""
EXAMPLES = {"things": (1, 5), "folders": (1, 5, 20)}
WITH_CONTROLS = ("things", 5)


@dataclass(frozen=True, eq=False)
class Heard:
    """Items received at one SNR with one k."""

    items: Items
    received: Received
    logits: np.ndarray


def heard(
    air: Air, known: Known, items: Items, snr_db: float, k: int, seed: int, task: str = Classification.name
) -> Heard:
    """Send items; the logits are those of the known columns of a task."""
    received = air.send(items.items, snr_db, k, seed)
    return Heard(items, received, received.outputs[:, air.decoder.parts[task]][:, known.columns])


def asked(base: MemoryBase, one: Heard, snr_db: float, first_class: int = 0, weight: float = 1.0) -> HeldOut:
    """What the base says of items that were heard, whose classes begin at ``first_class``."""
    return base.asked(one.received, one.logits, one.items.classes + first_class, snr_db, weight)


@dataclass(frozen=True, eq=False)
class Bench:
    """What is measured with, at one k.

    Attributes:
        air, known: the model's link and data.
        vectors: of the known entries.
        k: feature symbols.
        snrs_db: of the points.
        seed: of noise and fits.
        calibration, test: known items as they were heard at each SNR.
        log: called with what is measured next.
    """

    air: Air
    known: Known
    vectors: np.ndarray
    k: int
    snrs_db: Sequence[float]
    seed: int
    calibration: dict[float, Heard]
    test: dict[float, Heard]
    log: Log

    @property
    def base(self) -> MemoryBase:
        """Of the known entries alone."""
        own = len(self.known.columns)
        return MemoryBase(self.vectors, self.known.entries.classes, own, own)

    def with_added(self, added: Added, vectors: np.ndarray, examples: int) -> MemoryBase:
        """The base with so many entries of each new class."""
        own, kept = len(self.known.columns), added.first(examples)
        return self.base.joined(vectors[kept], own + added.entries.classes[kept], own + len(added.names))


def open_bench(
    air: Air, known: Known, vectors: np.ndarray, k: int, snrs_db: Sequence[float], seed: int, log: Log
) -> Bench:  # fmt: skip
    """Send the known items at all SNRs."""
    log(f"known items, k={k}")
    calibration = {snr_db: heard(air, known, known.calibration, snr_db, k, seed) for snr_db in snrs_db}
    test = {snr_db: heard(air, known, known.test, snr_db, k, seed + 1) for snr_db in snrs_db}
    return Bench(air, known, vectors, k, snrs_db, seed, calibration, test, log)


def added_rows(
    bench: Bench, calibrated_on: Added, tested_on: Added
) -> tuple[list[Row], MemoryBase, tuple[FusionRule, FusionRule]]:
    """Rows of new classes and known ones, by the number of entries; the last base, and its rules, the second
    without sparing known classes.

    Args:
        calibrated_on: classes of one data set, by which the rule is fitted.
        tested_on: those of another.
    """
    own, rows = len(bench.known.columns), []
    base_vectors = {id(one): bench.air.vectors(one.entries.items) for one in (calibrated_on, tested_on)}
    sent = {
        id(one): {snr: heard(bench.air, bench.known, one.test, snr, bench.k, bench.seed + 2) for snr in bench.snrs_db}
        for one in (calibrated_on, tested_on)
    }
    last: tuple[MemoryBase, tuple[FusionRule, FusionRule]] | None = None
    for examples in EXAMPLES[tested_on.kind]:
        kind = f"{tested_on.kind}, {examples} entries each, k={bench.k}"
        bench.log(kind)
        fitting = bench.with_added(calibrated_on, base_vectors[id(calibrated_on)], examples)
        of_known = [asked(fitting, bench.calibration[snr_db], snr_db) for snr_db in bench.snrs_db]
        of_new = [
            asked(fitting, sent[id(calibrated_on)][snr_db], snr_db, own, SHARE_OF_NEW) for snr_db in bench.snrs_db
        ]
        eager = fit_rule(bench.k, [*of_known, *of_new])
        base = bench.with_added(tested_on, base_vectors[id(tested_on)], examples)
        against = [asked(base, bench.calibration[snr_db], snr_db) for snr_db in bench.snrs_db]
        rule = without_harm(eager, against, ALLOWED_POINTS)
        for snr_db in bench.snrs_db:
            new = sent[id(tested_on)][snr_db]
            rows += _point(bench, base, new, tested_on, (rule, eager), snr_db, kind, examples)
        last = base, (rule, eager)
    assert last is not None
    return rows, *last


def _point(
    bench: Bench, base: MemoryBase, new: Heard, added: Added, rules: tuple[FusionRule, FusionRule], snr_db: float,
    kind: str, examples: int,
) -> list[Row]:  # fmt: skip
    rule, eager = rules
    own, at, rows = len(bench.known.columns), f"{APART}{snr_db:g} dB", []
    old = bench.test[snr_db]
    ask_new, ask_old = asked(base, new, snr_db, own), asked(base, old, snr_db)
    truth, groups = ask_new.truth, new.items.groups
    fused = fused_of(ask_new, new.received, rule)[1]
    right = fused.best == truth
    rows.append(share(f"{kind}: with the base{at}", right, groups))
    greedy = fused_of(ask_new, new.received, eager)[1].best == truth
    rows.append(share(f"{kind}: with the base, known classes not spared{at}", greedy, groups))
    named = by_name(bench.air, new.received, added.names, bench.k)
    without = np.zeros(len(truth), bool) if named is None else own + named == truth
    rows.append(share(f"{kind}: without a base, by the nearest name, new classes alone{at}", without, groups))
    gain = difference(f"{kind}: gain of the base{at}", right, without, groups)
    if snr_db >= GAIN_FROM_DB and examples >= LEAST_ENTRIES:
        gain = Row.at_least(gain.name, gain.value, gain.unit, GAIN_POINTS, gain.n or 0, gain.ci95)
    rows.append(gain)
    said = ask_new.evidence(rule.kernel).probabilities[:, own:]
    among_new = np.where(said.any(axis=1), own + said.argmax(axis=1), -1) == truth
    rows.append(share(f"{kind}: with the base, new classes alone{at}", among_new, groups))
    rows.append(difference(f"{kind}: gain of the base, new classes alone{at}", among_new, without, groups))
    is_new = base.classes >= own
    refitted = by_fitted_head(base.vectors[is_new], base.classes[is_new] - own, new.received, snr_db, bench.seed)
    rows.append(share(f"{kind}: a decoder fitted again, new classes alone{at}", own + refitted == truth, groups))
    sure, of_known = fused_of(ask_old, old.received, rule)
    alone, fused_right = best_of(sure) == ask_old.truth, of_known.best == ask_old.truth
    rows.append(share(f"{kind}: known items, decoder{at}", alone, old.items.groups))
    rows.append(share(f"{kind}: known items, with the base{at}", fused_right, old.items.groups))
    harm = difference(f"{kind}: known items, gain{at}", fused_right, alone, old.items.groups)
    within = abs(harm.value) <= HARM_POINTS
    rows.append(Row(harm.name, harm.value, harm.unit, f"within {HARM_POINTS:g}", within, harm.n, harm.ci95))
    spared = fused_of(ask_old, old.received, eager)[1].best == ask_old.truth
    rows.append(difference(f"{kind}: known items, gain, not spared{at}", spared, alone, old.items.groups))
    if (added.kind, examples) == WITH_CONTROLS:
        wrong = asked(base.shuffled(bench.seed), new, snr_db, own)
        shuffled = fused_of(wrong, new.received, rule)[1].best == truth
        rows.append(share(f"{kind}: control, shuffled base{at}", shuffled, groups))
        blind = without_features(ask_new, base, bench.seed)
        prior = fused_of(blind, new.received, rule)[1].best == truth
        rows.append(share(f"{kind}: control, base without features{at}", prior, groups))
    return rows


def share(name: str, right: np.ndarray, groups: np.ndarray) -> Row:
    """A share of items, with an interval over groups."""
    _, number = np.unique(groups, return_inverse=True)
    low, high = clustered_interval(np.bincount(number, right), np.bincount(number))
    return Row(name, 100 * float(np.mean(right)), "%", n=len(right), ci95=(100 * low, 100 * high))


def difference(name: str, one: np.ndarray, other: np.ndarray, groups: np.ndarray) -> Row:
    """One share of items less another, of the same items, points, with an interval over groups."""
    _, number = np.unique(groups, return_inverse=True)
    gain = 100.0 * (one.astype(float) - other)
    sizes = np.bincount(number)
    sums = np.bincount(number, gain)
    mean = float(gain.mean())
    low, high = mean_interval(mean + (sums - mean * sizes) / sizes.mean())  # of a ratio, by its residuals
    return Row(name, mean, "points", n=len(gain), ci95=(low, high))
