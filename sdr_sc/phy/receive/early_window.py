# SPDX-License-Identifier: GPL-3.0-or-later
"""The phase that the receiver's early FFT window makes."""

from __future__ import annotations

import numpy as np

from sdr_sc.phy.numerology import Numerology


def early_window_ramp(numerology: Numerology) -> np.ndarray:
    """complex64 (used,): phase that undoes an FFT window ``early_window`` samples early."""
    turns = numerology.positions * (numerology.early_window / numerology.fft_size)
    return np.exp(2j * np.pi * turns).astype(np.complex64)
