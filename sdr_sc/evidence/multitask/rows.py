# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows that the evidence on several tasks is made of, and what all of its parts have to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdr_sc.data.dataset import Dataset
from sdr_sc.evidence.tables import APART
from sdr_sc.results.rows import Row, clustered_interval, wilson_interval
from sdr_sc.schemes.link import LinkResult
from sdr_sc.semantic.gallery import Gallery
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.specs import TaskSpec

RETRIEVAL = "retrieval"
RECALLS = (1, 5)
SYMBOLS, ON_AIR = "payload symbols an item", "symbols on air an item"
BROADCAST_DB = 10.0
"""What the transmitter prepares for where one transmission is for receivers of different SNR."""


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes:
        model: weights file.
        train, test: parts of the data set; the first is for the rivals' quantiser.
        gallery: of the test part's entries; None where the model has no task `RETRIEVAL`.
        snrs_db, k_list: of the points.
        seed: of noise.
        channel: models before the noise, see `sdr_sc.phy.channels.parse_chain`; '' for none.
        others: further entries, which are searched beside those of the gallery; None for none.
        with_rivals: whether rivals are measured beside.
        with_coded: whether coded messages are among them, and not the linear one alone.
    """

    model: str
    train: Dataset
    test: Dataset
    gallery: Gallery | None
    snrs_db: Sequence[float]
    k_list: Sequence[int]
    seed: int
    channel: str = ""
    others: Gallery | None = None
    with_rivals: bool = True
    with_coded: bool = True


def answers_of(spec: TaskSpec, data: Dataset, index: np.ndarray) -> np.ndarray:
    """What is right of items, among a task's answers as a model has them: int (n,), -1 where it has no such answers, as
    of a data set with other classes."""
    if spec.name not in data.tasks or (spec.names and tuple(data.names(spec.name)) != tuple(spec.names)):
        return np.full(len(index), -1)
    return data.targets(spec.name, index)


def share_row(name: str, right: np.ndarray, groups: np.ndarray | None = None) -> Row:
    """A share of items; its interval is over groups where several items are of one."""
    low, high = wilson_interval(int(np.count_nonzero(right)), len(right))
    if groups is not None and len(np.unique(groups)) < len(groups):
        _, number = np.unique(groups, return_inverse=True)
        low, high = clustered_interval(np.bincount(number, right), np.bincount(number))
    return Row(name, 100 * float(np.mean(right)), "%", n=len(right), ci95=(100 * low, 100 * high))


def cost(column: str, result: LinkResult, items: int) -> list[Row]:
    """Rows of what was sent for an item."""
    return [
        Row(f"{column}{APART}{SYMBOLS}", result.channel_uses / items, "symbols", n=items),
        Row(f"{column}{APART}{ON_AIR}", result.symbols_on_air / items, "symbols", n=items),
    ]


def own_outputs(
    encoder: SemanticEncoder, decoder: SemanticDecoder, items: np.ndarray, snr_db: float, k: int
) -> np.ndarray:
    """What the student answers without a channel, as its transmitter can find out."""
    parts = [items[start : start + 1000] for start in range(0, len(items), 1000)]
    return np.concatenate([decoder.outputs(encoder.encode(part, snr_db, k), snr_db) for part in parts])
