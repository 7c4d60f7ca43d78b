# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens to a socket that sends to all: peers that greet, of whom a few are served."""

from __future__ import annotations

import time
from typing import Any

from sdr_sc.blocks._zmq import GREETING

MOST_LISTENERS = 16
_SILENT_S = 10.0
"""A listener that has not greeted for so long makes room for another one."""
_READ = 16


class Listeners:
    """Sends to every peer that has greeted.

    ZMQ's publishing sockets keep what a peer subscribes to, without a bound, and believe what it unsubscribes; here a
    peer costs a name, and nobody speaks for another.

    Args:
        socket: a bound ROUTER.

    Attributes:
        refused: messages that were no greeting, or one too many.
    """

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._greeted_s: dict[bytes, float] = {}
        self.refused = 0

    def __len__(self) -> int:
        return len(self._greeted_s)

    def hear(self) -> int:
        """Take in some of the greetings that are there; returns how many listen."""
        import zmq

        try:
            for _ in range(_READ):
                name, *rest = self._socket.recv_multipart(zmq.DONTWAIT)
                if rest == [GREETING] and self._has_room(name):
                    self._greeted_s[name] = time.monotonic()
                else:
                    self.refused += 1
        except zmq.Again:
            pass
        return len(self)

    def _has_room(self, name: bytes) -> bool:
        if name in self._greeted_s or len(self) < MOST_LISTENERS:
            return True
        silent = min(self._greeted_s, key=lambda other: self._greeted_s[other])
        if time.monotonic() - self._greeted_s[silent] < _SILENT_S:
            return False
        del self._greeted_s[silent]
        return True

    def send(self, data: bytes) -> tuple[int, int]:
        """How many of the listeners got it, and how many did not, since they are slow."""
        import zmq

        self.hear()
        got = slow = 0
        for name in [*self._greeted_s]:
            try:
                self._socket.send_multipart([name, data], zmq.DONTWAIT)
                got += 1
            except zmq.Again:
                slow += 1
            except zmq.ZMQError:  # it has gone
                del self._greeted_s[name]
        return got, slow
