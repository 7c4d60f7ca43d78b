# SPDX-License-Identifier: GPL-3.0-or-later
"""The flowgraphs that come with the project, run as users run them."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import ROOT, assert_one_line_error, environment, sdr_sc

from sdr_sc.flowgraph.loopback import LOOPBACK, run_loopback

QT = ROOT / "flowgraphs" / "sim_loopback_qt.grc"


def frames_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / "frames.csv", newline="") as file:
        return sorted(csv.DictReader(file), key=lambda frame: int(frame["frame_index"]))


def test_both_compile(tmp_path: Path) -> None:
    result = sdr_sc("compile", LOOPBACK, QT, "-o", tmp_path)
    assert result.returncode == 0, result.stderr
    assert {p.name for p in tmp_path.glob("*.py")} >= {"sim_loopback.py", "sim_loopback_qt.py"}


def test_every_image_is_answered_at_30_db(tmp_path: Path) -> None:
    done = run_loopback(200, images=122, items_per_frame=4, snr_db=30.0, cfo_hz=-9000.0, folder=str(tmp_path))
    assert (done.frames_sent, done.frames_lost, done.items_answered) == (31, 0, 122)
    assert done.discrepancies == []
    assert done.items_correct > 0.85 * 122
    assert len(frames_of(tmp_path)) == 31
    assert (tmp_path / "images.npz").exists()


def test_no_frame_is_lost_back_to_back() -> None:
    done = run_loopback(
        90,
        images=400,
        items_per_frame=1,
        snr_db=30.0,
        delay_samples=5,
        gap_samples=0,
        max_frames_in_flight=8,
    )
    assert (done.frames_sent, done.frames_lost) == (400, 0)
    assert done.discrepancies == []


PATIENT = {"feedback_timeout_s": 20.0}  # a loaded machine must not make the encoder give a frame up


def test_k_follows_the_snr_and_comes_back(tmp_path: Path) -> None:
    run_loopback(200, images=75, items_per_frame=1, snr_schedule="0:25, 25:-3, 50:25", folder=str(tmp_path), **PATIENT)
    k = [int(frame["k"]) for frame in frames_of(tmp_path)]
    assert set(k[1:26]) == {2}  # frame 25 was made before anyone could know of the fall, in the short mode, and is lost
    assert min(k[28:50]) >= 16
    assert set(k[53:]) == {2}


def test_lost_frames_are_reported_as_lost(tmp_path: Path) -> None:
    done = run_loopback(200, images=12, items_per_frame=4, snr_db=-25.0, folder=str(tmp_path))
    assert (done.frames_sent, done.frames_lost, done.items_lost) == (3, 3, 12)
    assert done.discrepancies == []
    assert sum(done.lost_causes.values()) == 3
    assert [frame["status"] for frame in frames_of(tmp_path)] == ["lost"] * 3


WALL_CLOCK = {"latency_ms", "answer_ms"}


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    runs = []
    for name in ("one", "two"):
        run_loopback(200, images=60, items_per_frame=2, snr_db=3.0, seed=5, folder=str(tmp_path / name), **PATIENT)
        runs.append([{k: v for k, v in f.items() if k not in WALL_CLOCK} for f in frames_of(tmp_path / name)])
    assert runs[0] == runs[1]


@pytest.mark.parametrize("models", ["multipath(taps=[1, 0, 0.3j])", "rayleigh_block()", "clock_offset(ppm=2)"])
def test_other_channels_run(models: str) -> None:
    done = run_loopback(200, images=80, snr_db=25.0, channel_models=models)
    assert done.discrepancies == []
    assert done.items_correct > 0.7 * 80


def test_run_command_ends_by_itself(tmp_path: Path) -> None:
    result = sdr_sc("run", LOOPBACK, "--timeout", "50", "--images", "40", "--folder", tmp_path)
    assert result.returncode == 0, result.stderr
    assert len(frames_of(tmp_path)) == 10


def test_generated_flowgraph_ends_by_itself_without_our_harness(tmp_path: Path) -> None:
    assert sdr_sc("compile", LOOPBACK, "-o", tmp_path).returncode == 0
    command = [sys.executable, str(tmp_path / "sim_loopback.py"), "--images", "40", "--folder", str(tmp_path)]
    result = subprocess.run(command, env=environment(), timeout=60, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert [frame["status"] for frame in frames_of(tmp_path)] == ["delivered"] * 10


def test_interrupt_stops_and_leaves_results(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sdr_sc.cli.main", "run", str(LOOPBACK), "--images", "0"]
    process = subprocess.Popen([*command, "--folder", str(tmp_path)], env=environment(), start_new_session=True)
    limit = time.monotonic() + 200
    frames = tmp_path / "frames.csv"
    while not (frames.exists() and frames.stat().st_size > 500):
        assert time.monotonic() < limit and process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    assert len(frames_of(tmp_path)) > 5


def test_qt_flowgraph_runs_offscreen(tmp_path: Path) -> None:
    result = sdr_sc(
        *["run", QT, "--timeout", "80", "--images", "40", "--folder", tmp_path],
        timeout_s=100,
        QT_QPA_PLATFORM="offscreen",
    )
    assert result.returncode == 0, result.stderr
    assert [frame["status"] for frame in frames_of(tmp_path)] == ["delivered"] * 10


@pytest.mark.parametrize(
    "options, words",
    [
        (("--k", "5"), "k=5 is not in the list of model 'fashion_mnist_student'"),
        (("--model", "none_such"), "neither a file nor a shipped model"),
        (("--channel-models", "radio()"), "'radio' is unknown; use one of carrier_offset, clip"),
        (("--items-per-frame", "0"), "items_per_frame is 0"),
    ],
)
def test_a_mistake_is_reported_in_one_line(options: tuple[str, ...], words: str) -> None:
    assert_one_line_error(sdr_sc("run", LOOPBACK, "--timeout", "40", *options), words)


def test_missing_data_set_is_reported_in_one_line(tmp_path: Path) -> None:
    result = sdr_sc("run", LOOPBACK, "--timeout", "40", SDR_SC_FASHION_MNIST=str(tmp_path))
    assert_one_line_error(result, "apt-get install dataset-fashion-mnist")


def test_demo_leaves_a_report_and_accounts_for_every_frame(tmp_path: Path) -> None:
    result = sdr_sc("demo", "--images", "220", "--out", tmp_path, timeout_s=120)
    assert result.returncode == 0, result.stderr
    (folder,) = tmp_path.iterdir()
    assert {"summary.json", "frames.csv", "items.csv", "images.npz", "report.html"} <= {
        p.name for p in folder.iterdir()
    }
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["accounting"]["accounted"] is True
    assert {"command", "git", "machine", "rows"} <= set(summary)
    rows = {row["name"]: row for row in summary["rows"]}
    assert rows["CAM response, slowest step"]["ok"] is True
    assert "55 frames sent: 55 answered, 0 lost" in result.stdout and "report:" in result.stdout
