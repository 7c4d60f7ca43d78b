# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is measured of fusion: new classes, repeated items, rare classes, hostile entries, own mistakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sdr_sc.evidence.knowledge.added import added_rows
from sdr_sc.evidence.knowledge.heard import open_bench
from sdr_sc.evidence.knowledge.hostile import hostile_rows
from sdr_sc.evidence.knowledge.received import Air
from sdr_sc.evidence.knowledge.repeated import mistake_rows, repeated_rows
from sdr_sc.evidence.knowledge.tail import tail_rows
from sdr_sc.evidence.knowledge.worlds import folders, known_items, things
from sdr_sc.results.rows import Row

SUBGROUP = "subgroup"
PARTS = ("things", "folders", "hostile", "repeated", "tail", "mistakes")
MISTAKES_K = 16


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes:
        model: weights file, or name of a shipped model.
        data_set: the model's own data.
        calibration_set, new_set: whose classes the model has not seen: the first one fits the fusion, the second one is
            added to the base and sent.
        parts: some of `PARTS`; ``hostile`` needs ``things``.
        snrs_db, k_list: of the points.
        seed: of items, noise and fits.
        channel: models before the noise, see `sdr_sc.phy.channels.parse_chain`; '' for none.
    """

    model: str
    data_set: str
    calibration_set: str
    new_set: str
    parts: Sequence[str]
    snrs_db: Sequence[float]
    k_list: Sequence[int]
    seed: int
    channel: str = ""


def bench_knowledge(setting: Setting, log: Callable[[str], None]) -> list[Row]:
    """Rows of all parts that are asked for, each in a table whose columns are SNRs.

    Raises:
        SdrScError: a data set does not fit the model, or has too few classes or items.
    """
    air = Air(setting.model, setting.channel)
    contract, seed = air.encoder.contract, setting.seed
    for k in setting.k_list:
        contract.check_k(k)
    rows: list[Row] = []
    known = known_items(contract, setting.data_set, seed)
    vectors = air.vectors(known.entries.items)
    of_things = [things(contract, one, seed) for one in _both(setting)] if "things" in setting.parts else []
    of_folders = [folders(contract, one, seed) for one in _both(setting)] if "folders" in setting.parts else []
    for k in setting.k_list:
        bench = open_bench(air, known, vectors, k, setting.snrs_db, seed, log)
        if of_things:
            found, base, rules = added_rows(bench, *of_things)
            rows += found
            if "hostile" in setting.parts:
                rows += hostile_rows(bench, base, rules, of_things[1])
        if of_folders:
            rows += added_rows(bench, *of_folders)[0]
        if "repeated" in setting.parts:
            rows += repeated_rows(bench)
        if "mistakes" in setting.parts and k == MISTAKES_K:
            rows += mistake_rows(bench)
    if "tail" in setting.parts and any(task.name == SUBGROUP for task in contract.tasks):
        rows += tail_rows(air, setting.data_set, SUBGROUP, setting.k_list, setting.snrs_db, seed, log)
    return rows


def _both(setting: Setting) -> tuple[str, str]:
    return setting.calibration_set, setting.new_set
