# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are recorded and replayed: the same answers, a worse channel, a part, other files, bad input."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from command import ROOT, assert_one_line_error, environment, sdr_sc
from usrp_ends import Ends, free_ports

from sdr_sc.capture import CaptureWriter, open_capture
from sdr_sc.capture.receive import noise_for_snr, received_frames
from sdr_sc.errors import CaptureError
from sdr_sc.flowgraph.record import record_loopback, record_zmq
from sdr_sc.flowgraph.replay import replay, tells_truth
from sdr_sc.flowgraph.replay_config import ReplayConfig
from sdr_sc.semantic import weights

WALL_CLOCK = {"latency_ms", "air_ms", "answer_ms"}
GAPS = "gaps(gap_samples=700, every_samples=9000, tagged=True)"


def tables(folder: Path) -> list[list[dict[str, str]]]:
    """``frames.csv`` and ``items.csv`` without what the machine's clock says."""
    found = []
    for name in ("frames.csv", "items.csv"):
        with open(folder / name, newline="") as file:
            found.append([{k: v for k, v in row.items() if k not in WALL_CLOCK} for row in csv.DictReader(file)])
    return found


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded run with lost frames, cut frames and an SNR that changes; results in ``results``."""
    folder = tmp_path_factory.mktemp("live")
    recorded, accounting = record_loopback(
        folder / "run",
        120,
        images=120,
        snr_schedule="0:20, 15:6",
        channel_models=GAPS,
        cfo_hz=-2500.0,
        seed=5,
        feedback_timeout_s=2.0,  # late feedback makes the next frame a longer one
        folder=str(folder / "results"),
    )
    assert accounting.frames_lost > 0 and recorded.gaps > 2
    assert recorded.frames == accounting.frames_delivered
    return folder


@pytest.mark.parametrize("chunk", [1 << 20, 4099])
def test_a_replay_gives_what_the_live_run_gave(live: Path, chunk: int, tmp_path: Path) -> None:
    replay(ReplayConfig(str(live / "run"), chunk=chunk), [tmp_path], 60)
    assert tables(tmp_path) == tables(live / "results")
    assert {frame["status"] for frame in tables(tmp_path)[0]} == {"delivered", "lost"}


def test_the_command_does_the_same_from_an_archive_and_with_several_models(live: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "run.sigmf", "w") as archive:
        for name in ("run.sigmf-meta", "run.sigmf-data"):
            archive.add(live / name, arcname=f"run/{name}")
    copy = tmp_path / "copy.safetensors"
    shutil.copy(weights.resolve(weights.DEFAULT_MODEL, "decoder"), copy)
    command = ("replay", tmp_path / "run.sigmf", "--model", "fashion_mnist_student", "--model", copy)
    result = sdr_sc(*command, "--out", tmp_path / "out", timeout_s=90)
    assert result.returncode == 0, result.stderr
    (run,) = (tmp_path / "out").iterdir()
    assert tables(run / "fashion_mnist_student") == tables(run / "copy") == tables(live / "results")
    assert (run / "copy" / "summary.json").is_file() and "accuracy over all images" in result.stdout


def test_a_part_by_frames_holds_those_frames(live: Path, tmp_path: Path) -> None:
    result = sdr_sc("replay", live / "run", "--frames", "2:9", "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    (run,) = tmp_path.iterdir()
    whole = [frame for frame in tables(live / "results")[0] if frame["status"] == "delivered"]
    assert [frame for frame in tables(run)[0] if frame["status"] == "delivered"] == whole[2:9]


def test_the_receiver_alone_finds_the_noted_frames_in_the_recording(live: Path) -> None:
    capture = open_capture(live / "run")
    pairs = list(received_frames(capture))
    assert [note.frame_num for note, _ in pairs if note] == [note.frame_num for note in capture.frames()]
    for note, frame in pairs:
        assert note is not None
        assert (note.snr_db, note.cfo_hz, note.k) == (frame.snr_db, frame.cfo_hz, frame.header.k)


def test_noise_lowers_the_snr_to_the_one_asked_for(live: Path, tmp_path: Path) -> None:
    part = ("--frames", "0:10")  # of 20 dB
    result = sdr_sc("replay", live / "run", *part, "--snr-db", "7", "--seed", "3", "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    (run,) = tmp_path.iterdir()
    frames = tables(run)[0]
    capture = open_capture(live / "run")
    snrs = {note.frame_index: note.snr_db for note in capture.frames()}
    assert len(frames) >= 10
    # The level is measured on the first frames of all, of which the later ones have 6 dB already.
    added = noise_for_snr(capture, 7.0)
    for frame in frames:
        if frame["snr_est_db"]:
            before = 10 ** (-snrs[int(frame["frame_index"])] / 10)
            assert float(frame["snr_est_db"]) == pytest.approx(-10 * np.log10(before + added), abs=1.5)
    with pytest.raises(CaptureError, match="can only lower"):
        noise_for_snr(capture, 30.0)


def test_a_plain_file_is_answered_without_truth_and_reported_so(live: Path, tmp_path: Path) -> None:
    shutil.copy(live / "run.sigmf-data", tmp_path / "plain.cf32")
    plain = ("--datatype", "cf32_le", "--rate", "1e6", "--out", tmp_path / "out")
    result = sdr_sc("replay", tmp_path / "plain.cf32", *plain)
    assert result.returncode == 0, result.stderr
    assert "truth not known" in result.stdout and "accuracy" not in result.stdout
    (run,) = (tmp_path / "out").iterdir()
    frames, items = tables(run)
    assert len(frames) > 15 and {frame["correct"] for frame in frames} == {""}
    assert {item["label"] for item in items} == {"-1"} and {item["correct"] for item in items} == {""}


def test_a_recording_at_a_higher_rate_is_decimated(live: Path, tmp_path: Path) -> None:
    capture = open_capture(live / "run")
    samples = capture.samples(0, 30_000)
    spectrum = np.fft.fft(samples)
    padded = np.concatenate((spectrum[:15_000], np.zeros(30_000), spectrum[15_000:]))
    with CaptureWriter(tmp_path / "wide", 2e6) as writer:
        writer.write((2 * np.fft.ifft(padded)).astype(np.complex64))
    config = ReplayConfig(str(tmp_path / "wide"), decimation=2)
    (result,) = replay(config, [None], 60)
    (narrow,) = replay(ReplayConfig(str(live / "run"), stop_sample=30_000), [None], 60)
    delivered = narrow.status["receiver"]["delivered"]
    assert result.status["receiver"]["delivered"] >= delivered - 1 > 5  # the filter reaches beyond the end
    assert not tells_truth(open_capture(tmp_path / "wide"))


def test_a_signal_off_the_centre_of_a_wide_recording_is_tuned_to(live: Path, tmp_path: Path) -> None:
    capture = open_capture(live / "run")
    samples, factor, off_hz = capture.samples(0, 30_000), 6, 1.9e6
    spectrum = np.fft.fft(samples)
    padded = np.concatenate((spectrum[:15_000], np.zeros(30_000 * (factor - 1)), spectrum[15_000:]))
    wide = factor * np.fft.ifft(padded) * np.exp(2j * np.pi * off_hz / (factor * 1e6) * np.arange(30_000 * factor))
    rng = np.random.default_rng(1)
    wide += 0.1 * (rng.standard_normal(len(wide)) + 1j * rng.standard_normal(len(wide)))
    with CaptureWriter(tmp_path / "wide", factor * 1e6) as writer:
        writer.write(wide.astype(np.complex64))
    file = str(tmp_path / "wide")
    (narrow,) = replay(ReplayConfig(str(live / "run"), stop_sample=30_000), [None], 60)
    counts = []
    for chunk in (1 << 18, 777):
        (result,) = replay(ReplayConfig(file, decimation=factor, tune_hz=off_hz, chunk=chunk), [None], 60)
        counts.append(result.status["receiver"]["delivered"])
    assert counts[0] == counts[1] >= narrow.status["receiver"]["delivered"] - 1 > 5
    (result,) = replay(ReplayConfig(file, decimation=factor), [None], 60)
    [line] = [text for text in result.warnings if "no frame was found" in text]
    # The recording has a carrier offset of its own, of 2.5 kHz at most.
    found = re.search(r"give --tune-hz (\d+), and --decimate 6 ", line)
    assert "at 1000000 samples/s" in line and found and abs(int(found[1]) - off_hz) < 3000
    failed = sdr_sc("replay", file, "--decimate", factor, "--cfo-hz", "-1.9e6", "--out", tmp_path)
    assert_one_line_error(failed, "500000 Hz on either side", "decimation by 6", "(--tune-hz) 1900000")
    failed = sdr_sc("replay", file, "--tune-hz", "4e6", "--out", tmp_path)
    assert_one_line_error(failed, "tune_hz is 4e+06", "nothing beyond 3e+06 Hz")


def test_the_same_gaps_hit_a_degraded_replay_the_same_way_again(live: Path, tmp_path: Path) -> None:
    config = {"channel_models": "tdl_a(delay_spread_ns=100, doppler_hz=30), clock_offset(ppm=5)", "cfo_hz": 900.0}
    for run, chunk in (("one", 1 << 20), ("two", 777)):
        replay(ReplayConfig(str(live / "run"), chunk=chunk, noise_power=0.05, **config), [tmp_path / run], 60)
    assert tables(tmp_path / "one") == tables(tmp_path / "two") != tables(live / "results")


def test_a_receiver_on_a_usrp_is_recorded_and_replayed(tmp_path: Path) -> None:
    with Ends(tmp_path, "step") as ends:
        device = ",path_loss_db=67,seed=5,ppm=1.5"
        rx = ends.start("rx", "--record", tmp_path / "rec", "--record-datatype", "ci16_le", device=device)
        tx = ends.start("tx", "--images", 16, "--feedback-timeout", 20, device=",ppm=-2")
        assert ends.wait(tx) == 0 and ends.wait(rx) == 0, ends.log("rx").read_text()
        (results,) = (tmp_path / "rx").iterdir()
    capture = open_capture(tmp_path / "rec")
    assert capture.frame_count == 4 and capture.problems == [] and "simusrp" in capture.info.hardware
    assert capture.segments[0].freq_hz == 915e6 and capture.segments[0].rx_time_s is not None
    replay(ReplayConfig(str(tmp_path / "rec")), [tmp_path / "again"], 60)
    assert tables(tmp_path / "again") == tables(results)


def test_a_usrp_s_samples_are_recorded_for_a_time_from_the_frontend_asked_for(tmp_path: Path) -> None:
    args = f"type=simusrp,air=rec{os.getpid()},pace=rt,channels=2"
    settings = ("--rate", "2e6", "--freq", "1.1e9", "--gain", "13", "--subdev", "A:B")
    result = sdr_sc("record", "usrp", tmp_path / "one", "--args", args, "--seconds", "0.5", *settings)
    assert result.returncode == 0, result.stderr
    capture = open_capture(tmp_path / "one")
    assert capture.sample_count == 1_000_000 and capture.info.sample_rate_hz == 2e6
    assert "1,000,000 samples" in result.stdout
    assert capture.info.config["subdev"] == "A:B"
    assert {segment.freq_hz for segment in capture.segments} == {1.1e9}  # by the device's own tags


def test_a_recording_ends_in_good_order_with_ctrl_c(tmp_path: Path) -> None:
    args = f"type=simusrp,air=rec{os.getpid()},pace=rt"
    command = [sys.executable, "-m", "sdr_sc.cli.main", "record", "usrp", str(tmp_path / "one"), "--args", args]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
    data = tmp_path / "one.sigmf-data"
    over = time.monotonic() + 200
    while not (data.exists() and data.stat().st_size > 1_000_000) and time.monotonic() < over:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 0 and "recorded:" in out
    capture = open_capture(tmp_path / "one")
    assert capture.problems == [] and capture.info.sha512 is not None
    assert capture.sample_count == capture.info.sample_count > 100_000


def test_samples_of_another_process_come_over_zmq(tmp_path: Path) -> None:
    from gnuradio import blocks, gr, zeromq

    address = f"tcp://127.0.0.1:{free_ports(1)[0]}"
    samples = (np.arange(50_000) / 50_000).astype(np.complex64)
    tb = gr.top_block()
    source = blocks.vector_source_c(samples.tolist())
    sink = zeromq.push_sink(gr.sizeof_gr_complex, 1, address, 500, True, -1)
    tb.connect(source, sink)
    thread = threading.Thread(target=tb.run, daemon=True)
    thread.start()
    recorded, refused = record_zmq(tmp_path / "one", address, 1e6, 0.05, freq_hz=2.4e9, idle_s=20.0)
    tb.stop()
    assert recorded.samples == 50_000 and refused == {}
    capture = open_capture(tmp_path / "one")
    assert capture.samples(0, 50_000).tobytes() == samples.tobytes() and capture.segments[0].freq_hz == 2.4e9


def test_bad_input_is_one_line(live: Path, tmp_path: Path) -> None:
    run = live / "run"
    assert_one_line_error(sdr_sc("record", "sim", run), "exists already", "--force")
    assert_one_line_error(sdr_sc("replay", tmp_path / "none"), "none")
    assert_one_line_error(sdr_sc("replay", run, "--model", "none_such"), "neither a file nor a shipped model")
    assert_one_line_error(sdr_sc("replay", run, "--frames", "900:901"), "has no frames 900:901")
    assert_one_line_error(sdr_sc("replay", run, "--channel", "radio()", "--out", tmp_path), "'radio' is unknown")
    assert_one_line_error(sdr_sc("replay", run, "--snr-db", "3", "--noise-dbfs", "-20"), "give one of them")
    zmq = ("record", "zmq", tmp_path / "z", "--rate", "1e6", "--address")
    assert_one_line_error(sdr_sc(*zmq, "nowhere"), "nowhere")


def test_the_flowgraphs_compile_and_run_by_themselves(tmp_path: Path) -> None:
    flowgraphs = [ROOT / "flowgraphs" / f"{name}.grc" for name in ("record_loopback", "record_usrp", "replay")]
    compiled = sdr_sc("compile", *flowgraphs, "-o", tmp_path)
    assert compiled.returncode == 0, compiled.stderr
    for name, options in (
        ("record_loopback", ["--images", "20", "--file", "rec"]),
        ("replay", ["--file", "rec", "--folder", "results"]),
    ):
        command = [sys.executable, str(tmp_path / f"{name}.py"), *options]
        result = subprocess.run(command, env=environment(), cwd=tmp_path, timeout=60, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
    assert [frame["status"] for frame in tables(tmp_path / "results")[0]] == ["delivered"] * 5


def test_the_example_fits_a_decoder_to_recorded_features(tmp_path: Path) -> None:
    link = {"items_per_frame": 50, "k": 8, "snr_db": 12.0}
    for name, images, seed in (("train", 1500, 1), ("test", 500, 2)):
        record_loopback(tmp_path / name, 120, images=images, seed=seed, **link)
    example = [sys.executable, str(ROOT / "examples" / "fit_decoder.py"), "train", "test"]
    result = subprocess.run(example, env=environment(), cwd=tmp_path, timeout=60, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    fitted, live = (
        float(part.split("%")[0].split()[-1]) for part in result.stdout.splitlines()[1].split(":")[1].split(",")
    )
    assert "fitted to 1500 images" in result.stdout
    assert (
        live > 85 and fitted > live - 10
    )  # the live decoder was distilled from 60,000 images, this one has seen 1,500
