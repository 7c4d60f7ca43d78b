# SPDX-License-Identifier: GPL-3.0-or-later
"""PDUs from another process or host."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pmt
from gnuradio import gr

from sdr_sc.blocks.runtime.guard import guarded_start, guarded_stop, guarded_thread
from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.errors import BlockError
from sdr_sc.link.network.connections import MULTI_PART, Connections
from sdr_sc.link.network.intake import MOST_WAITING, READ_BATCH, READ_HZ, Intake
from sdr_sc.link.network.pdu_schema import SCHEMAS, sent_schema
from sdr_sc.link.network.zmq_sockets import DEFAULT_QUEUE, GREET_S, GREETING, check_address, keys_of, open_socket

_POLL_MS = 50
_FIRST_MS = 10
_BUSY_S = 0.002
_PDUS = pmt.intern("pdus")


class zmq_pdu_source(gr.basic_block):
    """Takes PDUs over ZMQ from ``zmq_pdu_sink``.

    With ``bind``, those of every sink that connects (PULL); otherwise those of the one sink that binds (DEALER), which
    all its sources get.

    Anybody who reaches the address may send anything: a message is read within bounds and checked
    (`sdr_sc.link.network.pdu_schema`) before it becomes a PDU. What does not pass is dropped, and counted by kind in
    ``messages_refused_by_kind``.

    Message output ``pdus``: the PDUs.

    Args:
        address, bind, curve_key, allow_keys: as for ``zmq_pdu_sink``.
        queue: messages of a peer that may wait; further ones wait at his end.
        schema: what the PDUs have to be: ``feedback`` (of the SNR smoother), ``sent`` (of the semantic encoder),
            ``truth`` (of the channel), or ``any``: keys of plain values, at most 1 MiB. Of ``feedback`` the newest
            counts: where more comes than the flowgraph bears, the older is left out, and counted in
            ``messages_superseded``.

    Raises:
        BlockError: the address or the schema is none; at the start: the address cannot be used.
        SdrScError: a key cannot be used.
    """

    def __init__(
        self,
        address: str = "tcp://127.0.0.1:52001",
        bind: bool = True,
        queue: int = DEFAULT_QUEUE,
        schema: str = "any",
        curve_key: str = "",
        allow_keys: str = "",
    ) -> None:
        gr.basic_block.__init__(self, "sdr_sc_zmq_pdu_source", in_sig=None, out_sig=None)
        check_address(address, queue)
        if schema not in SCHEMAS:
            raise BlockError(f"ZMQ PDU source: schema {schema!r} is none; use one of {', '.join(SCHEMAS)}.")
        self._intake = Intake(SCHEMAS[schema], schema == "feedback", GREETING)
        self.address, self._bind, self._queue = address, bind, queue
        self._backlog: Callable[[], int] = lambda: 0
        self._keys = keys_of(curve_key, allow_keys, bind)
        self._socket: Any = None
        self._connections: Connections | None = None
        self._cut_off: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.message_port_register_out(_PDUS)

    @property
    def encrypted(self) -> bool:
        """Whether it has keys."""
        return self._keys is not None

    @property
    def messages_received(self) -> int:
        """PDUs that passed the check."""
        return self._intake.received

    @property
    def messages_refused(self) -> int:
        """Messages that did not."""
        return sum(self.messages_refused_by_kind.values())

    @property
    def messages_refused_by_kind(self) -> Counter[str]:
        """The same by the reason."""
        return Counter(dict(self._intake.refused))

    @property
    def connections_refused_by_kind(self) -> Counter[str]:
        """Connections that were cut off or refused, by the reason."""
        return Counter(dict(self._cut_off))

    @property
    def messages_superseded(self) -> int:
        """PDUs that were not passed on, since there were newer ones."""
        return self._intake.superseded

    @property
    def messages_unwanted(self) -> int:
        """PDUs that were not passed on, since the block that takes them does not wait for them."""
        return self._intake.unwanted

    def set_item_bytes(self, item_bytes: int) -> None:
        """Take news of frames with items of this size alone, of a model that the flowgraph knows; before the start."""
        self._intake.schema = sent_schema(item_bytes)

    def set_taker(self, block: Any, port: str, wanted: Callable[[dict[str, Any]], bool] | None = None) -> None:
        """Pass on no more than a block takes.

        Args:
            block: the Python block that this one's output is connected to.
            port: its message input: while too much waits there, nothing is added.
            wanted: says of a PDU's metadata whether it is of use; called in a thread of this block.
        """
        name = pmt.intern(port)
        self._backlog = lambda: block.to_basic_block().nmsgs(name)
        self._intake.wanted = wanted

    def wait_for_sender(self, limit_s: float) -> bool:
        """Open the socket before the flowgraph starts, and wait until a sink has greeted; False if none does in time.

        A sink drops what it has to say while it is not connected, which it tries ten times a second. That somebody
        connects is no sign of a sink: anybody may.

        Raises:
            BlockError: the address cannot be used.
        """
        self._open()
        intake, over = self._intake, time.monotonic() + limit_s
        while not (intake.greetings or intake.received):
            left_s = over - time.monotonic()
            if left_s <= 0:
                return False
            if self._connections is not None and self._connections.poll(min(_POLL_MS, round(1e3 * left_s))):
                time.sleep(self._read() / READ_HZ)
        return True

    def _open(self) -> None:
        if self._socket is None:
            kind, most_bytes = "PULL" if self._bind else "DEALER", self._intake.schema.most_bytes
            self._connections = open_socket(kind, self.address, self._bind, self._queue, most_bytes, self._keys)
            self._connections.refused = self._cut_off
            self._socket = self._connections.socket

    @guarded_start
    def start(self) -> bool:
        self._open()
        self._stop.clear()
        self._thread = threading.Thread(target=self._listen, name="zmq_pdu_source", daemon=True)
        self._thread.start()
        return True

    @guarded_stop
    def stop(self) -> bool:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)
            self._thread = None
        if self._socket is not None:
            self._socket.close(linger=0)
            self._socket = self._connections = None
        return True

    @guarded_thread
    def _listen(self) -> None:
        intake, greet_at_s, connections = self._intake, 0.0, self._connections
        assert connections is not None
        while not self._stop.is_set():
            now_s, read, wait_ms = time.monotonic(), 0, _POLL_MS
            if not self._bind and now_s >= greet_at_s:
                connections.connect_again(self.address)
                greeted = self._greet()
                greet_at_s = now_s + (GREET_S if greeted else 0.0)
                wait_ms = _POLL_MS if greeted else _FIRST_MS
            if intake.full:
                self._stop.wait(_BUSY_S)
            elif connections.poll(round(1e3 * _BUSY_S) if intake.waiting else wait_ms):
                read = self._read()
            if intake.waiting and self._backlog() < MOST_WAITING:
                for meta, data in intake.due(time.monotonic()):
                    self.message_port_pub(_PDUS, make_pdu(meta, data))
            if read:
                # The other blocks wait for the interpreter while this thread reads: it reads at a bounded rate.
                self._stop.wait(read / READ_HZ)

    def _greet(self) -> bool:
        """Notify the sink that binds that this source is there; it may be another one by now."""
        import zmq

        try:
            self._socket.send(GREETING, zmq.DONTWAIT)
        except zmq.Again:
            return False
        return True

    def _read(self) -> int:
        """Take in what is there, up to a limit; returns how many messages that was."""
        import zmq

        intake, connections = self._intake, self._connections
        assert connections is not None
        for count in range(READ_BATCH):
            if intake.full:
                return count
            try:
                _, raw, connection = connections.receive()
            except zmq.Again:
                return count
            if raw is None:
                intake.refused[MULTI_PART] += 1
            elif intake.take(raw):
                connections.trust(connection)
        return READ_BATCH
