# SPDX-License-Identifier: GPL-3.0-or-later
"""One point of a sweep through the physical layer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

import sdr_sc
from sdr_sc.data import fashion_mnist
from sdr_sc.errors import SdrScError
from sdr_sc.experiments.baselines.link import CLASSES, FrameOutcome, Link, noisy_channel
from sdr_sc.experiments.baselines.scheme import Scheme
from sdr_sc.experiments.measurements import clustered_interval, git_commit
from sdr_sc.experiments.sweep.config import SchemeEntry, StopRule
from sdr_sc.experiments.sweep.grid import Point, Task
from sdr_sc.phy.numerology import Numerology

STORED_ANSWERS = 24
"""Answers to single items that a result keeps, for pictures."""
_CHECK_ITEMS = 250
_LOST = CLASSES
_loaded = threading.local()  # a scheme has state, and a Dask worker may have several threads


@dataclass(frozen=True)
class PointResult:
    """What came of one point; the columns of a results file, see docs/sweeps.md.

    Attributes:
        point: which one.
        air: ``phy`` or ``flowgraph``.
        items, correct, lost: items sent, answered rightly, and without an answer: their frame was lost, or could not be
            decoded. These count as wrong.
        frames, frames_lost: frames sent, and not received.
        channel_uses: complex symbols of all payloads.
        symbols_on_air: used subcarriers of all OFDM symbols, with preamble, header and pilots.
        snr_est_mean_db: mean of the receiver's estimates; None if no frame was received.
        correct_by_frame, items_by_frame: int32 (frames,).
        correct_by_block, items_by_block: int32, of items that share a channel, on which intervals rest; frames where
            the channel is not drawn anew.
        confusion: int32 (classes, classes + 1), items by true class and answer; the last column counts no answer.
        sample_item, sample_answer: int32, indices in the test set of the first items, and the answers to them.
        seconds: of one core.
        git: commit of the program that measured it.
    """

    point: Point
    air: str
    items: int
    correct: int
    lost: int
    frames: int
    frames_lost: int
    channel_uses: int
    symbols_on_air: int
    snr_est_mean_db: float | None
    correct_by_frame: np.ndarray
    items_by_frame: np.ndarray
    correct_by_block: np.ndarray
    items_by_block: np.ndarray
    confusion: np.ndarray
    sample_item: np.ndarray
    sample_answer: np.ndarray
    seconds: float
    git: str

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy, as fractions."""
        return clustered_interval(self.correct_by_block, self.items_by_block)


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """Version and commit of this program, and the data set that it has: results of unequal ones do not mix."""
    return f"sdr_sc {sdr_sc.__version__}, commit {git_commit()}, data {test_set().sha256[:16]}"


@lru_cache(maxsize=1)
def test_set() -> fashion_mnist.ImageSet:
    """The test images; read once in a process."""
    return fashion_mnist.load("test")


test_set.__test__ = False  # type: ignore[attr-defined]  # not one of pytest's


@lru_cache(maxsize=4)
def items_of(seed: int, count: int) -> np.ndarray:
    """Indices of a seed's items in the test set, in the order in which every scheme sends them (int64).

    The order is that of the flowgraphs' image source, so both airs send the same items.

    Raises:
        SdrScError: the data set has fewer.
    """
    data = test_set()
    if count > len(data):
        raise SdrScError(f"items is {count} where the test set has {len(data)}; use 1 to {len(data)}.")
    return np.random.default_rng(seed).permutation(len(data))[:count]


def load_scheme(entry: SchemeEntry) -> Scheme:
    """The scheme of an entry, made once in a thread.

    Raises:
        SdrScError: the catalogue does not know it, or a model of it cannot be used.
    """
    from sdr_sc.experiments.baselines.catalogue import make_scheme

    key = repr((entry.scheme, sorted(entry.parameters.items())))
    known = _loaded.__dict__.setdefault("schemes", {})
    if key not in known:
        known[key] = make_scheme(entry.scheme, **entry.parameters)
    return known[key]


def describe(scheme: Scheme) -> dict[str, Any]:
    """What a scheme says of itself when it knows of no channel: the same before and after it was used."""
    scheme.begin("")
    return scheme.describe()


def measure(task: Task) -> PointResult:
    """Measure one point, on whichever machine.

    Raises:
        SdrScError: program or scheme are not those that were asked for, or the point cannot be measured.
    """
    if task.fingerprint and task.fingerprint != fingerprint():
        raise SdrScError(
            f"a worker runs {fingerprint()} where this program is {task.fingerprint}; let both be the same."
        )
    _check_scheme(task)
    if task.config.air == "flowgraph":
        from sdr_sc.experiments.sweep.flowgraph import measure_flowgraph

        return measure_flowgraph(task)
    begun, tally = time.thread_time(), Tally(task)
    _send_all(task, tally)
    return tally.result(time.thread_time() - begun)


