# SPDX-License-Identifier: GPL-3.0-or-later
"""Link adaptation: how the SNR that a receiver measures becomes what its transmitter sends: how many symbols, in
which frame mode.

GNU Radio's blocks and the simulated link (`sdr_sc.schemes.link`) use the same three steps, so both airs agree::

    receiver     SnrSmoother       estimate of each frame -> smoothed SNR, which is fed back
    transmitter  FeedbackState     feedback -> SNR that still holds; None after a loss, or when it is too old
    transmitter  LinkAdaptation    that SNR -> k and mode, with hysteresis; the most robust without one

Times are seconds of any one clock that the caller reads.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from sdr_sc.errors import BlockError
from sdr_sc.link.mapping import ChannelReport
from sdr_sc.link.mode_choice import ModeChoice
from sdr_sc.link.network.pdu_schema import SNR_DB
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.phy.numerology import Numerology
from sdr_sc.semantic.cam import CamTarget, first_rounds, look_up, table_for
from sdr_sc.semantic.contract import ModelContract

STALE_TIMEOUTS = 8
"""Time-outs of a frame after which feedback no longer holds, though no frame was lost since: a pause in sending."""

_AS_TRAINED = CamTarget()
_DEFAULT_NUMEROLOGY = Numerology()


FALL_DB = 3.0
"""Seven times the spread of one frame's estimate over noise alone (0.27 to 0.42 dB, `sdr-sc bench link`)."""


