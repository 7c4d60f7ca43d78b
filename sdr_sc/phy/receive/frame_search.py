# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for frames of all modes: two detectors over one stream, and the synchronisers after them.

The detector with the window of the normal mode finds normal and short frames, one with a long window robust frames.
Both find the same repeating part, so which mode a frame has is only seen at its training symbols, whose sequence is the
mode's. What the two detectors find is looked at in the order in which the samples that
decided it arrived: the result does not depend on how the stream is cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.detect import Candidate, Detector, least_metric, metric_at
from sdr_sc.phy.receive.detect_long import LongDetector
from sdr_sc.phy.receive.sample_buffer import SampleBuffer
from sdr_sc.phy.receive.sync import CFO_RANGE_SUBCARRIERS, Synchronisation, Synchroniser, samples_needed
from sdr_sc.phy.receive.sync_robust import RobustSynchroniser

# Of the normal training symbols: the short ones need not be tried.
_CERTAIN_COHERENCE = 0.35
# Something that still repeats so well where a normal frame's header would be is no such frame.
_GOES_ON = 0.7
# A robust frame repeats throughout its detection part; at this metric, that of 0 dB, windows of 104 samples hardly ever
# fall below so much of it. Preambles of other modes in a row do in their training symbols.
_CLEAR_METRIC, _BROKEN = 0.25, 0.25
# The normal detector's window is twice as long as a short frame's detection part: at 3 dB its metric is 0.31^2 in the
# middle of other frames and more beside noise.
_LEAST_SHORT_METRIC = 0.25**2


class Match(NamedTuple):
    """A frame of one mode that was synchronised.

    Attributes:
        mode: of the frame.
        sync: its timing and carrier offset.
    """

    mode: FrameMode
    sync: Synchronisation


@dataclass
class Lead:
    """A candidate whose training symbols are there.

    Attributes:
        candidate: index in the stream of the detector's peak.
        is_long: whether the long detector found it.
        matches: the modes that it may have, the likeliest first.
    """

    candidate: int
    is_long: bool
    matches: list[Match]


@dataclass
class SearchCounters:
    """Candidates, those without training symbols, and those that the end of the stream cut."""

    candidates: int = 0
    not_confirmed: int = 0
    cut: int = 0


@dataclass
class _Track:
    """One detector's way through the stream.

    Attributes:
        step: samples to skip after a candidate that was rejected.
        next: index in the stream where its search goes on.
        found: a candidate that waits for its turn, and how many samples of the stream it needed.
    """

    detector: Detector | LongDetector
    step: int
    next: int = 0
    found: tuple[int, Candidate] | None = None

    def look(self, buffer: SampleBuffer) -> None:
        """Search on, unless something was found already."""
        if self.found is None:
            candidate, settled = self.detector.search(buffer.samples, self.next - buffer.begin, buffer.begin)
            self.next = buffer.begin + settled
            if candidate is not None:
                self.found = self.detector.decided_at, candidate


