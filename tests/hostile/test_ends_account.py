# SPDX-License-Identifier: GPL-3.0-or-later
"""The account of frames after kills and stops, and the judgement of runs that met a fault."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import numpy as np
import pmt
import pytest
from frames import reception
from link_messages import sent_meta

from sdr_sc.bench.hardening import soak_account as soak
from sdr_sc.bench.hardening import soak_results
from sdr_sc.bench.hardening.fault_kinds import nan_in_a_file, nan_in_some_answers
from sdr_sc.bench.hardening.fault_runs import Program, judge, unreadable_in
from sdr_sc.bench.hardening.soak_account import Life, Told, account
from sdr_sc.bench.hardening.soak_ends import End, Images, Observer
from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.blocks.zmq_pdu_sink import zmq_pdu_sink
from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph.usrp_pair import free_ports
from sdr_sc.link.frames.frame_record import FrameRecord
from sdr_sc.link.frames.link_record import LinkRecord
from sdr_sc.semantic.inference import SemanticDecoder, answers

MARGIN_S = 0.5


def sends(number: int, key: soak.Key) -> bool:
    """Each transmitter in these tests sends the item ids 100 NUMBER + INDEX."""
    return key[1] == (100 * number + key[0],)


def told(*times_s: float) -> list[Told]:
    return [Told((i, (i,)), time_s) for i, time_s in enumerate(times_s)]


def rows(*answered: tuple[int, bool]) -> dict[soak.Key, bool]:
    return {(index, (index,)): is_answered for index, is_answered in answered}


@pytest.mark.parametrize(
    ("frame_s", "receiver", "cause"),
    [
        (5.0, Life(0.0, rows=rows((0, True))), soak.ANSWERED),
        (5.0, Life(0.0, rows=rows((0, False))), soak.NOT_RECEIVED),
        (5.0, Life(0.0, stopped=[(4.0, 4.8)], rows=rows((0, False))), soak.STOPPED),
        (9.8, Life(0.0, rows=rows((0, False))), soak.TX_ENDED),
        (5.0, Life(0.0, 6.0, True, rows=rows((1, True))), soak.RX_KILLED),
        (5.0, Life(0.0, 5.2, rows=rows((1, True))), soak.RX_ENDED),
        (5.0, Life(0.0, 7.0, rows=rows((1, True))), soak.UNACCOUNTED),
        (5.0, Life(0.0, 7.0, ending_s=4.0, rows=rows((1, True))), soak.RX_ENDED),
        (5.0, Life(0.0, rows=rows((1, True), (2, True))), soak.UNACCOUNTED),
        (5.0, Life(5.5), soak.RX_DOWN),
        (0.5, Life(0.0, rows=rows((1, True))), soak.RX_DOWN),
    ],
)
def test_each_frame_has_the_cause_that_its_time_gives(frame_s: float, receiver: Life, cause: str) -> None:
    heard = [*told(frame_s), Told((1, (1,)), 1.0), Told((2, (2,)), 9.0)]
    found = account(heard, [Life(0.0, 10.0)], [receiver], MARGIN_S, sends)
    assert found.cause[0, (0,)] == cause and found.causes.total() == 3
    assert any(one.key[0] == 0 for one in found.unaccounted) == (cause == soak.UNACCOUNTED)


KILLED = [Life(0.0, 4.0, True), Life(4.0, 8.0, True), Life(8.0, 12.0)]


@pytest.mark.parametrize(
    ("index", "item", "reason"),
    [
        (0, 100, soak.BEFORE_GREETING),
        (1, 101, soak.BEFORE_GREETING),
        (4, 104, ""),  # what a transmitter sends a listener meanwhile is not lost
        (7, 107, soak.AFTER_LAST_NEWS),
        (11, 111, ""),  # so many news are not in a queue
        (9, 209, ""),  # it was not killed
        (5, 5, soak.BEFORE_GREETING),  # of the first one nothing at all was heard
        (5, 7, ""),  # frame 5 with the items of frame 7
        (5, 900, ""),  # nobody's
    ],
)
def test_a_row_on_a_frame_that_nobody_reported_of_has_a_reason_or_is_a_contradiction(
    index: int, item: int, reason: str
) -> None:
    heard = [Told((i, (100 + i,)), 5.0 + i / 10) for i in (2, 3, 5, 6)]
    heard += [Told((i, (200 + i,)), 9.0 + i / 10) for i in (0, 1)]
    receiver = Life(1.0, rows={**{one.key: True for one in heard}, (index, (item,)): True})
    found = account(heard, KILLED, [receiver], MARGIN_S, sends)
    assert found.unheard == ({reason: 1} if reason else {})
    assert found.unknown == (() if reason else ((index, (item,)),))


@pytest.mark.parametrize(
    ("index", "time_s", "cause"),
    [(1, 5.1, soak.RX_LATE), (1, 5.8, soak.UNACCOUNTED), (3, 5.3, soak.UNACCOUNTED)],
)
def test_the_first_frames_of_a_transmitter_may_come_before_the_receivers_greeting(
    index: int, time_s: float, cause: str
) -> None:
    """The receiver followed the transmitter before, and has rows of this one from frame 2 on."""
    lives = [Life(0.0, 2.0, True), Life(2.0, 20.0)]
    heard = [*told(1.0), Told((0, (100,)), 5.0), Told((index, (100 + index,)), time_s)]
    heard += [Told((i, (100 + i,)), 5.0 + i / 10) for i in (2, 4)]
    receiver = Life(0.5, 20.0, rows=rows((0, True)) | {(i, (100 + i,)): True for i in (2, 4)})
    found = account(heard, lives, [receiver], MARGIN_S, sends)
    assert found.cause[0, (100,)] == soak.RX_LATE and found.cause[heard[2].key] == cause


def test_a_receiver_has_no_rows_of_a_transmitter_that_was_started_after_its_end() -> None:
    found = account(told(1.0), KILLED, [Life(0.0, 3.0, rows=rows((0, True)) | {(0, (100,)): True})], MARGIN_S, sends)
    assert found.unknown == ((0, (100,)),) and not found.unheard


@pytest.mark.parametrize(
    ("times_s", "losses_s"),
    [
        ((4.0, 4.5, 5.0, 5.5, 6.5), [1.0, 0.5]),  # from the next frame, with which this one was answered
        ((4.0, 4.5, 5.5, 5.75, 6.5), [0.25, 0.25]),  # 1 was given up; it is over when a later one is answered
        ((4.0, 4.5, 5.5, 6.5, 6.75), []),  # nothing was over when it was killed
    ],
)
def test_a_kills_loss_counts_from_the_frames_end_to_the_signal(times_s: tuple[float, ...], losses_s: list) -> None:
    receiver = Life(0.0, 9.0, True, ending_s=6.0, rows=rows((0, True)))
    heard = [*told(*times_s), Told((0, (100,)), 8.0), Told((1, (101,)), 8.5)]
    found = account(heard, [Life(0.0, 20.0)], [receiver], MARGIN_S, sends)
    assert [found.cause[one.key] for one in heard[1:3]] == [soak.RX_KILLED] * 2
    assert sorted(soak.kill_losses_s(heard, found.cause, [receiver], 1.0)) == sorted(losses_s)


def test_a_transmitters_frames_are_known_by_their_images() -> None:
    from gnuradio import blocks, gr

    from sdr_sc.blocks.item_source import item_source

    tb, source, sink = gr.top_block(), item_source(items=12, seed=7), blocks.vector_sink_b(784)
    tb.connect(source, blocks.stream_to_vector(1, 784), sink)
    tb.run()
    tags = sorted((tag for tag in sink.tags() if pmt.to_python(tag.key) == "item_id"), key=lambda tag: tag.offset)
    ids = [pmt.to_python(tag.value) for tag in tags]
    assert len(ids) == 12
    images = Images(10_000, 4, 5)
    for index in range(3):
        key = index, tuple(ids[4 * index : 4 * index + 4])
        assert [number for number in range(4) if images.sends(number, key)] == [2]
        assert not images.sends(2, (index + 1, key[1])) and not images.sends(2, (index, key[1][:3]))
        assert images.sends(2, (index + 2500, key[1]))  # all images were sent by then


def heard_sink(address: str) -> zmq_pdu_sink:
    """A sink with a listener, at an address that an earlier one of this process may not have left yet: ZMQ leaves it in
    a thread of its own."""
    over = time.monotonic() + 200
    while True:
        sink = zmq_pdu_sink(address, bind=True)
        try:
            assert sink.wait_for_listener(200.0)
            return sink
        except SdrScError:
            if time.monotonic() > over:
                raise
            time.sleep(0.05)


def test_the_observer_hears_all_of_each_transmitter_that_waits_for_it() -> None:
    """Also of one that is started again at the same address, and that sends as soon as anybody listens."""
    (port,) = free_ports(1)
    address = f"tcp://127.0.0.1:{port}"
    observer = Observer(address)
    try:
        for life in range(3):
            sink = heard_sink(address)
            for index in range(5):
                sink.handle_pdu(make_pdu({**sent_meta(index), "item_id": np.array([life])}, np.zeros(4, np.uint8)))
            over = time.monotonic() + 200
            while len(observer.told) < 5 * (life + 1) and time.monotonic() < over:
                time.sleep(0.01)
            sink.stop()
    finally:
        observer.close()
    assert [one.key for one in observer.told] == [(index, (life,)) for life in range(3) for index in range(5)]


def write(folder: Path) -> LinkRecord:
    """What a receiver leaves that followed two transmitters, of which both counted from 0."""
    link = LinkRecord(folder)
    for life in (0, 100):
        for index in range(4):
            ids = np.array([life + 2 * index, life + 2 * index + 1])
            link.sent(FrameRecord(index, 4, ids, np.array([1, 1]), np.zeros((2, 4), np.uint8), 0))
            if index != 2:
                link.received(reception(index, np.array([1, 1]), np.array([0.9, 0.9]), 11.0, None, 0))
    link.close()
    return link


def test_the_rows_of_a_receiver_are_read_with_their_items_and_compared_with_its_counts(tmp_path: Path) -> None:
    link = write(tmp_path)
    found = soak_results.read_rows(tmp_path)
    assert len(found) == 8 and found[0, (0, 1)] and found[3, (106, 107)] and not found[2, (104, 105)]
    assert soak_results.contradictions(tmp_path, found, link.counts()) == []
    for name in ("frames_sent", "frames_answered", "frames_lost", "items_sent"):
        changed = {**link.counts(), name: 1}
        assert len(soak_results.contradictions(tmp_path, found, changed)) == 1


def test_a_receiver_whose_files_were_cut_by_a_kill_gives_the_frames_that_are_whole(tmp_path: Path) -> None:
    write(tmp_path)
    items = tmp_path / "items.csv"
    items.write_bytes(items.read_bytes()[:-20])
    assert len(soak_results.read_rows(tmp_path)) == 7


def test_damaged_results_are_found(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "summary.json").write_text("{}")
    assert unreadable_in(tmp_path) == []
    (tmp_path / "frames.csv").write_bytes((tmp_path / "frames.csv").read_bytes()[:-1])
    (tmp_path / "summary.json").write_text("{")
    (tmp_path / "images.npz").write_bytes(b"PK")
    assert len(unreadable_in(tmp_path)) == 3


GOOD = "sdr-sc: error: results in x: frames.csv cannot be written (No space left on device); make room."


@pytest.mark.parametrize(
    ("status", "text", "wrong"),
    [
        (1, GOOD, set()),
        (0, GOOD, {"unreported"}),
        (1, "sdr-sc: error: the flowgraph stopped.", {"unreported"}),
        (1, f"{GOOD}\n{GOOD}", {"unreported"}),
        (None, GOOD, {"aborts"}),
        (-6, GOOD, {"aborts"}),
        (1, "terminate called after throwing\n" + GOOD, {"aborts"}),
        (1, "Traceback (most recent call last):\n" + GOOD, {"tracebacks"}),
    ],
)
def test_a_run_that_met_a_fault_is_judged(status: int | None, text: str, wrong: set[str]) -> None:
    verdict = judge(status, text, "No space left", [], None)
    assert {name for name, words in vars(verdict).items() if words} == wrong


def test_the_models_of_the_fault_bench_are_broken_as_they_should_be(tmp_path: Path) -> None:
    for seed in range(3):
        nan_in_a_file(tmp_path / "file.safetensors", np.random.default_rng(seed))
        with pytest.raises(SdrScError, match="no finite numbers"):
            SemanticDecoder(tmp_path / "file.safetensors")
    nan_in_some_answers(tmp_path / "late.safetensors", np.random.default_rng(1))
    decoder = SemanticDecoder(tmp_path / "late.safetensors")  # at the start nothing is to be seen
    rng = np.random.default_rng(2)
    k = decoder.contract.k_list[0]
    features = (rng.standard_normal((4000, k)) + 1j * rng.standard_normal((4000, k))).astype(np.complex64)
    faulty = (answers(decoder.decode(features, 20.0, strict=False))[0] == -2).mean()
    assert 0 < faulty < 0.9


def test_an_end_is_judged_once_with_its_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    end = End("rx", tmp_path, lambda number: [], lambda *life: seen.append(life))
    monkeypatch.setattr(sys, "executable", "/bin/sleep")
    monkeypatch.setattr("sdr_sc.bench.hardening.fault_runs._COMMAND", ("600",))
    end.start()
    assert end.runs
    end.stop_for(0.1)
    end.send(signal.SIGKILL)
    end.wait(60.0)
    assert not end.runs and len(seen) == 1
    number, life, program, status = seen[0]
    assert isinstance(program, Program) and (number, status) == (0, -signal.SIGKILL)
    assert life.killed and life.end_s > life.start_s and len(life.stopped) == 1
