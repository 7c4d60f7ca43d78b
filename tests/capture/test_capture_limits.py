# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings that are killed, fill the disk, or are too long for the memory."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command import assert_one_line_error, environment, sdr_sc
from recordings import all_samples, assert_valid, data_file, noise, note, record

from sdr_sc.capture import Capture, CaptureWriter, SentFrame
from sdr_sc.capture.check import check
from sdr_sc.capture.repair import repair
from sdr_sc.errors import CaptureError

RECORD_FOR_EVER = """
import itertools, sys
import numpy as np
from sdr_sc.capture import CaptureWriter, FrameNote, Segment, SentFrame
writer = CaptureWriter(sys.argv[1], 1e6, freq_hz=915e6)
for n in itertools.count():
    writer.write(np.arange(1000 * n, 1000 * n + 1001, dtype=np.complex64)[:1000])
    writer.annotate(FrameNote(1000 * n + 100, 500, n % 4096, 8, 1, 10.0, 0.0, 1, n, [n], [1], [1], [0.5]))
    if n % 10 == 9:
        writer.segment(Segment(1000 * (n + 1), 915e6, None, (n, 0.5), "gap"))
        writer.not_received(SentFrame(n, 8, [n], [1]))
    if n == 50:
        print("going", flush=True)
"""

PEAK = """
import re
def peak_mib():
    # Not getrusage: what it gives for a child begins with the memory that the parent had.
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]) / 1024
"""
COMMAND = (
    PEAK
    + """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_module("sdr_sc.cli.main", run_name="__main__")
finally:
    print("peak MiB", peak_mib(), file=sys.stderr)
"""
)


