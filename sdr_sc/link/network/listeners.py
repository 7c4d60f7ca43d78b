# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens to a socket that sends to all: peers that greet, of whom a few are served."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from sdr_sc.link.network.connections import Connections
from sdr_sc.link.network.zmq_sockets import GREETING

MOST_LISTENERS = 16
_SILENT_S = 10.0
"""A listener that has not greeted for so long makes room for another one."""
_READ = 16


@dataclass
class _Listener:
    host: str
    greeted_s: float


class Listeners:
    """Sends to every peer that has greeted.

    ZMQ's publishing sockets keep what a peer subscribes to, without a bound, and believe what it unsubscribes; here a
    peer costs a name, and nobody speaks for another. Where all places are taken, the host with the most of them gives
    one to a host that has fewer, so that one host cannot keep the others out.

    Args:
        connections: of a bound ROUTER.

    Attributes:
        refused: messages that were no greeting.
        turned_away: greetings of peers that there was no place for.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._listeners: dict[bytes, _Listener] = {}
        self.refused = self.turned_away = 0

    def __len__(self) -> int:
        return len(self._listeners)

    def hear(self) -> int:
        """Take in some of the greetings that are there; returns how many listen."""
        import zmq

        try:
            for _ in range(_READ):
                name, raw, connection = self._connections.receive()
                if raw != GREETING:
                    self.refused += 1
                elif self._greeted(name, connection):
                    self._connections.trust(connection)
                else:
                    self.turned_away += 1
        except zmq.Again:
            pass
        return len(self)

    def _greeted(self, name: bytes, connection: int) -> bool:
        """Give a peer a place, or keep it there; False if there is none."""
        now_s, known = time.monotonic(), self._listeners.get(name)
        if known is not None:
            known.greeted_s = now_s
            return True
        host = self._connections.host(connection)
        if len(self) >= MOST_LISTENERS and not self._make_room(host, now_s):
            return False
        self._listeners[name] = _Listener(host, now_s)
        return True

    def _make_room(self, host: str, now_s: float) -> bool:
        silent = min(self._listeners, key=lambda name: self._listeners[name].greeted_s)
        if now_s - self._listeners[silent].greeted_s >= _SILENT_S:
            del self._listeners[silent]
            return True
        places = Counter(one.host for one in self._listeners.values())
        greediest, most = places.most_common(1)[0]
        if most <= places[host] + 1:
            return False
        del self._listeners[next(name for name, one in self._listeners.items() if one.host == greediest)]
        return True

    def send(self, data: bytes) -> tuple[int, int]:
        """How many of the listeners got it, and how many did not, since they are slow."""
        import zmq

        self.hear()
        got = slow = 0
        for name in [*self._listeners]:
            try:
                self._connections.socket.send_multipart([name, data], zmq.DONTWAIT)
                got += 1
            except zmq.Again:
                slow += 1
            except zmq.ZMQError:  # it has gone
                del self._listeners[name]
        return got, slow