class SnrSmoother:
    """Exponential smoothing, in dB, of the SNR of received frames; a fall of more than `FALL_DB` is taken at once.

    A frame that is sent for too high an SNR is lost, and with it the feedback that would have corrected it; one that is
    sent for too low an SNR costs some symbols.

    Args:
        smoothing: weight of the past, 0 (none) to below 1; may change between frames.

    Raises:
        BlockError: ``smoothing`` is out of range.

    >>> smoother = SnrSmoother(0.5)
    >>> smoother.smooth(10.0), smoother.smooth(20.0)
    (10.0, 15.0)
    >>> smoother.smooth(14.0), smoother.smooth(2.0)
    (14.5, 2.0)
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        self._snr_db: float | None = None
        self.set_smoothing(smoothing)

    def set_smoothing(self, smoothing: float) -> None:
        """Weight of the past from the next frame on."""
        if not 0.0 <= smoothing < 1.0:
            raise BlockError(f"SNR smoother: smoothing is {smoothing}; use 0 to below 1.")
        self._smoothing = smoothing

    def smooth(self, snr_db: float) -> float:
        """The smoothed SNR after one more frame, dB, within `SNR_DB`: no transmitter takes more."""
        latest = bounded(snr_db)
        past = latest if self._snr_db is None or latest < self._snr_db - FALL_DB else self._snr_db
        self._snr_db = self._smoothing * past + (1.0 - self._smoothing) * latest
        return self._snr_db


def bounded(snr_db: float) -> float:
    """An estimate within what may be fed back; an air without noise gives any number.

    >>> bounded(300.0), bounded(12.5)
    (80.0, 12.5)
    """
    return min(max(snr_db, SNR_DB[0]), SNR_DB[1])


class Feedback(NamedTuple):
    """One feedback.

    Attributes:
        snr_db: dB.
        time_s: when it arrived.
        frames_lost: frames that had been given up by then.
        report: of the channel, where the receiver made one.
    """

    snr_db: float
    time_s: float
    frames_lost: int
    report: ChannelReport | None = None


class FeedbackState:
    """The last feedback, and whether it still holds.

    It holds until a frame is given up without feedback, and for `STALE_TIMEOUTS` time-outs at most.

    Args:
        timeout_s: after which a frame without feedback is given up; infinite where losses are known otherwise.

    >>> state = FeedbackState(timeout_s=0.25)
    >>> state.arrived(12.0, now=5.0, frames_lost=0)
    >>> state.snr_db(now=5.1, frames_lost=0), state.snr_db(5.1, frames_lost=1), state.snr_db(7.1, frames_lost=0)
    (12.0, None, None)
    """

    def __init__(self, timeout_s: float = math.inf) -> None:
        self._longest_s = STALE_TIMEOUTS * timeout_s
        self.latest: Feedback | None = None

    def arrived(self, snr_db: float, now: float, frames_lost: int, report: ChannelReport | None = None) -> None:
        """Feedback arrived.

        Args:
            snr_db: smoothed SNR, dB.
            now: time, s.
            frames_lost: frames that were given up so far.
            report: of the channel.
        """
        self.latest = Feedback(snr_db, now, frames_lost, report)

    def holding(self, now: float, frames_lost: int) -> Feedback | None:
        """The last feedback while it holds; None when nothing is known of the channel. Arguments as above."""
        latest = self.latest
        if latest is None or latest.frames_lost != frames_lost or not now - latest.time_s <= self._longest_s:
            return None
        return latest

    def snr_db(self, now: float, frames_lost: int) -> float | None:
        """The SNR to send the next frame for, dB; None when nothing is known of the channel. Arguments as above."""
        latest = self.holding(now, frames_lost)
        return None if latest is None else latest.snr_db


class Setting(NamedTuple):
    """How a frame is sent.

    Attributes:
        k: feature symbols per item.
        snr_db: SNR that the encoder adapts the features to, dB.
        mode: frame mode.
    """

    k: int
    snr_db: float
    mode: FrameMode


class LinkAdaptation:
    """The channel-adaptive module (CAM): chooses k from a model's table and the frame mode, frame by frame.

    The mode is the one that costs the fewest OFDM symbols for each frame received, with the payload of that k, see
    `ModeChoice`. It goes to a larger k or a more robust mode at once, and back only when the SNR is ``hysteresis_db``
    above the place where the choice changes, so that an estimate that wavers around that place does not make the choice
    waver. Without an SNR it falls back to the robust mode with the largest k that the target allows, at the lowest SNR
    of the model's training.

    Args:
        contract: of the model in use.
        hysteresis_db: dB.
        target: what it aims at.
        numerology: whose frames are sent.
        refine: send no more than the first round of refinement needs; without hysteresis, as a later round brings what
            is missing.

    Attributes:
        table: what it looks k up in.
        fallback: the setting when nothing is known of the channel.

    Raises:
        ContractError: the target cannot be met with this model.
    """

    def __init__(
        self,
        contract: ModelContract,
        hysteresis_db: float = 1.0,
        target: CamTarget = _AS_TRAINED,
        numerology: Numerology = _DEFAULT_NUMEROLOGY,
        refine: bool = False,
    ) -> None:
        table = table_for(contract, target)
        self.table = first_rounds(contract, table) if refine else table
        allowed = [k for k in contract.k_list if target.max_k is None or k <= target.max_k]
        self.fallback = Setting(max(allowed), contract.training_snr_db[0], FrameMode.ROBUST)
        self._hysteresis_db = 0.0 if refine else hysteresis_db
        self._k: int | None = None
        self._modes = ModeChoice(hysteresis_db, numerology)

    def setting(
        self,
        snr_db: float | None,
        k: int | None = None,
        mode: FrameMode | None = None,
        n_items: int = 1,
        refined_symbols: int = 0,
    ) -> Setting:
        """The setting for the next frame.

        Args:
            snr_db: of `FeedbackState.snr_db`; None, or a number that is none, when nothing is known of the channel.
            k: sends this one whatever the SNR is, and leaves its hysteresis as it is.
            mode: the same for the frame mode.
            n_items, refined_symbols: what the frame will hold.
        """
        if snr_db is None or not math.isfinite(snr_db):
            if k is None:
                self._k = None
            if mode is None:
                mode = self._modes.choose(None, lambda _: 0)
            return Setting(k or self.fallback.k, self.fallback.snr_db, mode)
        if mode is None:
            mode = self._modes.choose(snr_db, lambda db: n_items * (k or look_up(self.table, db)) + refined_symbols)
        width = k
        if width is None:
            width = self._k = self._look_up(snr_db)
        return Setting(width, snr_db, mode)

    def mode(self, snr_db: float, mode: FrameMode | None, symbols: int) -> FrameMode:
        """The mode of a frame of so many payload symbols.

        Args:
            snr_db: that was fed back, dB.
            mode: sends this one whatever the SNR is.
        """
        return self._modes.choose(snr_db, lambda _: symbols) if mode is None else mode

    def _look_up(self, snr_db: float) -> int:
        wanted = look_up(self.table, snr_db)
        if self._k is not None and wanted < self._k:
            wanted = min(self._k, look_up(self.table, snr_db - self._hysteresis_db))
        return wanted
