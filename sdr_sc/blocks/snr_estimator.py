# SPDX-License-Identifier: GPL-3.0-or-later
"""The earlier name of `sdr_sc.blocks.snr_smoother`, for programs of earlier versions; the next version drops it."""

from __future__ import annotations

import warnings

from sdr_sc.blocks.snr_smoother import snr_smoother

warnings.warn(
    "sdr_sc.blocks.snr_estimator is now sdr_sc.blocks.snr_smoother; import that.", DeprecationWarning, stacklevel=2
)

snr_estimator = snr_smoother
