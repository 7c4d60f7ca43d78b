# SPDX-License-Identifier: GPL-3.0-or-later
"""PDUs from another process or host."""

from __future__ import annotations

import threading
from typing import Any

import pmt
from gnuradio import gr

from sdr_sc.blocks._guard import guarded_start, guarded_stop, guarded_thread
from sdr_sc.blocks._zmq import DEFAULT_QUEUE, check_address, open_socket

_POLL_MS = 50


class zmq_pdu_source(gr.basic_block):
    """Takes PDUs over ZMQ from ``zmq_pdu_sink``.

    With ``bind``, those of every sink that connects (PULL); otherwise those of the one sink that binds (SUB), which all
    its sources get.

    What cannot be read as a PDU is dropped and counted in ``messages_refused``.

    Message output ``pdus``: the PDUs.

    Args: as for ``zmq_pdu_sink``.

    Raises:
        BlockError: the address is none; at the start: it cannot be used.
    """

    def __init__(self, address: str = "tcp://*:52001", bind: bool = True, queue: int = DEFAULT_QUEUE) -> None:
        gr.basic_block.__init__(self, "sdr_sc_zmq_pdu_source", in_sig=None, out_sig=None)
        self.messages_received = self.messages_refused = 0
        check_address(address, queue)
        self._address, self._bind, self._queue = address, bind, queue
        self._socket: Any = None
        self._monitor: Any = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.message_port_register_out(pmt.intern("pdus"))

    def wait_for_sender(self, limit_s: float) -> bool:
        """Open the socket before the flowgraph starts, and wait until a sink has connected; False if none does in time.

        A sink drops what it has to say while it is not connected, which it tries ten times a second.

        Raises:
            BlockError: the address cannot be used.
        """
        self._open()
        return bool(self._monitor.poll(round(1e3 * limit_s)))

    def _open(self) -> None:
        import zmq

        if self._socket is None:
            self._socket = open_socket("PULL" if self._bind else "SUB", self._address, self._bind, self._queue)
            self._monitor = self._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)

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
            self._socket.disable_monitor()
            self._monitor.close(linger=0)
            self._socket.close(linger=0)
            self._socket = None
        return True

    @guarded_thread
    def _listen(self) -> None:
        while not self._stop.is_set():
            if not self._socket.poll(_POLL_MS):
                continue
            message = _as_pdu(self._socket.recv())
            if message is None:
                self.messages_refused += 1
            else:
                self.messages_received += 1
                self.message_port_pub(pmt.intern("pdus"), message)


def _as_pdu(data: bytes) -> pmt.pmt_base | None:
    try:
        message = pmt.deserialize_str(data)
        is_pdu = pmt.is_pair(message) and pmt.is_dict(pmt.car(message)) and pmt.is_uniform_vector(pmt.cdr(message))
    except Exception:  # whatever PMT's parser throws at foreign bytes
        return None
    return message if is_pdu else None
