# SPDX-License-Identifier: GPL-3.0-or-later
"""ZMQ sockets of the blocks, which bear whatever a stranger sends."""

from __future__ import annotations

import ipaddress
import itertools
import threading
from typing import Any

from sdr_sc.errors import BlockError
from sdr_sc.link.network.connections import Connections
from sdr_sc.link.network.curve_keys import Keys, load_keys
from sdr_sc.link.parameters import require_text, require_whole

DEFAULT_QUEUE = 64
LONGEST_QUEUE = 1024
GREETING = b"sdr_sc link 1"
"""What the end that connects says, so that the other one knows a peer of ours from anybody who opens a connection."""
GREET_S = 0.25
"""How often it does: the other end may be another process by now."""
_HANDSHAKE_MS = 2000
_HANDSHAKE_BYTES = 512
_BEYOND_BYTES = 64 << 10
_WAITING_BYTES = 512 << 10
_LEAST_WAITING = 2
_LEAST_BUFFER, _MOST_BUFFER = 16 << 10, 64 << 10
_NOTE_QUEUE = 8
_domains = itertools.count()
_lock = threading.Lock()
_authenticator: Any = None


def check_address(address: str, queue: int) -> None:
    """Raise `BlockError` unless these can be parameters of a ZMQ block."""
    require_text("ZMQ", address=address)
    require_whole("ZMQ", queue=queue)
    if "://" not in address:
        raise BlockError(f"ZMQ address {address!r} is none; use such as tcp://127.0.0.1:52001.")
    if not 1 <= queue <= LONGEST_QUEUE:
        raise BlockError(f"ZMQ: queue is {queue}; use 1 to {LONGEST_QUEUE}.")


def keys_of(curve_key: str, allow_keys: str, bind: bool) -> Keys | None:
    """Keys from a block's parameters.

    Args:
        allow_keys: public keys or files of them, separated by commas.

    Raises:
        SdrScError: they are not what is needed.
    """
    require_text("ZMQ", curve_key=curve_key, allow_keys=allow_keys)
    allowed = [key.strip() for key in allow_keys.split(",") if key.strip()]
    return load_keys(curve_key, allowed, one_peer=not bind)


def is_local(address: str) -> bool:
    """Whether only this host reaches an address that is bound.

    >>> [is_local(f"tcp://{host}:1") for host in ("127.0.0.1", "localhost", "[::1]", "*", "192.0.2.1", "eth0")]
    [True, True, True, False, False, False]
    """
    scheme, _, rest = address.partition("://")
    if scheme != "tcp":
        return scheme in ("ipc", "inproc")
    host = rest.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_socket(
    kind: str,
    address: str,
    bind: bool,
    queue: int,
    most_bytes: int = 0,
    keys: Keys | None = None,
    waiting_bytes: int = _WAITING_BYTES,
) -> Connections:
    """A socket, bound or connected, whose connections are watched.

    Args:
        kind: PUSH and PULL, for messages from many to one; ROUTER and DEALER, for messages from one to all who greet.
        most_bytes: of a message that comes in; ZMQ ends the connection of who sends much more than that.
        keys: for encrypted connections with these peers alone; None lets everybody in.
        waiting_bytes: that may wait of a peer, if all its messages are as long as they may be; two wait in any case.

    Raises:
        BlockError: the address is unknown, or is taken.
    """
    import zmq

    socket: Any = zmq.Context.instance().socket(getattr(zmq, kind))
    socket.set_hwm(queue)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)  # who connects and says nothing is let go
    # What is somewhat too long comes through, and is counted with the others that are refused.
    longest = max(_HANDSHAKE_BYTES, min(4 * most_bytes, most_bytes + _BEYOND_BYTES))
    waiting = min(queue, max(_LEAST_WAITING, waiting_bytes // longest))
    socket.setsockopt(zmq.MAXMSGSIZE, longest)
    socket.setsockopt(zmq.RCVHWM, waiting)
    if longest <= _WAITING_BYTES:
        # What the kernel holds of a connection still comes once it is cut off.
        socket.setsockopt(zmq.RCVBUF, min(_MOST_BUFFER, max(_LEAST_BUFFER, longest)))
    socket.ipv6 = "[" in address
    socket.setsockopt(zmq.IMMEDIATE, 1)  # queue for a peer that is there, not for one that may come
    if kind == "ROUTER":
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # say so if a peer's queue is full, or if it has gone
        socket.setsockopt(zmq.RCVHWM, waiting := _NOTE_QUEUE)
    if kind == "DEALER":
        socket.setsockopt(zmq.SNDHWM, _NOTE_QUEUE)
    if keys is not None:
        _encrypt(socket, keys, bind)
    waiting = 0 if kind == "PUSH" else waiting
    connections = Connections(socket, longest, waiting, kind == "ROUTER", keys is not None, bind)
    try:
        (socket.bind if bind else socket.connect)(address)
    except zmq.ZMQError as error:
        socket.close()
        what = "bound" if bind else "connected to"
        raise BlockError(
            f"ZMQ address {address!r} cannot be {what} ({error.strerror}); use such as tcp://127.0.0.1:52001, "
            "and with bind a port that is free."
        ) from error
    return connections


def _encrypt(socket: Any, keys: Keys, bind: bool) -> None:
    """Let a socket talk CURVE: to the peers with an allowed key where it binds, to the one peer where it connects."""
    socket.curve_publickey, socket.curve_secretkey = keys.public, keys.secret
    if not bind:
        socket.curve_serverkey = keys.allowed[0]
        return
    domain = f"sdr_sc{next(_domains)}"
    _started_authenticator().configure_curve_callback(domain, _Allowed(keys))
    socket.curve_server = True
    socket.zap_domain = domain.encode()


class _Allowed:
    """Says which public keys are allowed, as ``zmq.auth`` asks for it."""

    def __init__(self, keys: Keys) -> None:
        self._keys = frozenset(keys.allowed)

    def callback(self, domain: str, key: bytes) -> bool:
        return key in self._keys


def _started_authenticator() -> Any:
    """The one of this process: ZMQ asks it whether a key may come in, and lets nobody in without it."""
    global _authenticator
    from zmq.auth import Authenticator

    with _lock:
        if _authenticator is None:
            _authenticator = Authenticator()
            _authenticator.start()
            # zmq.auth's own thread is none that a process may leave running at its end.
            threading.Thread(target=_authenticate, name="zmq-authenticator", daemon=True).start()
    return _authenticator


def _authenticate() -> None:
    import zmq

    while True:
        try:
            _authenticator.handle_zap_message(_authenticator.zap_socket.recv_multipart())
        except zmq.ZMQError:
            return  # the process ends
