# SPDX-License-Identifier: GPL-3.0-or-later
"""Journals of recordings: changed bits are noticed, what early kills leave is removed, a full disk is reported."""

from __future__ import annotations

import errno
import os
import random
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command import sdr_sc
from recordings import noise, note, record

from sdr_sc.capture import Capture, CaptureWriter, Segment, SentFrame
from sdr_sc.capture.check import check
from sdr_sc.capture.edit import convert, cut
from sdr_sc.capture.journal import Tally, read_journal
from sdr_sc.capture.metafile import write_metadata
from sdr_sc.capture.repair import repair
from sdr_sc.errors import CaptureError
from sdr_sc.files import FOREIGN_LITTER_AGE_S, LITTER_AGE_S, remove_litter, write_whole
from sdr_sc.processes import start_ticks


def killed(path: Path) -> Path:
    """A recording as a kill leaves it; its journal."""
    writer = CaptureWriter(path, 1e6)
    writer.write(noise(4000))
    for number in range(4):
        writer.annotate(note(number, 1000 * number, 500))
    writer.segment(Segment(2000, 915e6, None, (3, 0.5), "gap"))
    writer.not_received(SentFrame(9, 8, [1, 2], [3, 4]))
    writer._release(remove_journal=False)
    return path.with_name(f"{path.name}.sigmf-journal")


def held(journal: Path) -> list[str]:
    return [repr(one) for one in read_journal(journal)]


def test_one_changed_bit_is_never_another_figure(tmp_path: Path) -> None:
    journal = killed(tmp_path / "a")
    whole, lines = journal.read_bytes(), held(journal)
    assert len(lines) == 7
    rng = random.Random(5)
    for place in rng.sample(range(8 * len(whole)), 2000):
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        journal.write_bytes(content)
        tally = Tally()
        now = [repr(one) for one in read_journal(journal, tally)]
        assert all(line in lines for line in now) and len(now) >= len(lines) - 2
        assert len(now) == len(lines) or tally.changed or tally.cut, place


def test_changed_lines_are_reported_and_left_out_of_a_repair(tmp_path: Path) -> None:
    journal = killed(tmp_path / "a")
    journal.write_bytes(journal.read_bytes().replace(b'"sdr_sc:frame_index":2', b'"sdr_sc:frame_index":7'))
    assert any(
        "1 lines of it were changed after they were written" in str(finding) for finding in check(tmp_path / "a")
    )
    with Capture(tmp_path / "a") as capture:
        assert [found.frame_index for found in capture.frames()] == [0, 1, 3]
    assert any("1 lines of a.sigmf-journal were changed" in step for step in repair(tmp_path / "a"))
    with Capture(tmp_path / "a") as capture:
        assert list(capture.frames()) == [note(number, 1000 * number, 500) for number in (0, 1, 3)]
    assert check(tmp_path / "a") == []


def test_a_journal_of_an_older_version_is_read_and_said_to_be_unchecked(tmp_path: Path) -> None:
    journal = killed(tmp_path / "a")
    lines = held(journal)
    journal.write_bytes(re.sub(rb',"crc32":"[0-9a-f]{8}"\}', b"}", journal.read_bytes()))
    assert held(journal) == lines
    assert any("has no checksums, as those of older versions" in str(finding) for finding in check(tmp_path / "a"))
    repair(tmp_path / "a")
    with Capture(tmp_path / "a") as capture:
        assert [found.frame_index for found in capture.frames()] == [0, 1, 2, 3]
        assert capture.not_received == (SentFrame(9, 8, [1, 2], [3, 4]),)


@pytest.mark.parametrize(
    "content", [b"", b'{"segment":{"core:sample_start":0}}\n', b"[" * 100_000 + b"\n", b"\xff\n\n{}\n"]
)
def test_a_journal_alone_is_removed(content: bytes, tmp_path: Path) -> None:
    journal = tmp_path / "a.sigmf-journal"
    journal.write_bytes(content)
    with pytest.raises(CaptureError, match="was killed before its first sample.*--repair"):
        Capture(tmp_path / "a")
    done = sdr_sc("capture", "check", "--repair", tmp_path / "a")
    assert done.returncode == 0 and "removed a.sigmf-journal" in done.stdout, done
    assert os.listdir(tmp_path) == []
    journal.write_bytes(content)
    record(tmp_path / "a")
    assert sorted(os.listdir(tmp_path)) == ["a.sigmf-data", "a.sigmf-meta"] and check(tmp_path / "a") == []


