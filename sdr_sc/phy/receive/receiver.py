# SPDX-License-Identifier: GPL-3.0-or-later
"""The streaming receiver: samples in chunks of any size, frames out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np

from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.frame.modes import FrameLayout, FrameMode, frame_layout
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.channel_report import ChannelMemory, channel_report
from sdr_sc.phy.receive.detect import DEFAULT_THRESHOLD
from sdr_sc.phy.receive.frame_decoder import FrameDecoder, HeaderFault, HeaderResult
from sdr_sc.phy.receive.frame_search import FrameSearch, Lead
from sdr_sc.phy.receive.front_end import FrontEnd
from sdr_sc.phy.receive.image import ImageCanceller
from sdr_sc.phy.receive.sample_buffer import SampleBuffer
from sdr_sc.phy.receive.snr import DEFAULT_ESTIMATOR
from sdr_sc.phy.receive.sync import CFO_RANGE_SUBCARRIERS, MOST_CFO_RANGE_SUBCARRIERS

_CLEAR_COHERENCE = 0.5
# Symbols. The pilots find the end of a cut payload within two symbols in 95 of 100 cases at 13 dB, whether noise or
# another frame follows (tests/phy/test_receive_presence.py): twice that.
_CUT_MARGIN = 4


@dataclass(frozen=True)
class ReceivedFrame:
    """All that the receiver knows of a frame.

    Attributes:
        header: its header.
        features: complex64 (n_items, k), LMMSE; NaN where erased. Of a frame with indices (0, 1).
        noise_variance: float32, of that shape, see `PayloadResult`.
        erased: bool, of that shape.
        refinement: complex64 (more_symbols,), more features of items that were sent before, or all of the payload of a
            frame with indices; as ``features``.
        refinement_variance: float32 (more_symbols,), as ``noise_variance``.
        refinement_erased: bool (more_symbols,).
        snr_db: estimate by the receiver's SNR estimator, dB.
        cfo_hz: carrier frequency offset, Hz.
        clock_offset_ppm: sampling clock offset, see `PayloadResult`.
        channel: complex64 (used,), gain of each occupied subcarrier.
        start_sample: index of its first sample since the receiver was made.
        report_unknown: whether its features are erased because they are mapped by a channel report that is not known.
    """

    header: Header
    features: np.ndarray
    noise_variance: np.ndarray
    erased: np.ndarray
    refinement: np.ndarray
    refinement_variance: np.ndarray
    refinement_erased: np.ndarray
    snr_db: float
    cfo_hz: float
    clock_offset_ppm: float
    channel: np.ndarray
    start_sample: int
    report_unknown: bool = False

    @property
    def is_cut(self) -> bool:
        """Whether any feature is erased."""
        return bool(self.erased.any() or self.refinement_erased.any())


@dataclass
class ReceiverCounters:
    """What became of everything that looked like a frame.

    Attributes:
        samples: received in all.
        candidates: first-stage detections.
        not_confirmed: candidates without channel-estimation symbols.
        header_failed: synchronised, but the header's check failed.
        header_refused: the check was right, but the protocol version or the frame mode is none that is known here.
        delivered: frames given out.
        truncated: of those, frames with erased features: the stream ended, lost samples, or faded within the frame.
        report_unknown: of those, frames that are mapped by a channel report which is not known here: their features are
            erased, and they are not among the truncated.
        cut_in_header: candidates that the end of the stream cut before their payload.
        abandoned: frames that were there at the end, when nobody took frames any more.
        not_finite: samples that were NaN, infinite or beyond 1e15, and were taken as 0.
    """

    samples: int = 0
    candidates: int = 0
    not_confirmed: int = 0
    header_failed: int = 0
    header_refused: int = 0
    delivered: int = 0
    truncated: int = 0
    report_unknown: int = 0
    cut_in_header: int = 0
    abandoned: int = 0
    not_finite: int = 0

    def to_dict(self) -> dict[str, int]:
        """Names and counts, for result files."""
        return asdict(self)


@dataclass
class _Locked:
    """A synchronised frame whose samples are still arriving."""

    lead: Lead
    fault: HeaderFault = HeaderFault.CHECK  # of the modes that were tried
    result: HeaderResult | None = None


@dataclass
class Receiver:
    """Finds and decodes frames; its state survives any chunking of the samples.

    Args:
        numerology: sizes of the frames.
        threshold: square root of the detection metric that makes a candidate, 0..1.
        snr_estimator: name of one of `sdr_sc.phy.receive.snr.ESTIMATORS`.
        cfo_range_subcarriers: largest carrier offset either way, 2 to 8 subcarriers; more than 2 costs speed and, at
            the lowest SNRs, frames.
        swap_iq: whether the samples are those of an inverted spectrum, I and Q exchanged.

    Raises:
        ValueError: a range that the receiver does not have.

    >>> from sdr_sc.phy.frame.framing import build_frame
    >>> rng = np.random.default_rng(1)
    >>> features = np.exp(2j * np.pi * rng.random((2, 8))).astype(np.complex64)
    >>> frame = build_frame(features, Header(model_id=1, k=8, n_items=2, frame_num=3), Numerology())
    >>> receiver = Receiver(Numerology())
    >>> received = receiver.push(frame) + receiver.flush()
    >>> bool(np.allclose(received[0].features, features, atol=5e-3))
    True
    """

    numerology: Numerology
    threshold: float = DEFAULT_THRESHOLD
    snr_estimator: str = DEFAULT_ESTIMATOR
    counters: ReceiverCounters = field(default_factory=ReceiverCounters)
    cfo_range_subcarriers: float = CFO_RANGE_SUBCARRIERS
    swap_iq: bool = False

    def __post_init__(self) -> None:
        if not CFO_RANGE_SUBCARRIERS <= self.cfo_range_subcarriers <= MOST_CFO_RANGE_SUBCARRIERS:
            raise ValueError(f"cfo_range_subcarriers is {self.cfo_range_subcarriers}; use 2 to 8")
        self._search = FrameSearch(self.numerology, self.threshold, self.cfo_range_subcarriers)
        image = ImageCanceller()
        self._decoders = {
            mode: FrameDecoder(frame_layout(self.numerology, mode), self.snr_estimator, image) for mode in FrameMode
        }
        self._buffer, self._front_end, self._memory = SampleBuffer(), FrontEnd(), ChannelMemory()
        self._locked: _Locked | None = None

    def push(self, samples: np.ndarray) -> list[ReceivedFrame]:
        """Take the next samples, complex64 (n,); returns the frames that they complete."""
        self.counters.samples += len(samples)
        if self.swap_iq:
            samples = np.conj(samples)
        self.counters.not_finite += self._buffer.append(samples)
        self._front_end.process(self._buffer.samples[len(self._buffer.samples) - len(samples) :])
        return self._run(self._buffer.end, ended=False)

    def flush(self) -> list[ReceivedFrame]:
        """The stream has ended: give out what can still be had, with what is missing erased."""
        # Silence after the last sample lets the search decide; what arrived is judged by the stream's end.
        end = self._buffer.end
        self._buffer.append_silence(self._search.margin)
        frames = self._run(end, ended=True)
        self._buffer.restart(end)
        self._front_end.restart()
        self._search.restart(end)
        self._locked = None
        return frames

    def abandon(self) -> None:
        """The stream has ended and nobody takes frames any more: count what `flush` would give out."""
        frames = self.flush()
        self.counters.abandoned += len(frames)
        for frame in frames:
            self._count(frame, -1)

    def _run(self, end: int, ended: bool) -> list[ReceivedFrame]:
        """Go on with the samples up to stream index ``end``; after it there is only silence."""
        frames: list[ReceivedFrame] = []
        while True:
            if self._locked is None:
                lead = self._search.next_lead(self._buffer, end, ended)
                if lead is None:
                    break
                self._locked = _Locked(lead)
            frame, settled = self._receive(self._locked, end, ended)
            if frame is not None:
                frames.append(frame)
            if not settled:
                break
        found = self._search.counters
        self.counters.candidates, self.counters.not_confirmed = found.candidates, found.not_confirmed
        self.counters.cut_in_header += found.cut
        found.cut = 0
        needed = self._search.needed_from
        if self._locked is not None:
            needed = min(needed, *(match.sync.start for match in self._locked.lead.matches))
        self._buffer.drop_before(needed - self._search.kept)
        return frames

    def _receive(self, locked: _Locked, end: int, ended: bool) -> tuple[ReceivedFrame | None, bool]:
        """Go on with the locked frame; returns the frame when complete, and whether the lock is settled."""
        mode, sync = locked.lead.matches[0]
        decoder, layout, start = self._decoders[mode], self._decoders[mode].layout, sync.start
        if end - start < layout.payload_offset:
            if ended and len(locked.lead.matches) > 1:
                return self._try_next(locked)
            if ended:
                self.counters.cut_in_header += 1
                self._locked = None
                self._search.resume(end)
            return None, ended
        samples = self._buffer.view(start)
        if locked.result is None:
            result = decoder.decode_header(samples, sync)
            if isinstance(result, HeaderFault):
                if result is HeaderFault.UNKNOWN:
                    locked.fault = result
                return self._try_next(locked)
            locked.result = result
        result = locked.result
        length = layout.frame_samples(result.header.feature_symbols)
        if end - start < length and not ended:
            return None, False
        arrived = samples[: min(end - start, length)]
        report = self._memory.report(result.header) if result.header.report_age else None
        payload = decoder.decode_payload(arrived, sync, result, self._buffer.damaged_from(start), report)
        self._locked = None
        self._search.resume(max(start + _settled_samples(layout, payload.symbols, length), locked.lead.candidate))
        shape, new = result.header.shape, result.header.new_symbols
        frame = ReceivedFrame(
            header=result.header,
            features=payload.features[:new].reshape(shape),
            noise_variance=payload.noise_variance[:new].reshape(shape),
            erased=payload.erased[:new].reshape(shape),
            refinement=payload.features[new:],
            refinement_variance=payload.noise_variance[new:],
            refinement_erased=payload.erased[new:],
            snr_db=payload.power.snr_db,
            cfo_hz=result.cycles_per_sample * self.numerology.sample_rate_hz,
            clock_offset_ppm=payload.clock_offset_ppm,
            channel=result.channel * np.complex64(sync.amplitude),
            start_sample=start,
            report_unknown=result.header.report_age > 0 and report is None,
        )
        self._memory.keep(frame.header.frame_num, frame.channel)
        self._count(frame, 1)
        return frame, True

    def _count(self, frame: ReceivedFrame, change: int) -> None:
        """Count a frame that is given out, or take it back with a change of -1."""
        self.counters.delivered += change
        self.counters.report_unknown += change * frame.report_unknown
        self.counters.truncated += change * (frame.is_cut and not frame.report_unknown)

    def _try_next(self, locked: _Locked) -> tuple[None, bool]:
        """The header of a locked frame failed: try the next mode that it may have, or give it up."""
        mode, sync = locked.lead.matches[0]
        if len(locked.lead.matches) > 1:
            locked.lead.matches.pop(0)
            return None, True
        self.counters.header_failed += locked.fault is HeaderFault.CHECK
        self.counters.header_refused += locked.fault is HeaderFault.UNKNOWN
        # What is not clearly a preamble may be something else just in front of one.
        is_clear = sync.coherence >= _CLEAR_COHERENCE
        self._search.reject(locked.lead, sync.start + self._decoders[mode].layout.preamble_samples if is_clear else 0)
        self._locked = None
        return None, True


def _settled_samples(layout: FrameLayout, symbols: int, length: int) -> int:
    """Samples of a frame after which the search goes on: where its payload ended, which the pilots give to a few
    symbols."""
    n = layout.numerology
    there = layout.payload_offset + symbols * n.symbol_samples
    if there < length:
        there = max(there - _CUT_MARGIN * n.symbol_samples, layout.payload_offset)
    return there - n.cyclic_prefix // 2


def warm_up(numerology: Numerology) -> None:
    """Receive a frame of each mode and drop them, so that kernels are compiled and tables made before samples wait."""
    receiver = Receiver(numerology)
    for mode in FrameMode:
        header = Header(model_id=0, k=1, n_items=1, frame_num=0, mode=mode)
        frame = build_frame(np.ones((1, 1), np.complex64), header, numerology)
        received = receiver.push(frame) + receiver.flush()
        assert len(received) == 1
        channel_report(received[0].channel)  # which the feedback's block makes of the first frame
