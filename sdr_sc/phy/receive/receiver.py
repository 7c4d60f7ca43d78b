# SPDX-License-Identifier: GPL-3.0-or-later
"""The streaming receiver: samples in chunks of any size, frames out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np

from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.detect import DEFAULT_THRESHOLD, Candidate, Detector
from sdr_sc.phy.receive.frame_decoder import FrameDecoder, HeaderFault, HeaderResult
from sdr_sc.phy.receive.front_end import FrontEnd
from sdr_sc.phy.receive.sample_buffer import SampleBuffer
from sdr_sc.phy.receive.snr import DEFAULT_ESTIMATOR
from sdr_sc.phy.receive.sync import Synchronisation, Synchroniser, samples_needed

_CLEAR_COHERENCE = 0.5
# Symbols. The pilots find the end of a cut payload within two symbols in 95 of 100 cases at 13 dB, whether noise or
# another frame follows (tests/phy/test_receive_presence.py): twice that.
_CUT_MARGIN = 4


@dataclass(frozen=True)
class ReceivedFrame:
    """All that the receiver knows of a frame.

    Attributes:
        header: its header.
        features: complex64 (n_items, k), LMMSE; NaN where erased.
        noise_variance: float32 (n_items, k), see `PayloadResult`.
        erased: bool (n_items, k).
        refinement: complex64 (refined_symbols,), more features of items that were sent before; as ``features``.
        refinement_variance: float32 (refined_symbols,), as ``noise_variance``.
        refinement_erased: bool (refined_symbols,).
        snr_db: estimate by the receiver's SNR estimator, dB.
        cfo_hz: carrier frequency offset, Hz.
        clock_offset_ppm: sampling clock offset, see `PayloadResult`.
        channel: complex64 (used,), gain of each occupied subcarrier.
        start_sample: index of its first sample since the receiver was made.
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
    cut_in_header: int = 0
    abandoned: int = 0
    not_finite: int = 0

    def to_dict(self) -> dict[str, int]:
        """Names and counts, for result files."""
        return asdict(self)


@dataclass
class _Locked:
    """A synchronised frame whose samples are still arriving."""

    candidate: int  # index in the stream
    sync: Synchronisation
    result: HeaderResult | None = None


