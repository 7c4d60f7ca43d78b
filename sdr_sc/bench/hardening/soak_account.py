# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of every frame of a link whose ends were killed, stopped and restarted, by what each of them left.

Three witnesses: what transmitters reported on their network port while they ran, the receivers' ``frames.csv`` and
``items.csv``, and the annotations of their recordings. A frame is known by its index and the ids of its items: each
transmitter sends the images in another order, so that these two say which transmitter sent it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Key = tuple[int, tuple[int, ...]]

ANSWERED = "answered"
NOT_RECEIVED = "lost: not received"
STOPPED = "lost: an end was stopped for a while"
TX_ENDED = "lost: on its way when the transmitter ended"
RX_ENDED = "lost: on its way when the receiver ended"
RX_KILLED = "lost: not written yet when the receiver was killed"
RX_DOWN = "lost: no receiver"
RX_LATE = "lost: before the transmitter had the receiver's greeting"
UNACCOUNTED = "unaccounted"

BEFORE_GREETING = "before the transmitter had the observer's greeting"
AFTER_LAST_NEWS = "after the last that a killed transmitter reported to the observer"
_MOST_QUEUED = 4
"""Frames whose news may be in a listener's queue at a kill: ZMQ hands them to the kernel as they come."""


@dataclass(frozen=True)
class Told:
    """A frame that a transmitter reported, and when that was heard, s."""

    key: Key
    time_s: float


@dataclass
class Life:
    """An end from its start to its end.

    Attributes:
        start_s, end_s: of the process.
        killed: by SIGKILL, at ``ending_s``, so that it could write nothing more.
        ending_s: when it was asked for its end, or was made to end, so that it takes no more frames.
        stopped: spans in which it was stopped (SIGSTOP).
        rows: what its ``frames.csv`` says of each frame, by key: whether it was answered.
    """

    start_s: float
    end_s: float = float("inf")
    killed: bool = False
    ending_s: float = float("inf")
    stopped: list[tuple[float, float]] = field(default_factory=list)
    rows: dict[Key, bool] = field(default_factory=dict)

    def was_stopped(self, time_s: float, margin_s: float) -> bool:
        """Whether it was stopped at a moment, or shortly before or after it."""
        return any(start - margin_s <= time_s <= stop + margin_s for start, stop in self.stopped)


@dataclass(frozen=True)
class Account:
    """What became of all frames.

    Attributes:
        cause: what became of each frame.
        unaccounted: the frames of which nothing explains where they are.
        unheard: rows of receivers on frames that a transmitter sent, and that it did not report to the observer, by the
            reason.
        unknown: the other rows of receivers on frames that no transmitter reported.
    """

    cause: dict[Key, str]
    unaccounted: tuple[Told, ...]
    unheard: Counter[str]
    unknown: tuple[Key, ...]

    @property
    def causes(self) -> Counter[str]:
        """Frames by what became of them."""
        return Counter(self.cause.values())


def account(
    told: Sequence[Told],
    transmitters: Sequence[Life],
    receivers: Sequence[Life],
    margin_s: float,
    sends: Callable[[int, Key], bool],
) -> Account:
    """What became of every frame.

    Args:
        told: in the order in which they were heard.
        transmitters, receivers: in the order of their starts.
        margin_s: how long a frame may be on its way.
        sends: whether the transmitter with a number sends such a frame, if it gets that far.
    """
    causes: dict[Key, str] = {}
    unaccounted = []
    known = {one.key: one.time_s for one in told}
    for life in receivers:
        # A receiver ends with its transmitter; what one that was started meanwhile reports comes too late for it.
        ends = [one.end_s for one in transmitters if life.start_s < one.end_s < life.end_s]
        if ends and not any(known.get(key, 0.0) > ends[-1] for key in life.rows):
            life.ending_s = min(life.ending_s, ends[-1])
    written = [sorted(known[key] for key in life.rows if key in known) for life in receivers]
    for one in told:
        rows = [life.rows[one.key] for life in receivers if one.key in life.rows]
        if any(rows):
            cause = ANSWERED
        elif any(life.was_stopped(one.time_s, margin_s) for life in (*transmitters, *receivers)):
            cause = STOPPED
        elif _ends(transmitters, one.time_s, margin_s):
            cause = TX_ENDED
        elif rows:
            cause = NOT_RECEIVED
        else:
            cause = _without_row(one.time_s, receivers, written, margin_s)
        if cause == UNACCOUNTED and _is_before_greeting(one, told, transmitters, receivers, margin_s, sends):
            cause = RX_LATE
        if cause == UNACCOUNTED:
            unaccounted.append(one)
        causes[one.key] = cause
    unheard, unknown = _not_told(known, transmitters, receivers, sends)
    return Account(causes, tuple(unaccounted), unheard, unknown)


