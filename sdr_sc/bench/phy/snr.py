# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics of the payload: what its SNR loses to the channel's, and how well a frame's SNR is estimated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sdr_sc.bench.phy.detection import CLOCK_PPM, DOPPLER_HZ, workers
from sdr_sc.bench.phy.fading import ECHO_SAMPLES, MEASURED_NAMES, Fading, measured_file
from sdr_sc.bench.phy.recordings import absent
from sdr_sc.bench.phy.trials import HUNDRED_SYMBOLS, MakeReceiver, Outcome, Trial, run_trials
from sdr_sc.phy.receive.receiver import Receiver
from sdr_sc.results.rows import Row, mean_interval

Log = Callable[[str], None]
LOSS_GOAL_DB = 1.0
IMPAIRED_LOSS_GOAL_DB = 1.5
BIAS_GOAL_DB, SPREAD_GOAL_DB = 0.3, 0.7
LOW_BIAS_GOAL_DB, LOW_SPREAD_GOAL_DB = 0.5, 1.5
FADING_BIAS_GOAL_DB = 1.0
_LOSS_SNRS_DB = tuple(range(0, 26, 5))
_SNRS_DB = tuple(range(0, 31, 5))
_LOW_SNRS_DB = (-5, -2.5)
_FADING_SNRS_DB = tuple(range(0, 26, 5))
# At 1 MS/s all echoes are within the cyclic prefix, at 20 MS/s those after 800 ns are not.
TDL_RATES_HZ = (1e6, 20e6)
_DOPPLERS_HZ = (0.0, DOPPLER_HZ, 20.0)
MEASURED_RATE_HZ = 20e6  # the subcarriers lie on the tones that were measured
_GAP = (ECHO_SAMPLES, ECHO_SAMPLES + 400)


def payload_snr_rows(quick: bool, seed: int, log: Log, make_receiver: MakeReceiver = Receiver) -> list[Row]:
    """By how much the SNR of the unbiased features is below the channel's, frames of 100 OFDM symbols, 0 to 25 dB:
    over AWGN, and with 20 ppm clock offset and the phase noise of a USRP; and the share of the features erased there,
    which has to be 0 over AWGN. An erased feature counts as one with a squared error of 1.

    Args:
        quick: 40 frames a row in place of 2,000.
        seed: of the first row; the others count on.
        log: called with what is measured next.
        make_receiver: what receives.
    """
    plain = [long_trial(quick, seed + i, snr_db) for i, snr_db in enumerate(_LOSS_SNRS_DB)]
    impaired = [replace(trial, seed=trial.seed + 100, clock_ppm=CLOCK_PPM, phase_noise=True) for trial in plain]
    log(f"payload SNR: {2 * len(plain)} x {plain[0].frames} frames of 100 symbols")
    outcomes = run_trials(plain + impaired, make_receiver, workers(quick))
    names = ["AWGN"] * len(plain) + [f"{CLOCK_PPM:g} ppm, phase noise"] * len(impaired)
    goals = [LOSS_GOAL_DB] * len(plain) + [IMPAIRED_LOSS_GOAL_DB] * len(impaired)
    rows = [
        _loss_row(f"payload SNR below the channel's, {name}, {trial.snr_db:g} dB", trial, outcome, goal)
        for name, trial, outcome, goal in zip(names, plain + impaired, outcomes, goals, strict=True)
    ]
    erased = _erased_row(f"features erased, {names[0]}, all SNRs", outcomes[: len(plain)])
    rows.append(replace(erased, goal="0", ok=erased.value == 0))
    return [*rows, _erased_row(f"features erased, {names[-1]}, all SNRs", outcomes[len(plain) :])]


