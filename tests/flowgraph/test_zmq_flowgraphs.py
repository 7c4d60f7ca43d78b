# SPDX-License-Identifier: GPL-3.0-or-later
"""Transmitter, channel and receiver in three processes, with samples over GNU Radio's ZMQ blocks."""

from __future__ import annotations

import csv
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_joint
from command import ROOT, environment, sdr_sc

from sdr_sc.blocks import zmq_samples_source as samples_source
from sdr_sc.data.own_questions import items_asked
from sdr_sc.flowgraph.compile import load_flowgraph
from sdr_sc.semantic.tasks.base import NO_ANSWER

toy_joint.register()

PARTS = ("channel", "tx", "rx")  # in the order that they are started
USED_BY = {
    "feedback_address": ("tx", "rx"),
    "sent_address": ("tx", "rx"),
    "tx_address": ("tx", "channel"),
    "rx_address": ("channel", "rx"),
    "truth_address": ("channel", "rx"),
}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    result = sdr_sc("compile", *(ROOT / "flowgraphs" / f"zmq_{part}.grc" for part in PARTS), "-o", folder)
    assert result.returncode == 0, result.stderr
    assert {path.name for path in folder.glob("*.py")} >= {f"zmq_{part}.py" for part in PARTS}
    return folder


def free_addresses() -> dict[str, str]:
    holders = [socket.socket() for _ in USED_BY]
    for holder in holders:
        holder.bind(("127.0.0.1", 0))
    found = {name: f"tcp://127.0.0.1:{h.getsockname()[1]}" for name, h in zip(USED_BY, holders, strict=True)}
    for holder in holders:
        holder.close()
    return found


