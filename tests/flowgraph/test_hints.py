# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user is shown where nothing is received: by ``replay``, ``record sim``, ``run`` and ``rx``."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from command import sdr_sc
from usrp_ends import Ends

from sdr_sc.bench.phy.faulty_signals import noisy, resampled, shifted
from sdr_sc.capture import CaptureWriter, open_capture
from sdr_sc.flowgraph.loopback import LOOPBACK, run_loopback
from sdr_sc.flowgraph.received_nothing import UNKNOWN
from sdr_sc.flowgraph.record import record_loopback
from sdr_sc.flowgraph.replay import replay
from sdr_sc.flowgraph.replay_config import ReplayConfig

SIZES = "fft_size: 128\ncyclic_prefix: 32\ndata_subcarriers: 96\npilot_subcarriers: 8\n"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Samples of a recorded run of twelve frames at 20 dB."""
    path = tmp_path_factory.mktemp("recorded") / "run"
    _, accounting = record_loopback(path, 120, images=48, snr_db=20.0, cfo_hz=500.0, seed=7)
    assert accounting.frames_answered == 12 and accounting.hint == ""
    with open_capture(path) as capture:
        return capture.samples(0, capture.sample_count)


def wide(samples: np.ndarray) -> np.ndarray:
    return noisy(shifted(resampled(samples, Fraction(10)), 0.2), 0.01, np.random.default_rng(1))


FAULTS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float, str]] = {
    "exchanged I and Q": (lambda s: (1j * s.conj()).astype(np.complex64), 1e6, "the spectrum is inverted"),
    "offset": (lambda s: shifted(s, 0.048), 1e6, "carrier offset is about +48.5 kHz (+3.1 subcarriers)"),
    "2.4 MS/s": (lambda s: resampled(s, Fraction(12, 5)), 2.4e6, "takes it for one of 2.4 MS/s"),
    "4 MS/s": (lambda s: resampled(s, Fraction(4)), 4e6, "give --decimate 4"),
    # 500 Hz, half of the last digit that is shown, are the recording's own carrier offset.
    "off the centre": (wide, 10e6, "the signal has 1 MS/s and lies +2"),
    "noise": (lambda s: noisy(0 * s, 1.0, np.random.default_rng(1)), 1e6, "it may be that there is noise alone"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_replay_without_frames_names_the_fault_of_the_recording(
    fault: str, recorded: np.ndarray, tmp_path: Path
) -> None:
    transform, rate_hz, words = FAULTS[fault]
    with CaptureWriter(tmp_path / "faulty", rate_hz) as writer:
        writer.write(transform(recorded))
    (result,) = replay(ReplayConfig(str(tmp_path / "faulty")), deadline_s=60)
    (warning,) = result.warnings
    assert warning.startswith(f"no frame was found at {rate_hz:.0f} samples/s: ") and words in warning
    found = result.status["nothing_received"]
    assert found["hint"] in warning and found["proven"] == (fault != "noise")


def test_what_a_replay_is_reported_to_do_by_the_hint_gives_the_frames(recorded: np.ndarray, tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "faulty", 4e6) as writer:
        writer.write(shifted(resampled(recorded, Fraction(4)), 0.0125))
    (result,) = replay(ReplayConfig(str(tmp_path / "faulty"), decimation=4), deadline_s=60)
    (warning,) = result.warnings
    tune_hz = float(warning.split("--tune-hz ")[1].split()[0])
    (result,) = replay(ReplayConfig(str(tmp_path / "faulty"), decimation=4, tune_hz=tune_hz), deadline_s=60)
    assert result.status["receiver"]["delivered"] == 12 and "nothing_received" not in result.status


@pytest.mark.parametrize(
    ("fault", "option", "value"), [("exchanged I and Q", "swap_iq", True), ("offset", "cfo_range_subcarriers", 8.0)]
)
def test_the_receivers_option_that_the_hint_names_gives_the_frames(
    fault: str, option: str, value: float, recorded: np.ndarray, tmp_path: Path
) -> None:
    with CaptureWriter(tmp_path / "faulty", 1e6) as writer:
        writer.write(FAULTS[fault][0](recorded))
    (result,) = replay(ReplayConfig(str(tmp_path / "faulty")), deadline_s=60)
    assert {"swap_iq": "--swap-iq", "cfo_range_subcarriers": "--cfo-range 8"}[option] in result.warnings[0]
    (result,) = replay(ReplayConfig(str(tmp_path / "faulty"), **{option: value}), deadline_s=60)
    assert result.status["receiver"]["delivered"] == 12 and "nothing_received" not in result.status


def test_i_and_q_exchanged_without_need_are_named(recorded: np.ndarray, tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "good", 1e6) as writer:
        writer.write(recorded)
    (result,) = replay(ReplayConfig(str(tmp_path / "good"), swap_iq=True), deadline_s=60)
    assert "the spectrum is inverted" in result.warnings[0] and "leave it out where it was given" in result.warnings[0]


def test_a_replay_that_loses_by_what_it_adds_says_what_is_in_the_recording(
    recorded: np.ndarray, tmp_path: Path
) -> None:
    for name, samples, rate_hz in (("good", recorded, 1e6), ("wide", wide(recorded), 10e6)):
        with CaptureWriter(tmp_path / name, rate_hz) as writer:
            writer.write(samples)
    (result,) = replay(ReplayConfig(str(tmp_path / "good"), noise_power=100.0), deadline_s=60)
    assert "frames are found in the recording as it is" in result.warnings[0]
    (result,) = replay(ReplayConfig(str(tmp_path / "wide"), decimation=10), deadline_s=60)
    (warning,) = result.warnings
    assert "in the recording as it is, the signal has 1 MS/s and lies +2" in warning
    assert "MHz from the centre of a capture at 10 MS/s" in warning
    # 2 MHz, and the transmitter's own 500 Hz
    assert float(warning.split("--tune-hz ")[1].split(",")[0]) == pytest.approx(2_000_500, abs=50)


def test_the_simulated_link_names_an_offset_beyond_the_range() -> None:
    done = run_loopback(200, cfo_hz=60e3, images=40, feedback_timeout_s=0.05)
    assert done.frames_answered == 0 and "carrier offset is about +60 kHz (+3.8 subcarriers)" in done.hint


def test_record_sim_says_why_it_received_nothing(tmp_path: Path) -> None:
    command = ("record", "sim", tmp_path / "off", "--images", 12, "--cfo-hz", -70e3, "--feedback-timeout", 0.1)
    result = sdr_sc(*command, timeout_s=90)
    assert result.returncode == 0 and "no frame was received: the carrier offset is about -70" in result.stdout


def test_run_names_other_sizes_of_a_flowgraphs_receiver(tmp_path: Path) -> None:
    (tmp_path / "sizes.yaml").write_text(SIZES)
    text = LOOPBACK.read_text()
    head, mark, tail = text.partition("- name: receiver\n")
    assert mark
    other = head + mark + tail.replace("numerology: ''", f"numerology: '{tmp_path / 'sizes.yaml'}'", 1)
    (tmp_path / "other.grc").write_text(other)
    result = sdr_sc("run", tmp_path / "other.grc", "--images", 12, timeout_s=90)
    assert result.returncode == 0
    words = (
        "fft_size 64, cyclic_prefix 16, data_subcarriers 48, pilot_subcarriers 4, where the receiver has 128, 32, 96, 8"
    )
    assert "sdr-sc: warning: no frame was received: the frames are made with another numerology" in result.stderr
    assert words in result.stderr


def test_run_names_an_offset_beyond_the_range() -> None:
    result = sdr_sc("run", LOOPBACK, "--images", 12, "--cfo-hz", 60e3, timeout_s=90)
    assert "warning: no frame was received: the carrier offset is about +60" in result.stderr


def test_run_says_what_to_change_of_a_simulated_channel() -> None:
    result = sdr_sc("run", LOOPBACK, "--images", 12, "--snr-db", -30, timeout_s=90)
    assert "warning: no frame was received: it may be that there is noise alone" in result.stderr
    assert "raise the SNR of the simulated channel" in result.stderr and "antenna" not in result.stderr


def test_a_live_receiver_names_the_offset_and_writes_it_down(tmp_path: Path) -> None:
    with Ends(tmp_path, "rt") as ends:
        rx = ends.start("rx", device=",cfo_hz=48000")
        tx = ends.start("tx", "--images", 0)
        over = time.monotonic() + 200
        while "carrier offset" not in ends.log("rx").read_text() and time.monotonic() < over:
            time.sleep(0.2)
        tx.send_signal(signal.SIGINT)
        assert ends.wait(tx) == 0 and ends.wait(rx) == 0
        log = " ".join(ends.log("rx").read_text().split())
        assert "no frame is received: the carrier offset is about +48" in log and "ppm at 915 MHz" in log
        found = ends.summary("rx")["accounting"]["nothing_received"]
        assert found["cause"] == "offset" and found["proven"] and found["offset"] == pytest.approx(0.048, abs=0.001)
        json.dumps(found, allow_nan=False)


def test_a_receiver_without_a_frame_says_so_although_its_samples_do_not_show_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*arguments: object) -> None:
        raise ValueError("no diagnosis")

    monkeypatch.setattr("sdr_sc.flowgraph.received_nothing.diagnose", fail)
    done = run_loopback(200, snr_db=-30.0, images=8, feedback_timeout_s=0.05)
    assert done.frames_answered == 0 and done.hint == UNKNOWN