def _check_scheme(task: Task) -> None:
    """Raise `SdrScError` if a file of the scheme is another one than where the sweep began."""
    found = describe(load_scheme(task.scheme))
    for name, value in task.described.items():
        if found.get(name) != value:
            raise SdrScError(
                f"{task.point}: the scheme's {name} is {found.get(name)!r} at a worker, and {value!r} where the sweep "
                "began; let both have the same files, and leave them alone while it runs."
            )


def _send_all(task: Task, tally: Tally) -> None:
    """All items of a point, or as many as its stop rule asks for."""
    stop = task.scheme.stop or task.config.stop
    for outcomes in _blocks(task):
        for outcome in outcomes:
            tally.add(outcome)
            if not task.channel.realisation_items:
                tally.end_block()
                if tally.is_enough(stop):
                    return
        tally.end_block()
        if tally.is_enough(stop):
            return


def _blocks(task: Task) -> Iterator[Iterator[FrameOutcome]]:
    """The frames of each channel realisation; of all items where there is one realisation alone."""
    scheme, config, point = load_scheme(task.scheme), task.config, task.point
    data, numerology = test_set(), Numerology()
    order = items_of(point.seed, config.items)
    step = task.channel.realisation_items or len(order)
    for number, first in enumerate(range(0, len(order), step)):
        # Of seed and place alone: every scheme, k and SNR meets the same channel, and the same noise scaled.
        seed = int(np.random.SeedSequence((point.seed, number)).generate_state(1, np.uint64)[0])
        air = noisy_channel(task.channel.models, point.snr_db, config.carrier_offset_hz, seed, numerology)
        scheme.begin(task.channel.models)
        link = Link(scheme, air, point.k, config.items_per_frame, numerology)
        chosen = order[first : first + step]
        images, labels = data.images[chosen], data.labels[chosen]
        link.sound(images, labels)
        yield link.send(images, labels)


@dataclass
class Tally:
    """Adds up the frames of a point."""

    task: Task
    frames: list[FrameOutcome] = field(default_factory=list)
    blocks: list[tuple[int, int]] = field(default_factory=list)
    _open: tuple[int, int] = (0, 0)
    _items: int = 0
    _next_check: int = 0

    def add(self, outcome: FrameOutcome) -> None:
        """A frame of the present block."""
        self.frames.append(outcome)
        items = len(outcome.truth)
        self._open = self._open[0] + outcome.correct, self._open[1] + items
        self._items += items

    def end_block(self) -> None:
        """What comes next shares no channel with what was."""
        if self._open[1]:
            self.blocks.append(self._open)
        self._open = (0, 0)

    def is_enough(self, stop: StopRule | None) -> bool:
        """Whether the interval is narrow enough; looks now and then.

        It has to be so with two more blocks, one answered rightly and one lost (as Agresti and Coull add trials to a
        proportion, Am. Stat. 52 (1998) 119-126): before the first block is lost nothing tells that blocks get lost, and
        a look just then would always find the interval narrow.
        """
        if stop is None or self._items < max(stop.minimum_items, self._next_check):
            return False
        self._next_check = self._items + _CHECK_ITEMS
        correct, sizes = np.array(self.blocks, float).T
        size = sizes.mean()
        widths = [
            high - low
            for low, high in (
                clustered_interval(correct, sizes),
                clustered_interval(np.append(correct, (size, 0)), np.append(sizes, (size, size))),
            )
        ]
        return 100 * max(widths) <= stop.interval_points

    def result(self, seconds: float) -> PointResult:
        """The point, with all frames so far."""
        truth = np.concatenate([f.truth for f in self.frames])
        found = np.concatenate([f.found for f in self.frames])
        confusion = np.zeros((CLASSES, CLASSES + 1), np.int32)
        np.add.at(confusion, (truth, np.where(found < 0, _LOST, found)), 1)
        estimates = [f.snr_db for f in self.frames if f.snr_db is not None]
        correct_by_block, items_by_block = np.array(self.blocks, np.int32).T
        shown = min(STORED_ANSWERS, len(truth))
        return PointResult(
            point=self.task.point,
            air=self.task.config.air,
            items=len(truth),
            correct=int((truth == found).sum()),
            lost=int((found < 0).sum()),
            frames=len(self.frames),
            frames_lost=len(self.frames) - len(estimates),
            channel_uses=sum(f.channel_uses for f in self.frames),
            symbols_on_air=sum(f.symbols_on_air for f in self.frames),
            snr_est_mean_db=float(np.mean(estimates)) if estimates else None,
            correct_by_frame=np.array([f.correct for f in self.frames], np.int32),
            items_by_frame=np.array([len(f.truth) for f in self.frames], np.int32),
            correct_by_block=correct_by_block,
            items_by_block=items_by_block,
            confusion=confusion,
            sample_item=items_of(self.task.point.seed, self.task.config.items)[:shown].astype(np.int32),
            sample_answer=found[:shown].astype(np.int32),
            seconds=seconds,
            git=self.task.git,
        )
