# SPDX-License-Identifier: GPL-3.0-or-later
"""A stranger's load on the addresses of a link: a corpus of messages, and processes that send it as fast as it goes."""

from __future__ import annotations

import functools
import multiprocessing
import os
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sdr_sc.bench.hardening import hostile_messages as messages
from sdr_sc.errors import SdrScError
from sdr_sc.link.network.pdu_schema import SCHEMAS, Schema, sent_schema
from sdr_sc.link.network.pdu_wire import Refusal
from sdr_sc.link.network.zmq_sockets import GREET_S, GREETING

_ITEM_BYTES = 784
_BATCH = 64
_SAY_S = 10.0
_RESULT_S = 60
_WAIT_MS = 2
_POLITE = 10
"""Nice level: a stranger computes elsewhere, and must not take the ends' processor here."""
_SMALL_BUFFER = 1 << 16
_LONGEST = 4 << 10
"""Bytes; ZMQ ends the connection of who sends much more to a feedback address, and the rest is lost with it."""


def corpus(count: int, seed: int) -> list[bytes]:
    """Distinct messages: built to harm, wrong ones, and real ones with a few bytes changed; none that is right."""
    feedback, sent = SCHEMAS["feedback"], sent_schema(_ITEM_BYTES)
    built = [*messages.harmful().values(), *messages.wrong_feedback().values(), *messages.wrong_sent().values()]
    real = [messages.feedback(), messages.end(), messages.sent(items=1, item_bytes=8)]
    found: dict[bytes, None] = {}
    while len(found) < count:
        for raw in [*built, *messages.mutations(real, count - len(found), seed)]:
            if len(raw) <= _LONGEST and raw != GREETING and not (_is_right(feedback, raw) or _is_right(sent, raw)):
                found[raw] = None
        seed += 1
    return list(found)[:count]


def _is_right(schema: Schema, raw: bytes) -> bool:
    try:
        schema.read(raw)
    except Refusal:
        return False
    return True


class Progress:
    """Says now and then how far a measurement has come, and how long the rest takes at the rate so far.

    Args:
        what: is counted, for the user.
        count: at the end.
        log: takes the line.
    """

    def __init__(self, what: str, count: int, log: Callable[[str], None]) -> None:
        self._what, self._count, self._log = what, count, log
        self._begin_s = self._said_s = time.monotonic()

    def at(self, done: int) -> None:
        """That many are done; says so if the last line is some time ago."""
        now_s = time.monotonic()
        if not done or now_s - self._said_s < _SAY_S:
            return
        self._said_s, took_s = now_s, now_s - self._begin_s
        left_min = took_s / done * max(self._count - done, 0) / 60
        self._log(f"{done:,} of {self._count:,} {self._what} after {took_s:.0f} s, about {left_min:.1f} min to go")


@dataclass
class Seen:
    """What the relay saw.

    Attributes:
        frames_s: times at which the transmitter reported a frame.
        greetings_s: times at which the receiver greeted, four times a second where nothing stands still.
        given: messages given to ZMQ for each address.
    """

    frames_s: list[float] = field(default_factory=list)
    greetings_s: list[float] = field(default_factory=list)
    given: dict[str, int] = field(default_factory=dict)


