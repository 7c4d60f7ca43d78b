# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics of detection and header: frames lost on a good link, and frames found on a bad one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sdr_sc.bench.phy.fading import ECHO_SAMPLES, Fading
from sdr_sc.bench.phy.trials import MakeReceiver, Outcome, Trial, run_trials
from sdr_sc.phy.receive.receiver import Receiver
from sdr_sc.results.rows import Row, wilson_interval

Log = Callable[[str], None]
DETECTION_SNRS_DB = (0.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0)
DETECTION_GOALS_PERCENT = {0.0: 99.0, -3.0: 90.0}
FADING_GOAL_PERCENT = 99.0
OWN_SNR_FLOOR_DB, HARDEST_BELOW_DB = 3.0, 6.0
DOPPLER_HZ = 5.0
CLOCK_PPM = 20.0
_MEAN_SNRS_DB = (0.0, 5.0, 10.0, 20.0)
_FADING_GAP = (ECHO_SAMPLES, ECHO_SAMPLES + 400)


def workers(quick: bool) -> int:
    """Processes for a set of trials; a quick one ends before a second process has started."""
    return 1 if quick else 2


def lost_frame_rows(quick: bool, seed: int, log: Log, make_receiver: MakeReceiver = Receiver) -> list[Row]:
    """Frames lost and frames made up, without noise and at 30 dB, without and with gaps; the goal is 0.

    A frame with an erased feature, or with features further from those sent than its SNR allows, is lost as well.

    Args:
        quick: 500 frames a row in place of 10,000.
        seed: of the first row; the others count on.
        log: called with what is measured next.
        make_receiver: what receives.
    """
    frames = 500 if quick else 10_000
    trials: list[Trial] = []
    names: list[str] = []
    for snr_db, level in ((None, "without noise"), (30.0, "30 dB")):
        for gap, spacing in (((0, 0), "no gap"), ((0, 400), "random gaps")):
            trials.append(Trial(frames, seed + len(trials), snr_db, gap_samples=gap))
            names.append(f"{level}, {spacing}")
    log(f"lost frames: {len(trials)} x {frames} frames")
    rows = []
    for name, outcome in zip(names, run_trials(trials, make_receiver, workers(quick)), strict=True):
        lost = int(np.count_nonzero(~outcome.is_right))
        low, high = wilson_interval(lost, frames)
        rows.append(Row(f"frames lost, {name}", lost, "frames", "0", lost == 0, frames, (low * frames, high * frames)))
        rows.append(Row(f"frames made up, {name}", outcome.false, "frames", "0", outcome.false == 0, frames))
    return rows


def detection_rows(quick: bool, seed: int, log: Log, make_receiver: MakeReceiver = Receiver) -> list[Row]:
    """Frames found with the right header over AWGN, carrier offset anywhere within +-2 subcarriers.

    Args:
        As of `lost_frame_rows`; ``quick`` has 200 frames a row in place of 4,000.
    """
    frames = 200 if quick else 4000
    trials = [Trial(frames, seed + i, snr_db) for i, snr_db in enumerate(DETECTION_SNRS_DB)]
    log(f"detection over AWGN: {len(trials)} x {frames} frames")
    outcomes = run_trials(trials, make_receiver, workers(quick))
    rows = [
        _share_row(f"header right, AWGN {snr_db:g} dB", outcome.received, DETECTION_GOALS_PERCENT.get(snr_db))
        for snr_db, outcome in zip(DETECTION_SNRS_DB, outcomes, strict=True)
    ]
    return [*rows, _false_row("AWGN, all SNRs", outcomes)]


def fading_detection_rows(quick: bool, seed: int, log: Log, make_receiver: MakeReceiver = Receiver) -> list[Row]:
    """Frames found with the right header over TDL-C of 300 ns, 5 Hz Doppler and 20 ppm clock offset, at 1 and 20 MS/s.

    Counted are the frames whose own received SNR is 3 dB or more, over all mean SNRs together; those of 3 to 6 dB, the
    hardest, have a row of their own.

    Args:
        As of `lost_frame_rows`; ``quick`` has 200 frames at each mean SNR in place of 2,000.
    """
    frames = 200 if quick else 2000
    rates_hz = (1e6, 20e6)
    trials = [
        Trial(
            frames,
            seed + 10 * r + i,
            snr_db,
            gap_samples=_FADING_GAP,
            fading=Fading("C", delay_spread_ns=300.0, doppler_hz=DOPPLER_HZ),
            clock_ppm=CLOCK_PPM,
            sample_rate_hz=rate_hz,
        )
        for r, rate_hz in enumerate(rates_hz)
        for i, snr_db in enumerate(_MEAN_SNRS_DB)
    ]
    log(f"detection over TDL-C: {len(trials)} x {frames} frames")
    outcomes = run_trials(trials, make_receiver, workers(quick))
    rows = []
    for rate_hz in rates_hz:
        of_rate = [o for trial, o in zip(trials, outcomes, strict=True) if trial.sample_rate_hz == rate_hz]
        own_snr_db = np.concatenate([outcome.own_snr_db for outcome in of_rate])
        received = np.concatenate([outcome.received for outcome in of_rate])
        strong = own_snr_db >= OWN_SNR_FLOOR_DB
        channel = f"TDL-C 300 ns, {rate_hz / 1e6:g} MS/s"
        name = f"header right, {channel}, own SNR {OWN_SNR_FLOOR_DB:g} dB or more"
        rows.append(_share_row(name, received[strong], FADING_GOAL_PERCENT))
        name = f"header right, {channel}, own SNR {OWN_SNR_FLOOR_DB:g} to {HARDEST_BELOW_DB:g} dB"
        rows.append(_share_row(name, received[strong & (own_snr_db < HARDEST_BELOW_DB)], None))
        rows.append(_false_row(channel, of_rate))
    return rows


def _share_row(name: str, received: np.ndarray, goal_percent: float | None) -> Row:
    hits, count = int(np.count_nonzero(received)), len(received)
    low, high = wilson_interval(hits, count)
    share = 100 * hits / count if count else float("nan")
    interval = 100 * low, 100 * high
    if goal_percent is None:
        return Row(name, share, "%", n=count, ci95=interval)
    return Row.at_least(name, share, "%", goal_percent, count, interval)


def _false_row(name: str, outcomes: list[Outcome]) -> Row:
    false = sum(outcome.false for outcome in outcomes)
    frames = sum(len(outcome.received) for outcome in outcomes)
    return Row(f"frames made up, {name}", false, "frames", "0", false == 0, frames)
