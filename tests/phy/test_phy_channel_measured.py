# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured channels: synthetic files everywhere, real ones where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from measured_files import TONES, content, write

from sdr_sc.errors import ChannelError
from sdr_sc.phy.channels import Measured, read_measured

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "measured_channels"
REAL = [f"office_{name}.npz" for name in ("los_1", "los_2", "nlos_1", "nlos_2")]


def real(name: str) -> Path:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no measured channels at {path}")
    return path


def response_at(model: Measured, cycles_per_sample: np.ndarray) -> np.ndarray:
    """Frequency response of a held channel, without its bulk delay."""
    impulse = np.zeros(2048, np.complex64)
    impulse[0] = 1
    out = model.process(impulse)
    lags = np.arange(len(out)) - model.bulk_delay_samples
    return np.exp(-2j * np.pi * np.outer(cycles_per_sample, lags)) @ out


def error_db(got: np.ndarray, wanted: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.abs(got - wanted) ** 2) / np.mean(np.abs(wanted) ** 2)))


def test_alignment_undoes_what_the_receiver_did_at_random(tmp_path: Path) -> None:
    measured = read_measured(write(tmp_path / "a.npz"))
    clean = content(shuffled=False)["H"]
    assert measured.fit_error_db < -25
    assert np.mean(np.abs(measured.tones) ** 2, axis=1) == pytest.approx(1.0)
    neighbours = np.abs(np.sum(measured.tones[1:] * measured.tones[:-1].conj(), axis=1)) / len(TONES)
    assert neighbours.min() > 0.99
    shape = np.abs(clean) / np.sqrt(np.mean(np.abs(clean) ** 2, axis=1, keepdims=True))
    assert np.abs(np.abs(measured.tones) - shape).max() < 1e-3
    assert np.angle(np.sum(measured.tones[1:] * measured.tones[:-1].conj(), axis=1)) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("name", REAL)
def test_real_tones_are_reproduced_at_20_ms(name: str) -> None:
    measured = read_measured(real(name))
    errors = []
    for i in range(0, len(measured.t_s), 97):
        model = Measured(FOLDER / name, 20e6, speed=0.0, start_s=float(measured.t_s[i]))
        errors.append(10 ** (error_db(response_at(model, TONES / 64), measured.tones[i]) / 10))
    assert 10 * np.log10(np.mean(errors)) < -25
    assert measured.fit_error_db < -25
    assert np.mean(np.abs(measured.tones) ** 2) == pytest.approx(1.0)


