# SPDX-License-Identifier: GPL-3.0-or-later
"""``frames.csv`` of a run of any length: as columns of numbers, 40 bytes a frame."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.documents import read_csv
from sdr_sc.errors import SdrScError
from sdr_sc.shown import shown

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
        SdrScError: there is none, or it holds what is no number; in one sentence.
    """
    whole = {name: array("h") for name in _WHOLE}
    real = {name: array("d") for name in _REAL}
    path, fix = folder / "frames.csv", "run it again"
    for line, row in read_csv(path, _WHOLE + _REAL, "frames of the run", fix, others=False, torn=True):
        try:
            for name, values in whole.items():
                values.append(int(row[name]) if row[name] else -1)
            for name, reals in real.items():
                reals.append(float(row[name]) if row[name] else math.nan)
        except (ValueError, OverflowError):
            raise SdrScError(f"frames of the run {shown(path)}, line {line}: {name} is no number; {fix}.") from None
    return FrameColumns(
        **{name: np.asarray(values, np.int16) for name, values in whole.items()},
        **{name: np.asarray(values, np.float64) for name, values in real.items()},
    )
