# SPDX-License-Identifier: GPL-3.0-or-later
"""A link over the simulated USRP and the real UHD driver: transmitter and receiver in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command import ROOT, assert_one_line_error, sdr_sc
from usrp_ends import Ends

from sdr_sc.simusrp.levels import expected_snr_db

LOOPBACK = ROOT / "flowgraphs" / "usrp_loopback.grc"
PATIENT = ("--feedback-timeout", 20)


@pytest.mark.parametrize("pace", ["step", "rt"])
def test_one_and_the_same_flowgraph_runs_in_both_paces(pace: str, tmp_path: Path) -> None:
    args = f"type=simusrp,air=loop{os.getpid()},pace={pace}"
    run = sdr_sc("run", LOOPBACK, "--timeout", 300, "--", "--device-args", args, "--images", 80, "--folder", tmp_path,
                 "--feedback-timeout-s", 5, timeout_s=400)  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    frames = (tmp_path / "frames.csv").read_text().splitlines()[1:]
    delivered = sum(",delivered," in frame for frame in frames)
    assert len(frames) == 20 and delivered >= (20 if pace == "step" else 10)  # a slow machine loses some in real time


def lock_step_run(folder: Path) -> tuple[list[list[str]], str]:
    with Ends(folder, "step") as ends:
        rx = ends.start("rx", device=",path_loss_db=67,seed=5,ppm=1.5")
        tx = ends.start("tx", "--images", 120, *PATIENT, device=",ppm=-2")
        assert ends.wait(tx) == 0 and ends.wait(rx) == 0
        exact = ("frame_index", "snr_est_db", "cfo_hz", "k", "status", "correct")
        (items,) = (folder / "rx").glob("*/items.csv")
        return [[frame[name] for name in exact] for frame in ends.frames()], items.read_text()


def test_two_processes_in_lock_step_give_the_same_however_loaded_the_machine_is(tmp_path: Path) -> None:
    first = lock_step_run(tmp_path / "idle")
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        second = lock_step_run(tmp_path / "loaded")
    finally:
        for process in load:
            process.kill()
            process.wait()
    assert len(first[0]) == 30 and first == second
    assert {frame[4] for frame in first[0]} == {"delivered"}
    offset_hz = sum(float(frame[2]) for frame in first[0]) / 30
    assert offset_hz == pytest.approx(-3.5e-6 * 915e6, abs=30)


def test_the_oscillator_may_be_beside_the_centre_frequency(tmp_path: Path) -> None:
    with Ends(tmp_path, "step") as ends:
        rx = ends.start("rx", "--lo-offset", "250e3", "--cfo-range", "4", device=",path_loss_db=67,seed=5")
        tx = ends.start("tx", "--images", 20, "--lo-offset", "-250e3", *PATIENT)
        assert ends.wait(tx) == 0 and ends.wait(rx) == 0
        frames = ends.frames()
    assert [frame["status"] for frame in frames] == 5 * ["delivered"]
    assert all(abs(float(frame["cfo_hz"])) < 30 for frame in frames)


@pytest.mark.parametrize(
    ("tx_gain_db", "rx_gain_db", "path_loss_db"), [(60, 40, 62), (75, 40, 62), (60, 76, 60), (40, 60, 50)]
)
def test_the_air_s_snr_is_the_one_estimated(
    tx_gain_db: int, rx_gain_db: int, path_loss_db: int, tmp_path: Path
) -> None:
    with Ends(tmp_path, "step") as ends:
        rx = ends.start("rx", "--gain", rx_gain_db, device=f",path_loss_db={path_loss_db}")
        tx = ends.start("tx", "--images", 80, "--gain", tx_gain_db, *PATIENT)
        assert ends.wait(tx) == 0 and ends.wait(rx) == 0
        level = ends.summary("tx")["transmitter"]["level"]["mean_dbfs"]
        expected = expected_snr_db(level, 1e6, tx_gain_db, rx_gain_db, path_loss_db, occupied=52 / 64)
        estimates = [float(frame["snr_est_db"]) for frame in ends.frames()]
        assert 0 < expected < 30
        assert sum(estimates) / len(estimates) == pytest.approx(expected, abs=1.0)
        assert ends.summary("rx")["accounting"]["frames_lost"] == 0


def test_a_receiver_that_is_killed_can_be_started_again(tmp_path: Path) -> None:
    with Ends(tmp_path, "rt") as ends:
        rx = ends.start("rx")
        tx = ends.start("tx", "--images", 0)
        ends.wait_for_frames(10)
        rx.kill()
        rx.wait()
        ends.start("rx")
        time.sleep(1.0)
        over = time.monotonic() + 200
        while len(list((tmp_path / "rx").glob("*/frames.csv"))) < 2 and time.monotonic() < over:
            time.sleep(0.1)
        ends.wait_for_frames(20, delivered=True)
        tx.send_signal(signal.SIGINT)
        assert ends.wait(tx) == 0
        assert int(ends.frames()[0]["frame_index"]) > 10
        assert ends.summary("tx")["transmitter"]["frames_without_feedback"] > 0


def test_a_transmitter_that_is_killed_can_be_started_again(tmp_path: Path) -> None:
    with Ends(tmp_path, "rt") as ends:
        rx = ends.start("rx")
        tx = ends.start("tx", "--images", 0)
        ends.wait_for_frames(20)
        tx.kill()
        tx.wait()
        over = time.monotonic() + 200
        while "nothing from the transmitter" not in ends.log("rx").read_text() and time.monotonic() < over:
            time.sleep(0.1)
        again = ends.start("tx", "--images", 80)
        assert ends.wait(again) == 0 and ends.wait(rx) == 0
        indices = [int(frame["frame_index"]) for frame in ends.frames()]
        assert indices[-20:] == list(range(20)) and len(indices) > 20
        assert len([frame for frame in ends.frames()[-20:] if frame["status"] == "delivered"]) >= 10
        assert ends.summary("rx")["accounting"]["answers_unknown"] <= 1
        assert ends.log("rx").read_text().count("nothing from the transmitter") == 1


def test_without_feedback_the_most_robust_setting_is_sent(tmp_path: Path) -> None:
    with Ends(tmp_path, "rt") as ends:
        rx = ends.start("rx", feedback="tcp://127.0.0.1:9")
        tx = ends.start("tx", "--images", 40)
        assert ends.wait(tx) == 0 and ends.wait(rx) == 0
        assert {frame["k"] for frame in ends.frames()} == {"32"}
        assert ends.summary("tx")["transmitter"]["frames_without_feedback"] == 10
        assert ends.summary("rx")["accounting"]["feedback_dropped"] >= 9


def test_a_stalled_host_is_reported_and_its_gap_is_not_taken_for_data(tmp_path: Path) -> None:
    with Ends(tmp_path, "rt") as ends:
        rx = ends.start("rx")
        tx = ends.start("tx", "--images", 0)
        ends.wait_for_frames(20)
        rx.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        rx.send_signal(signal.SIGCONT)
        ends.wait_for_frames(len(ends.frames()) + 30)
        tx.send_signal(signal.SIGINT)
        rx.send_signal(signal.SIGINT)
        assert ends.wait(tx) == 0 and ends.wait(rx) == 0
        found = ends.summary("rx")["accounting"]
        assert any("overflow" in words for words in found["faults"])
        assert found["gaps"] >= 1 and found["samples_missing"] > 500_000
        assert found["items_correct"] > 0.85 * found["items_answered"]
        assert "overflow" in ends.log("rx").read_text()


def test_late_bursts_are_reported_and_their_frames_lost(tmp_path: Path) -> None:
    with Ends(tmp_path, "rt") as ends:
        rx = ends.start("rx")
        tx = ends.start("tx", "--images", 40, "--lead", 1e-5)
        assert ends.wait(tx) == 0 and ends.wait(rx) == 0
        sent = ends.summary("tx")["transmitter"]
        late = sum(count for words, count in sent["faults"].items() if words.startswith("late burst"))
        assert late > 5 and sent["bursts_acknowledged"] + late == sent["frames_sent"] == 10
        found = ends.summary("rx")["accounting"]
        assert found["frames_lost"] == late == sent["frames_without_feedback"]
        assert found["frames_answered"] + found["frames_lost"] == found["frames_sent"] == 10
        assert "late burst" in ends.log("tx").read_text()


def test_another_transmitter_on_the_frequency_is_reported_and_not_taken_for_ours(tmp_path: Path) -> None:
    with Ends(tmp_path, "rt") as ends, Ends(tmp_path / "others", "rt", ends.air) as others:
        rx = ends.start("rx")
        tx = ends.start("tx", "--images", 0, "-k", 8)
        ends.wait_for_frames(10)
        other = others.start("tx", "--images", 120, "-k", 16, "--wait", 0, device=",name=other")
        assert others.wait(other) == 0
        delivered = len(ends.delivered())
        ends.wait_for_frames(delivered + 20, delivered=True)
        tx.send_signal(signal.SIGINT)
        assert ends.wait(tx) == 0 and ends.wait(rx) == 0
        found, frames = ends.summary("rx")["accounting"], ends.frames()
        assert found["answers_unknown"] > 5 and "not sent by the transmitter" in ends.log("rx").read_text()
        assert found["frames_answered"] + found["frames_lost"] == found["frames_sent"] == len(frames)
        assert found["items_correct"] > 0.85 * found["items_answered"]
        assert ends.summary("tx")["transmitter"]["feedback_unknown"] > 0


def test_ends_at_different_rates_are_reported_why_nothing_is_received(tmp_path: Path) -> None:
    with Ends(tmp_path, "rt") as ends:
        rx = ends.start("rx")
        tx = ends.start("tx", "--images", 0, "--rate", 1.25e6)
        over = time.monotonic() + 200
        while "MS/s and the receiver" not in ends.log("rx").read_text() and time.monotonic() < over:
            time.sleep(0.2)
        tx.send_signal(signal.SIGINT)
        assert ends.wait(tx) == 0 and ends.wait(rx) == 0
        told = " ".join(ends.log("rx").read_text().split())
        assert "the signal was sent at 1.25 MS/s" in told
        assert "give --rate 1250000, or the transmitter --rate 1000000" in told
        found = ends.summary("rx")["accounting"]
        assert found["receiver"]["delivered"] == 0 and found["frames_lost"] == found["frames_sent"] > 5


def test_what_would_harm_on_real_hardware_has_to_be_asked_for() -> None:
    assert_one_line_error(sdr_sc("tx", "--args", "type=b200"), "frequency has no default")
    assert_one_line_error(sdr_sc("rx", "--args", "type=b200", "--freq", "1e9"), "gain has no default")
    with_all = ("tx", "--args", "type=b200", "--freq", "1e9", "--gain", "10")
    assert_one_line_error(sdr_sc(*with_all), "--transmit", "licence")


def test_devices_and_settings_that_are_not_there_are_reported(tmp_path: Path) -> None:
    out = ("--out", tmp_path)
    missing = sdr_sc("rx", "--args", "type=b200,serial=none", "--freq", "1e9", "--gain", "10", *out)
    assert_one_line_error(missing, "no device answers", "uhd_find_devices")
    assert_one_line_error(sdr_sc("rx", "--args", "simusrp", *out), "no key=value")
    assert_one_line_error(sdr_sc("rx", "--args", "type=simusrp,pase=rt", *out), "pase")
    assert_one_line_error(sdr_sc("rx", "--rate", "200e6", *out), "cannot do 200000000 samples/s")
    assert_one_line_error(sdr_sc("rx", "--antenna", "RX9", *out), "RX9")
    taken = sdr_sc("tx", "--feedback", "tcp://256.0.0.1:1", "--wait", "0", *out)
    assert_one_line_error(taken, "ZMQ address")


def test_settings_that_the_device_would_clip_are_refused(tmp_path: Path) -> None:
    def end(*words: object) -> Any:
        device = f"type=simusrp,name=only,air=clip{tmp_path.name}"
        return sdr_sc(words[0], "--args", device, "--out", tmp_path / "runs", *words[1:])

    assert_one_line_error(end("tx", "--gain", 200), "has no gain of 200 dB; give 0 to")
    assert_one_line_error(end("rx", "--freq", "100e9"), "has no frequency of 1e+11 Hz")
    assert_one_line_error(end("rx", "--clock-source", "sun"), "no clock source 'sun'")
    assert_one_line_error(end("rx", "--subdev", "A:B"), "no frontend 'A:B'", "channels=2")
    assert_one_line_error(end("tx", "--subdev", "A:A A:B"), "has to name one frontend")
    for words, error in (
        (("tx", "--gain", "nan"), "no number"),
        (("tx", "--lead", 0), "--lead is 0 s"),
        (("tx", "--lead", 0.4), "no time for feedback"),
        (("tx", "--feedback-timeout", "nan"), "--feedback-timeout is nan s"),
    ):
        assert_one_line_error(end(*words), error)
    assert sdr_sc("rx", "--rate", 0).returncode == 2
    assert not list((tmp_path / "runs").glob("*/summary.json"))
