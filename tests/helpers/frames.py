# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames as the two ends of a link report them."""

from __future__ import annotations

import numpy as np

from sdr_sc.link.frames.frame_record import Answer, Reception
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO


def reception(
    index: int,
    classes: np.ndarray,
    confidence: np.ndarray,
    snr_db: float,
    cfo_hz: float | None,
    time_ns: int,
    k: int | None = None,
) -> Reception:
    """An answered frame, as the task sink enters it."""
    answer = Answer(classes, confidence, time_ns)
    return Reception(index % FRAME_NUM_MODULO, k, len(classes), snr_db, cfo_hz, answer)