@dataclass
class Receiver:
    """Finds and decodes frames; its state survives any chunking of the samples.

    Args:
        numerology: sizes of the frames.
        threshold: square root of the detection metric that makes a candidate, 0..1.
        snr_estimator: name of one of `sdr_sc.phy.receive.snr.ESTIMATORS`.

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

    def __post_init__(self) -> None:
        self._detector = Detector(self.numerology, self.threshold)
        self._synchroniser = Synchroniser(self.numerology)
        self._decoder = FrameDecoder(self.numerology, self.snr_estimator)
        self._kept = 2 * self.numerology.fft_size + self.numerology.cyclic_prefix
        self._step = 3 * self._detector.lag  # samples to skip after a rejected candidate
        self._buffer, self._front_end = SampleBuffer(), FrontEnd()
        self._from = 0  # index in the stream where the search goes on
        self._candidate: Candidate | None = None  # found, but too few samples to look at it
        self._locked: _Locked | None = None

    def push(self, samples: np.ndarray) -> list[ReceivedFrame]:
        """Take the next samples, complex64 (n,); returns the frames that they complete."""
        self.counters.samples += len(samples)
        self.counters.not_finite += self._buffer.append(samples)
        self._front_end.process(self._buffer.samples[len(self._buffer.samples) - len(samples) :])
        return self._run(self._buffer.end, ended=False)

    def flush(self) -> list[ReceivedFrame]:
        """The stream has ended: give out what can still be had, with what is missing erased."""
        # Silence after the last sample lets the search decide; what arrived is judged by the stream's end.
        end = self._buffer.end
        margin = self._detector.span + samples_needed(self.numerology) + self._detector.window
        self._buffer.append_silence(margin)
        frames = self._run(end, ended=True)
        self._buffer.restart(end)
        self._front_end.restart()
        self._from, self._candidate, self._locked = end, None, None
        return frames

    def abandon(self) -> None:
        """The stream has ended and nobody takes frames any more: count what `flush` would give out."""
        frames = self.flush()
        self.counters.abandoned += len(frames)
        self.counters.delivered -= len(frames)
        self.counters.truncated -= sum(frame.is_cut for frame in frames)

    def _run(self, end: int, ended: bool) -> list[ReceivedFrame]:
        """Go on with the samples up to stream index ``end``; after it there is only silence."""
        frames: list[ReceivedFrame] = []
        while True:
            if self._locked is None and not self._search(end, ended):
                break
            if self._locked is not None:
                frame, settled = self._receive(self._locked, end, ended)
                if frame is not None:
                    frames.append(frame)
                if not settled:
                    break
        self._drop_settled()
        return frames

    def _search(self, end: int, ended: bool) -> bool:
        """One step of the search; False when it needs more samples."""
        if self._candidate is None:
            origin = self._buffer.begin
            candidate, settled = self._detector.search(self._buffer.samples, self._from - origin, origin)
            self._from = origin + settled
            if candidate is None:
                return False
            self._candidate = candidate
            self.counters.candidates += 1
        start = self._candidate.start
        if ended and start >= end:
            self.counters.not_confirmed += 1  # the silence after the end
            self._candidate, self._from = None, start + self._step
            return True
        if start + samples_needed(self.numerology) > self._buffer.end:
            if ended:
                self.counters.cut_in_header += 1
                self._candidate = None
            return False
        sync = self._synchroniser.synchronise(self._buffer.samples, self._candidate, self._buffer.begin)
        self._candidate = None
        if sync is None:
            self.counters.not_confirmed += 1
            self._from = start + self._step
            return True
        self._locked = _Locked(start, sync)
        return True

    def _receive(self, locked: _Locked, end: int, ended: bool) -> tuple[ReceivedFrame | None, bool]:
        """Go on with the locked frame; returns the frame when complete, and whether the lock is settled."""
        n, sync, start = self.numerology, locked.sync, locked.sync.start
        if end - start < n.payload_offset:
            if ended:
                self.counters.cut_in_header += 1
                self._locked, self._from = None, end
            return None, ended
        samples = self._buffer.view(start)
        if locked.result is None:
            result = self._decoder.decode_header(samples, sync)
            if isinstance(result, HeaderFault):
                self.counters.header_failed += result is HeaderFault.CHECK
                self.counters.header_refused += result is HeaderFault.UNKNOWN
                # What is not clearly a preamble may be something else just in front of one.
                is_clear = sync.coherence >= _CLEAR_COHERENCE
                self._from = start + n.preamble_samples if is_clear else locked.candidate + self._step
                self._from = max(self._from, locked.candidate + self._step)
                self._locked = None
                return None, True
            locked.result = result
        result = locked.result
        length = n.frame_samples(result.header.feature_symbols)
        if end - start < length and not ended:
            return None, False
        arrived = samples[: min(end - start, length)]
        payload = self._decoder.decode_payload(arrived, sync, result, self._buffer.damaged_from(start))
        self.counters.delivered += 1
        self.counters.truncated += int(payload.erased.any())
        self._locked = None
        self._from = max(start + self._settled_samples(payload.symbols, length), locked.candidate)
        shape, new = (result.header.n_items, result.header.k), result.header.new_symbols
        frame = ReceivedFrame(
            header=result.header,
            features=payload.features[:new].reshape(shape),
            noise_variance=payload.noise_variance[:new].reshape(shape),
            erased=payload.erased[:new].reshape(shape),
            refinement=payload.features[new:],
            refinement_variance=payload.noise_variance[new:],
            refinement_erased=payload.erased[new:],
            snr_db=payload.power.snr_db,
            cfo_hz=result.cycles_per_sample * n.sample_rate_hz,
            clock_offset_ppm=payload.clock_offset_ppm,
            channel=result.channel * np.complex64(sync.amplitude),
            start_sample=start,
        )
        return frame, True

    def _settled_samples(self, symbols: int, length: int) -> int:
        """Samples of a frame after which the search goes on: where its payload ended, which the pilots give to a few
        symbols."""
        n = self.numerology
        there = n.payload_offset + symbols * n.symbol_samples
        if there < length:
            there = max(there - _CUT_MARGIN * n.symbol_samples, n.payload_offset)
        return there - n.cyclic_prefix // 2

    def _drop_settled(self) -> None:
        keep_from = self._from if self._locked is None else min(self._from, self._locked.sync.start)
        if self._candidate is not None:
            keep_from = min(keep_from, self._candidate.start)
        self._buffer.drop_before(keep_from - self._kept)


def warm_up(numerology: Numerology) -> None:
    """Receive one frame and drop it, so that kernels are compiled and tables made before samples wait for them."""
    header = Header(model_id=0, k=1, n_items=1, frame_num=0)
    frame = build_frame(np.ones((1, 1), np.complex64), header, numerology)
    receiver = Receiver(numerology)
    received = receiver.push(frame) + receiver.flush()
    assert len(received) == 1
