# SPDX-License-Identifier: GPL-3.0-or-later
"""Any scheme over the whole link without GNU Radio: frames, channel and receiver are the same for all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sdr_sc.data.dataset import CLASSIFICATION
from sdr_sc.link.adaptation import SnrSmoother
from sdr_sc.link.mapping import ChannelReport, ImportanceMapper
from sdr_sc.link.mode_choice import HYSTERESIS_DB, ModeChoice
from sdr_sc.link.outer_loop import OuterLoop
from sdr_sc.link.return_path import PERFECT, ReturnPath, TransmitterView
from sdr_sc.phy.channels import Awgn, CarrierOffset, Chain, ChannelModel, parse_chain
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, Header
from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.channel_report import channel_report
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver
from sdr_sc.schemes.scheme import Acknowledging, LaterAnswers, Scheme, Transmission
from sdr_sc.semantic.tasks.base import task_of

GAP_SAMPLES = 160


@dataclass(frozen=True)
class FrameOutcome:
    """What came of one frame.

    Attributes:
        truth, found: int64 (items,), what is right, such as the classes, and the answers; -1 where there is none.
        snr_db: the receiver's estimate; None where the frame was lost.
        channel_uses: complex symbols of its payload.
        symbols_on_air: used subcarriers of all its OFDM symbols: preamble, header, pilots and payload.
        frames_false: frames received meanwhile that were never sent.
        task: by which answers are right.
        mode: that it was sent in.
    """

    truth: np.ndarray
    found: np.ndarray
    snr_db: float | None
    channel_uses: int
    symbols_on_air: int
    frames_false: int = 0
    task: str = CLASSIFICATION
    mode: FrameMode = FrameMode.NORMAL

    @property
    def right(self) -> np.ndarray:
        """bool (items,), which answers are right."""
        return task_of(self.task).right(self.found, self.truth)

    @property
    def correct(self) -> int:
        """Items answered correctly."""
        return int(np.count_nonzero(self.right))


@dataclass(frozen=True)
class LinkResult:
    """What came of one operating point.

    Attributes:
        items, correct, lost: items sent, answered correctly, and without an answer: lost with their frame, or not to be
            decoded (these are not correct).
        frames, frames_lost: frames sent, and not received.
        items_in_lost_frames: items sent in these.
        frames_false: frames received that were never sent.
        correct_by_frame, items_by_frame: items answered correctly, and sent, in each frame.
        snr_estimates_db: one for each received frame.
        channel_uses: complex symbols of payload sent.
        symbols_on_air: used subcarriers of all OFDM symbols: preamble, header, pilots and payload.
        frames_by_mode, on_air_by_mode: int64 (modes,), frames and these subcarriers by frame mode.
        found: int64 (items,), the answers in the order of sending; -1 where there is none.
        right: bool (items,), which of them are right.
        confusion: int64 (classes, classes + 1), items by true class and answer; the last column counts no answer.
    """

    items: int
    correct: int
    lost: int
    frames: int
    frames_lost: int
    items_in_lost_frames: int
    frames_false: int
    correct_by_frame: np.ndarray
    items_by_frame: np.ndarray
    snr_estimates_db: np.ndarray
    channel_uses: int
    symbols_on_air: int
    frames_by_mode: np.ndarray
    on_air_by_mode: np.ndarray
    found: np.ndarray
    right: np.ndarray
    confusion: np.ndarray

    @classmethod
    def of(cls, outcomes: Sequence[FrameOutcome], classes: int) -> LinkResult:
        """Of all frames, one or more."""
        truth, found, right = (
            np.concatenate([getattr(one, name) for one in outcomes]) for name in ("truth", "found", "right")
        )
        confusion = np.zeros((classes, classes + 1), np.int64)
        np.add.at(confusion, (truth, np.where(found < 0, classes, found)), 1)
        estimates = [outcome.snr_db for outcome in outcomes if outcome.snr_db is not None]
        modes, on_air = (np.array([getattr(one, name) for one in outcomes]) for name in ("mode", "symbols_on_air"))
        return cls(
            items=len(truth),
            correct=int(np.count_nonzero(right)),
            lost=int((found < 0).sum()),
            frames=len(outcomes),
            frames_lost=len(outcomes) - len(estimates),
            items_in_lost_frames=sum(len(outcome.truth) for outcome in outcomes if outcome.snr_db is None),
            frames_false=sum(outcome.frames_false for outcome in outcomes),
            correct_by_frame=np.array([outcome.correct for outcome in outcomes], np.int64),
            items_by_frame=np.array([len(outcome.truth) for outcome in outcomes], np.int64),
            snr_estimates_db=np.array(estimates, np.float64),
            channel_uses=sum(outcome.channel_uses for outcome in outcomes),
            symbols_on_air=int(on_air.sum()),
            frames_by_mode=np.array([(modes == mode).sum() for mode in FrameMode], np.int64),
            on_air_by_mode=np.array([on_air[modes == mode].sum() for mode in FrameMode], np.int64),
            found=found,
            right=right,
            confusion=confusion,
        )


def noisy_channel(
    channel: str | ChannelModel | None, snr_db: float, cfo_hz: float, seed: int, numerology: Numerology
) -> Chain:
    """Channel, carrier offset and noise one after the other.

    Args:
        channel: a line of `sdr_sc.phy.channels.parse_chain`, '' for none, which also says what stands after the noise;
            or a model to stand in front of offset and noise.
        snr_db: Es/N0 on the occupied subcarriers, its mean with fading.
        seed: of noise and channel.
    """
    offset = CarrierOffset(cfo_hz, numerology.sample_rate_hz)
    if isinstance(channel, str):
        parsed = parse_chain(channel, numerology.sample_rate_hz, seed, numerology)
        noise = Awgn(snr_db, seed, parsed.subcarrier_power)
        return Chain([*parsed.before.models, offset, noise, *parsed.after.models])
    models: list[ChannelModel] = [] if channel is None else [channel]
    return Chain([*models, offset, Awgn(snr_db, seed)])


def frames_to_settle(smoothing: float) -> int:
    """Frames after which a smoothed SNR holds little of the first one.

    >>> frames_to_settle(0.0), frames_to_settle(0.9)
    (1, 20)
    """
    return max(1, round(2 / (1 - smoothing))) if smoothing else 1


class Link:
    """One end-to-end link: a scheme, an air with its state, a receiver, and the feedback (`sdr_sc.link.adaptation`).

    Its clock is the air's: samples sent. Feedback is there before the next frame, unless ``feedback`` says otherwise; a
    lost frame has none.

    Args:
        scheme: whose ``begin`` was called.
        air: channel, offset and noise.
        k: payload symbols per item, None for the scheme's choice.
        items_per_frame: most items of a frame.
        smoothing: weight of the past in the SNR that is fed back, 0 to below 1; None for what the scheme wants.
        mode: frame mode; None to choose it by the SNR that was fed back.
        feedback: the way back.
        seed: of the feedback's losses.
        loop: of acknowledgements, where it goes on from link to link; None for an own one, if ``feedback`` asks for it.

    Attributes:
        mapper: how many frames were mapped by importance, and why others with a report were not.

    Raises:
        BlockError: ``smoothing`` is out of range.
    """

    def __init__(
        self,
        scheme: Scheme,
        air: ChannelModel,
        k: int | None,
        items_per_frame: int,
        numerology: Numerology,
        smoothing: float | None = None,
        mode: FrameMode | None = FrameMode.NORMAL,
        feedback: ReturnPath = PERFECT,
        seed: int = 0,
        loop: OuterLoop | None = None,
    ) -> None:
        self._scheme, self._air, self._k = scheme, air, k
        self._items_per_frame, self._numerology = items_per_frame, numerology
        self._receiver, self.mapper = Receiver(numerology), ImportanceMapper(numerology)
        self._gap = np.zeros(GAP_SAMPLES, np.complex64)
        self._frames = 0
        self._now_s = 0.0
        smoothing = scheme.smoothing if smoothing is None else smoothing
        self._smoother, self._feedback = SnrSmoother(smoothing), TransmitterView(feedback, seed, loop)
        self._soundings = frames_to_settle(smoothing) + feedback.delay_frames
        self._mode, self._choice = mode, ModeChoice(HYSTERESIS_DB, numerology)
        self._open: deque[tuple[Transmission, FrameOutcome, np.ndarray | None]] = deque()

    def sound(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Send one frame with one item that nobody counts, and more where feedback is late or smoothed, so that the
        transmitter knows the channel's SNR: a link that is measured is one that has been running."""
        for _ in range(self._soundings):
            transmission = self._scheme.send(images[:1], labels[:1], None, self._k)[0]
            received, _ = self._over_the_air(transmission, FrameMode.ROBUST if self._mode is None else self._mode)
            self._feed_back(received, None)

    def send(self, images: np.ndarray, labels: np.ndarray) -> Iterator[FrameOutcome]:
        """Send items; the scheme gets the SNR that was fed back for the frame before.

        Args:
            images: uint8 (n, *item_shape).
            labels: int64 (n,).
        """
        first = 0
        while first < len(labels):
            most = min(self._items_per_frame, len(labels) - first)
            taken = self._scheme.frame_items(self._snr_db(), self._k, most)
            batch, truth = images[first : first + taken], labels[first : first + taken]
            first += taken
            for transmission in self._scheme.send(batch, truth, self._snr_db(), self._k):
                self._exchange(transmission, truth[transmission.items])
                yield from self._answered()
        later = self._scheme if isinstance(self._scheme, LaterAnswers) else None
        while later is not None and (flushed := later.flush(self._snr_db())):
            for transmission in flushed:
                self._exchange(transmission, labels[:0])
                yield from self._answered()
        if later is not None:
            later.close()
        yield from self._answered()

    def _exchange(self, transmission: Transmission, truth: np.ndarray) -> None:
        """Send a frame, and note what came of it as far as that is known."""
        size = transmission.channel_uses
        mode = self._choose_mode(size)
        received, others = self._over_the_air(transmission, mode)
        on_air = frame_layout(self._numerology, mode).frame_symbols(size) * self._numerology.used
        lost = np.full(len(truth), -1)
        found: np.ndarray | None = lost if received is None else self._scheme.answer(transmission, received)
        self._feed_back(received, found)
        if received is not None and isinstance(self._scheme, LaterAnswers):
            found = None if len(truth) else lost
        snr_db = None if received is None else received.snr_db
        outcome = FrameOutcome(truth, lost, snr_db, size, on_air, others, self._scheme.task, mode)
        self._open.append((transmission, outcome, found))

    def _answered(self) -> Iterator[FrameOutcome]:
        """Frames whose items are answered, in the order of sending."""
        later = self._scheme.settled() if isinstance(self._scheme, LaterAnswers) else []
        answers = {id(transmission): found for transmission, found in later}
        self._open = deque(
            (transmission, outcome, answers.get(id(transmission), found)) for transmission, outcome, found in self._open
        )
        while self._open and (found := self._open[0][2]) is not None:
            yield replace(self._open.popleft()[1], found=found)

    def _choose_mode(self, feature_symbols: int) -> FrameMode:
        if self._mode is not None:
            return self._mode
        return self._choice.choose(self._snr_db(), lambda _: feature_symbols)

    def _snr_db(self) -> float | None:
        """The SNR for the next frame, dB; None when nothing is known of the channel."""
        return self._feedback.snr_db(self._now_s)

    def _over_the_air(self, transmission: Transmission, mode: FrameMode) -> tuple[ReceivedFrame | None, int]:
        """The frame as it was received, None if it was lost, and how many others were."""
        rows, width = transmission.payload.shape
        number, indexed = self._frames % FRAME_NUM_MODULO, transmission.indexed
        if indexed is None:
            header = Header(
                transmission.model_id,
                width,
                rows,
                number,
                mode=mode,
                request=transmission.request,
                refined_symbols=len(transmission.refinement),
            )
        else:
            items = transmission.items.stop - transmission.items.start
            header = Header(transmission.model_id, 1, items, number, mode=mode, indexed=indexed)
        report = self._feedback.report(self._now_s) if transmission.by_importance else None
        if report is not None:
            header = self.mapper.header(header, report)
        levels = report.levels if report is not None and header.report_age else None
        self._frames += 1
        frame = build_frame(transmission.payload, header, self._numerology, transmission.refinement, levels)
        samples = np.concatenate((frame, self._gap))
        self._now_s += len(samples) / self._numerology.sample_rate_hz
        frames = self._receiver.push(self._air.process(samples))
        right = [frame for frame in frames if frame.header == header][:1]
        return (right[0] if right else None), len(frames) - len(right)

    def _feed_back(self, received: ReceivedFrame | None, found: np.ndarray | None) -> None:
        """What comes back of the last frame; its answers, where it is to be acknowledged."""
        is_delivered = None
        if found is not None and isinstance(self._scheme, Acknowledging):
            is_delivered = received is not None and self._scheme.is_whole(found)
        if received is None:
            self._feedback.sent(None, self._now_s, is_delivered=is_delivered)
            return
        levels = channel_report(received.channel)
        seen = None if levels is None else ChannelReport(received.header.frame_num, levels)
        self._feedback.sent(self._smoother.smooth(received.snr_db), self._now_s, seen, is_delivered)


