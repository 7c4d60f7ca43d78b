# SPDX-License-Identifier: GPL-3.0-or-later
"""The flowgraph harness and the guards: nothing hangs, and the block that failed is named."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pmt
import pytest
from command import environment
from gnuradio import blocks, gr

from sdr_sc.blocks.runtime import failures
from sdr_sc.blocks.runtime.guard import guarded, guarded_handler
from sdr_sc.errors import BlockError, FlowgraphError
from sdr_sc.flowgraph import harness
from sdr_sc.flowgraph.harness import run_flowgraph

pytestmark = pytest.mark.timeout(400)


class raising_work(gr.sync_block):  # noqa: N801
    """Raises in its third call; ``release`` ends a call that hangs."""

    def __init__(self, hang=False):
        gr.sync_block.__init__(self, "raising_work", [np.float32], [np.float32])
        self.calls = 0
        self.hang = hang
        self.release = threading.Event()

    @guarded
    def work(self, input_items, output_items):
        self.calls += 1
        if self.hang:
            self.release.wait(20)
        if self.calls > 2:
            raise ValueError("three\nis too many")
        output_items[0][:] = input_items[0]
        return len(output_items[0])


class raising_handler(gr.basic_block):  # noqa: N801
    """Passes two messages on and raises at the third."""

    passes = 2

    def __init__(self):
        gr.basic_block.__init__(self, "raising_handler", None, None)
        self.message_port_register_in(pmt.intern("in"))
        self.message_port_register_out(pmt.intern("out"))
        self.set_msg_handler(pmt.intern("in"), self.handle)
        self.calls = 0

    @guarded_handler
    def handle(self, message):
        self.calls += 1
        if self.calls > self.passes:
            raise KeyError("third")
        self.message_port_pub(pmt.intern("out"), message)


class unguarded_handler(raising_handler):  # noqa: N801
    """The same as somebody else writes it."""

    def __init__(self):
        super().__init__()
        self.set_msg_handler(pmt.intern("in"), self.handle_plainly)

    def handle_plainly(self, message):
        raise RuntimeError("not mine")


class unguarded_work(gr.sync_block):  # noqa: N801
    def __init__(self):
        gr.sync_block.__init__(self, "unguarded_work", [np.float32], None)

    def work(self, input_items, output_items):
        raise RuntimeError("not mine")


class counting_source(gr.sync_block):  # noqa: N801
    """Five items, then done; notes that it was stopped."""

    def __init__(self):
        gr.sync_block.__init__(self, "counting_source", None, [np.float32])
        self.stopped = False

    def work(self, input_items, output_items):
        return -1

    def stop(self):
        self.stopped = True
        return True


def stream(block):
    tb = gr.top_block()
    tb.source, tb.culprit, tb.sink = blocks.null_source(4), block, blocks.null_sink(4)
    tb.connect(tb.source, tb.culprit)
    if block.output_signature().max_streams():
        tb.connect(tb.culprit, tb.sink)
    return tb


def chain(block):
    """A strobe every 10 ms -> block -> a store."""
    tb = gr.top_block()
    tb.strobe, tb.culprit, tb.store = blocks.message_strobe(pmt.intern("tick"), 10), block, blocks.message_debug()
    tb.msg_connect(tb.strobe, "strobe", tb.culprit, "in")
    tb.msg_connect(tb.culprit, "out", tb.store, "store")
    return tb


def endless():
    tb = gr.top_block()
    tb.source, tb.throttle, tb.sink = blocks.null_source(4), blocks.throttle(4, 1e5), blocks.null_sink(4)
    tb.connect(tb.source, tb.throttle, tb.sink)
    return tb


def test_a_flowgraph_that_ends():
    tb = gr.top_block()
    tb.source, tb.head, tb.sink = blocks.vector_source_f([1, 2, 3], True), blocks.head(4, 7), blocks.vector_sink_f()
    tb.connect(tb.source, tb.head, tb.sink)
    run_flowgraph(tb, 200)
    assert tb.sink.data() == [1, 2, 3, 1, 2, 3, 1]


def test_blocks_are_stopped():
    tb = gr.top_block()
    tb.source, tb.sink = counting_source(), blocks.null_sink(4)
    tb.connect(tb.source, tb.sink)
    run_flowgraph(tb, 200)
    assert tb.source.stopped


@pytest.mark.parametrize("block", [raising_work, unguarded_work])
def test_raising_work_is_named_as_in_the_top_block(block):
    with pytest.raises(
        BlockError, match=r"^block 'culprit' failed: (ValueError: three is|RuntimeError: not)"
    ) as caught:
        run_flowgraph(stream(block()), 60)  # at the deadline the error would be another
    assert isinstance(caught.value.__cause__, (ValueError, RuntimeError))


def test_raising_handler_is_named_and_ends_the_chain():
    block = raising_handler()
    tb = chain(block)
    with pytest.raises(BlockError, match=r"^block 'culprit' failed: KeyError: 'third'$"):
        run_flowgraph(tb, 200)
    assert block.calls == 3 and tb.store.num_messages() == 2


def test_raising_handler_without_a_guard():
    # The harness of an earlier flowgraph in this process has installed the guard for all; see the function.
    from sdr_sc.blocks.runtime.guard import guard_every_python_block

    guard_every_python_block()
    with pytest.raises(BlockError, match="RuntimeError: not mine"):
        run_flowgraph(chain(unguarded_handler()), 10)


def test_guarded_handler_ends_a_flowgraph_of_messages_alone():
    """Not only the harness: 'done' reaches the block, so that GNU Radio itself sees an end of it."""
    block = raising_handler()
    tb = gr.top_block()
    tb.culprit, tb.store = block, blocks.message_debug()
    tb.msg_connect(tb.culprit, "out", tb.store, "store")
    with failures.watching():
        tb.start()
        for _ in range(4):
            block.to_basic_block()._post(pmt.intern("in"), pmt.intern("tick"))
        finished = harness.in_thread(tb.wait, "wait")
        ended = finished.wait(60)
        harness.stop_flowgraph(tb, finished)
    assert ended
    assert block.calls == 3 and isinstance(block.error, KeyError)


def test_deadline():
    start = time.monotonic()
    with pytest.raises(harness.DeadlineError, match="still running after 0.3 s"):
        run_flowgraph(endless(), 0.3)
    assert time.monotonic() - start >= 0.3


def test_block_that_hangs_past_its_deadline(monkeypatch):
    monkeypatch.setattr(harness, "STOP_LIMIT_S", 0.5)
    block = raising_work(hang=True)
    try:
        with pytest.raises(harness.DeadlineError):  # the block itself would go on for ever
            run_flowgraph(stream(block), 0.3)
    finally:
        block.release.set()


def test_block_that_does_not_stop(monkeypatch):
    monkeypatch.setattr(harness, "STOP_LIMIT_S", 0.3)
    block = raising_work(hang=True)
    try:
        with pytest.raises(harness.StuckError, match="does not stop|did not stop"):
            run_flowgraph(stream(block), 10, until=lambda: block.calls > 0)
    finally:
        block.release.set()


def test_until_ends_a_flowgraph_with_success():
    block = raising_handler()
    block.passes = 1_000_000
    tb = chain(block)
    run_flowgraph(tb, 10, until=lambda: tb.store.num_messages() > 0)
    assert tb.store.num_messages() > 0


def test_error_attribute_of_a_block_that_does_not_report():
    tb = endless()

    class quiet:  # noqa: N801
        error = ValueError("seen")

    with pytest.raises(BlockError, match="block 'quiet' failed: ValueError: seen"):
        run_flowgraph(tb, 10, blocks=[quiet()])


def test_an_earlier_failure_does_not_count():
    with pytest.raises(BlockError):
        run_flowgraph(stream(raising_work()), 10)
    tb = endless()
    with pytest.raises(FlowgraphError, match="still running"):
        run_flowgraph(tb, 0.2)


def test_first_failure_wins_from_many_threads():
    with failures.watching():
        threads = [threading.Thread(target=failures.report, args=(f"b{i}", ValueError(str(i)))) for i in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        first = failures.first()
        assert failures.event.is_set() and first is not None
        failures.report("late", ValueError())
        assert failures.first() == first
    failures.clear()
    assert failures.first() is None and not failures.event.is_set()


WITHOUT_HARNESS = """
import signal, sys, threading
from sdr_sc.blocks.runtime import failures
def stop(number, frame):
    print("handler", number)
    sys.exit(0)
{install}
thread = threading.Thread(target=failures.report, args=("enc", ValueError("bad\\nthing")))
thread.start(); thread.join()
threading.Event().wait({wait})
"""


@pytest.mark.parametrize("generated_main", [True, False])
def test_without_a_harness_the_program_ends_with_an_error(generated_main):
    install = "signal.signal(signal.SIGTERM, stop)" if generated_main else ""
    code = WITHOUT_HARNESS.format(install=install, wait=20 if generated_main else 0)
    process = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=15
    )
    assert process.returncode == 1
    assert process.stderr == "sdr_sc: error: block 'enc' failed: ValueError: bad thing\n"
    assert process.stdout == (f"handler {signal.SIGTERM.value}\n" if generated_main else "")
