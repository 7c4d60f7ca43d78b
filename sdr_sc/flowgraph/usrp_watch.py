# SPDX-License-Identifier: GPL-3.0-or-later
"""While an end of a USRP link runs: whether device and other end are still there, and when it has come to its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable
from typing import Any

from sdr_sc.flowgraph.hint_words import Situation, Source
from sdr_sc.flowgraph.received_nothing import Diagnosing

DEVICE_LIMIT_S = 5.0
"""Silence after which a device counts as gone."""
PEER_LIMIT_S = 5.0
"""Silence of the transmitter that is worth a word."""
DEAF_LIMIT_S = 5.0
"""Bursts for so long without one frame are worth a word."""
DEAF_AGAIN_LIMIT_S = 10.0
"""The same, where frames were received before: a channel may fade for some seconds."""
BURST_PAPR_DB = 17.0
"""Peak over mean within a second from which on there are bursts: noise, and a signal without pauses, reach 12 dB."""
_TOLD_FRAMES = 5
_LONGEST_STEP_S = 0.5
_FINISH_LIMIT_S = 30.0
_HURRY_LIMIT_S = 1.5
"""The same once somebody has asked for the end, which is to come within 3 s with what the blocks take to stop."""
_SETTLE_LIMIT_S = 0.3
"""For the answers of a receiver that is stopped: Ctrl-C has to end it within a second."""
_INTERVALS = 3.0


class Silence:
    """For how long a count has stood still while this process was awake, s.

    >>> silence = Silence()
    >>> [silence.look(count, now_s) for count, now_s in ((1, 0.0), (1, 0.4), (2, 0.8), (2, 1.0))]
    [0.0, 0.4, 0.0, 0.2]
    >>> silence.look(2, 100.0)  # stopped for a while, and so was the count
    0.7
    """

    def __init__(self) -> None:
        self._count: Hashable = None
        self._at_s = -math.inf
        self.longest_s = 0.0
        """Until now, where it came to an end."""
        self._still_s = 0.0

    def look(self, count: Hashable, now_s: float) -> float:
        """Take in the count of now."""
        if count != self._count or self._at_s == -math.inf:
            self.longest_s = max(self.longest_s, self._still_s)
            self._still_s = 0.0
        else:
            self._still_s += min(now_s - self._at_s, _LONGEST_STEP_S)
        self._count, self._at_s = count, now_s
        return round(self._still_s, 6)


class LinkWatch:
    """What has to go on while an end runs.

    Where device time waits for the transmitter (``pace=step``), a device may be silent for as long as it likes.

    Args:
        tb: of ``flowgraphs/usrp_*.grc``, running.
    """

    def __init__(self, tb: Any) -> None:
        self._tb = tb
        self._samples, self._answers, self._peer = Silence(), Silence(), Silence()
        self._answered, self._frames_then = 0, 0
        self._looked_s: float | None = None
        self.deaf_since = ""
        """How the latest sentence of `deaf_problem` begins: since when, and what the transmitter says."""
        self._bursts_s = self._told_s = 0.0  # for how long there were bursts, and frames by the transmitter's word
        self._received = self._sent_before = 0  # frames received, and those that had been sent by then

    @property
    def frames_received(self) -> int:
        """As `deaf_problem` saw it last."""
        return self._received

    def device_problem(self, now_s: float) -> str:
        """One sentence once the device counts as gone; '' as long as it does not."""
        tb = self._tb
        if tb.settings.lock_step:
            return ""
        if hasattr(tb, "usrp_source"):
            if self._samples.look(tb.receiver.samples_taken, now_s) >= DEVICE_LIMIT_S:
                return (
                    f"the device has sent no samples for {DEVICE_LIMIT_S:g} s; check its cable and power. The results "
                    "up to then are written."
                )
        if hasattr(tb, "usrp_sink"):
            return self._burst_problem(now_s)
        return ""

    def _burst_problem(self, now_s: float) -> str:
        tb, answers = self._tb, sum(self._tb.tx_monitor.counts.values())
        if answers != self._answered:
            self._answered, self._frames_then = answers, tb.transmitter.frames_sent
        waits = tb.transmitter.frames_sent > self._frames_then
        limit_s = DEVICE_LIMIT_S + 2.0 * (tb.lead_s + tb.settings.period_s)
        if waits and self._answers.look((answers, waits), now_s) >= limit_s:
            return (
                f"the device has reported nothing on the bursts of the last {limit_s:.3g} s; check its cable and "
                "power. "
                "The results up to then are written."
            )
        if not waits:
            self._answers.look((answers, waits), now_s)
        return ""

    def peer_problem(self, now_s: float) -> str:
        """One sentence while a transmitter that was there is not heard any more."""
        tb = self._tb
        if not hasattr(tb, "sent") or not hasattr(tb, "results") or tb.results.ended:
            return ""
        told = tb.sent.messages_received
        still_s = self._peer.look(told, now_s)
        if not told:
            self._peer = Silence()  # it has not been started yet
            return ""
        limit_s = max(PEER_LIMIT_S, _INTERVALS * self._peer.longest_s)
        if still_s < limit_s:
            return ""
        return (
            f"nothing from the transmitter for {limit_s:.3g} s; it is gone, or --sent does not get through. A "
            "transmitter that is started again is followed; Ctrl-C ends."
        )

    def deaf_problem(self, now_s: float) -> str:
        """One sentence while frames, or bursts of somebody, arrive for some seconds and not one is received.

        A receiver cannot know the other end's sample rate: at another one no preamble fits, and nothing is detected.
        The same goes for a transmitter that is started again with other settings, after frames of an earlier one.
        """
        tb = self._tb
        if not hasattr(tb, "receiver"):
            return ""
        received, sent_by_now = tb.receiver.receiver.counters.delivered, tb.results.record.frames_sent
        if received != self._received:
            self._received, self._sent_before = received, sent_by_now
            self._bursts_s = self._told_s = 0.0
        step_s = 0.0 if self._looked_s is None else min(now_s - self._looked_s, _LONGEST_STEP_S)
        self._looked_s = now_s
        papr_db = tb.receiver.level.recent().papr_db
        frames, bursts = sent_by_now - self._sent_before, papr_db >= BURST_PAPR_DB
        self._bursts_s += step_s if bursts else 0.0
        self._told_s += step_s if frames >= _TOLD_FRAMES else 0.0
        limit_s = DEAF_AGAIN_LIMIT_S if received else DEAF_LIMIT_S
        sent = f"no frame has been received for {limit_s:g} s: " if received else ""
        sent += f"the transmitter reports {frames} frames, " if frames >= _TOLD_FRAMES else ""
        self.deaf_since = sent
        if bursts and self._bursts_s >= limit_s:
            return (
                f"{sent}bursts arrive with peaks {papr_db:.0f} dB above the mean level, and no preamble fits with "
                "a header after it: --rate or numerology of the two ends differ, the level is too high (clipping), or "
                "the bursts are of another system."
            )
        if not bursts and self._told_s >= limit_s:
            return (
                f"{sent}none is received, and no bursts stand out of what arrives: check frequency, gains, antennas "
                "and cable at both ends, and that --rate is the same."
            )
        return ""


class EndRun:
    """Decides when an end has come to its end.

    Args:
        tb: of ``flowgraphs/usrp_END.grc``, with the attribute ``lost``.
        end: ``tx``, ``rx`` or ``loopback``.
        deadline_s, on_poll, asked_to_stop, warn: of `sdr_sc.flowgraph.usrp.run_end`.
    """

    def __init__(
        self,
        tb: Any,
        end: str,
        deadline_s: float | None,
        on_poll: Callable[[Any], None],
        asked_to_stop: Callable[[], int],
        warn: Callable[[str], None],
    ) -> None:
        self._tb, self._end, self._on_poll, self._asked, self._warn = tb, end, on_poll, asked_to_stop, warn
        self._last = tb.transmitter if end == "tx" else tb.results
        self._over = math.inf if deadline_s is None else time.monotonic() + deadline_s
        self._grace_s = _FINISH_LIMIT_S
        self._watch, self._warned = LinkWatch(tb), False
        self._deaf_told: set[bool] = set()  # before the first frame, and after frames had been received
        self._diagnosing: Diagnosing | None = None
        self._deaf_problem = ""
        self._stops = 0
        self._settled_by = math.inf

    def _settle(self, now: float) -> None:
        """A receiver is to end: it answers what waits for refinement as it is."""
        self._settled_by = now + _SETTLE_LIMIT_S
        self._tb.decoder.settle()

    def _is_settled(self, now: float) -> bool:
        decoder, sink = self._tb.decoder, self._tb.results
        done = not decoder.items_open and sink.answers_taken >= decoder.frames_answered
        return done or now > self._settled_by

    def _tell_why_deaf(self, problem: str) -> None:
        """Warn of a receiver that receives nothing, once its samples have been looked at."""
        tb = self._tb
        if problem and (self._watch.frames_received > 0) not in self._deaf_told:
            self._deaf_told.add(self._watch.frames_received > 0)
            self._deaf_problem = problem
            self._diagnosing = Diagnosing(tb, tb.receiver, Situation("rx", Source.RADIO, tb.settings.freq_hz))
        hint = None if self._diagnosing is None else self._diagnosing.result()
        if hint is not None:
            self._diagnosing = None
            tb.hint = hint
            if hint.proven:
                self._warn(f"{self._watch.deaf_since}no frame is received: {hint.text}")
            else:
                likely = "" if hint.details.get("cause") == "noise" else f" {hint.text[:1].upper()}{hint.text[1:]}"
                self._warn(f"{self._deaf_problem}{likely}".rstrip())

    def poll(self) -> bool:
        """Whether to stop the flowgraph now."""
        tb, now = self._tb, time.monotonic()
        self._on_poll(tb)
        if self._last.finished.is_set():
            return True  # a USRP source and blocks of messages would go on for ever
        tb.lost = self._watch.device_problem(now)
        if tb.lost:
            return True
        problem = "" if self._warned else self._watch.peer_problem(now)
        if problem:
            self._warned = True
            self._warn(problem)
        self._tell_why_deaf(self._watch.deaf_problem(now))
        if self._settled_by < math.inf:
            return self._is_settled(now)
        if self._asked() > self._stops:
            if self._end == "rx":
                self._settle(now)
                return self._is_settled(now)
            if self._stops:
                return True
            self._stops, self._over, self._grace_s = self._asked(), now, _HURRY_LIMIT_S
            tb.encoder.finish(at_once=True)
        if now < self._over:
            return False
        if self._end == "rx":
            self._settle(now)
            return self._is_settled(now)
        tb.encoder.finish()
        return now > self._over + self._grace_s