def _not_told(
    known: dict[Key, float], transmitters: Sequence[Life], receivers: Sequence[Life], sends: Callable[[int, Key], bool]
) -> tuple[Counter[str], tuple[Key, ...]]:
    """Rows of receivers on frames that were not reported to the observer: by the reason, and those that have none.

    A transmitter notifies each listener by itself: one that greets later misses its first frames, and what is still in
    the queue of a listener when the transmitter is killed is lost to this one alone. In between nothing is lost.
    """
    unheard: Counter[str] = Counter()
    unknown: list[Key] = []
    heard: dict[int, range] = {}
    for receiver in receivers:
        for key in (key for key in receiver.rows if key not in known):
            number = next((each for each in range(len(transmitters)) if sends(each, key)), None)
            if number is None or not _overlap(transmitters[number], receiver):
                unknown.append(key)
                continue
            if number not in heard:
                indices = [each[0] for each in known if sends(number, each)]
                heard[number] = range(min(indices), max(indices) + 1) if indices else range(0)
            if not heard[number] or key[0] < heard[number].start:
                unheard[BEFORE_GREETING] += 1
            elif 0 <= key[0] - heard[number].stop < _MOST_QUEUED and transmitters[number].killed:
                unheard[AFTER_LAST_NEWS] += 1
            else:
                unknown.append(key)
    return unheard, tuple(unknown)


def _is_before_greeting(
    one: Told,
    told: Sequence[Told],
    transmitters: Sequence[Life],
    receivers: Sequence[Life],
    margin_s: float,
    sends: Callable[[int, Key], bool],
) -> bool:
    """Whether a frame is one of a transmitter's first, before all that it reported to a receiver that ran then."""
    number = next((each for each in range(len(transmitters)) if sends(each, one.key)), None)
    if number is None or one.time_s - min(each.time_s for each in told if sends(number, each.key)) > margin_s:
        return False
    there = (life for life in receivers if life.start_s <= one.time_s <= life.end_s)
    first = [min((key[0] for key in life.rows if sends(number, key)), default=-1) for life in there]
    return any(one.key[0] < index for index in first)


def _overlap(one: Life, other: Life) -> bool:
    return one.start_s <= other.end_s and other.start_s <= one.end_s


def kill_losses_s(
    told: Sequence[Told], causes: dict[Key, str], receivers: Sequence[Life], timeout_s: float
) -> list[float]:
    """How long before a receiver's kill a frame was over of which nothing was written, for each such frame.

    A transmitter with one frame in flight reports the next one as soon as this one is answered, or after a time-out.
    A frame without an answer is over when a later one is answered; one that was not over by then is left out.

    Args:
        told, receivers: of `account`.
        causes: ``cause`` of the account.
        timeout_s: after which the transmitter gives a frame up.
    """
    over_s, found = float("inf"), []
    for one, later in reversed([*pairwise(told)]):
        if later.key[0] <= one.key[0]:  # another transmitter
            over_s = float("inf")
        elif later.time_s - one.time_s < 0.9 * timeout_s:
            over_s = later.time_s
        if causes[one.key] == RX_KILLED:
            killed = next(life for life in receivers if life.killed and life.end_s >= one.time_s)
            if over_s < killed.ending_s:
                found.append(killed.ending_s - over_s)
    return found


def _ends(lives: Iterable[Life], time_s: float, margin_s: float) -> bool:
    return any(life.end_s - margin_s <= time_s <= life.end_s + margin_s for life in lives)


def _without_row(time_s: float, receivers: Sequence[Life], written: Sequence[list[float]], margin_s: float) -> str:
    """The cause for a frame that no receiver wrote down."""
    for life, times in zip(receivers, written, strict=True):
        if not life.start_s <= time_s <= life.end_s:
            continue
        if not times or time_s < times[0]:
            return RX_DOWN  # it had not begun to listen
        if time_s > times[-1]:
            if life.killed:
                return RX_KILLED
            return RX_ENDED if time_s >= min(life.end_s, life.ending_s) - margin_s else UNACCOUNTED
        return UNACCOUNTED  # frames before and after it were written down
    return RX_DOWN
