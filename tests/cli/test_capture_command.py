# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc capture`` as a user calls it, and the picture that it draws."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PatchCollection
from recordings import RATE_HZ, data_file, noise, record

from sdr_sc.capture import Capture, CaptureWriter
from sdr_sc.cli.main import main
from sdr_sc.report.capture import COLUMNS, draw, spectrogram


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """Call the command in a folder with a recording ``a``; gives status, what it printed, and its errors."""
    monkeypatch.chdir(tmp_path)
    record(tmp_path / "a")

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["capture", *arguments])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return int(stop.value.code or 0), " ".join(printed.out.split()), printed.err

    return call


def test_info_reports_what_is_in_it(run, tmp_path: Path) -> None:
    status, out, _ = run("info", "--frames", "a")
    assert status == 0
    for told in ("20000 of cf32_le", "1 MHz", "0.02 s", "915 MHz", "4 received, 1 sent and not received",
                 "8 (4 frames)",
                 "10.0 to 11.3 dB, mean 10.7 dB", "8 of 12 items right (66.7 %)", "1 of others", "2 segments",
                 "7 + 0.765000000", "overflow", "5000 samples", "3 16000 800 4 8 3 2 11.33 -50.0"):  # fmt: skip
        assert told in out, told


def test_info_goes_on_with_the_next_and_reports_both(run, tmp_path: Path) -> None:
    status, out, err = run("info", "b", "a", "c")
    assert status == 1 and "20000 of cf32_le" in out
    assert [line.split(";")[0] for line in err.splitlines()] == [
        "sdr-sc: error: recording b does not exist", "sdr-sc: error: recording c does not exist"
    ]  # fmt: skip


def test_what_metadata_says_is_shown_of_samples_that_cannot_be_read(run, tmp_path: Path) -> None:
    meta = tmp_path / "a.sigmf-meta"
    meta.write_text(meta.read_text().replace("cf32_le", "rf32_le"))
    status, out, err = run("info", "a")
    assert status == 1 and "core:datatype │ rf32_le" in out and "annotations │ 5" in out
    assert err.startswith("sdr-sc: error: a: global: datatype 'rf32_le' is of real samples") and err.count("\n") == 1


def test_check_names_faults_and_fails(run, tmp_path: Path) -> None:
    assert run("check", "a")[:2] == (0, "a: no fault found")
    os.truncate(data_file(tmp_path / "a"), 8 * 19_000)
    status, out, _ = run("check", "a", "b")
    assert status == 1
    assert "a: error: a.sigmf-data: the data is shorter than stated: 19000 samples instead of 20000." in out
    assert "b: error: recording b does not exist" in out


def test_cut_and_convert(run, tmp_path: Path) -> None:
    assert run("cut", "a", "b")[2] == (
        "sdr-sc: error: the part is not given; give one of --samples, --seconds and --frames.\n"
    )
    status, out, _ = run("cut", "a", "b", "--seconds", "0.005:0.0125")
    assert (status, out) == (
        0, "wrote b: 7500 samples (5000 to 12500 of the source), 1 frames; "
        "1 frames at its edges are not whole, and were left out"
    )  # fmt: skip
    assert "exists already" in run("cut", "a", "b", "--frames", "0:1")[2]
    assert run("cut", "a", "b", "--frames", "0:1", "--force")[0] == 0
    assert "is no range" in run("cut", "a", "b", "--frames", "1", "--force")[2]
    assert "nothing in seconds nan:" in run("cut", "a", "b", "--seconds", "nan:", "--force")[2]
    assert "0.02 s" in run("cut", "a", "b", "--seconds", "1e300:inf", "--force")[2]
    status, out, _ = run("convert", "a", "c", "--scale", "100")
    assert status == 0 and "beyond the range of ci16_le, and were clipped; lower --scale." in out
    with Capture("b") as part, Capture("c") as loud:
        assert (part.frame_count, loud.info.datatype) == (1, "ci16_le")
    assert "convert cf32_le to ci16_le, scaled by 100.0 of a" in run("info", "c")[1]


def test_plot_writes_a_picture_once(run, tmp_path: Path) -> None:
    assert run("plot", "a")[1] == "wrote a.png"
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "a.png exists already; give another name, or --force" in run("plot", "a")[2]
    assert "is no picture that can be drawn; end its name in .png" in run("plot", "a", "a.gif")[2]
    assert "too few to draw" in run("plot", "a", "b.svg", "--samples", "0:20")[2]
    assert not (tmp_path / "b.svg").exists()


def test_a_tone_is_drawn_at_its_place_in_time_and_frequency(tmp_path: Path) -> None:
    count = 400_000
    samples = 1e-3 * noise(count)
    start, stop = count // 4, count // 2
    samples[start:stop] += np.exp(2j * np.pi * 0.25 * np.arange(start, stop)).astype(np.complex64)
    with CaptureWriter(tmp_path / "a", RATE_HZ) as writer:
        writer.write(samples)
    with Capture(tmp_path / "a") as capture:
        level_db, edges, seen = spectrogram(capture, 0, count)
        assert level_db.shape == (COLUMNS, 256) and 0.5 < seen <= 1
        assert (edges[0], edges[-1]) == (0, count)
        on = level_db[:, 192] > -3
        middle = (edges[:-1] + edges[1:]) / 2
        assert np.all(on[(middle > start + 400) & (middle < stop - 400)])
        assert not on[(middle < start - 400) | (middle > stop + 400)].any()
        np.testing.assert_allclose(level_db[on & (middle > start + 400) & (middle < stop - 400), 192], 0, atol=0.1)
        assert np.argmax(level_db[COLUMNS * 3 // 8]) == 192  # a quarter of the rate above the centre
        _, _, seen = spectrogram(capture, 1000, 1300)
        assert seen == 1


def test_frames_are_outlined_where_they_are(tmp_path: Path) -> None:
    record(tmp_path / "a")
    with Capture(tmp_path / "a") as capture:
        figure = draw(capture, 0, capture.sample_count)
        upper, lower = figure.axes[:2]
        [boxes] = [drawn for drawn in upper.collections if isinstance(drawn, PatchCollection)]
        extents = [path.get_extents() for path in boxes.get_paths()]
        np.testing.assert_allclose([box.x0 for box in extents], [1.0, 5.0, 12.0, 16.0])  # ms
        np.testing.assert_allclose([(box.y0, box.y1) for box in extents], [(-406.25, 406.25)] * 4)  # kHz
        [wrong] = [line for line in lower.get_lines() if line.get_label() == "some items wrong or lost"]
        np.testing.assert_allclose(wrong.get_ydata(), [10, 10 + 1 / 3, 11, 11 + 1 / 3], rtol=1e-6)
        assert "4 frames received, 1 sent and not received" in upper.get_title()
        part = draw(capture, 11_000, 13_000)
        assert "1 frames received" in part.axes[0].get_title()
