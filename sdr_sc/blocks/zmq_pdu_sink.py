# SPDX-License-Identifier: GPL-3.0-or-later
"""PDUs to another process or host."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import pmt
from gnuradio import gr

from sdr_sc.blocks.runtime.guard import guarded_handler, guarded_start, guarded_stop, guarded_thread
from sdr_sc.link.end_of_stream import END, SOCKET_LINGER_MS
from sdr_sc.link.network.connections import Connections
from sdr_sc.link.network.listeners import Listeners
from sdr_sc.link.network.zmq_sockets import DEFAULT_QUEUE, GREET_S, GREETING, check_address, keys_of, open_socket

_END = pmt.intern(END)
_POLL_MS = 50
_FIRST_S = 0.01
_OTHERS_S = 0.3
"""A source that waits connects within 0.2 s, which is libzmq's interval, and greets at once."""


class zmq_pdu_sink(gr.basic_block):
    """Sends PDUs over ZMQ to ``zmq_pdu_source``, and never waits for it.

    With ``bind``, every source that connects and greets gets every PDU (ROUTER; at most 16 sources); otherwise the one
    source does (PUSH), which gets those of other sinks, too. While nobody listens, and when a listener's queue is full,
    messages are dropped and counted in ``messages_dropped``: late feedback is worth nothing. GNU Radio's own message
    sinks wait instead, and with them the flowgraph's end.

    Message input ``pdus``: any PDUs.

    Args:
        address: such as tcp://192.168.10.1:52001; with ``bind``, tcp://127.0.0.1:52001 for this host alone, or
            tcp://*:52001 for all networks.
        bind: whether this end binds and the other connects.
        queue: messages that may wait, at most 1024.
        curve_key: file of this end's secret key (``sdr-sc keys``); with it connections are encrypted, and only the ends
            of ``allow_keys`` may connect.
        allow_keys: public keys of the other ends, or their files, separated by commas; where this end connects, one.

    Attributes:
        end_sent: whether the end PDU has been sent, or dropped.

    Raises:
        BlockError: the address is none; at the start: it cannot be used.
        SdrScError: a key cannot be used.
    """

    def __init__(
        self,
        address: str = "tcp://127.0.0.1:52001",
        bind: bool = False,
        queue: int = DEFAULT_QUEUE,
        curve_key: str = "",
        allow_keys: str = "",
    ) -> None:
        gr.basic_block.__init__(self, "sdr_sc_zmq_pdu_sink", in_sig=None, out_sig=None)
        self.end_sent = False
        self.messages_sent = self.messages_dropped = self._refused_before = self._turned_away_before = 0
        check_address(address, queue)
        self.address, self._bind, self._queue = address, bind, queue
        self._keys = keys_of(curve_key, allow_keys, bind)
        self._socket: Any = None
        self._connections: Connections | None = None
        self._cut_off: Counter[str] = Counter()
        self._listeners: Listeners | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.message_port_register_in(pmt.intern("pdus"))
        self.set_msg_handler(pmt.intern("pdus"), self.handle_pdu)

    @property
    def encrypted(self) -> bool:
        """Whether it has keys."""
        return self._keys is not None

    @property
    def messages_refused(self) -> int:
        """Messages of strangers to a sink that binds, which takes greetings alone."""
        return self._refused_before + (self._listeners.refused if self._listeners is not None else 0)

    @property
    def listeners_turned_away(self) -> int:
        """Greetings of sources that there was no place for."""
        return self._turned_away_before + (self._listeners.turned_away if self._listeners is not None else 0)

    @property
    def connections_refused_by_kind(self) -> Counter[str]:
        """Connections that were cut off or refused, by the reason."""
        return Counter(dict(self._cut_off))

    def wait_for_listener(self, limit_s: float) -> bool:
        """Open the socket before the flowgraph starts, and wait until somebody listens; False if nobody does in time.

        With ``bind`` there is some time for the other sources that wait, so that each of them gets all PDUs.

        Raises:
            BlockError: the address cannot be used.
        """
        import zmq

        self._open()
        over = time.monotonic() + limit_s
        while not self._is_heard():
            left_s = over - time.monotonic()
            if left_s <= 0:
                return False
            self._socket.poll(min(_POLL_MS, max(1, round(1e3 * left_s))), zmq.POLLIN if self._bind else zmq.POLLOUT)
        over = min(over, time.monotonic() + _OTHERS_S)
        while self._bind and (left_s := over - time.monotonic()) > 0:
            self._socket.poll(max(1, round(1e3 * left_s)))
            self._is_heard()
        return True

    def _is_heard(self) -> bool:
        import zmq

        if self._listeners is not None:
            return self._listeners.hear() > 0
        return bool(self._socket.poll(0, zmq.POLLOUT))

    @guarded_start
    def start(self) -> bool:
        self._open()
        if not self._bind:
            self._stop.clear()
            self._thread = threading.Thread(target=self._greet, name="zmq_pdu_sink", daemon=True)
            self._thread.start()
        return True

    def _open(self) -> None:
        if self._socket is None:
            kind = "ROUTER" if self._bind else "PUSH"
            connections = open_socket(kind, self.address, self._bind, self._queue, keys=self._keys)
            connections.refused = self._cut_off
            self._socket, self._connections = connections.socket, connections
            self._listeners = Listeners(connections) if self._bind else None

    @guarded_thread
    def _greet(self) -> None:
        """Notify a source that binds that this sink is there, now and then: it may be another one by now."""
        greeted, connections = False, self._connections
        assert connections is not None
        while not self._stop.wait(GREET_S if greeted else _FIRST_S):
            with self._lock:
                connections.connect_again(self.address)
            greeted = self._push(GREETING)

    def _push(self, data: bytes) -> bool:
        import zmq

        with self._lock:
            try:
                self._socket.send(data, zmq.DONTWAIT)
            except zmq.Again:
                return False
        return True

    @guarded_handler
    def handle_pdu(self, message: pmt.pmt_base) -> None:
        """Send one."""
        data = pmt.serialize_str(message)
        if self._listeners is not None:
            got, slow = self._listeners.send(data)
        else:
            got, slow = (1, 0) if self._push(data) else (0, 1)
        self.messages_sent += int(got > 0)
        self.messages_dropped += slow if slow else int(not got)
        if pmt.is_pair(message) and pmt.is_dict(pmt.car(message)):
            self.end_sent |= pmt.dict_has_key(pmt.car(message), _END)

    @guarded_stop
    def stop(self) -> bool:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)
            self._thread = None
        if self._socket is not None:
            self._refused_before, self._turned_away_before = self.messages_refused, self.listeners_turned_away
            self._listeners = None
            self._socket.close(linger=SOCKET_LINGER_MS)
            self._socket = self._connections = None
        return True
