# SPDX-License-Identifier: GPL-3.0-or-later
"""The SNR of 802.11 preambles: on packets made here with an SNR that is known, and on the recorded ones."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.bench.phy import wifi as wifi_captures
from sdr_sc.bench.phy.wifi import (
    CAPTURES,
    FOLDER,
    estimate,
    find_preambles,
    noisy_errors_db,
    read_ci16,
    training_symbol,
    wifi_rows,
)
from sdr_sc.errors import SdrScError
from sdr_sc.results.rows import NOT_MEASURED

CFO_HZ = -35_000.0
GAP, PACKET = 700, 2000
# IEEE 802.11-2016, table 17-7: the short training field, on every fourth subcarrier.
SHORT = {-24: 1, -20: -1, -16: 1, -12: -1, -8: -1, -4: 1, 4: -1, 8: -1, 12: 1, 16: 1, 20: 1, 24: 1}


def ignore(what: str) -> None:
    pass


def packet(rng: np.random.Generator) -> np.ndarray:
    """Short field, long field, and OFDM symbols of QPSK, power 1 on each subcarrier."""
    bins = np.zeros(64, complex)
    for position, sign in SHORT.items():
        bins[position] = sign * np.sqrt(13 / 6) * (1 + 1j)
    short = np.tile(np.fft.ifft(bins, norm="ortho")[:16], 10)
    long = training_symbol()
    symbols = [short, long[-32:], long, long]
    for _ in range(21):
        bins = np.zeros(64, complex)
        bins[np.r_[-26:0, 1:27]] = rng.choice([1, -1], 52) + 1j * rng.choice([1, -1], 52)
        symbol = np.fft.ifft(bins / np.sqrt(2), norm="ortho")
        symbols += [symbol[-16:], symbol]
    return np.concatenate(symbols)


def stream(packets: int, snr_db: float, seed: int) -> np.ndarray:
    """Packets through two paths with a carrier offset, and noise ``snr_db`` below them on the subcarriers."""
    rng = np.random.default_rng(seed)
    clean = np.concatenate([np.r_[np.zeros(GAP), packet(rng)] for _ in range(packets)] + [np.zeros(GAP)])
    clean = np.convolve(clean, [0.9, 0, 0, 0.3j])[: len(clean)]
    response = np.abs(0.9 + 0.3j * np.exp(-6j * np.pi * np.r_[-26:0, 1:27] / 64)) ** 2
    clean = clean / np.sqrt(response.mean()) * np.exp(2j * np.pi * CFO_HZ / 20e6 * np.arange(len(clean)))
    noise = rng.standard_normal((2, len(clean))) * np.sqrt(10 ** (-snr_db / 10) / 2)
    return (clean + noise[0] + 1j * noise[1]).astype(np.complex64)


def write_ci16(path, samples):
    scaled = np.round(samples.view(np.float32) / np.abs(samples.view(np.float32)).max() * 20000)
    scaled.astype("<i2").tofile(path)


def test_the_training_field_is_that_of_the_standard():
    # Table 17-8 of the standard gives the long field's samples in time: sample 0 after the prefix is 0.156, sample 1
    # is -0.005 - 0.120j.
    samples = training_symbol() * 8 / 64
    assert samples[:2] * 1.0 == pytest.approx(np.array([0.15625, -0.005 - 0.120j]) * 1.0, abs=1e-3)


@pytest.mark.parametrize("snr_db", (15.0, 35.0))
def test_packets_are_found_where_they_are_with_their_snr(snr_db):
    found = find_preambles(stream(40, snr_db, seed=1))
    assert len(found) == 40
    for i, preamble in enumerate(found):
        begin = i * (GAP + len(packet(np.random.default_rng(1)))) + GAP + 160 + 32
        assert abs(preamble.start + wifi_captures.EARLY_SAMPLES - begin) <= 3  # the second path
        assert preamble.cfo_hz == pytest.approx(CFO_HZ, abs=5000)
    errors = np.array([estimate(preamble).snr_db for preamble in found]) - snr_db
    assert abs(errors.mean()) < 0.5  # 0.6 dB a packet, so five standard deviations


def test_added_noise_gives_the_snr_that_was_asked_for():
    found = find_preambles(stream(10, 35.0, seed=2))
    for snr_db in (5.0, 25.0):
        errors = noisy_errors_db(found, snr_db, 100, seed=3)
        # The packets' own signal and noise are measured too: 10 packets, 0.3 dB each at the worst.
        assert len(errors) == 1000 and abs(errors.mean()) < 0.4


def test_a_packet_noisier_than_asked_for_is_left_out():
    found = find_preambles(stream(3, 15.0, seed=4))
    assert len(found) == 3 and len(noisy_errors_db(found, 25.0, 10, seed=1)) == 0


def test_noise_holds_no_packet():
    rng = np.random.default_rng(5)
    assert find_preambles(rng.standard_normal(200_000, np.float32).view(np.complex64)) == []


def test_rows_from_files(tmp_path):
    for seed, name in enumerate(CAPTURES):
        write_ci16(tmp_path / f"{name}.ci16", stream(30, 35.0, seed))
    rows = wifi_rows(True, 1, ignore, tmp_path)
    goals = [row for row in rows if row.goal]
    assert len(goals) == 2 + len(wifi_captures.NOISY_SNRS_DB) and all(row.ok for row in goals)


def test_absent_captures_are_said_to_be_absent(tmp_path):
    rows = wifi_rows(True, 1, ignore, tmp_path / "nowhere")
    assert len(rows) == len(CAPTURES) + len(wifi_captures.NOISY_SNRS_DB)
    assert all(np.isnan(row.value) and row.ok is None for row in rows)
    assert all(NOT_MEASURED in row.name and "nowhere" in row.name for row in rows)


def test_a_damaged_capture_is_reported(tmp_path):
    path = tmp_path / "odd.ci16"
    path.write_bytes(b"123456")
    with pytest.raises(SdrScError, match="ends within a sample"):
        read_ci16(path)
    path.write_bytes(b"")
    with pytest.raises(SdrScError, match="cannot be read"):
        read_ci16(path)


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"{FOLDER} is absent")
def test_the_recorded_packets():
    rows = {row.name: row for row in wifi_rows(True, 1, ignore)}
    counts = {name: rows[f"SNR of {name} as it is, median"].n for name in CAPTURES}
    assert counts == {"conducted_24mbps": 19, "radiated_65mbps": 8}
    assert all(row.ok for row in rows.values() if row.goal)
