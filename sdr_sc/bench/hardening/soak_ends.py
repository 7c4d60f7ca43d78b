# SPDX-License-Identifier: GPL-3.0-or-later
"""The ends of a link that is disturbed: started again whenever they end, watched from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.bench.hardening.fault_runs import Program
from sdr_sc.bench.hardening.soak_account import Key, Life, Told
from sdr_sc.link.network.pdu_wire import Refusal, read_pdu_bytes, write_pdu
from sdr_sc.link.network.zmq_sockets import GREETING

_MESSAGE_BYTES = 1 << 20
_POLL_MS = 10
_RECONNECT_MS = 10
_GREETINGS = 8


class Observer:
    """Hears what transmitters report on their network port, as one receiver more, which greets before the others do.

    Attributes:
        told: frames in the order in which they were heard.
    """

    def __init__(self, address: str) -> None:
        import zmq

        self.told: list[Told] = []
        self._socket: Any = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.setsockopt(zmq.SNDHWM, _GREETINGS)
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        self._socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        self._socket.connect(address)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        import zmq

        while not self._over.is_set():
            with contextlib.suppress(zmq.Again):
                self._socket.send(GREETING, zmq.DONTWAIT)
            if not self._socket.poll(_POLL_MS):
                continue
            raw, now = self._socket.recv(), time.monotonic()
            with contextlib.suppress(Refusal):
                meta, _ = read_pdu_bytes(raw, _MESSAGE_BYTES)
                if "frame_index" in meta and "item_id" in meta:
                    self.told.append(Told((meta["frame_index"], tuple(meta["item_id"].tolist())), now))

    def close(self) -> None:
        """Hear no more."""
        self._over.set()
        self._thread.join()
        self._socket.close(linger=0)


class Images:
    """Which images a transmitter sends in which of its frames.

    Args:
        count: images of the data set.
        items_per_frame: images in each of its frames.
        seed: of the transmitter with number 0; each further one has the next.
    """

    def __init__(self, count: int, items_per_frame: int, seed: int) -> None:
        self._count, self._items_per_frame, self._seed = count, items_per_frame, seed
        self._orders: dict[int, np.ndarray] = {}

    def sends(self, number: int, key: Key) -> bool:
        """Whether the transmitter with a number sends this frame, if it gets that far."""
        from sdr_sc.blocks.item_source import item_order

        if number not in self._orders:
            self._orders[number] = item_order(self._count, self._seed + number)
        index, ids = key
        places = np.arange(index * self._items_per_frame, (index + 1) * self._items_per_frame) % self._count
        return tuple(self._orders[number][places].tolist()) == ids


@dataclass
class End:
    """One end of the link, life after life.

    Attributes:
        name: ``tx`` or ``rx``.
        words: gives verb and options of a life by its number.
        judge: called when a life has ended, with its number, its life, its program and its status.
    """

    name: str
    logs: Path
    words: Callable[[int], list[str]]
    judge: Callable[[int, Life, Program, int | None], None]
    lives: list[Life] = field(default_factory=list)
    program: Program | None = None

    def start(self) -> None:
        """Begin the next life."""
        number = len(self.lives)
        self.lives.append(Life(time.monotonic()))
        self.program = Program(self.words(number), self.logs / f"{self.name}_{number}.log")

    @property
    def runs(self) -> bool:
        """Whether it lives; one that has ended is judged, once."""
        if self.program is None:
            return False
        status = self.program.process.poll()
        if status is None:
            return True
        self._over(status)
        return False

    def send(self, number: int) -> None:
        """A signal to its process group, as a terminal sends it."""
        if self.program is None:
            return
        if number == signal.SIGKILL:
            self.lives[-1].killed = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.program.process.pid, number)
        if number not in (signal.SIGCONT, signal.SIGSTOP):
            self.lives[-1].ending_s = time.monotonic()

    def wait(self, limit_s: float) -> None:
        """Until its life is over; if that takes too long it is killed, and then has no status."""
        if self.program is not None:
            self._over(self.program.end(limit_s))

    def _over(self, status: int | None) -> None:
        program, life = self.program, self.lives[-1]
        if program is None:
            return
        life.end_s, self.program = time.monotonic(), None
        self.judge(len(self.lives) - 1, life, program, status)

    def stop_for(self, seconds: float) -> None:
        """Stop it as a debugger or a laptop's lid does, for a while."""
        life, start = self.lives[-1], time.monotonic()
        self.send(signal.SIGSTOP)
        time.sleep(seconds)
        self.send(signal.SIGCONT)
        life.stopped.append((start, time.monotonic()))


def bad_messages(rng: np.random.Generator) -> list[bytes]:
    """Messages for a feedback port: built to harm, random, and feedback with some bytes changed."""
    feedback = write_pdu({"snr_db": 12.0, "frame_num": 3}, np.zeros(1, np.float32))
    changed = []
    for _ in range(50):
        raw = bytearray(feedback)
        for place in rng.integers(len(raw), size=3):
            raw[place] = rng.integers(256)
        changed.append(bytes(raw))
    built = [b"", b"\x07" * 100_000, b"\x0c\xff\xff\xff\xff", b"\x0a\x00\x3f\xff\xff\xff", b'{"snr_db": 12}']
    return built + [rng.bytes(int(size)) for size in rng.integers(1, 2000, 50)] + changed


def send_to(address: str, messages: list[bytes]) -> None:
    """Messages to a port that takes feedback; nothing waits for it."""
    import zmq

    socket: Any = zmq.Context.instance().socket(zmq.PUSH)
    with socket:
        socket.setsockopt(zmq.SNDTIMEO, 500)
        socket.setsockopt(zmq.LINGER, 500)
        socket.connect(address)
        with contextlib.suppress(zmq.Again):
            for message in messages:
                socket.send(message)
