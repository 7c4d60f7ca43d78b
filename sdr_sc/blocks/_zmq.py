# SPDX-License-Identifier: GPL-3.0-or-later
"""ZMQ sockets of the blocks."""

from __future__ import annotations

from typing import Any

from sdr_sc.blocks._parameters import require_text, require_whole
from sdr_sc.errors import BlockError

DEFAULT_QUEUE = 64
GREETING = b"sdr_sc link 1"
"""What the end that connects says, so that the other one knows a peer of ours from anybody who opens a connection."""
_HANDSHAKE_MS = 2000
_HANDSHAKE_BYTES = 512


def check_address(address: str, queue: int) -> None:
    """Raise `BlockError` unless these can be parameters of a ZMQ block."""
    require_text("ZMQ", address=address)
    require_whole("ZMQ", queue=queue)
    if "://" not in address:
        raise BlockError(f"ZMQ address {address!r} is none; use such as tcp://127.0.0.1:52001.")


def open_socket(kind: str, address: str, bind: bool, queue: int, most_bytes: int = 0) -> Any:
    """A socket, bound or connected.

    Args:
        kind: PUSH and PULL, which give a message to one peer; XPUB and SUB, which give it to all.
        most_bytes: of a message that comes in; ZMQ ends the connection of who sends more than some times that.

    Raises:
        BlockError: the address is unknown, or is taken.
    """
    import zmq

    socket: Any = zmq.Context.instance().socket(getattr(zmq, kind))
    socket.set_hwm(max(1, queue))
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)  # who connects and says nothing is let go
    # What is somewhat too long comes through, and is counted with the others that are refused.
    socket.setsockopt(zmq.MAXMSGSIZE, max(_HANDSHAKE_BYTES, 4 * most_bytes))
    if kind == "PUSH":
        socket.setsockopt(zmq.IMMEDIATE, 1)  # queue for a peer that is there, not for one that may come
    if kind == "XPUB":
        socket.setsockopt(zmq.XPUB_VERBOSER, 1)  # tell of each peer that comes and goes
        socket.setsockopt(zmq.XPUB_NODROP, 1)  # say so if a peer's queue is full
    if kind == "SUB":
        socket.setsockopt(zmq.SUBSCRIBE, b"")
    try:
        (socket.bind if bind else socket.connect)(address)
    except zmq.ZMQError as error:
        socket.close()
        what = "bound" if bind else "connected to"
        raise BlockError(
            f"ZMQ address {address!r} cannot be {what} ({error.strerror}); use such as tcp://127.0.0.1:52001, "
            "and with bind a port that is free."
        ) from error
    return socket