class Load:
    """Processes that send a corpus to a link, and one that stands between transmitter and receiver.

    The receiver gets what the transmitter says over a relay, which adds the stranger's messages: a receiver connects,
    so that only who is in the place of its transmitter reaches it.

    Args:
        feedback, sent: addresses that the transmitter binds.
        relayed: address for the receiver's ``--sent``.
        count: of the corpus.
    """

    def __init__(self, feedback: str, sent: str, relayed: str, count: int, seed: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._on, self._over = context.Event(), context.Event()
        self._results: Any = context.Queue()
        shared = (self._on, self._over, self._results, count, seed)
        self._children = [
            context.Process(target=_flood, args=(feedback, sent, *shared), daemon=True),
            context.Process(target=_relay, args=(sent, relayed, *shared), daemon=True),
        ]
        for child in self._children:
            child.start()

    def send(self, on: bool) -> None:
        """Begin, or pause."""
        (self._on.set if on else self._on.clear)()

    def end(self) -> Seen:
        """Stop, and report what was seen."""
        self._over.set()
        seen = Seen()
        for _ in self._children:
            try:
                part: Seen = self._results.get(timeout=_RESULT_S)
            except queue.Empty as error:
                raise SdrScError(
                    "a process that sends foreign messages has ended; run the measurement again."
                ) from error
            seen.frames_s += part.frames_s
            seen.greetings_s += part.greetings_s
            seen.given |= part.given
        for child in self._children:
            child.join()
        return seen


def _socket(kind: str, address: str, bind: bool = False) -> Any:
    import zmq

    socket: Any = zmq.Context.instance().socket(getattr(zmq, kind))
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDBUF, _SMALL_BUFFER)  # what waits here delays what the relay passes on
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.set_hwm(_BATCH)
    (socket.bind if bind else socket.connect)(address)
    return socket


def _send(send: Callable[[bytes], None], raws: list[bytes], place: int) -> int:
    """Send up to a batch from a place of the corpus on; returns how many were taken."""
    import zmq

    for done in range(_BATCH):
        try:
            send(raws[(place + done) % len(raws)])
        except zmq.ZMQError:
            return done
    return _BATCH


def _to_one(router: Any, name: bytes, raw: bytes) -> None:
    import zmq

    router.send_multipart([name, raw], zmq.DONTWAIT)


def _flood(feedback: str, sent: str, on: Any, over: Any, results: Any, count: int, seed: int) -> None:
    import zmq

    os.nice(_POLITE)
    raws = corpus(count, seed)
    ports = {"--feedback of tx": _socket("PUSH", feedback), "--sent of tx": _socket("DEALER", sent)}
    given = dict.fromkeys(ports, 0)
    while not over.is_set():
        if not on.wait(0.1):
            continue
        taken = 0
        for name, socket in ports.items():
            done = _send(functools.partial(socket.send, flags=zmq.DONTWAIT), raws, given[name])
            given[name] += done
            taken += done
        if taken < _BATCH:
            time.sleep(1e-3 * _WAIT_MS)
    results.put(Seen(given=given))


def _relay(sent: str, relayed: str, on: Any, over: Any, results: Any, count: int, seed: int) -> None:
    import zmq

    os.nice(_POLITE // 2)
    raws, seen, given = corpus(count, seed + 1), Seen(), 0
    up, down = _socket("DEALER", sent), _socket("ROUTER", relayed, bind=True)
    up.set_hwm(1000)
    down.setsockopt(zmq.ROUTER_MANDATORY, 1)
    poller, receiver, greet_s = zmq.Poller(), b"", 0.0
    poller.register(up, zmq.POLLIN)
    poller.register(down, zmq.POLLIN)
    while not over.is_set():
        now_s = time.monotonic()
        if now_s > greet_s:
            greet_s = now_s + GREET_S
            try:
                up.send(GREETING, zmq.DONTWAIT)
            except zmq.Again:
                greet_s = now_s + 0.01
        ready = dict(poller.poll(0 if on.is_set() and receiver else 10))
        if down in ready:
            receiver = down.recv_multipart()[0]
            seen.greetings_s.append(time.monotonic())
        if up in ready:
            news = up.recv()
            seen.frames_s.append(time.monotonic())
            while receiver and not over.is_set():
                try:
                    down.send_multipart([receiver, news], zmq.DONTWAIT)
                    break
                except zmq.Again:
                    time.sleep(1e-4)
                except zmq.ZMQError:  # it has gone
                    receiver = b""
        if on.is_set() and receiver:
            to_receiver = functools.partial(_to_one, down, receiver)
            done = _send(to_receiver, raws, given)
            given += done
            if done < _BATCH:
                poller.poll(_WAIT_MS)
    seen.given = {"--sent of rx": given}
    results.put(seen)
