# SPDX-License-Identifier: GPL-3.0-or-later
"""The SNR estimators side by side, over the same frames and channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from sdr_sc.bench.phy.detection import CLOCK_PPM, DOPPLER_HZ, workers
from sdr_sc.bench.phy.fading import ECHO_SAMPLES, MEASURED_NAMES, Fading, measured_file
from sdr_sc.bench.phy.recordings import absent
from sdr_sc.bench.phy.snr import MEASURED_RATE_HZ, TDL_RATES_HZ, errors_db, long_trial
from sdr_sc.bench.phy.trials import Trial, run_trials
from sdr_sc.phy.receive.receiver import Receiver
from sdr_sc.phy.receive.snr import DEFAULT_ESTIMATOR, ESTIMATORS
from sdr_sc.results.rows import Row

Log = Callable[[str], None]
_SNRS_DB = (0.0, 10.0, 20.0, 30.0)
_MEASURED_FILE = measured_file(MEASURED_NAMES[-1])
_FADING_SNRS_DB = (5.0, 15.0, 25.0)


def estimator_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    """Bias and spread of every estimator in each channel, at the SNR where its bias is worst; last, whether the default
    is the one with the smallest bias over all of them.

    Args:
        quick: 30 frames a point in place of 400.
        seed: of all trials.
        log: called with what is measured next.
    """
    channels = _channels(quick, seed)
    count = sum(len(trials) for trials in channels.values())
    log(f"SNR estimators: {len(ESTIMATORS)} x {count} x {next(iter(channels.values()))[0].frames} frames")
    rows: list[Row] = []
    worst: dict[str, float] = {}
    for name in ESTIMATORS:
        outcomes = iter(run_trials(sum(channels.values(), []), partial(Receiver, snr_estimator=name), workers(quick)))
        for channel, trials in channels.items():
            errors = [errors_db(next(outcomes)) for _ in trials]
            biases = [abs(float(e.mean())) if len(e) else np.inf for e in errors]
            w = int(np.argmax(biases))
            snr_db = trials[w].snr_db
            worst[name] = max(worst.get(name, 0.0), biases[w])
            title = f"{name}, {channel}, worst bias (at {snr_db:g} dB)"
            rows.append(Row(title, float(errors[w].mean()) if len(errors[w]) else float("nan"), "dB", n=len(errors[w])))
            spread = max(float(e.std(ddof=1)) for e in errors if len(e) > 1)
            rows.append(Row(f"{name}, {channel}, largest spread", spread, "dB", n=trials[0].frames))
    for name, bias in worst.items():
        rows.append(Row(f"{name}, largest bias over all channels", bias, "dB"))
    best = min(worst, key=lambda name: worst[name])
    is_best = best == DEFAULT_ESTIMATOR
    title = f"largest bias of the default, {DEFAULT_ESTIMATOR}, over that of the best, {best}"
    rows.append(Row(title, worst[DEFAULT_ESTIMATOR] / worst[best], "", "1", is_best))
    if not _MEASURED_FILE.is_file():
        rows.append(Row(absent("SNR estimators side by side, measured channel", _MEASURED_FILE), float("nan"), "dB"))
    return rows


def _channels(quick: bool, seed: int) -> dict[str, list[Trial]]:
    def trials(snrs_db: tuple[float, ...], **changes: object) -> list[Trial]:
        plain = [long_trial(quick, seed + i, snr_db) for i, snr_db in enumerate(snrs_db)]
        return [replace(trial, frames=30 if quick else 400, **changes) for trial in plain]  # type: ignore[arg-type]

    gap = (ECHO_SAMPLES, ECHO_SAMPLES + 400)
    channels = {
        "AWGN": trials(_SNRS_DB),
        f"{CLOCK_PPM:g} ppm, phase noise": trials(_FADING_SNRS_DB, clock_ppm=CLOCK_PPM, phase_noise=True),
    }
    for rate_hz in TDL_RATES_HZ:
        name, fading = f"TDL-C 300 ns, {rate_hz / 1e6:g} MS/s", Fading("C", doppler_hz=DOPPLER_HZ)
        channels[name] = trials(_FADING_SNRS_DB, fading=fading, gap_samples=gap, sample_rate_hz=rate_hz)
    if _MEASURED_FILE.is_file():
        changes = {
            "fading": Fading(measured=str(_MEASURED_FILE)),
            "gap_samples": gap,
            "sample_rate_hz": MEASURED_RATE_HZ,
        }
        channels[f"measured {MEASURED_NAMES[-1]}"] = trials(_FADING_SNRS_DB, **changes)
    return channels
