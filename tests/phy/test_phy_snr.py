# SPDX-License-Identifier: GPL-3.0-or-later
"""The SNR estimators: the same interface, calibrated, and what sets them apart."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.phy.channels.base import Chain, ChannelModel
from sdr_sc.phy.channels.multipath import Multipath, power_on_subcarriers
from sdr_sc.phy.channels.noise import Awgn
from sdr_sc.phy.channels.offsets import CarrierOffset, ClockOffset
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import Receiver
from sdr_sc.phy.receive.snr import DEFAULT_ESTIMATOR, ESTIMATORS

N64 = Numerology()


def errors_db(estimator: str, snr_db: float, models: list[ChannelModel], power: float = 1.0) -> np.ndarray:
    rng, parts = np.random.default_rng(1), []
    for i in range(120):
        features = np.exp(2j * np.pi * rng.random((16, 60))).astype(np.complex64)
        parts += [build_frame(features, Header(1, 60, 16, i), N64), np.zeros(200, np.complex64)]
    samples = Chain([*models, Awgn(snr_db, 2)]).process(np.concatenate(parts))
    receiver = Receiver(N64, snr_estimator=estimator)
    frames = receiver.push(samples) + receiver.flush()
    assert len(frames) >= 118
    return np.array([f.snr_db for f in frames]) - snr_db - 10 * np.log10(power)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("snr_db", [0.0, 10.0, 25.0])
def test_every_estimator_is_calibrated_in_white_noise(estimator: str, snr_db: float) -> None:
    errors = errors_db(estimator, snr_db, [CarrierOffset(5e3, 1e6)])
    assert abs(errors.mean()) < (0.6 if estimator == "pilots" else 0.3)
    assert errors.std() < 1.5


def test_the_default_is_calibrated_where_echoes_outlast_the_cyclic_prefix() -> None:
    late = [0.0] * 40
    late[0], late[30] = 1.0, 0.5  # 30 samples late, after a cyclic prefix of 16
    power = power_on_subcarriers(late, N64)
    errors = errors_db(DEFAULT_ESTIMATOR, 20.0, [Multipath(late)], power=power)
    assert abs(errors.mean()) < 0.5
    # Known symbols see the interference that the late echo makes.
    assert errors_db("known_symbols", 20.0, [Multipath(late)], power=power).mean() < -5


def test_a_clock_offset_does_not_look_like_noise() -> None:
    for estimator in ("preamble_fit", "known_symbols"):
        assert abs(errors_db(estimator, 30.0, [ClockOffset(20.0)]).mean()) < 0.3


def test_a_receive_filter_does_not_hide_noise() -> None:
    """Noise that a filter takes off the band's edges is not counted twice, nor is it missed."""
    from scipy.signal import firwin, lfilter

    rng, parts = np.random.default_rng(3), []
    for i in range(80):
        features = np.exp(2j * np.pi * rng.random((4, 48))).astype(np.complex64)
        parts += [build_frame(features, Header(1, 48, 4, i), N64), np.zeros(200, np.complex64)]
    noisy = Awgn(15.0, 4).process(np.concatenate(parts))
    filtered = lfilter(firwin(25, 0.9), 1, noisy).astype(np.complex64)
    estimates = {}
    for name in ("preamble_fit", "empty_subcarriers"):
        receiver = Receiver(N64, snr_estimator=name)
        estimates[name] = np.mean([f.snr_db for f in receiver.push(filtered) + receiver.flush()]) - 15.0
    assert abs(estimates["preamble_fit"]) < 0.4
    assert estimates["empty_subcarriers"] > 1.0
