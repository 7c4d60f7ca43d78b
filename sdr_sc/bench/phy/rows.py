# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures that transmitter, receiver and SNR estimators have to reach."""

from __future__ import annotations

from collections.abc import Callable

from sdr_sc.results.rows import Row

Log = Callable[[str], None]


def bench_phy(quick: bool, seed: int, log: Log) -> list[Row]:
    """All rows; ``quick`` measures the same on less data.

    Args:
        quick: a tenth of the frames, and less.
        seed: of frames, channels and noise.
        log: called with what is measured next.
    """
    from sdr_sc.bench.phy.detection import detection_rows, fading_detection_rows, lost_frame_rows
    from sdr_sc.bench.phy.endurance import endurance_rows
    from sdr_sc.bench.phy.estimators import estimator_rows
    from sdr_sc.bench.phy.fuzz import fuzz_rows
    from sdr_sc.bench.phy.snr import doppler_rows, fading_snr_estimate_rows, payload_snr_rows, snr_estimate_rows
    from sdr_sc.bench.phy.wifi import wifi_rows

    rows = []
    for measure in (
        lost_frame_rows,
        detection_rows,
        fading_detection_rows,
        endurance_rows,
        fuzz_rows,
        payload_snr_rows,
        doppler_rows,
        snr_estimate_rows,
        fading_snr_estimate_rows,
        estimator_rows,
        wifi_rows,
    ):
        rows += measure(quick, seed, log)
    return rows