def run_scheme(
    scheme: Scheme,
    images: np.ndarray,
    labels: np.ndarray,
    channel: str | ChannelModel | None,
    snr_db: float,
    k: int | None,
    numerology: Numerology,
    items_per_frame: int = 50,
    seed: int = 1,
    cfo_hz: float = 700.0,
    classes: int = 10,
    on_frame: Callable[[], None] = lambda: None,
    rounds: int = 1,
    mode: FrameMode | None = FrameMode.NORMAL,
) -> LinkResult:
    """Send all images at one SNR over one `Link`, which is sounded first where the scheme wants a smoothed SNR.

    Args:
        images: uint8 (n, *item_shape).
        labels: int (n,), 0..classes - 1.
        channel: see `noisy_channel`.
        snr_db: Es/N0 on the occupied subcarriers.
        k: payload symbols per item, or None for the scheme's choice.
        items_per_frame: most items of a frame.
        seed: of noise and channel: the same for every scheme gives all of them the same realisation in time.
        on_frame: called after each frame.
        rounds: items of lost frames are sent again until each was sent so often at most, and count each time; more than
            one is for schemes that send items in their order.
        mode: frame mode; None to choose it by the SNR that was fed back.
    """
    air = noisy_channel(channel, snr_db, cfo_hz, seed, numerology)
    scheme.begin("" if channel is None else channel if isinstance(channel, str) else type(channel).__name__)
    link = Link(scheme, air, k, items_per_frame, numerology, mode=mode)
    if scheme.smoothing:
        link.sound(images, labels)
    outcomes: list[FrameOutcome] = []
    waiting = np.arange(len(labels))
    for _ in range(rounds):
        if not len(waiting):
            break
        sent = []
        for outcome in link.send(images[waiting], labels[waiting]):
            sent.append(outcome)
            on_frame()
        outcomes += sent
        lost = [np.full(len(outcome.truth), outcome.snr_db is None) for outcome in sent]
        waiting = waiting[np.concatenate(lost)] if rounds > 1 else waiting
    return LinkResult.of(outcomes, classes)
