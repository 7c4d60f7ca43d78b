# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that know nothing of us on the simulated USRP: UHD's own, and GNU Radio's blocks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from simusrp_children import Children, new_air

from sdr_sc.simusrp import build, levels

EXAMPLES = [folder for folder in (Path("/usr/libexec/uhd/examples"), Path("/usr/lib/uhd/examples")) if folder.is_dir()]


@pytest.fixture(scope="module")
def children():
    found = Children()
    yield found
    found.kill()


def run(*command: object, timeout_s: float = 30.0) -> str:
    environment = build.environment()
    environment.pop("UHD_LOG_LEVEL", None)
    words = [str(part) for part in command]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def example(name: str, *arguments: object) -> str:
    if not EXAMPLES:
        pytest.skip("UHD's examples are not installed: sudo apt-get install uhd-host")
    return run(EXAMPLES[0] / name, *arguments)


def test_find_devices(children) -> None:
    assert "name: sim7" in run("uhd_find_devices", "--args", "type=simusrp,name=sim7")


def test_it_is_not_found_by_accident(children) -> None:
    for args in ("", "type=b200", "name=sim0"):
        command = ["uhd_find_devices", "--args", args]
        done = subprocess.run(command, env=build.environment(), capture_output=True, text=True, timeout=30)
        assert "simusrp" not in done.stdout
    environment = build.environment() | {"SDR_SC_SIMUSRP_NAMES": "left,right"}
    done = subprocess.run(["uhd_find_devices"], env=environment, capture_output=True, text=True, timeout=30)
    assert "name: left" in done.stdout and "name: right" in done.stdout


def test_probe(children) -> None:
    said = run("uhd_usrp_probe", "--args", f"type=simusrp,channels=2,air={new_air()}")
    for part in ("RX Frontend: B", "TX/RX, RX2", "70.000 to 6000.000 MHz", "lo_locked", "ref_locked", "gpsdo"):
        assert part in said


def test_benchmark_rate(children) -> None:
    args = f"type=simusrp,rx_buffer_ms=500,tx_buffer_ms=500,tx_latency_ms=100,air={new_air()}"
    said = example("benchmark_rate", "--args", args, "--rx_rate", 1e6, "--tx_rate", 1e6, "--duration", 2)
    counts = dict(line.strip().rsplit(":", 1) for line in said.splitlines() if line.strip().startswith("Num"))
    assert int(counts["Num received samples"]) > 1_500_000 and int(counts["Num transmitted samples"]) > 1_500_000
    for what in ("dropped samples", "overruns detected", "underruns detected", "late commands"):
        assert int(counts[f"Num {what}"]) == 0, said


def test_bursts_and_files(children, tmp_path) -> None:
    example("tx_bursts", "--args", f"type=simusrp,air={new_air()}", "--rate", 1e6, "--freq", 1e9, "--nsamps", 5000)
    file = tmp_path / "samples"
    arguments = "--rate", 1e6, "--freq", 1e9, "--nsamps", 50_000, "--type", "float", "--file", file
    example("rx_samples_to_file", "--args", f"type=simusrp,rx_buffer_ms=500,air={new_air()}", *arguments)
    samples = np.fromfile(file, np.complex64)
    assert len(samples) == 50_000
    expected = levels.noise_dbm(1e6) - levels.rx_full_scale_dbm()
    assert 10 * np.log10(np.mean(np.abs(samples) ** 2)) == pytest.approx(expected, abs=0.3)


def gnuradio_link(args: str, samples: np.ndarray, wanted: int, deadline_s: float) -> tuple[np.ndarray, list]:
    """usrp_sink to usrp_source in one flowgraph."""
    from gnuradio import blocks, gr, uhd

    from sdr_sc.flowgraph.harness import run_flowgraph

    tb = gr.top_block()
    sink = uhd.usrp_sink(f"type=simusrp,name=a,{args}", uhd.stream_args("fc32", channels=[0]), "")
    source = uhd.usrp_source(f"type=simusrp,name=b,{args}", uhd.stream_args("fc32", channels=[0]))
    for block in (sink, source):
        block.set_samp_rate(1e6)
        block.set_center_freq(2.45e9)
    result, head = blocks.vector_sink_c(), blocks.head(8, wanted)
    tb.connect(blocks.vector_source_c(samples.tolist()), sink)
    tb.connect(source, head, result)
    run_flowgraph(tb, deadline_s, until=lambda: len(result.data()) >= wanted)
    tags = [(tag.offset, str(tag.key)) for tag in result.tags()]
    return np.array(result.data(), np.complex64), tags


def test_gnuradio_in_step_pace(children) -> None:
    sent = (0.3 * np.exp(2j * np.pi * 0.05 * np.arange(100_000))).astype(np.complex64)
    runs = [children.run(gnuradio_link, f"pace=step,air={new_air()}", sent, 110_000, 20.0) for _ in range(2)]
    assert np.array_equal(runs[0][0], runs[1][0])
    ideal = sent * 10 ** (levels.expected_rx_dbfs(0.0) / 20)
    assert np.abs(runs[0][0][:100_000] - ideal).max() < 0.005
    assert np.abs(runs[0][0][100_000:]).max() < 0.005
    assert {key for _, key in runs[0][1]} == {"rx_time", "rx_rate", "rx_freq"}


def test_gnuradio_in_real_time_pace(children) -> None:
    sent = np.full(100_000, 0.9, np.complex64)
    args = f"pace=rt,tx_latency_ms=100,tx_buffer_ms=500,rx_buffer_ms=500,air={new_air()}"
    received, _ = children.run(gnuradio_link, args, sent, 600_000, 20.0)
    assert np.count_nonzero(np.abs(received) > 0.1) == 100_000