class Link:
    """The three processes, started as a user does."""

    def __init__(self, generated: Path, folder: Path, program: tuple[str, ...] = ()) -> None:
        self._program = program
        self.folder, self._generated, self._addresses = folder, generated, free_addresses()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: dict[str, Path] = {}

    def start(self, part: str, **parameters: object) -> None:
        # A loaded machine must not make the encoder give a frame up, nor the channel end after the last but one.
        own: dict[str, dict[str, object]]
        own = {"tx": {"feedback_timeout_s": 5}, "rx": {"folder": self.folder}, "channel": {"idle_s": 8}}
        addresses = {name: self._addresses[name] for name, users in USED_BY.items() if part in users}
        words = [sys.executable, "-u", *self._program, str(self._generated / f"zmq_{part}.py")]
        for name, value in {**addresses, **own[part], **parameters}.items():
            words.append(f"--{name.replace('_', '-')}={value}")
        self._logs[part] = self.folder / f"{part}.log"
        with open(self._logs[part], "w") as log:
            self.processes[part] = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, env=environment())

    def said(self) -> str:
        return "\n".join(f"--- {part}\n{log.read_text()}" for part, log in self._logs.items())

    def wait(self, limit_s: float) -> None:
        """Until all have ended by themselves, without an error."""
        over = time.monotonic() + limit_s
        for part, process in self.processes.items():
            try:
                status = process.wait(max(0.1, over - time.monotonic()))
            except subprocess.TimeoutExpired:
                pytest.fail(f"zmq_{part} does not end.\n{self.said()}")
            assert status == 0, self.said()

    def interrupt(self, part: str) -> None:
        """Ctrl-C, after which it ends; a second is the promise, the rest is for a machine that is busy."""
        self.processes[part].send_signal(signal.SIGINT)
        self.processes[part].wait(60)

    def rows(self, name: str) -> list[dict[str, str]]:
        with open(self.folder / name, newline="") as file:
            return list(csv.DictReader(file))

    def frames(self) -> list[dict[str, str]]:
        return sorted(self.rows("frames.csv"), key=lambda frame: int(frame["frame_index"]))

    def wait_until_idle(self, part: str) -> None:
        """Until it has imported and loaded everything and waits for the others: it uses little processor time."""
        process, limit, idle = self.processes[part], time.monotonic() + 100, 0
        used = self._processor_time_s(part)
        while idle < 3:
            assert time.monotonic() < limit and process.poll() is None, self.said()
            time.sleep(1.0)
            before, used = used, self._processor_time_s(part)
            idle = idle + 1 if used - before < 0.1 else 0

    def _processor_time_s(self, part: str) -> float:
        fields = Path(f"/proc/{self.processes[part].pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_for_frames(self) -> None:
        limit, file = time.monotonic() + 200, self.folder / "frames.csv"
        while not (file.exists() and file.stat().st_size > 500):
            assert time.monotonic() < limit, self.said()
            assert all(process.poll() is None for process in self.processes.values()), self.said()
            time.sleep(0.1)

    def kill(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def link(generated: Path, tmp_path: Path) -> Iterator[Link]:
    made = Link(generated, tmp_path)
    yield made
    made.kill()


def test_every_image_is_answered_and_all_three_end(link: Link) -> None:
    link.start("channel", snr_db=20.0)
    link.start("tx", images=200)
    link.start("rx")
    link.wait(80)
    frames = link.frames()
    assert [int(frame["frame_index"]) for frame in frames] == list(range(50)), link.said()
    assert {frame["status"] for frame in frames} == {"delivered"}
    assert sum(int(frame["n_items"]) for frame in frames) == 200
    assert sum(int(frame["correct"]) for frame in frames) > 0.85 * 200
    # The channel sees each frame by its tag; single estimates spread by 0.4 dB, and their mean much less.
    assert {float(frame["snr_set_db"]) for frame in frames} == {20.0}
    estimates = [float(frame["snr_est_db"]) for frame in frames]
    assert statistics.fmean(estimates) == pytest.approx(20.0, abs=1.0)
    assert statistics.fmean(float(frame["cfo_hz"]) for frame in frames) == pytest.approx(500.0, abs=30.0)
    # Without feedback the CAM would send its most robust setting for ever.
    k = [int(frame["k"]) for frame in frames]
    assert k[0] > 8 and set(k[1:]) == {2}


def test_each_item_is_asked_its_own_question_and_further_tasks_are_answered(generated: Path, tmp_path: Path) -> None:
    model, _ = toy_joint.make_model(tmp_path)
    several = {"model": model, "tasks": "retrieval, question", "question": "*"}
    link = Link(generated, tmp_path, program=(str(ROOT / "tests" / "helpers" / "toy_flowgraph.py"),))
    try:
        link.start("channel", snr_db=18.0, idle_s=15)
        link.start("tx", data_set=toy_joint.SPEC, images=168, items_per_frame=8, k=16, feedback_timeout_s=10, **several)
        link.start("rx", **several)
        link.wait(300)
    finally:
        link.kill()
    assert {frame["status"] for frame in link.frames()} == {"delivered"}, link.said()
    assert "nobody says what the items" not in link.said()
    asked = items_asked(toy_joint.joined(), "*", 1)
    rows = [row for row in link.rows("answers.csv") if row["task"] == "question"]
    assert len(rows) == 168 and len({row["question"] for row in rows}) == 5, "four questions, and none"
    for row in rows:
        item = int(row["item_id"])
        assert (row["question"], int(row["target"])) == (asked.texts[item], asked.answer[item])
        assert (int(row["answer"]) == NO_ANSWER) is (not row["question"])
    found = [row for row in link.rows("answers.csv") if row["task"] == "retrieval"]
    assert len(found) == 168 and sum(int(row["target"]) >= 0 for row in found) == 120


def test_zmq_blocks_poll_for_longer_than_the_scheduler_waits() -> None:
    """With less than its 250 ms, two of them can keep each other waiting, at 350 ms a frame."""
    polls_ms = [
        float(block["parameters"]["timeout"])
        for path in sorted((ROOT / "flowgraphs").glob("zmq_*.grc"))
        for block in load_flowgraph(path)["blocks"]
        if block["id"].startswith("zeromq_")
    ]
    assert len(polls_ms) == 2 and min([*polls_ms, 1e3 * samples_source._POLL_S]) >= 500


def test_a_schedule_counts_frames_and_nothing_is_lost_with_short_queues(link: Link) -> None:
    link.start("channel", snr_schedule="0:25, 40:5", delay_samples=7, hwm=1)
    link.start("tx", images=100, items_per_frame=1, max_frames_in_flight=8, k=8, gap_samples=0, hwm=1)
    link.start("rx", hwm=1)
    link.wait(80)
    frames = link.frames()
    assert [frame["status"] for frame in frames] == ["delivered"] * 100, link.said()
    assert [float(frame["snr_set_db"]) for frame in frames] == [25.0] * 40 + [5.0] * 60
    for part, snr_db in ((frames[:40], 25.0), (frames[40:], 5.0)):
        assert statistics.fmean(float(frame["snr_est_db"]) for frame in part) == pytest.approx(snr_db, abs=1.0)


@pytest.mark.parametrize("order", [("rx", "channel", "tx"), ("tx", "rx", "channel")])
def test_interrupt_stops_each_while_the_others_run(link: Link, order: tuple[str, ...]) -> None:
    link.start("channel", idle_s=0)
    link.start("tx", images=0, feedback_timeout_s=0.1)
    link.start("rx")
    link.wait_for_frames()
    for part in order:
        if part == "rx" and "tx" in order[: order.index("rx")]:
            assert link.processes[part].wait(60) == 0, link.said()  # its transmitter announced the end to it
            continue
        assert link.processes[part].poll() is None, link.said()
        link.interrupt(part)
        time.sleep(1.0)  # the others find nobody who takes samples, or nobody who sends
    assert link.processes["rx"].returncode == 0, link.said()
    assert len(link.frames()) > 5


@pytest.mark.parametrize("part, status", [("channel", 0), ("tx", 130), ("rx", 0)])
def test_interrupt_stops_each_while_it_waits_for_the_others(link: Link, part: str, status: int) -> None:
    link.start(part)
    link.wait_until_idle(part)
    assert link.processes[part].poll() is None, link.said()
    link.interrupt(part)
    assert link.processes[part].returncode == status, link.said()
    assert "Traceback" not in link.said()
