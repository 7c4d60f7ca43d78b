# SPDX-License-Identifier: GPL-3.0-or-later
"""PDUs to another process or host."""

from __future__ import annotations

import time
from typing import Any

import pmt
from gnuradio import gr

from sdr_sc.blocks._guard import guarded_handler, guarded_start, guarded_stop
from sdr_sc.blocks._zmq import DEFAULT_QUEUE, check_address, open_socket

_LINGER_MS = 200
_POLL_MS = 50


class zmq_pdu_sink(gr.basic_block):
    """Sends PDUs over ZMQ to ``zmq_pdu_source``, and never waits for it.

    With ``bind``, every source that connects gets every PDU (XPUB); otherwise the one source does (PUSH), which
    gets those of other sinks, too. While nobody listens, and when a listener's queue is full, messages are dropped
    and counted in ``messages_dropped``: late feedback is worth nothing. GNU Radio's own message sinks wait instead,
    and with them the flowgraph's end.

    Message input ``pdus``: any PDUs.

    Args:
        address: such as tcp://192.168.10.1:52001; with ``bind``, tcp://*:52001.
        bind: whether this end binds and the other connects.
        queue: messages that may wait.

    Raises:
        BlockError: the address is none; at the start: it cannot be used.
    """

    def __init__(self, address: str = "tcp://127.0.0.1:52001", bind: bool = False, queue: int = DEFAULT_QUEUE) -> None:
        gr.basic_block.__init__(self, "sdr_sc_zmq_pdu_sink", in_sig=None, out_sig=None)
        self.messages_sent = self.messages_dropped = 0
        check_address(address, queue)
        self._address, self._bind, self._queue = address, bind, queue
        self._socket: Any = None
        self._listeners = 0
        self.message_port_register_in(pmt.intern("pdus"))
        self.set_msg_handler(pmt.intern("pdus"), self.handle_pdu)

    def wait_for_listener(self, limit_s: float) -> bool:
        """Open the socket before the flowgraph starts, and wait until somebody listens; False if nobody does in time.

        Raises:
            BlockError: the address cannot be used.
        """
        import zmq

        self._open()
        over = time.monotonic() + limit_s
        # A publisher may always send; it is told of a listener by a message.
        wanted = zmq.POLLIN if self._bind else zmq.POLLOUT
        while not self._socket.poll(_POLL_MS, wanted):
            if time.monotonic() > over:
                return False
        return True

    @guarded_start
    def start(self) -> bool:
        self._open()
        return True

    def _open(self) -> None:
        if self._socket is None:
            self._socket = open_socket("XPUB" if self._bind else "PUSH", self._address, self._bind, self._queue)
            self._listeners = 0

    def _is_heard(self) -> bool:
        """Whether a publisher has listeners: each tells when it comes and, or its connection, when it goes."""
        import zmq

        try:
            while True:
                self._listeners += {b"\x01": 1, b"\x00": -1}.get(self._socket.recv(zmq.DONTWAIT)[:1], 0)
        except zmq.Again:
            return self._listeners > 0

    @guarded_handler
    def handle_pdu(self, message: pmt.pmt_base) -> None:
        """Send one."""
        import zmq

        data = pmt.serialize_str(message)
        if self._bind and not self._is_heard():
            self.messages_dropped += 1
            return
        try:
            self._socket.send(data, zmq.DONTWAIT)
            self.messages_sent += 1
        except zmq.Again:
            self.messages_dropped += 1
            if self._bind:  # one of them does not keep up: the others must not lose it, too
                self._socket.setsockopt(zmq.XPUB_NODROP, 0)
                self._socket.send(data, zmq.DONTWAIT)
                self._socket.setsockopt(zmq.XPUB_NODROP, 1)

    @guarded_stop
    def stop(self) -> bool:
        if self._socket is not None:
            self._socket.close(linger=_LINGER_MS)
            self._socket = None
        return True
