# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries that somebody has put into the base beside a target, with a wrong class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sdr_sc.evidence.knowledge.added import Bench, Heard, asked, heard, share
from sdr_sc.evidence.knowledge.bases import MemoryBase, best_of, fused_of
from sdr_sc.evidence.knowledge.repeated import LOSES_NOTHING_DB
from sdr_sc.evidence.tables import APART
from sdr_sc.results.rows import Row
from sdr_sc.semantic.knowledge.fusion.rule import FusionRule, Guard

TARGETS, TIMES = 20, 25
SHARES = (0.01, 0.05)
JITTER = 0.02
"""Variance of a number of a hostile entry around the target's features: near copies, no two alike."""


def hostile_rows(bench: Bench, base: MemoryBase, rules: tuple[FusionRule, FusionRule]) -> list[Row]:
    """Success of an attack on single items, by the share of hostile entries and what they claim.

    Args:
        base: with classes of its own.
        rules: of it; the second one does not spare known classes.
    """
    rng, best_db = np.random.default_rng(bench.seed), bench.snrs_db[-1]
    clean = bench.test[best_db]
    right = np.nan_to_num(clean.logits).argmax(axis=1) == clean.items.classes
    targets = rng.permutation(np.flatnonzero(right))[:TARGETS]
    vectors = bench.air.vectors(clean.items.items[targets])
    rows: list[Row] = []
    bench.log(f"hostile entries, k={bench.k}")
    for snr_db in bench.snrs_db:
        repeated = clean.items.some(np.repeat(targets, TIMES))
        sent = heard(bench.air, bench.known, repeated, snr_db, bench.k, bench.seed + 20)
        for part in SHARES:
            for claim in ("a known class", "a new class"):
                rows += _attacked(bench, base, rules, sent, vectors, snr_db, part, claim, rng)
    return rows


def _attacked(
    bench: Bench, base: MemoryBase, rules: tuple[FusionRule, FusionRule], sent: Heard, vectors: np.ndarray,
    snr_db: float, part: float, claim: str, rng: np.random.Generator,
) -> list[Row]:  # fmt: skip
    count = round(part * len(base.classes))
    kind, at = f"{100 * part:g} % hostile entries that claim {claim}, k={bench.k}", f"{APART}{snr_db:g} dB"
    ways = {
        "answers that become theirs": rules[0],
        "answers that become theirs, without the guard": replace(rules[0], guard=Guard(np.inf)),
        "answers that become theirs, known classes not spared": rules[1],
    }
    won: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    changed, with_margin = 0, 0
    for number in range(len(vectors)):
        mine = np.arange(number * TIMES, (number + 1) * TIMES)
        one = Heard(sent.items.some(mine), sent.received.some(mine), sent.logits[mine])
        truth = int(one.items.classes[0])
        wrong = (truth + 1 + rng.integers(base.own - 1)) % base.own if claim == "a known class" else base.class_count
        near = vectors[number] + rng.normal(size=(count, vectors.shape[1])) * np.sqrt(JITTER)
        classes = max(base.class_count, int(wrong) + 1)
        poisoned = base.joined(near.astype(np.float32), np.full(count, wrong), classes)
        said = asked(poisoned, one, snr_db)
        for name, rule in ways.items():
            sure, fused = fused_of(said, one.received, rule)
            won[name].append(fused.best == wrong)
            if not np.isinf(rule.guard.snr_db):
                margin = np.nan_to_num(sure).max(axis=1) >= rule.guard.confidence
                changed += int(np.count_nonzero(margin & (fused.best != best_of(sure))))
                with_margin += int(margin.sum())
    rows = [share(f"{kind}: {name}{at}", np.concatenate(found), sent.items.groups) for name, found in won.items()]
    name = f"{kind}: answers with margin that changed{at}"
    goal = snr_db >= LOSES_NOTHING_DB and with_margin > 0  # nothing is promised of no answers
    return [*rows, Row.at_most(name, changed, "", 0.0, with_margin) if goal else Row(name, changed, "", n=with_margin)]
