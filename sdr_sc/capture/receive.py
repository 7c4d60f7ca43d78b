# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of a recording through the receiver alone, without GNU Radio; and the noise that lowers their SNR."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from sdr_sc.capture import Capture, FrameNote, Segment
from sdr_sc.errors import CaptureError
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver

_LEVEL_FRAMES = 64
_BLOCK = 131_072


def received_frames(
    capture: Capture,
    numerology: Numerology | None = None,
    start: int = 0,
    stop: int | None = None,
) -> Iterator[tuple[FrameNote | None, ReceivedFrame]]:
    """Frames of a recording as the receiver gives them out, with what is noted of each; without GNU Radio.

    A frame that a gap cuts comes with what is missing erased, as it does live; one that the end cuts does not come.

    Args:
        capture: the recording.
        numerology: of the frames; the default one, at the recording's rate, if it is not given.
        start, stop: the part, samples.

    Yields:
        The note, None for a frame that nothing is noted of, and the frame; its ``start_sample`` counts from ``start``.
    """
    numerology = replace(numerology or Numerology(), sample_rate_hz=capture.info.sample_rate_hz)
    stop = capture.sample_count if stop is None else stop
    receiver = Receiver(numerology)
    notes = _NoteFinder(capture, numerology.symbol_samples // 2)
    cuts = [segment.sample_start for segment in capture.segments if _is_gap(segment) and start < segment.sample_start]
    for piece in _pieces(start, stop, cuts):
        for samples in capture.blocks(_BLOCK, *piece):
            for frame in receiver.push(samples):
                yield notes.find(frame, start), frame
        if piece[1] < stop:
            for frame in receiver.flush():
                yield notes.find(frame, start), frame


def _is_gap(segment: Segment) -> bool:
    return segment.sample_start > 0 and (segment.cause != "" or segment.rx_time_s is None)


def _pieces(start: int, stop: int, cuts: Sequence[int]) -> Iterator[tuple[int, int]]:
    for end in [*(cut for cut in cuts if cut < stop), stop]:
        yield start, end
        start = end


class _NoteFinder:
    """The note of a frame, by place and number; frames come in the order of their places."""

    def __init__(self, capture: Capture, tolerance: int) -> None:
        self._notes, self._tolerance = capture.frames(), tolerance
        self._next = next(self._notes, None)

    def find(self, frame: ReceivedFrame, offset: int) -> FrameNote | None:
        place = max(frame.start_sample + offset, 0)
        while self._next is not None and self._next.sample_start < place - self._tolerance:
            self._next = next(self._notes, None)
        note = self._next
        if note is None or note.sample_start > place + self._tolerance or note.frame_num != frame.header.frame_num:
            return None
        self._next = next(self._notes, None)
        return note


def noise_for_snr(capture: Capture, snr_db: float, numerology: Numerology | None = None) -> float:
    """Power of the noise that lowers the frames of a recording to an SNR, by what is noted of them.

    The power of a frame's samples is that of its subcarriers, ``S used / fft_size``, and that of the noise, ``N``, of
    which the noted SNR is ``S / N``.

    Args:
        capture: the recording.
        snr_db: wanted, dB: the mean, as a power ratio, over the frames that are looked at.
        numerology: of the frames; the default one if it is not given.

    Returns:
        Mean power of a noise sample, full scale 1.

    Raises:
        CaptureError: no frames are noted, or their SNR is lower than that already.
    """
    numerology = numerology or Numerology()
    signals, noises = [], []
    for note in islice((note for note in capture.frames() if math.isfinite(note.snr_db)), _LEVEL_FRAMES):
        samples = capture.frame_samples(note)
        ratio = 10.0 ** (note.snr_db / 10.0)
        noise = float(np.mean(np.abs(samples) ** 2)) / (ratio * numerology.mean_sample_power + 1.0)
        noises.append(noise)
        signals.append(noise * ratio)
    if not signals:
        raise CaptureError(f"{capture.path} has no frames noted whose SNR could be lowered; give the noise's power.")
    signal, noise = float(np.mean(signals)), float(np.mean(noises))
    added = signal / 10.0 ** (snr_db / 10.0) - noise
    if added <= 0:
        there = 10.0 * math.log10(signal / noise)
        raise CaptureError(
            f"{capture.path} has an SNR of {there:.1f} dB, and noise can only lower it; {snr_db:g} dB is more."
        )
    return added
