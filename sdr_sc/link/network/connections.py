# SPDX-License-Identifier: GPL-3.0-or-later
"""The TCP connections of a ZMQ socket, each within bounds.

libzmq bounds what waits of whole messages. A message of many parts counts as one, and only once its last part is there:
one that never ends fills the memory. Connections that say nothing take a handle each. Here a thread looks at the
connections of one socket: those that owe too many bytes are shut down, and so are the oldest beyond a number.
"""

from __future__ import annotations

import fcntl
import itertools
import math
import socket as sockets
import struct
import termios
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

MOST_CONNECTIONS = 256
"""Of one socket; the limit of handles is 1024 on many systems."""
MULTI_PART = "more than one part"
TOO_MUCH = "connections cut off: a message without an end"
TOO_MANY = "connections cut off: too many"
OTHER_KEY = "connections refused: a key that is not allowed"
NO_KEY = "connections refused: keys at one end alone"
WRONG_KEY = "connections refused: keys that do not fit"

_LOOK_S = 0.02
_SOON_S = 0.005  # at those that owe much: in this time empty parts take 4 MB of memory
_IDLE_S = 0.25
_GIVEN_UP_S = 1.0
_MOST_PARTS = 16
_SLACK_BYTES = 16 << 10  # handshake, and what libzmq reads at once
_MORE_BYTES = 512 << 10  # of all connections together
_RECEIVED = struct.Struct("<Q")
_RECEIVED_AT = 128  # tcpi_bytes_received in struct tcp_info of linux/tcp.h
_CURVE_BYTES = 33  # of the command MESSAGE: name, nonce, authenticator, flags
_names = itertools.count()


class Received(NamedTuple):
    """A message.

    Attributes:
        name: of its peer, where the socket names its peers.
        raw: None if it has more than one part, which no message of ours has.
        connection: to be given to `Connections.trust`, `Connections.host`.
    """

    name: bytes
    raw: bytes | None
    connection: int


@dataclass
class _Connection:
    host: str
    since_s: float
    base: int  # bytes that were delivered from this handle when it was another connection's
    taken: int = 0
    drains: int = 0