def doppler_rows(quick: bool, seed: int, log: Log, make_receiver: MakeReceiver = Receiver) -> list[Row]:
    """Payload SNR of the median frame and of the one that 10 % of the frames fall short of, over a channel that changes
    along the frame: TDL-C of 300 ns at 1 MS/s, mean Es/N0 of 25 dB, frames of 100 OFDM symbols, 8 ms; and the share of
    the features erased. An erased feature counts as one with a squared error of 1.

    Args:
        As of `payload_snr_rows`; 500 frames a row.
    """
    trials = [
        replace(
            long_trial(quick, seed, 25.0),
            frames=40 if quick else 500,
            fading=Fading("C", doppler_hz=doppler_hz),
            gap_samples=_GAP,
        )
        for doppler_hz in _DOPPLERS_HZ
    ]
    log(f"payload SNR over Doppler: {len(trials)} x {trials[0].frames} frames of 100 symbols")
    rows = []
    for doppler_hz, outcome in zip(_DOPPLERS_HZ, run_trials(trials, make_receiver, workers(quick)), strict=True):
        payload_db = -10 * np.log10(outcome.error[outcome.received])
        channel = f"TDL-C 300 ns, 25 dB, {doppler_hz:g} Hz Doppler"
        for name, share in (("the median frame", 0.5), ("the 10th percentile frame", 0.1)):
            rows.append(_quantile_row(f"payload SNR of {name}, {channel}", payload_db, share))
        rows.append(_erased_row(f"features erased, {channel}", [outcome]))
    return rows


def snr_estimate_rows(quick: bool, seed: int, log: Log, make_receiver: MakeReceiver = Receiver) -> list[Row]:
    """Bias and spread of the SNR estimate of a frame of 100 symbols over AWGN, -5 to 30 dB.

    Args:
        As of `payload_snr_rows`.
    """
    points = [(float(s), LOW_BIAS_GOAL_DB, LOW_SPREAD_GOAL_DB) for s in _LOW_SNRS_DB]
    points += [(float(s), BIAS_GOAL_DB, SPREAD_GOAL_DB) for s in _SNRS_DB]
    trials = [long_trial(quick, seed + i, snr_db) for i, (snr_db, _, _) in enumerate(points)]
    log(f"SNR estimate over AWGN: {len(trials)} x {trials[0].frames} frames of 100 symbols")
    rows = []
    outcomes = run_trials(trials, make_receiver, workers(quick))
    for (snr_db, bias_goal_db, spread_goal_db), outcome in zip(points, outcomes, strict=True):
        errors = errors_db(outcome)
        rows.append(_bias_row(f"SNR estimate, bias, AWGN {snr_db:g} dB", errors, bias_goal_db))
        spread_db = float(errors.std(ddof=1)) if len(errors) > 1 else float("nan")
        name = f"SNR estimate, spread, AWGN {snr_db:g} dB"
        rows.append(Row.at_most(name, spread_db, "dB", spread_goal_db, len(errors)))
    return rows


def fading_snr_estimate_rows(quick: bool, seed: int, log: Log, make_receiver: MakeReceiver = Receiver) -> list[Row]:
    """Bias of the SNR estimate against each frame's own received SNR over TDL-A to E and measured channels, at the
    worst of the mean SNRs 0 to 25 dB.

    Args:
        As of `payload_snr_rows`.
    """
    points: list[tuple[str, Fading, float]] = [
        (f"TDL-{profile} 300 ns, {rate_hz / 1e6:g} MS/s", Fading(profile, doppler_hz=DOPPLER_HZ), rate_hz)
        for rate_hz in TDL_RATES_HZ
        for profile in "ABCDE"
    ]
    missing = []
    for name in MEASURED_NAMES:
        file = measured_file(name)
        if file.is_file():
            points.append((f"measured {name}", Fading(measured=str(file)), MEASURED_RATE_HZ))
        else:
            missing.append(absent(f"SNR estimate, worst bias, measured {name}", file))
    trials = [
        replace(long_trial(quick, seed + 10 * p + i, snr_db), fading=fading, gap_samples=_GAP, sample_rate_hz=rate_hz)
        for p, (_, fading, rate_hz) in enumerate(points)
        for i, snr_db in enumerate(_FADING_SNRS_DB)
    ]
    log(f"SNR estimate over fading: {len(trials)} x {trials[0].frames} frames of 100 symbols")
    outcomes = run_trials(trials, make_receiver, workers(quick))
    rows = []
    for p, (name, _, _) in enumerate(points):
        of_point = slice(p * len(_FADING_SNRS_DB), (p + 1) * len(_FADING_SNRS_DB))
        rows.append(_worst_bias_row(name, _FADING_SNRS_DB, outcomes[of_point]))
    return rows + [Row(name, float("nan"), "dB") for name in missing]


