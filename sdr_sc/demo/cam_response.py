# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast the channel-adaptive module follows a step of the SNR, from the frames of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdr_sc.semantic.cam import look_up
from sdr_sc.semantic.specs import CamTable

TOLERANCE_DB = 1.0
HYSTERESIS_DB = 1.0  # of the flowgraphs


@dataclass(frozen=True)
class Step:
    """A change of the channel's SNR.

    Attributes:
        frame_index: first frame at the new SNR.
        before_db, after_db: SNR before and after.
        frames: frames from then on until k fits the new SNR; None if it never did before the next step.
    """

    frame_index: int
    before_db: float
    after_db: float
    frames: int | None


def fitting_k(table: CamTable, snr_db: float, hysteresis_db: float) -> set[int]:
    """Every k that the CAM may hold at an SNR known to within `TOLERANCE_DB`."""
    low, high = snr_db - TOLERANCE_DB - hysteresis_db, snr_db + TOLERANCE_DB
    edges = [s for s in table.snr_db if low < s < high]
    return {look_up(table, s) for s in (low, *edges, high)}


def find_steps(snr_set_db: Sequence[float], k: Sequence[int], table: CamTable) -> list[Step]:
    """The steps of a run and the response to each.

    The frame in which the SNR changes was made before anyone could know, so that the quickest response is 1.

    Args:
        snr_set_db: SNR of each frame, dB, in the order of sending.
        k: feature symbols per item of each frame.
    """
    starts = [i for i in range(1, len(snr_set_db)) if snr_set_db[i] != snr_set_db[i - 1]]
    steps = []
    for start, end in zip(starts, [*starts, len(snr_set_db)][1:], strict=True):
        fits = fitting_k(table, snr_set_db[start], HYSTERESIS_DB)
        took = next((i - start for i in range(start, end) if k[i] in fits), None)
        steps.append(Step(start, snr_set_db[start - 1], snr_set_db[start], took))
    return steps