def test_a_journal_alone_that_somebody_writes_is_left(tmp_path: Path) -> None:
    writer = CaptureWriter(tmp_path / "a", 1e6)
    for part in ("meta", "data"):
        (tmp_path / f"a.sigmf-{part}").unlink()
    for touch in (lambda: repair(tmp_path / "a"), lambda: CaptureWriter(tmp_path / "a", 1e6)):
        with pytest.raises(CaptureError, match="still goes on"):
            touch()
    writer.discard()


def dead_mark() -> str:
    code = "from sdr_sc.processes import process_mark; print(process_mark())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip()


def litter(path: Path, mark: str, age_s: float = 2 * LITTER_AGE_S) -> Path:
    left = path.with_name(f".{path.name}.{mark}.partial")
    left.write_bytes(b"half")
    moment = left.stat().st_mtime - age_s
    os.utime(left, (moment, moment))
    return left


def test_what_killed_programs_left_is_removed_by_the_next_who_writes(tmp_path: Path) -> None:
    dead, file = dead_mark(), tmp_path / "file"
    elsewhere = dead.rpartition("-")[0] + "-1"  # a process of a container: whether it lives cannot be seen
    gone = litter(file, dead)
    other = dead.replace("-", "0-", 1)
    parent = os.getppid()
    living = f"{parent}-{start_ticks(parent)}-" + dead.split("-", 2)[2]
    kept = [litter(file, living), litter(file, other, age_s=0.0), litter(tmp_path / "file2", dead)]
    kept.append(litter(file, elsewhere))
    (tmp_path / f".file.{dead}x.partial").write_bytes(b"")
    write_whole({file: b"whole"})
    assert not gone.exists() and all(one.exists() for one in kept) and file.read_bytes() == b"whole"
    assert len(os.listdir(tmp_path)) == 6
    gone = litter(file, elsewhere, 2 * FOREIGN_LITTER_AGE_S)
    write_whole({file: b"again"})
    assert not gone.exists() and all(one.exists() for one in kept[:-1])


def test_litter_of_recordings_is_removed_too(tmp_path: Path) -> None:
    meta, dead = tmp_path / "a.sigmf-meta", dead_mark()
    left = litter(meta, dead)
    record(tmp_path / "a")
    assert not left.exists()
    left = litter(meta, dead)
    assert any(left.name in step for step in repair(tmp_path / "a")) and not left.exists()
    assert remove_litter(tmp_path / "no folder" / "x") == []


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("edit", [
    lambda source, target, **more: cut(source, target, samples=(0, 19_000), **more),
    lambda source, target, **more: convert(source, target, "ci16_le", **more),
], ids=["cut", "convert"])  # fmt: skip
@pytest.mark.parametrize("limit", [2000, 60_000])
def test_a_full_disk_keeps_nothing_of_a_copy_and_says_so(edit, limit: int, tmp_path: Path) -> None:
    record(tmp_path / "a")
    edit(tmp_path / "a", tmp_path / "b")  # so that its kernels are compiled, and kept, while there is room
    for path in tmp_path.glob("b.*"):
        path.unlink()
    with (
        no_file_beyond(limit),
        pytest.raises(CaptureError, match="cannot be written .*nothing was kept. Make room") as error,
    ):
        edit(tmp_path / "a", tmp_path / "b")
    assert "samples are kept" not in str(error.value) and "--repair" not in str(error.value)
    assert sorted(os.listdir(tmp_path)) == ["a.sigmf-data", "a.sigmf-meta"]
    record(tmp_path / "b")
    with (
        no_file_beyond(limit),
        pytest.raises(CaptureError, match="nothing was kept, and the recording that was there is"),
    ):
        edit(tmp_path / "a", tmp_path / "b", force=True)
    assert sorted(os.listdir(tmp_path)) == ["a.sigmf-data", "a.sigmf-meta"]


def test_a_copy_never_gives_up_samples_for_its_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path / "a")
    calls = []

    def full_at_the_end(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_metadata(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("sdr_sc.capture.writer.write_metadata", full_at_the_end)
    with pytest.raises(CaptureError, match=r"cannot be written \(No space left on device\); nothing was kept"):
        cut(tmp_path / "a", tmp_path / "b", samples=(0, 19_000))
    assert len(calls) == 3 and sorted(os.listdir(tmp_path)) == ["a.sigmf-data", "a.sigmf-meta"]
