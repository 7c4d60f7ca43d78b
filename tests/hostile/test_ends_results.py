# SPDX-License-Identifier: GPL-3.0-or-later
"""Results when the disk is full, their folder is removed, files cannot be opened, or the process is killed."""

from __future__ import annotations

import csv
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from command import environment
from frames import reception
from link_messages import answer_meta, sent_meta

from sdr_sc.blocks.runtime import failures
from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.blocks.task_sink import task_sink
from sdr_sc.errors import BlockError, SdrScError
from sdr_sc.link.frames.frame_record import FRAME_FIELDS, ITEM_FIELDS, FrameRecord
from sdr_sc.link.frames.link_record import TICK_S, WRITTEN_S, LinkRecord


@contextmanager
def limited(kind: int, limit: int) -> Iterator[None]:
    """A limit of this process while entered."""
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


def rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """All rows of a file, which has to hold whole lines alone."""
    text = path.read_bytes().decode()
    assert text.endswith("\r\n") and text.startswith(",".join(columns))
    with open(path, newline="") as file:
        found = list(csv.DictReader(file))
    assert all(len(row) == len(columns) and None not in row.values() for row in found)
    return found


def send(link: LinkRecord, first: int, count: int) -> None:
    for index in range(first, first + count):
        link.sent(FrameRecord(index, 4, np.array([index]), np.array([1]), np.zeros((1, 784), np.uint8), 0))
        link.received(reception(index, np.array([1]), np.array([0.9]), 11.0, None, 1_000_000))


@pytest.mark.parametrize("limit", [0, 700, 1024, 5000])
def test_a_full_disk_leaves_whole_lines_and_complete_counts(limit: int, tmp_path: Path) -> None:
    link = LinkRecord(tmp_path)
    send(link, 0, 200)
    with (
        limited(resource.RLIMIT_FSIZE, limit),
        pytest.raises(SdrScError, match="frames.csv cannot be written") as error,
    ):
        link.close()
    assert str(tmp_path) in str(error.value) and "File too large" in str(error.value)
    assert (link.frames_sent, link.frames_answered, link.items_correct) == (200, 200, 200)
    frames, items = rows(tmp_path / "frames.csv", FRAME_FIELDS), rows(tmp_path / "items.csv", ITEM_FIELDS)
    assert [int(row["frame_index"]) for row in frames] == list(range(len(frames)))
    assert (limit < 5000) or len(items) > 40
    send(link, 200, 10)  # counts go on, and nothing is written after the hole
    link.close()
    assert link.frames_sent == 210 and len(rows(tmp_path / "frames.csv", FRAME_FIELDS)) == len(frames)


def test_a_disk_that_fills_up_while_it_runs_is_reported_once(tmp_path: Path) -> None:
    link = LinkRecord(tmp_path)
    send(link, 0, 50)
    with limited(resource.RLIMIT_FSIZE, 1000):
        time.sleep(0.6)
        with pytest.raises(SdrScError, match="cannot be written any further"):
            link.tick()
        link.tick()
    link.close()
    assert 0 < len(rows(tmp_path / "frames.csv", FRAME_FIELDS)) < 50


def run_sink(folder: Path) -> task_sink:
    sink = task_sink(str(folder))
    sink.start()
    for index in range(3):
        sink.handle_sent(make_pdu(sent_meta(index), np.zeros(784, np.uint8)))
        sink.handle_answers(make_pdu(answer_meta(index), np.array([1], np.int32)))
    return sink


def failure() -> str:
    first = failures.first()
    return "" if first is None else str(first.error)


def test_a_folder_that_was_removed_is_the_runs_error(tmp_path: Path) -> None:
    with failures.watching():
        sink = run_sink(tmp_path / "out")
        shutil.rmtree(tmp_path / "out")
        over = time.monotonic() + 200
        while not failure() and time.monotonic() < over:
            time.sleep(0.05)
        assert "removed" in failure() and str(tmp_path / "out") in failure()
        assert sink.stop() is True
        assert sink.record.items_correct == 3 and not (tmp_path / "out").exists()


def test_a_folder_that_is_moved_keeps_the_rows_and_the_pictures_are_missed(tmp_path: Path) -> None:
    with failures.watching():
        sink = run_sink(tmp_path / "out")
        (tmp_path / "out").rename(tmp_path / "other")
        sink.stop()
        assert "images.npz cannot be written (the folder was removed)" in failure()
    assert len(rows(tmp_path / "other" / "frames.csv", FRAME_FIELDS)) == 3


def test_too_many_open_files_cost_the_pictures_alone(tmp_path: Path) -> None:
    with failures.watching():
        sink = run_sink(tmp_path / "out")
        with limited(resource.RLIMIT_NOFILE, 3):
            sink.stop()
        assert "images.npz cannot be written (Too many open files)" in failure() and "ulimit -n" in failure()
    assert len(rows(tmp_path / "out" / "frames.csv", FRAME_FIELDS)) == 3


@pytest.mark.parametrize("shape", [(28, 28), (3, 16, 49), (600,)])
def test_items_are_written_in_the_shape_that_the_transmitter_gives(tmp_path: Path, shape: tuple[int, ...]) -> None:
    meta = {**sent_meta(0), "modality": "tone", "item_shape": np.array(shape, np.int32)}
    with failures.watching():
        sink = task_sink(str(tmp_path))
        sink.handle_sent(make_pdu(meta, np.zeros(np.prod(shape), np.uint8)))
        sink.stop()
        assert failure() == ""
    with np.load(tmp_path / "images.npz") as kept:
        assert kept["images"].shape == (1, *shape) and str(kept["modality"]) == "tone"