class Connections:
    """Receives the messages of a socket, and watches its connections as long as it is open.

    Args:
        socket: of ZMQ, neither bound nor connected; later calls of it are its owner's.
        longest: bytes of a part at most, as its MAXMSGSIZE says.
        queue: messages of a connection that may wait, as its RCVHWM says; 0 where nobody receives.
        named: whether it names its peers (ROUTER).
        encrypted: whether it has keys.
        bind: whether the others connect.

    Attributes:
        refused: connections that were cut off or refused, by kind.
    """

    def __init__(self, socket: Any, longest: int, queue: int, named: bool, encrypted: bool, bind: bool) -> None:
        import zmq

        self.socket, self._named = socket, named
        self._extra = _CURVE_BYTES if encrypted else 0
        self._is_guest = encrypted and not bind
        self._one = longest + self._extra + _SLACK_BYTES
        self._limit = self._one + queue * (longest + self._extra + 9)
        self._open: dict[int, _Connection] = {}
        self._delivered: dict[int, int] = {}
        self._trusted_s: dict[int, float] = {}
        self._drains = 0
        self._suspects: set[int] = set()
        self._lock = threading.Lock()
        self._lost_s = math.inf
        self.refused: Counter[str] = Counter()
        events = zmq.EVENT_CONNECTED | zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_MONITOR_STOPPED
        events |= zmq.EVENT_CONNECT_DELAYED | zmq.EVENT_CONNECT_RETRIED
        events |= zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
        events |= zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        address = f"inproc://sdr_sc-connections-{next(_names)}"
        socket.monitor(address, events)
        self._events: Any = zmq.Context.instance().socket(zmq.PAIR)
        self._events.set_hwm(0)  # libzmq would wait for a reader, and every connection with it
        self._events.setsockopt(zmq.LINGER, 0)
        self._events.connect(address)
        threading.Thread(target=self._watch, name="zmq-connections", daemon=True).start()

    def poll(self, timeout_ms: int) -> int:
        """As the socket's own."""
        ready = int(self.socket.poll(timeout_ms))
        self._drains += int(not ready)
        return ready

    def receive(self) -> Received:
        """The next message, which may come from anybody.

        Raises:
            zmq.Again: there is none.
        """
        import zmq

        try:
            frame = self.socket.recv(zmq.DONTWAIT, copy=False)
        except zmq.Again:
            self._drains += 1
            raise
        name, parts = b"", 1
        if self._named:
            name, frame = frame.bytes, self.socket.recv(zmq.DONTWAIT, copy=False)
        raw: bytes | None = frame.bytes
        try:
            connection = frame.get(zmq.SRCFD)
        except zmq.ZMQError:  # inproc
            connection = -1
        self._count(connection, len(frame))
        while frame.more:  # a message is there as a whole, or not at all
            raw, parts = None, parts + 1
            frame = self.socket.recv(zmq.DONTWAIT, copy=False)
            self._count(connection, len(frame))
        if parts > _MOST_PARTS:
            with self._lock:
                self._cut(connection, TOO_MUCH)
        return Received(name, raw, connection)

    def connect_again(self, address: str) -> None:
        """Connect, where libzmq has given up: for good, since the other end once said what ZMQ does not.

        To be called now and then by the owner of a socket that connects.
        """
        import zmq

        if time.monotonic() - self._lost_s < _GIVEN_UP_S:
            return
        self._lost_s = math.inf
        with suppress(zmq.ZMQError):
            self.socket.disconnect(address)
        self.socket.connect(address)

    def _count(self, connection: int, length: int) -> None:
        length += self._extra
        self._delivered[connection] = self._delivered.get(connection, 0) + length + (2 if length < 256 else 9)

    def trust(self, connection: int) -> None:
        """It has said something right: among too many, it is the last to be cut off."""
        self._trusted_s[connection] = time.monotonic()

    def host(self, connection: int) -> str:
        """Address of its other end, without the port; '' where there is none."""
        return _host(connection)

    def _watch(self) -> None:
        """Until the socket is closed; an event is lost nowhere, since each is taken as soon as it is there."""
        import zmq

        look_s = 0.0
        try:
            while True:
                soon_s = _SOON_S if self._suspects else _LOOK_S
                ready = self._events.poll(round(1e3 * (soon_s if self._open else _IDLE_S)))
                with self._lock:
                    if ready and not self._take_event():
                        return
                    now_s = time.monotonic()
                    if now_s >= look_s:
                        look_s = now_s + _LOOK_S
                        self._look([*self._open])
                    elif self._suspects:
                        self._look([*self._suspects])
        except zmq.ZMQError:
            return  # the process ends
        finally:
            self._events.close()

    def _take_event(self) -> bool:
        import zmq

        kind, value = struct.unpack("=Hi", self._events.recv_multipart()[0])
        if kind in (zmq.EVENT_CONNECTED, zmq.EVENT_ACCEPTED):
            self._begin(value)
            self._lost_s = math.inf
        elif kind in (zmq.EVENT_CONNECT_DELAYED, zmq.EVENT_CONNECT_RETRIED):
            self._lost_s = math.inf
        elif kind == zmq.EVENT_DISCONNECTED:
            self._open.pop(value, None)
            self._trusted_s.pop(value, None)
            self._lost_s = time.monotonic()
        elif kind == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            self.refused[OTHER_KEY] += 1
        elif kind == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            if self._is_guest:  # the end with another key than ours is to have cannot read what we say, and hangs up
                self.refused[WRONG_KEY] += 1
        elif kind == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            if value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
                self.refused[NO_KEY] += 1
            elif value == zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC:
                self.refused[WRONG_KEY] += 1
        return bool(kind != zmq.EVENT_MONITOR_STOPPED)

    def _begin(self, connection: int) -> None:
        taken = _bytes_taken(connection)
        if taken is None:
            return  # it has gone already, or is none of TCP
        # What of this connection was delivered before this event is at most what was taken.
        base = max(0, self._delivered.get(connection, 0) - taken)
        self._open[connection] = _Connection(_host(connection), time.monotonic(), base, 0, self._drains)
        while len(self._open) > MOST_CONNECTIONS:
            hosts = Counter(one.host for one in self._open.values())
            self._cut(min(self._open, key=lambda each: self._worth(each, hosts)), TOO_MANY)

    def _worth(self, connection: int, hosts: Counter[str]) -> tuple[float, ...]:
        one = self._open[connection]
        return -hosts[one.host], self._trusted_s.get(connection, 0.0), one.since_s

    def _look(self, connections: list[int]) -> None:
        """Cut off who owes too much: in all, or of what had come before the socket was last empty."""
        owed: dict[int, int] = {}
        self._suspects.difference_update(connections)
        for connection in connections:
            one = self._open.get(connection)
            if one is None:
                continue
            drains, taken = self._drains, _bytes_taken(connection)
            if taken is None:
                self._open.pop(connection, None)
                continue
            delivered = self._delivered.get(connection, 0) - one.base
            # The first of them may have begun before the last look.
            old = one.taken - delivered if drains >= one.drains + 2 else 0
            owed[connection] = taken - delivered
            one.taken, one.drains = taken, self._drains
            if owed[connection] > self._limit or old > self._one:
                self._cut(connection, TOO_MUCH)
                del owed[connection]
            elif owed[connection] > self._limit // 4:
                self._suspects.add(connection)
        while owed and sum(owed.values()) > self._limit + _MORE_BYTES:
            most = max(owed, key=lambda each: owed[each])
            self._cut(most, TOO_MUCH)
            del owed[most]

    def _cut(self, connection: int, kind: str) -> None:
        """End a connection; libzmq drops what it has of it."""
        self._open.pop(connection, None)
        self.refused[kind] += 1
        with suppress(OSError), _borrowed(connection) as one:
            one.shutdown(sockets.SHUT_RDWR)


@contextmanager
def _borrowed(connection: int) -> Iterator[sockets.socket]:
    """A handle of libzmq as a socket, which is left open.

    A copy of the handle would stay the same connection for sure, but cannot be had when handles are used up.
    """
    one = sockets.socket(fileno=connection)
    try:
        yield one
    finally:
        one.detach()


def _bytes_taken(connection: int) -> int | None:
    """Bytes that libzmq has taken from a connection so far; None if it is none of TCP, or has gone."""
    try:
        with _borrowed(connection) as one:
            info = one.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, 256)
            unread = struct.unpack("i", fcntl.ioctl(connection, termios.FIONREAD, bytes(4)))[0]
        received: int = _RECEIVED.unpack_from(info, _RECEIVED_AT)[0]
    except (OSError, struct.error):
        return None
    return received - int(unread)


def _host(connection: int) -> str:
    try:
        with _borrowed(connection) as one:
            name = one.getpeername()
    except OSError:
        return ""
    return str(name[0]) if isinstance(name, tuple) else ""
