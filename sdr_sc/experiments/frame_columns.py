# SPDX-License-Identifier: GPL-3.0-or-later
"""``frames.csv`` of a run of any length: as columns of numbers, 40 bytes a frame."""

from __future__ import annotations

import csv
import math
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_WHOLE = ("k", "n_items", "correct")
_REAL = ("snr_est_db", "latency_ms", "air_ms", "answer_ms")


@dataclass(frozen=True)
class FrameColumns:
    """Columns of ``frames.csv``, one entry a frame, in the order of the file.

    Attributes:
        k, n_items: int16.
        correct: int16, -1 where the truth is not known.
        snr_est_db, latency_ms, air_ms, answer_ms: float64, NaN where there is none.
    """

    k: np.ndarray
    n_items: np.ndarray
    correct: np.ndarray
    snr_est_db: np.ndarray
    latency_ms: np.ndarray
    air_ms: np.ndarray
    answer_ms: np.ndarray

    def __len__(self) -> int:
        return len(self.k)


def read_columns(folder: Path) -> FrameColumns:
    """Columns of a run's ``frames.csv``; it is read row by row, since a day has millions of them.

    Raises:
        OSError: there is none.
    """
    whole = {name: array("h") for name in _WHOLE}
    real = {name: array("d") for name in _REAL}
    with open(folder / "frames.csv", newline="") as file:
        rows = csv.reader(file)
        place = {name: i for i, name in enumerate(next(rows))}
        wholes = [(whole[name].append, place[name]) for name in _WHOLE]
        reals = [(real[name].append, place[name]) for name in _REAL]
        for row in rows:
            for append, i in wholes:
                append(int(row[i]) if row[i] else -1)
            for append_real, i in reals:
                append_real(float(row[i]) if row[i] else math.nan)
    return FrameColumns(
        **{name: np.asarray(values, np.int16) for name, values in whole.items()},
        **{name: np.asarray(values, np.float64) for name, values in real.items()},
    )