def test_items_of_which_no_shape_is_given_stay_bytes(tmp_path: Path) -> None:
    sink = task_sink(str(tmp_path))
    sink.handle_sent(make_pdu(sent_meta(0), np.zeros(784, np.uint8)))
    sink.stop()
    with np.load(tmp_path / "images.npz") as kept:
        assert kept["images"].shape == (1, 784) and str(kept["modality"]) == ""


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"item_shape": np.array([28, 27], np.int32)}, "item_shape"),
        ({"item_shape": np.array([28.0, 28.0], np.float32)}, "item_shape"),
        ({"item_shape": 784}, "item_shape"),
        ({"modality": 3}, "modality"),
        ({"modality": "x" * 300}, "modality"),
    ],
)
def test_a_shape_that_is_not_the_items_is_counted_and_refused(fields: dict[str, object], words: str) -> None:
    sink = task_sink()
    sink.handle_sent(make_pdu({**sent_meta(0), **fields}, np.zeros(784, np.uint8)))
    assert sink.refused.count == 1 and words in str(next(iter(sink.refused.reasons)))
    assert sink.record.frames_sent == 0


KILLED = """
import sys, time
import numpy as np
sys.path.insert(0, {tests!r})
from link_messages import answer_meta, sent_meta
from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.blocks.task_sink import task_sink
sink = task_sink({folder!r})
sink.start()
index = 0
while True:
    sink.handle_sent(make_pdu(sent_meta(index), np.zeros(784, np.uint8)))
    sink.handle_answers(make_pdu(answer_meta(index % 4096), np.array([1], np.int32)))
    index += 1
    if index == {count}:
        print("reported", flush=True)
        time.sleep(600)
"""


@pytest.mark.parametrize("count", [1, 300])
def test_a_killed_sink_has_written_what_was_answered_a_moment_ago(count: int, tmp_path: Path) -> None:
    code = KILLED.format(tests=str(Path(__file__).parents[1] / "helpers"), folder=str(tmp_path), count=count)
    process = subprocess.Popen([sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"reported\n"
        over = time.monotonic() + 200
        while time.monotonic() < over and len(rows(tmp_path / "frames.csv", FRAME_FIELDS)) < count:
            time.sleep(0.1)
        assert len(rows(tmp_path / "frames.csv", FRAME_FIELDS)) == count  # although nothing came after them
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(rows(tmp_path / "items.csv", ITEM_FIELDS)) == count


class Clock:
    """In the place of the module ``time``."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.mark.parametrize("lost", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("interval_s", [0.005, 0.1, 0.7])
def test_a_kill_at_any_moment_costs_a_second_of_answered_frames_at_most(
    lost: float, interval_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames with and without answers; ``tick`` comes late by up to four tenths of a second."""
    clock, rng = Clock(), np.random.default_rng(1)
    monkeypatch.setattr("sdr_sc.link.frames.ledger.time", clock)
    link = LinkRecord(tmp_path)
    answered_s: dict[int, float] = {}  # of each frame: when it, or the next one that has an answer, got it
    waiting: list[int] = []
    sent = checked = 0
    next_frame_s, next_tick_s, over_s = clock.now_s, clock.now_s + TICK_S, clock.now_s + 20.0
    while clock.now_s < over_s:
        clock.now_s = min(next_frame_s, next_tick_s)
        if clock.now_s == next_frame_s:
            next_frame_s += rng.exponential(interval_s)
            link.sent(FrameRecord(sent, 4, np.array([sent]), np.array([1]), np.zeros((1, 784), np.uint8), 0))
            waiting.append(sent)
            if rng.random() >= lost:
                link.received(reception(sent, np.array([1]), np.array([0.9]), 11.0, None, round(1e9 * clock.now_s)))
                answered_s.update(dict.fromkeys(waiting, clock.now_s))
                waiting.clear()
            sent += 1
            continue
        written = len(rows(tmp_path / "frames.csv", FRAME_FIELDS))
        assert written == len(rows(tmp_path / "items.csv", ITEM_FIELDS))
        due = {index for index, at_s in answered_s.items() if clock.now_s - at_s > WRITTEN_S}
        assert due <= set(range(written))
        checked += len(due)
        link.tick()
        next_tick_s += TICK_S + rng.uniform(0.0, 0.4)
    assert checked
    link.close()


def test_two_runs_do_not_write_into_one_folder(tmp_path: Path) -> None:
    first = task_sink(folder=str(tmp_path))
    send(first.record, 0, 20)
    with pytest.raises(BlockError, match="another run writes its results there"):
        task_sink(folder=str(tmp_path))
    first.record.close()
    assert len(rows(tmp_path / "frames.csv", FRAME_FIELDS)) == 20
    second = task_sink(folder=str(tmp_path))  # a later run begins again
    second.record.close()
    assert rows(tmp_path / "frames.csv", FRAME_FIELDS) == []
    dropped = LinkRecord(tmp_path)
    del dropped
    LinkRecord(tmp_path).close()
