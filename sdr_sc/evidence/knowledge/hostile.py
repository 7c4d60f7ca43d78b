# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries that somebody has put into the base beside a target, with a wrong class."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sdr_sc.evidence.knowledge.bases import best_of, fused_of
from sdr_sc.evidence.knowledge.heard import Bench, Heard, asked, difference, heard, share
from sdr_sc.evidence.knowledge.repeated import LOSES_NOTHING_DB
from sdr_sc.evidence.knowledge.worlds import Added
from sdr_sc.evidence.tables import APART
from sdr_sc.results.rows import Row
from sdr_sc.semantic.knowledge.fusion.rule import FusionRule, Guard
from sdr_sc.semantic.knowledge.rules.memory import MemoryBase

TARGETS, TIMES = 20, 25
KNOWN, NEW = "a known class", "a new class"


@dataclass(frozen=True)
class Attack:
    """Hostile entries around a target's features.

    Attributes:
        count: of them.
        jitter: variance of a number of them around those of the target: near copies, no two alike.
        name: in rows.
    """

    count: int
    jitter: float
    name: str


def attacks(entries: int) -> list[Attack]:
    """On a base of so many entries.

    >>> [(one.name, one.count) for one in attacks(2250)][::2]
    [('1 % hostile entries', 22), ('10,000 near copies', 10000)]
    """
    parts = [Attack(round(part * entries), 0.02, f"{100 * part:g} % hostile entries") for part in (0.01, 0.05)]
    return [*parts, Attack(10_000, 0.0005, "10,000 near copies")]


def hostile_rows(
    bench: Bench, base: MemoryBase, rules: tuple[FusionRule, FusionRule], added: Added
) -> list[Row]:  # fmt: skip
    """Success of an attack on single items, by the number of hostile entries and what they claim.

    Args:
        base: with classes of its own.
        rules: of it; the second one does not spare known classes.
        added: the classes of its own.
    """
    rng, best_db = np.random.default_rng(bench.seed), bench.snrs_db[-1]
    clean = bench.test[best_db]
    right = np.nan_to_num(clean.logits).argmax(axis=1) == clean.items.classes
    targets = rng.permutation(np.flatnonzero(right))[:TARGETS]
    vectors = bench.air.vectors(clean.items.items[targets])
    of_new = np.sort(rng.permutation(len(added.test))[:TARGETS])
    new_vectors = bench.air.vectors(added.test.items[of_new])
    rows: list[Row] = []
    bench.log(f"hostile entries, k={bench.k}")
    for snr_db in bench.snrs_db:
        repeated = clean.items.some(np.repeat(targets, TIMES))
        sent = heard(bench.air, bench.known, repeated, snr_db, bench.k, bench.seed + 20)
        new = heard(bench.air, bench.known, added.test.some(np.repeat(of_new, TIMES)), snr_db, bench.k, bench.seed + 21)
        for attack in attacks(len(base.classes)):
            for claim in (KNOWN, NEW):
                rows += _attacked(bench, base, rules, sent, vectors, snr_db, attack, claim, rng)
            rows += _displaced(bench, base, rules[0], new, new_vectors, snr_db, attack, rng)
    return rows


def _poisoned(base: MemoryBase, vector: np.ndarray, attack: Attack, claim: int, rng: np.random.Generator) -> MemoryBase:
    near = vector + rng.normal(size=(attack.count, len(vector))) * np.sqrt(attack.jitter)
    return base.joined(near.astype(np.float32), np.full(attack.count, claim), max(base.class_count, claim + 1))


def _attacked(
    bench: Bench, base: MemoryBase, rules: tuple[FusionRule, FusionRule], sent: Heard, vectors: np.ndarray,
    snr_db: float, attack: Attack, claim: str, rng: np.random.Generator,
) -> list[Row]:  # fmt: skip
    """Of known items as targets."""
    kind, at = f"{attack.name} that claim {claim}, k={bench.k}", f"{APART}{snr_db:g} dB"
    ways = {
        "answers that become theirs": rules[0],
        "answers that become theirs, without the guard": replace(rules[0], guard=Guard(np.inf)),
        "answers that become theirs, known classes not spared": rules[1],
    }
    won: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    changed, with_margin = 0, 0
    for number in range(len(vectors)):
        one = _of_target(sent, number)
        truth = int(one.items.classes[0])
        wrong = (truth + 1 + int(rng.integers(base.own - 1))) % base.own if claim == KNOWN else base.class_count
        said = asked(_poisoned(base, vectors[number], attack, wrong, rng), one, snr_db)
        for name, rule in ways.items():
            sure, fused = fused_of(said, one.received, rule)
            won[name].append(fused.best == wrong)
            if rule is rules[0]:
                margin = np.nan_to_num(sure).max(axis=1) >= rule.guard.confidence
                changed += int(np.count_nonzero(margin & (fused.best != best_of(sure))))
                with_margin += int(margin.sum())
    rows = [share(f"{kind}: {name}{at}", np.concatenate(found), sent.items.groups) for name, found in won.items()]
    name = f"{kind}: answers with margin that changed{at}"
    goal = snr_db >= LOSES_NOTHING_DB and with_margin > 0  # nothing is promised of no answers
    return [*rows, Row.at_most(name, changed, "", 0.0, with_margin) if goal else Row(name, changed, "", n=with_margin)]


def _displaced(
    bench: Bench, base: MemoryBase, rule: FusionRule, new: Heard, vectors: np.ndarray, snr_db: float, attack: Attack,
    rng: np.random.Generator,
) -> list[Row]:  # fmt: skip
    """Of items of new classes as targets, whose own entries hostile ones of a known class displace."""
    at, kind = f"{APART}{snr_db:g} dB", f"{attack.name} of a known class beside new things, k={bench.k}"
    before: list[np.ndarray] = []
    after: list[np.ndarray] = []
    for number in range(len(vectors)):
        one = _of_target(new, number)
        truth = base.own + int(one.items.classes[0])
        poisoned = _poisoned(base, vectors[number], attack, int(rng.integers(base.own)), rng)
        for found, which in ((before, base), (after, poisoned)):
            found.append(fused_of(asked(which, one, snr_db, base.own), one.received, rule)[1].best == truth)
    first, then = np.concatenate(before), np.concatenate(after)
    return [
        share(f"{kind}: things answered without them{at}", first, new.items.groups),
        difference(f"{kind}: what they change{at}", then, first, new.items.groups),
    ]


def _of_target(sent: Heard, number: int) -> Heard:
    mine = np.arange(number * TIMES, (number + 1) * TIMES)
    return Heard(sent.items.some(mine), sent.received.some(mine), sent.logits[mine])
