# SPDX-License-Identifier: GPL-3.0-or-later
"""Classes that are added to the base after training, and what that costs the classes that the decoder has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_sc.evidence.knowledge.bases import best_of, fused_of, without_features
from sdr_sc.evidence.knowledge.heard import Bench, Heard, asked, difference, heard, share
from sdr_sc.evidence.knowledge.larger import LargerDecoder
from sdr_sc.evidence.knowledge.rivals import by_fitted_head, by_name
from sdr_sc.evidence.knowledge.worlds import Added
from sdr_sc.evidence.tables import APART
from sdr_sc.results.rows import Row
from sdr_sc.semantic.knowledge.fusion.fit import HeldOut, fit_rule, without_harm
from sdr_sc.semantic.knowledge.fusion.rule import FusionRule
from sdr_sc.semantic.knowledge.rules.memory import MemoryBase

GAIN_POINTS, GAIN_FROM_DB, LEAST_ENTRIES, HARM_POINTS = 10.0, 5.0, 5, 0.3
"""Goals: what a base gains for new classes, from which SNR and entries up; what known classes may lose."""
ALLOWED_POINTS = 0.15
"""Loss of known classes that calibration allows: half of the goal, since it is estimated from few items."""
CURVE_POINTS = (0.05, 0.15, 0.3, 1.0, 3.0)
"""Allowed losses of the curve of known items against new ones."""
SHARE_OF_NEW = 0.25
"""Weight of items of new classes over that of known ones in the fit."""
EXAMPLES = {"things": (1, 5), "folders": (1, 5, 20)}
WITH_CONTROLS = ("things", 5)


@dataclass(frozen=True, eq=False)
class _Case:
    """New classes in a base, at one number of entries.

    Attributes:
        kind: how rows begin.
        base: with them.
        added: the new classes.
        examples: entries of each.
        rule, eager: with and without sparing known classes.
        curve: rules by the loss of known classes that they allow, points.
        larger: the rival of as many bytes, where there are controls.
    """

    kind: str
    base: MemoryBase
    added: Added
    examples: int
    rule: FusionRule
    eager: FusionRule
    curve: dict[float, FusionRule]
    larger: LargerDecoder | None


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
        of_known = [asked(fitting, bench.calibration[snr_db][0], snr_db) for snr_db in bench.snrs_db]
        of_new = [
            asked(fitting, sent[id(calibrated_on)][snr_db], snr_db, own, SHARE_OF_NEW) for snr_db in bench.snrs_db
        ]
        eager = fit_rule(bench.k, [*of_known, *of_new])
        base = bench.with_added(tested_on, base_vectors[id(tested_on)], examples)
        against = [asked(base, one, snr_db) for snr_db in bench.snrs_db for one in bench.calibration[snr_db]]
        rule = without_harm(eager, against, ALLOWED_POINTS)
        curve = {points: without_harm(eager, against, points) for points in CURVE_POINTS}
        larger = None
        if (tested_on.kind, examples) == WITH_CONTROLS:
            larger = LargerDecoder(base, bench.k, (min(bench.snrs_db), max(bench.snrs_db)), bench.seed)
        case = _Case(kind, base, tested_on, examples, rule, eager, curve, larger)
        for snr_db in bench.snrs_db:
            rows += _point(bench, case, sent[id(tested_on)][snr_db], snr_db)
        last = base, (rule, eager)
    assert last is not None
    return rows, *last


def _point(bench: Bench, case: _Case, new: Heard, snr_db: float) -> list[Row]:
    kind, base, rule = case.kind, case.base, case.rule
    own, at, rows = base.own, f"{APART}{snr_db:g} dB", []
    old = bench.test[snr_db]
    ask_new, ask_old = asked(base, new, snr_db, own), asked(base, old, snr_db)
    truth, groups = ask_new.truth, new.items.groups
    right = fused_of(ask_new, new.received, rule)[1].best == truth
    rows.append(share(f"{kind}: with the base{at}", right, groups))
    greedy = fused_of(ask_new, new.received, case.eager)[1].best == truth
    rows.append(share(f"{kind}: with the base, known classes not spared{at}", greedy, groups))
    named = by_name(bench.air, new.received, case.added.names, bench.k)
    without = np.zeros(len(truth), bool) if named is None else own + named == truth
    rows.append(share(f"{kind}: without a base, by the nearest name, new classes alone{at}", without, groups))
    gain = difference(f"{kind}: gain of the base{at}", right, without, groups)
    if snr_db >= GAIN_FROM_DB and case.examples >= LEAST_ENTRIES:
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
    rows.append(_harm_row(f"{kind}: known items, gain{at}", fused_right, alone, old.items.groups))
    spared = fused_of(ask_old, old.received, case.eager)[1].best == ask_old.truth
    rows.append(difference(f"{kind}: known items, gain, not spared{at}", spared, alone, old.items.groups))
    for points, one in case.curve.items():
        name = f"{kind}: {points:g} points allowed"
        kept = fused_of(ask_new, new.received, one)[1].best == truth
        rows.append(share(f"{name}, with the base{at}", kept, groups))
        kept = fused_of(ask_old, old.received, one)[1].best == ask_old.truth
        rows.append(difference(f"{name}, known items, gain{at}", kept, alone, old.items.groups))
    return rows + (_controls(bench, case, new, old, ask_new, snr_db) if case.larger is not None else [])


def _harm_row(name: str, one: np.ndarray, other: np.ndarray, groups: np.ndarray) -> Row:
    harm = difference(name, one, other, groups)
    return Row.at_least(harm.name, harm.value, harm.unit, -HARM_POINTS, harm.n or 0, harm.ci95)


def _controls(bench: Bench, case: _Case, new: Heard, old: Heard, ask_new: HeldOut, snr_db: float) -> list[Row]:
    """A base whose classes or features are not true, and a decoder that is larger by the base's bytes."""
    kind, base, larger, at = f"{case.kind}: control", case.base, case.larger, f"{APART}{snr_db:g} dB"
    assert larger is not None
    truth, groups, known, origins = ask_new.truth, new.items.groups, old.items.classes, old.items.groups
    wrong = asked(base.shuffled(bench.seed), new, snr_db, base.own)
    shuffled = fused_of(wrong, new.received, case.rule)[1].best == truth
    blind = fused_of(without_features(ask_new, base, bench.seed), new.received, case.rule)[1].best == truth
    level = larger.level(bench.calibration[snr_db], ALLOWED_POINTS / 100.0)
    answers, alone = larger.answers(old, level) == known, best_of(old.logits) == known
    own = larger.among_known(old.received) == known
    kind_larger = f"{kind}, larger decoder"
    return [
        share(f"{kind}, shuffled base{at}", shuffled, groups),
        share(f"{kind}, base without features{at}", blind, groups),
        share(f"{kind_larger}{at}", larger.answers(new, level) == truth, groups),
        share(f"{kind_larger}, new classes alone{at}", larger.among_new(new.received) == truth, groups),
        difference(f"{kind_larger}, known items, gain{at}", answers, alone, origins),
        difference(f"{kind_larger}, known items, gain, by itself and no new classes{at}", own, alone, origins),
    ]
