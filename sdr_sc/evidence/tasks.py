# SPDX-License-Identifier: GPL-3.0-or-later
"""Several tasks from one transmission, chosen afterwards: heads fitted on what each scheme's receiver holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.errors import SdrScError
from sdr_sc.evidence.attributes import LabelSet, label_sets
from sdr_sc.evidence.entries import ENTRIES, made, title
from sdr_sc.evidence.heads import EPOCHS, predict
from sdr_sc.evidence.known_tasks import KnownTasks
from sdr_sc.evidence.tables import APART, pivot
from sdr_sc.evidence.watched import CFO_HZ, ITEMS_PER_FRAME, KNOWLEDGE, watch
from sdr_sc.phy.numerology import Numerology
from sdr_sc.results.rows import Row, wilson_interval
from sdr_sc.schemes.link import Link, noisy_channel
from sdr_sc.sweep.config import SchemeEntry

Log = Callable[[str], None]
SNR_DB = 10.0
TRAINING_ITEMS, TEST_ITEMS = 5_000, 2_000
SYMBOLS, ON_AIR = "payload symbols an image", "symbols on air an image"
ALL_ANSWERS, NEVER_SENT = "all answers, coded", "the most frequent label"


def bench_tasks(
    quick: bool, seed: int, log: Log, entries: Sequence[SchemeEntry] | None = None, data_set: str = DEFAULT_DATA_SET,
    snr_db: float = SNR_DB,
) -> list[Row]:  # fmt: skip
    """Accuracy of each task from each scheme's one transmission, and what it costs; beside the coded answers to all of
    them, which have to be known beforehand.

    Args:
        quick: a tenth of the items.
        seed: of noise, items and heads.
        log: called with what is measured next.
        entries: schemes, each k of theirs a column; None for the usual ones.
        data_set: of grey pictures.
        snr_db: Es/N0 on the occupied subcarriers, of noise alone.

    Raises:
        SdrScError: a scheme's receiver holds nothing that heads can be fitted on, or the data set does not fit.
    """
    train, test = load_dataset(data_set, "train"), load_dataset(data_set, "test")
    if train.modality != "image":
        raise SdrScError(
            f"the tasks are attributes of pictures, and {data_set} holds {train.modality}s; give pictures."
        )
    share = 10 if quick else 1
    rng = np.random.default_rng(seed)
    known = rng.permutation(len(train))[: TRAINING_ITEMS // share]
    new = rng.permutation(len(test))[: TEST_ITEMS // share]
    items = train.items(known), test.items(new)
    classes = train.targets("classification", known), test.targets("classification", new)
    tasks = label_sets(items[0], classes[0], items[1], classes[1])
    rows: list[Row] = []
    where = f"{snr_db:g} dB, "
    for entry in ENTRIES if entries is None else entries:
        scheme = made(entry, data_set)
        for k in entry.k or (None,):
            column = title(entry, k)
            log(f"{where}{column}")
            seen = [
                watch(scheme, KNOWLEDGE, items[i], classes[i].astype(np.int64), snr_db, k, seed + i) for i in (0, 1)
            ]
            count = len(new)
            result = seen[1].result
            rows.append(Row(f"{where}{SYMBOLS}{APART}{column}", result.channel_uses / count, "symbols", n=count))
            rows.append(Row(f"{where}{ON_AIR}{APART}{column}", result.symbols_on_air / count, "symbols", n=count))
            for task in tasks:
                values = seen[0].values, task.train, seen[1].values
                found = predict(*values, task.levels, seed, EPOCHS * (4 if quick else 1))
                rows.append(_accuracy(f"{where}{task.name}{APART}{column}", found == task.test))
    rows += _known(where, tasks, items[1], snr_db, seed, log)
    return rows


def table(rows: Sequence[Row]) -> str:
    """In Markdown, a line for each scheme.

    Args:
        rows: of `bench_tasks`.
    """
    turned = []
    for row in rows:
        task, _, scheme = row.name.rpartition(APART)
        snr, _, task = task.partition(", ")
        turned.append(replace(row, name=f"{snr}, {scheme}{APART}{task}"))
    return pivot(turned, "SNR, scheme")


def _known(where: str, tasks: Sequence[LabelSet], images: np.ndarray, snr_db: float, seed: int, log: Log) -> list[Row]:
    """All answers in one coded message, which only a transmitter that knows all tasks can send; and no message."""
    log(f"{where}{ALL_ANSWERS}")
    levels, joint = 1, np.zeros(len(images), np.int64)
    for task in tasks:
        if task.name != "group of classes":  # follows from the class
            joint, levels = joint * task.levels + task.test, levels * task.levels
    scheme = KnownTasks(levels)
    numerology = Numerology()
    scheme.begin("")
    link = Link(scheme, noisy_channel("", snr_db, CFO_HZ, seed + 1, numerology), None, ITEMS_PER_FRAME, numerology)
    link.sound(images, joint)
    outcomes = list(link.send(images, joint))
    right = np.concatenate([one.right for one in outcomes])
    count = len(images)
    rows = [
        Row(f"{where}{SYMBOLS}{APART}{ALL_ANSWERS}", sum(o.channel_uses for o in outcomes) / count, "symbols", n=count),
        Row(
            f"{where}{ON_AIR}{APART}{ALL_ANSWERS}", sum(o.symbols_on_air for o in outcomes) / count, "symbols", n=count
        ),
    ]
    for task in tasks:
        rows.append(_accuracy(f"{where}{task.name}{APART}{ALL_ANSWERS}", right))
        frequent = np.bincount(task.train, minlength=task.levels).argmax()
        rows.append(_accuracy(f"{where}{task.name}{APART}{NEVER_SENT}", task.test == frequent))
    return rows


def _accuracy(name: str, right: np.ndarray) -> Row:
    low, high = wilson_interval(int(right.sum()), len(right))
    return Row(name, 100 * float(right.mean()), "%", n=len(right), ci95=(100 * low, 100 * high))
