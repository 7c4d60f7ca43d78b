# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples from a ZMQ PUSH sink of GNU Radio."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from typing import Any

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.runtime.guard import guarded, guarded_start, guarded_stop
from sdr_sc.link.network.connections import MULTI_PART, Connections
from sdr_sc.link.network.pdu_wire import Refusal
from sdr_sc.link.network.sample_wire import MOST_BYTES, Tag, read_samples
from sdr_sc.link.network.zmq_sockets import LONGEST_QUEUE, check_address, open_socket

_POLL_S = 0.5
"""How long to look for samples; longer than the scheduler's 250 ms, which it waits once there was nothing."""
_WAITING_BYTES = LONGEST_QUEUE * MOST_BYTES


class zmq_samples_source(gr.sync_block):
    """Takes complex samples of a ZMQ PUSH Sink in another flowgraph, with its tags if it passes them.

    GNU Radio's own ZMQ PULL Source ends for good at a message that is none of samples, without a word, and its tags may
    end the process. Here such messages are left out and counted in ``refused``.

    Output 0: the samples.

    Args:
        address: of the sink, which binds.
        queue: messages that may wait here, at most 1024; further ones wait at the sink.

    Attributes:
        refused: messages that were left out, by kind.

    Raises:
        BlockError: the address is none; at the start: it cannot be used.
    """

    def __init__(self, address: str = "tcp://127.0.0.1:52003", queue: int = 8) -> None:
        gr.sync_block.__init__(self, "sdr_sc_zmq_samples_source", in_sig=None, out_sig=[np.complex64])
        check_address(address, queue)
        self.address, self._queue = address, queue
        self.refused: Counter[str] = Counter()
        self._connections: Connections | None = None
        self._samples = np.empty(0, np.complex64)
        self._tags: deque[Tag] = deque()
        self._taken = 0

    @guarded_start
    def start(self) -> bool:
        if self._connections is None:
            self._connections = open_socket(
                "PULL", self.address, False, self._queue, MOST_BYTES, waiting_bytes=_WAITING_BYTES
            )
        return True

    @guarded
    def work(self, input_items: list, output_items: list) -> int:
        if self._taken == len(self._samples) and not self._next_message():
            return 0
        out = output_items[0]
        count = min(len(out), len(self._samples) - self._taken)
        out[:count] = self._samples[self._taken : self._taken + count]
        while self._tags and self._tags[0].place < self._taken + count:
            tag = self._tags.popleft()
            place = self.nitems_written(0) + tag.place - self._taken
            self.add_item_tag(0, place, pmt.intern(tag.key), _as_pmt(tag.value), _as_pmt(tag.source))
        self._taken += count
        return count

    def _next_message(self) -> bool:
        import zmq

        connections = self._connections
        if connections is None:
            return False
        # A source that returns without samples is not called for 250 ms: what is refused must not bring that about.
        over_s = time.monotonic() + _POLL_S
        while (left_s := over_s - time.monotonic()) > 0:
            try:
                raw = connections.receive().raw
                if raw is None:
                    raise Refusal(MULTI_PART)
                self._samples, tags = read_samples(raw)
            except zmq.Again:
                if not connections.poll(math.ceil(1e3 * left_s)):
                    connections.connect_again(self.address)
                    return False
            except Refusal as refusal:
                self.refused[refusal.kind] += 1
            else:
                self._tags, self._taken = deque(sorted(tags, key=lambda tag: tag.place)), 0
                return True
        return False

    @guarded_stop
    def stop(self) -> bool:
        if self._connections is not None:
            self._connections.socket.close(linger=0)
            self._connections = None
        return True


def _as_pmt(value: Any) -> pmt.pmt_base:
    if isinstance(value, tuple):
        # Times: whole seconds are unsigned there.
        return pmt.make_tuple(*map(_element, value))
    return pmt.to_pmt(value)


def _element(value: Any) -> pmt.pmt_base:
    return pmt.from_uint64(value) if type(value) is int and value >= 0 else pmt.to_pmt(value)