def test_a_kill_leaves_all_that_was_written(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", RECORD_FOR_EVER, str(tmp_path / "a")],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None and process.stdout.readline() == "going\n"
    with pytest.raises(CaptureError, match="belongs to a recording that still goes on; end it first"):
        repair(tmp_path / "a")
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    assert_valid(tmp_path / "a")
    with Capture(tmp_path / "a") as capture:
        count, frames = capture.sample_count, list(capture.frames())
        assert count >= 51_000 and abs(len(frames) - count // 1000) <= 1
        assert np.array_equal(all_samples(capture), np.arange(count, dtype=np.complex64))
        assert [found.frame_index for found in frames] == list(range(len(frames)))
        segments, lost = capture.segments, capture.not_received
        assert len(segments) >= 6 and len(lost) >= 5
        assert "did not end properly" in capture.problems[0].text
    with pytest.raises(CaptureError, match="did not end, or still goes on; .*--repair"):
        CaptureWriter(tmp_path / "a", 1e6)
    done = sdr_sc("capture", "check", "--repair", tmp_path / "a")
    assert done.returncode == 0 and "no fault found" in done.stdout, done.stdout
    with Capture(tmp_path / "a") as whole:
        assert (whole.sample_count, list(whole.frames()), whole.not_received) == (count, frames, lost)
        assert [segment.sample_start for segment in whole.segments] == [segment.sample_start for segment in segments]
        assert whole.complete and whole.info.history[-1]["action"] == "repair"
    assert_valid(tmp_path / "a")
    assert repair(tmp_path / "a") == []


def test_half_a_sample_and_half_a_line_are_cut(tmp_path: Path) -> None:
    writer = CaptureWriter(tmp_path / "a", 1e6)
    writer.write(noise(1000))
    writer.annotate(note(0, 10, 100))
    writer._release(remove_journal=False)  # as a kill leaves it
    with open(data_file(tmp_path / "a"), "ab") as data, open(tmp_path / "a.sigmf-journal", "ab") as journal:
        data.write(b"12345")
        journal.write(b'{"annotation":{"core:sample_st')
    with Capture(tmp_path / "a") as capture:
        assert capture.sample_count == 1000 and capture.frame_count == 1
        assert any("the last 5 bytes are left out" in str(problem) for problem in capture.problems)
    assert "cut 5 bytes" in repair(tmp_path / "a")[0]
    assert check(tmp_path / "a") == []
    with Capture(tmp_path / "a") as capture:
        assert np.array_equal(all_samples(capture), noise(1000)) and list(capture.frames()) == [note(0, 10, 100)]


def test_a_journal_that_is_left_over_is_not_read_twice(tmp_path: Path) -> None:
    writer = CaptureWriter(tmp_path / "a", 1e6)
    writer.write(noise(1000))
    writer.annotate(note(0, 10, 100))
    shutil.copy(tmp_path / "a.sigmf-journal", tmp_path / "kept")
    writer.close()
    (tmp_path / "kept").rename(tmp_path / "a.sigmf-journal")
    with Capture(tmp_path / "a") as capture:
        assert capture.frame_count == 1 and "left over" in capture.problems[0].text
    assert "removed a.sigmf-journal" in repair(tmp_path / "a")[0]
    assert check(tmp_path / "a") == []


def fill(writer: CaptureWriter) -> int:
    """Write until it fails, with a frame every 1000 samples; returns the samples that were handed over."""
    for n in range(100_000):
        try:
            writer.write(np.arange(1000 * n, 1000 * (n + 1)).astype(np.complex64))
        except CaptureError as error:
            assert "cannot be written any further" in str(error) and "samples are kept" in str(error)
            return 1000 * n
        writer.annotate(note(n, 1000 * n, 1000))
    raise AssertionError("the disk never filled up")


def assert_full_but_whole(path: Path, writer: CaptureWriter, handed_over: int, most_lost: int) -> None:
    """After a full disk: late frames are taken, the pair is complete, and little is missing."""
    writer.not_received(SentFrame(7, 8, [1], [2]))
    with pytest.raises(CaptureError, match="cannot be written any further"):
        writer.write(noise(10))
    writer.close()
    assert check(path) == []
    assert_valid(path)
    with Capture(path) as capture:
        assert handed_over - most_lost <= capture.sample_count
        assert np.array_equal(all_samples(capture), np.arange(capture.sample_count).astype(np.complex64))
        assert capture.frame_count == capture.sample_count // 1000
        assert len(capture.not_received) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_fills_up(small_disk: Path) -> None:
    writer = CaptureWriter(small_disk / "a", 1e6)
    handed_over = fill(writer)
    assert handed_over > 300_000
    assert_full_but_whole(small_disk / "a", writer, handed_over, most_lost=70_000)
    assert sorted(file.name for file in small_disk.iterdir()) == ["a.sigmf-data", "a.sigmf-meta"]


def test_a_disk_without_room_from_the_start(small_disk: Path) -> None:
    (small_disk / "full").write_bytes(b"0" * (4 << 20))
    with pytest.raises(CaptureError, match="cannot be begun .No space left on device.; choose another place"):
        CaptureWriter(small_disk / "a", 1e6)
    assert [file.name for file in small_disk.iterdir()] == ["full"]


def test_a_file_that_may_grow_no_further(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_003, before[1]))
    try:
        writer = CaptureWriter(tmp_path / "a", 1e6)
        handed_over = fill(writer)
        assert_full_but_whole(tmp_path / "a", writer, handed_over, most_lost=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def command_peak_mib(*arguments: object, timeout_s: float = 60) -> tuple[subprocess.CompletedProcess, float]:
    """Run ``sdr-sc`` in a process of its own; also its peak of memory, MiB."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "sdr-sc", *map(str, arguments)],
        env=environment(), capture_output=True, text=True, timeout=timeout_s,
    )  # fmt: skip
    return done, float(done.stderr.rsplit("peak MiB", 1)[1])


def test_twenty_gigabytes_in_little_memory(tmp_path: Path) -> None:
    samples = record(tmp_path / "small")
    record(tmp_path / "a")
    size = 20 * 10**9 // 8 * 8
    os.truncate(data_file(tmp_path / "a"), size)
    with open(data_file(tmp_path / "a"), "r+b") as file:  # a frame's samples near the end
        file.seek(size - 8 * 20_000)
        file.write(samples.tobytes())
    meta = json.loads((tmp_path / "a.sigmf-meta").read_text())
    del meta["global"]["core:sha512"]
    meta["global"]["sdr_sc:sample_count"] = size // 8
    meta["annotations"].append({**meta["annotations"][-1], "core:sample_start": size // 8 - 4000})
    (tmp_path / "a.sigmf-meta").write_text(json.dumps(meta))

    small, floor_mib = command_peak_mib("capture", "info", tmp_path / "small")
    assert small.returncode == 0
    runs = {
        "info": ("capture", "info", tmp_path / "a"),
        "check": ("capture", "check", "--no-hash", tmp_path / "a"),
        "cut": ("capture", "cut", tmp_path / "a", tmp_path / "b", "--frames", "4:5"),
        "long cut": ("capture", "cut", tmp_path / "a", tmp_path / "c", "--seconds", "100:110"),
        "plot": ("capture", "plot", tmp_path / "a", tmp_path / "a.png"),
    }
    extra_mib = {"plot": 150.0}  # matplotlib
    for name, arguments in runs.items():
        done, peak_mib = command_peak_mib(*arguments)
        assert done.returncode == 0, done.stderr
        assert peak_mib < floor_mib + extra_mib.get(name, 30), name
    with Capture(tmp_path / "b") as part:
        [found] = part.frames()
        assert np.array_equal(part.frame_samples(found), samples[16_000:16_800])
        assert part.sample_count == 800 + 2 * 320
    with Capture(tmp_path / "c") as part:
        assert part.sample_count == 10_000_000
    assert data_file(tmp_path / "c").stat().st_size == 80_000_000


def test_many_frames_in_little_memory(tmp_path: Path) -> None:
    """Metadata of 10,000 frames is written, listed and cut without holding them."""
    program = (
        PEAK
        + """
import sys
from sdr_sc.capture import Capture, CaptureWriter, FrameNote
import numpy as np
from sdr_sc.capture.edit import cut
peaks = []
for count, path in ((100, sys.argv[1] + "_small"), (10_000, sys.argv[1])):
    with CaptureWriter(path, 1e6) as writer:
        for n in range(count):
            writer.write(np.zeros(100, np.complex64))
            writer.annotate(FrameNote(100 * n, 90, n % 4096, 8, 4, 10.0, 0.0, 1, n, *[(n,) * 4] * 3, (0.5,) * 4))
    with Capture(path) as capture:
        assert sum(note.frame_index for note in capture.frames()) == count * (count - 1) // 2
    cut(path, path + "_cut", samples=(1000, 80 * count))
    peaks.append(peak_mib())
with Capture(sys.argv[1]) as capture:
    held = [note for note in capture.frames()]
print(peaks[1] - peaks[0], peak_mib() - peaks[0])
"""
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a")], env=environment(), capture_output=True,
                          text=True, timeout=100)  # fmt: skip
    assert done.returncode == 0, done.stderr
    grown_mib, held_mib = map(float, done.stdout.split())
    assert (tmp_path / "a.sigmf-meta").stat().st_size > 3e6
    assert grown_mib < held_mib / 4, (grown_mib, held_mib)


def test_an_unwritable_folder_is_one_line(tmp_path: Path) -> None:
    record(tmp_path / "a")
    (tmp_path / "file").touch()
    done = sdr_sc("capture", "cut", tmp_path / "a", tmp_path / "file" / "b", "--samples", "0:100")
    assert_one_line_error(done, "file/b.sigmf-data cannot be begun")
