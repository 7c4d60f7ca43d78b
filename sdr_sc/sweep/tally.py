# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of one point of a sweep, counted while it is measured."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sdr_sc.results.rows import clustered_interval
from sdr_sc.schemes.link import FrameOutcome, LinkResult
from sdr_sc.sweep.config import StopRule
from sdr_sc.sweep.grid import Point, Task
from sdr_sc.sweep.items import items_of, test_set

_CHECK_ITEMS = 250
STORED_ANSWERS = 24
"""Answers to single items that a result keeps, for pictures."""


@dataclass(frozen=True)
class PointResult:
    """What came of one point; the columns of a results file, see docs/sweeps.md.

    Attributes:
        point: which one.
        air: ``phy`` or ``flowgraph``.
        items, correct, lost: items sent, answered correctly, without an answer: their frame was lost, or could not be
            decoded. These count as wrong.
        frames, frames_lost: frames sent, and not received.
        channel_uses: complex symbols of all payloads.
        symbols_on_air: used subcarriers of all OFDM symbols, with preamble, header and pilots.
        snr_est_mean_db: mean of the receiver's estimates; None if no frame was received.
        correct_by_frame, items_by_frame: int32 (frames,).
        correct_by_block, items_by_block: int32, of items that share a channel, on which intervals rest; frames where
            the channel is not redrawn.
        confusion: int32 (classes, classes + 1), items by true class and answer; the last column counts no answer.
        sample_item, sample_answer: int32, indices in the test set of the first items, and the answers to them.
        seconds: of one core.
        git: commit of the program that measured it.
        frames_by_mode: int32 (3,), frames sent in short, normal and robust mode.
        on_air_by_mode: int64 (3,), `symbols_on_air` by mode.
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
    frames_by_mode: np.ndarray
    on_air_by_mode: np.ndarray

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy, as fractions."""
        return clustered_interval(self.correct_by_block, self.items_by_block)


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

        It has to be so with two more blocks, one answered correctly and one lost (as Agresti and Coull add trials to a
        proportion, Am. Stat. 52 (1998) 119-126): before the first block is lost nothing shows that blocks get lost, and
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
        data_set = self.task.config.data_set
        whole = LinkResult.of(self.frames, len(test_set(data_set).names(self.frames[0].task)))
        estimates_db = whole.snr_estimates_db
        correct_by_block, items_by_block = np.array(self.blocks, np.int32).T
        shown = min(STORED_ANSWERS, whole.items)
        return PointResult(
            point=self.task.point,
            air=self.task.config.air,
            items=whole.items,
            correct=whole.correct,
            lost=whole.lost,
            frames=whole.frames,
            frames_lost=whole.frames_lost,
            channel_uses=whole.channel_uses,
            symbols_on_air=whole.symbols_on_air,
            snr_est_mean_db=float(np.mean(estimates_db)) if len(estimates_db) else None,
            correct_by_frame=whole.correct_by_frame.astype(np.int32),
            items_by_frame=whole.items_by_frame.astype(np.int32),
            correct_by_block=correct_by_block,
            items_by_block=items_by_block,
            confusion=whole.confusion.astype(np.int32),
            sample_item=items_of(self.task.point.seed, self.task.config.items, data_set)[:shown].astype(np.int32),
            sample_answer=whole.found[:shown].astype(np.int32),
            seconds=seconds,
            git=self.task.git,
            frames_by_mode=whole.frames_by_mode.astype(np.int32),
            on_air_by_mode=whole.on_air_by_mode,
        )