def test_at_1_ms_a_measured_channel_is_what_it_would_be(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz")
    measured = read_measured(path)
    cycles = np.linspace(-0.4, 0.4, 33)
    real_rate = response_at(Measured(path, 1e6, speed=0.0, start_s=0.5), cycles)
    scaled_model = Measured(path, 1e6, speed=0.0, start_s=0.5, frequency_scaled=True)
    scaled = response_at(scaled_model, TONES / 64)
    lags_s = measured.tap_spacing_s * np.arange(16)
    taps = scaled_model._realisation.gains(0.0, 1.0, 1)[0]  # type: ignore[union-attr]
    assert error_db(real_rate, np.exp(-2j * np.pi * 1e6 * np.outer(cycles, lags_s)) @ taps) < -55
    span_db = [np.ptp(20 * np.log10(np.abs(h))) for h in (real_rate, scaled)]
    assert span_db[0] < 0.4 * span_db[1]  # far flatter than the whole measured band
    nearest = int(np.argmin(np.abs(measured.t_s - 0.5)))
    assert error_db(scaled, measured.tones[nearest]) < -25
    assert scaled_model.bulk_delay_samples == 0 and scaled_model.is_frequency_scaled


def test_the_recording_plays_at_its_speed_and_turns_back(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz")
    length_s = read_measured(path).t_s[-1]
    model = Measured(path, 1e4, start_s=0.0)
    out = model.process(np.ones(int(2 * length_s * 1e4), np.complex64))[100:]
    assert np.ptp(np.abs(out)) > 0.3
    mirrored = np.interp(2 * length_s - np.arange(9000, 12000) / 1e4, np.arange(100, 100 + len(out)) / 1e4, out)
    assert np.abs(out[8900:11900] - mirrored).max() < 0.05
    fast = Measured(path, 1e4, speed=2.0, start_s=0.0).process(np.ones(4000, np.complex64))
    assert np.abs(fast[100:] - out[100 : 2 * 3900 + 100 : 2]).max() < 0.05


def test_between_snapshots_the_taps_move_in_a_line(tmp_path: Path) -> None:
    measured = read_measured(write(tmp_path / "a.npz"))
    model = Measured(tmp_path / "a.npz", 1e6, start_s=0.25 * measured.t_s[9] + 0.75 * measured.t_s[10])
    model.process(np.ones(1, np.complex64))
    assert model._realisation is not None
    got = model._realisation.gains(0.0, 1.0, 1)[0]
    assert np.allclose(got, 0.25 * measured.taps[9] + 0.75 * measured.taps[10])


def test_a_seed_picks_the_beginning_and_renewal_picks_more(tmp_path: Path) -> None:
    path, ones = write(tmp_path / "a.npz"), np.ones(2000, np.complex64)
    one = Measured(path, 20e6, seed=1).process(ones)
    assert np.array_equal(one, Measured(path, 20e6, seed=1).process(ones))
    assert not np.array_equal(one, Measured(path, 20e6, seed=2).process(ones))
    renewed = Measured(path, 20e6, speed=0.0, seed=1, renew_samples=500).process(ones).reshape(4, 500)
    assert len(set(np.round(renewed[:, 400], 6).tolist())) == 4


def without(key: str) -> dict:
    return {key: None}


@pytest.mark.parametrize(
    "changes, words",
    [
        (without("H"), "it has no 'H'"),
        (without("subcarrier_spacing_hz"), "it has no 'subcarrier_spacing_hz'"),
        ({"H": np.zeros((200, 30), np.complex64)}, "H is zero"),
        ({"H": np.full((200, 30), np.nan, np.complex64)}, "finite"),
        ({"H": np.ones(30, np.complex64)}, "snapshots, tones"),
        ({"H": np.ones((200, 29), np.complex64)}, "name each tone"),
        ({"t_s": np.zeros(200)}, "rise"),
        ({"t_s": np.arange(7.0)}, "t_s"),
        ({"t_s": np.full(200, np.inf)}, "finite"),
        ({"subcarrier": np.zeros(30, int)}, "different numbers"),
        ({"subcarrier": TONES * 2.5}, "whole numbers"),
        ({"subcarrier_spacing_hz": np.array(-1.0)}, "above 0"),
        ({"subcarrier_spacing_hz": np.ones(3)}, "one number"),
        ({"H": np.array([["a"] * 30] * 200)}, "numbers"),
        ({"H": np.array([[{}] * 30] * 200, object)}, "plain numbers"),
    ],
)
def test_a_file_that_makes_no_sense_is_reported_in_one_sentence(tmp_path: Path, changes: dict, words: str) -> None:
    path = write(tmp_path / "bad.npz", **changes)
    with pytest.raises(ChannelError, match=words) as caught:
        Measured(path, 1e6)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_are_no_archives_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ChannelError, match="cannot be found"):
        Measured(tmp_path / "none.npz", 1e6)
    for name, data in (("text.npz", b"hello"), ("empty.npz", b""), ("zip.npz", b"PK\x03\x04rubbish")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ChannelError, match="npz archive"):
            Measured(tmp_path / name, 1e6)
    np.save(tmp_path / "one.npy", np.ones(3))
    with pytest.raises(ChannelError, match="npz archive"):
        Measured(tmp_path / "one.npy", 1e6)
    with pytest.raises(ChannelError, match="cannot be"):
        Measured(tmp_path, 1e6)
    whole = write(tmp_path / "whole.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ChannelError, match="npz archive"):
        Measured(tmp_path / "cut.npz", 1e6)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_the_scale_of_the_numbers_does_not_matter(tmp_path: Path, scale: float) -> None:
    usual = read_measured(write(tmp_path / "a.npz")).taps
    odd = read_measured(write(tmp_path / "b.npz", H=content()["H"].astype(complex) * scale)).taps
    assert np.allclose(usual, odd, atol=1e-6)


def test_damaged_bytes_never_give_anything_but_taps_or_one_sentence(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(3), tmp_path / "a.npz"
    np.savez_compressed(path, **content(20))
    whole = bytearray(path.read_bytes())
    refused = 0
    for i in range(150):
        damaged = whole.copy()
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(256)
        (tmp_path / f"{i}.npz").write_bytes(damaged)
        try:
            assert np.isfinite(read_measured(tmp_path / f"{i}.npz").taps).all()
        except ChannelError:
            refused += 1
    assert refused > 50


def test_parameters_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz")
    with pytest.raises(ChannelError, match="speed is -1"):
        Measured(path, 1e6, speed=-1.0)
    with pytest.raises(ChannelError, match="start_s is 99.0"):
        Measured(path, 1e6, start_s=99.0)
    with pytest.raises(ChannelError, match="renew_samples"):
        Measured(path, 1e6, start_s=0.1, renew_samples=10)
