# SPDX-License-Identifier: GPL-3.0-or-later
"""Classes with few training items: whether a base of the training items answers them better than the decoder does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sdr_sc.evidence.knowledge.bases import best_of, fused_of
from sdr_sc.evidence.knowledge.heard import CALIBRATION_TIMES, difference, heard, share
from sdr_sc.evidence.knowledge.received import Air
from sdr_sc.evidence.knowledge.worlds import known_items
from sdr_sc.evidence.tables import APART
from sdr_sc.results.rows import Row
from sdr_sc.semantic.knowledge.fusion.fit import fit_rule, without_harm
from sdr_sc.semantic.knowledge.rules.memory import MemoryBase

RARE = 10
"""Origins of training items below which a class is rare."""
MOST_ENTRIES = 20_000


def tail_rows(
    air: Air, data_set: str, task: str, k_list: Sequence[int], snrs_db: Sequence[float], seed: int,
    log: Callable[[str], None],
) -> list[Row]:  # fmt: skip
    """Rows of a task's rare classes, and of all.

    Args:
        task: of the model, such as ``subgroup``.
    """
    known = known_items(air.encoder.contract, data_set, seed, task, MOST_ENTRIES)
    own = len(known.columns)
    base = MemoryBase(air.vectors(known.entries.items), known.entries.classes, own, own)
    origins = np.array([len(np.unique(known.entries.groups[known.entries.classes == one])) for one in range(own)])
    rare = origins[known.test.classes] < RARE
    rows: list[Row] = []
    for k in k_list:
        kind = f"{task}, {int((origins < RARE).sum())} of {own} classes rare, k={k}"
        log(kind)
        asked = []
        for time in range(CALIBRATION_TIMES):
            for snr_db in snrs_db:
                one = heard(air, known, known.calibration, snr_db, k, seed + 100 * time, task)
                asked.append(base.asked(one.received, one.logits, one.items.classes, snr_db))
        rule = without_harm(fit_rule(k, asked[: len(snrs_db)]), asked, 0.0, 0.0)
        for snr_db in snrs_db:
            one = heard(air, known, known.test, snr_db, k, seed + 1, task)
            said = base.asked(one.received, one.logits, one.items.classes, snr_db)
            sure, fused = fused_of(said, one.received, rule)
            alone, right, at = best_of(sure) == said.truth, fused.best == said.truth, f"{APART}{snr_db:g} dB"
            for which, chosen in (("rare", rare), ("all", np.ones(len(rare), bool))):
                groups = one.items.groups[chosen]
                rows.append(share(f"{kind}: decoder, {which}{at}", alone[chosen], groups))
                rows.append(share(f"{kind}: with the base, {which}{at}", right[chosen], groups))
                rows.append(difference(f"{kind}: gain, {which}{at}", right[chosen], alone[chosen], groups))
    return rows