@dataclass
class FrameSearch:
    """Finds frames of all modes; makes its tables once.

    Args:
        numerology: the sizes.
        threshold: of the normal detector.
        cfo_range: largest carrier offset, subcarriers.
    """

    numerology: Numerology
    threshold: float
    cfo_range: float = CFO_RANGE_SUBCARRIERS
    counters: SearchCounters = field(default_factory=SearchCounters)

    def __post_init__(self) -> None:
        n, robust = self.numerology, frame_layout(self.numerology, FrameMode.ROBUST)
        detector, long_detector = Detector(n, self.threshold), LongDetector(robust)
        self._normal, self._long = _Track(detector, 3 * detector.lag), _Track(long_detector, long_detector.window // 2)
        self._long_detector = long_detector
        modes = FrameMode.NORMAL, FrameMode.SHORT
        self._normal_training, self._short_training = (Synchroniser(n, mode, self.cfo_range) for mode in modes)
        self._robust = RobustSynchroniser(robust, long_detector.window, self.cfo_range)
        self._reach = 4 * n.fft_size
        self._lag, self._window = detector.lag, detector.window
        # With the lag, three quarters of the training part: a quarter is the step at which windows are looked at.
        self._short_window = 3 * n.symbol_samples // 2 - detector.lag
        # After a normal frame's detection part, and ahead of the frame that may follow the shortest one.
        self._check = 2 * n.fft_size
        shortest = frame_layout(n, FrameMode.SHORT).frame_samples(1)
        self._check_at = min(n.preamble_samples, shortest - self._check - detector.lag - n.cyclic_prefix)
        # Where a whole short frame fits into a normal detection part, there is no such place: nothing is checked.
        self._has_check = self._check_at >= n.detection_symbols * n.symbol_samples
        needed = max(samples_needed(n), n.preamble_samples + self._check + detector.lag)
        self._needed = needed, robust.preamble_samples + self._reach  # from a candidate's start
        self.kept = robust.preamble_samples + self._reach
        """Samples before the place where the search goes on that are looked at again."""
        self.margin = robust.preamble_samples + self._reach + long_detector.span + long_detector.window
        """Samples of silence after the end of a stream that let the search decide on all of it."""
        self._chosen: tuple[bool, Candidate] | None = None

    @property
    def needed_from(self) -> int:
        """Index in the stream of the first sample that the search still looks at, but for `kept` before it."""
        first = min(self._normal.next, self._long.next)
        return first if self._chosen is None else min(first, self._chosen[1].start)

    def resume(self, index: int) -> None:
        """Go on at this index in the stream: what lies before it is settled."""
        for track in (self._normal, self._long):
            track.next, track.found = index, None

    def restart(self, index: int) -> None:
        """Forget everything and go on at this index."""
        self._chosen = None
        self._long_detector.restart()
        self.resume(index)

    def reject(self, lead: Lead, index: int = 0) -> None:
        """No frame came of a lead: its detector goes on after it, at ``index`` at least."""
        self._go_on(lead.is_long, lead.candidate, index)

    def _go_on(self, is_long: bool, candidate: int, index: int) -> None:
        track = self._long if is_long else self._normal
        track.next, track.found = max(candidate + track.step, index), None

    def next_lead(self, buffer: SampleBuffer, end: int, ended: bool) -> Lead | None:
        """The next candidate with training symbols; None when more samples are needed.

        Args:
            buffer: the samples.
            end: index in the stream from which on there is silence only.
            ended: whether the stream has ended there.
        """
        while self._chosen is not None or self._choose(buffer):
            assert self._chosen is not None
            is_long, candidate = self._chosen
            is_silence = ended and candidate.start >= end
            if not is_silence and candidate.start + self._needed[is_long] > buffer.end:
                if ended:
                    self.counters.cut += 1
                    self._chosen = None
                return None
            self._chosen = None
            goes_on = self._is_broken(buffer, candidate) if is_long else self._goes_on(buffer, candidate)
            if not is_silence and not goes_on:
                matches = self._matches(buffer, candidate, is_long)
                if matches:
                    return Lead(candidate.start, is_long, matches)
            self.counters.not_confirmed += 1
            self._go_on(is_long, candidate.start, candidate.start + self._window if goes_on and not is_long else 0)
        return None

    def _goes_on(self, buffer: SampleBuffer, candidate: Candidate) -> bool:
        """Whether what repeats is longer than a normal preamble: a robust frame's detection part, or a carrier. Clear
        candidates alone are asked."""
        if not self._has_check or candidate.metric < _LEAST_SHORT_METRIC:
            return False
        after = candidate.start - buffer.begin + self._check_at
        return metric_at(buffer.samples, after, self._lag, self._check) >= _GOES_ON * candidate.metric

    def _is_broken(self, buffer: SampleBuffer, candidate: Candidate) -> bool:
        """Whether a clear candidate of the long detector does not repeat throughout the detection part of a frame that
        begins within reach of it."""
        if candidate.metric < _CLEAR_METRIC:
            return False
        first = candidate.start - buffer.begin + self._reach
        last = first + self._robust.layout.detection_samples - 2 * self._reach - self._short_window - self._lag
        step = self._short_window // 4
        return least_metric(buffer.samples, first, last, self._lag, self._short_window, step) < (
            _BROKEN * candidate.metric
        )

    def _choose(self, buffer: SampleBuffer) -> bool:
        """Take the candidate that was decided first; False if there is none yet."""
        normal, long = self._normal, self._long
        normal.look(buffer)
        long.look(buffer)
        is_long = normal.found is None or (long.found is not None and long.found[0] < normal.found[0])
        track = long if is_long else normal
        if track.found is None:
            return False
        self._chosen, track.found = (is_long, track.found[1]), None
        self.counters.candidates += 1
        return True

    def _matches(self, buffer: SampleBuffer, candidate: Candidate, is_long: bool) -> list[Match]:
        """The modes whose training symbols are there, the likeliest first."""
        samples, origin = buffer.samples, buffer.begin
        if is_long:
            sync = self._robust.synchronise(samples, candidate, origin, self._reach)
            return [] if sync is None else [Match(FrameMode.ROBUST, sync)]
        sync = self._normal_training.synchronise(samples, candidate, origin)
        matches = [] if sync is None else [Match(FrameMode.NORMAL, sync)]
        if candidate.metric >= _LEAST_SHORT_METRIC and not (sync and sync.coherence >= _CERTAIN_COHERENCE):
            sync = self._short_training.synchronise(samples, candidate, origin)
            matches += [] if sync is None else [Match(FrameMode.SHORT, sync)]
        return sorted(matches, key=lambda match: match.sync.coherence, reverse=True)