def quantile_interval(values: np.ndarray, share: float) -> tuple[float, float]:
    """95 % confidence interval of a quantile by order statistics, whatever the distribution (H. A. David, H. N.
    Nagaraja, Order Statistics, 3rd ed., section 7.1); the extremes where there are too few values.

    Args:
        share: of the distribution below the quantile, 0..1.

    >>> quantile_interval(np.arange(1.0, 101.0), 0.5)
    (40.0, 61.0)
    """
    from scipy.stats import binom

    ordered, n = np.sort(values), len(values)
    low, high = (int(rank) for rank in binom.ppf((0.025, 0.975), n, share))
    return float(ordered[max(low - 1, 0)]), float(ordered[min(high, n - 1)])


def long_trial(quick: bool, seed: int, snr_db: float) -> Trial:
    """Frames of 100 OFDM symbols at an SNR."""
    return Trial(40 if quick else 2000, seed, float(snr_db), HUNDRED_SYMBOLS)


def errors_db(outcome: Outcome) -> np.ndarray:
    """Estimate minus own SNR of the frames that were received, dB."""
    return (outcome.estimate_db - outcome.own_snr_db)[outcome.received]


def _bias_row(name: str, errors_db: np.ndarray, goal_db: float) -> Row:
    bias_db = float(errors_db.mean()) if len(errors_db) else float("nan")
    interval = mean_interval(errors_db) if len(errors_db) > 1 else None
    return Row(name, bias_db, "dB", f"|bias| <= {goal_db:g} dB", abs(bias_db) <= goal_db, len(errors_db), interval)


def _worst_bias_row(channel: str, snrs_db: Sequence[float], outcomes: Sequence[Outcome]) -> Row:
    """Of all points the one with the largest bias; a point without a single frame is the worst."""
    rows = [
        _bias_row(f"SNR estimate, worst bias, {channel} (at {snr_db:g} dB)", errors_db(outcome), FADING_BIAS_GOAL_DB)
        for snr_db, outcome in zip(snrs_db, outcomes, strict=True)
    ]
    return max(rows, key=lambda row: abs(row.value) if np.isfinite(row.value) else np.inf)


def _quantile_row(name: str, values_db: np.ndarray, share: float) -> Row:
    if not len(values_db):
        return Row(name, float("nan"), "dB", n=0)
    interval = quantile_interval(values_db, share)
    return Row(name, float(np.quantile(values_db, share)), "dB", n=len(values_db), ci95=interval)


def _erased_row(name: str, outcomes: Sequence[Outcome]) -> Row:
    """Share of the features of the frames that were received; frames are equally long."""
    shares = np.concatenate([outcome.erased[outcome.received] for outcome in outcomes])
    return Row(name, 100 * float(shares.mean()) if len(shares) else float("nan"), "%", n=len(shares))


def _loss_row(name: str, trial: Trial, outcome: Outcome, goal_db: float) -> Row:
    errors = outcome.error[np.isfinite(outcome.error)]
    if trial.snr_db is None or len(errors) < 2:
        return Row.at_most(name, float("nan"), "dB", goal_db, len(errors))
    low, high = (trial.snr_db + 10 * np.log10(max(bound, 1e-12)) for bound in mean_interval(errors))
    loss_db = trial.snr_db + 10 * np.log10(errors.mean())
    return Row.at_most(name, float(loss_db), "dB", goal_db, len(errors), (float(low), float(high)))
