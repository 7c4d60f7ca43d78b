# SPDX-License-Identifier: GPL-3.0-or-later
"""Replay: the samples of a recording, as the receiver got them."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Any

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.runtime.guard import guarded, guarded_start
from sdr_sc.blocks.runtime.pdu import has_listener, make_pdu
from sdr_sc.blocks.runtime.rx_time import RX_FREQ, RX_RATE, RX_TIME, DeviceTime, later_by, time_value
from sdr_sc.capture import Capture, Segment, open_capture
from sdr_sc.errors import BlockError
from sdr_sc.link.end_of_stream import REPLAY_GIVE_UP_S, REPLAY_LAST_S, REPLAY_LINGER_S, SenderEnd, end_meta
from sdr_sc.link.frames.frame_news import many_meta, sent_meta
from sdr_sc.link.frames.frame_record import FrameRecord
from sdr_sc.link.frames.recorded_frames import sent_frames
from sdr_sc.link.parameters import require_number, require_text, require_whole
from sdr_sc.link.timing.pace import Followed, RealTime

PACES = ("fast", "real")
_LARGEST_CHUNK = 1 << 20
_NOTHING = np.empty(0, np.uint8)
_POLL_S = 0.002
_SENT, _TRUTH, _TOLD = pmt.intern("sent"), pmt.intern("truth"), pmt.intern("told")


class sigmf_source(gr.basic_block):
    """Sends a recording's samples, and reports of the frames in it what their transmitter reported.

    Output 0: complex64 samples, bit for bit those of the file. The first sample of each segment has the tags that a
    USRP source sets, ``rx_time``, ``rx_rate`` and ``rx_freq``, as far as the recording knows them; where it does
    not know the time of a segment after a gap, ``rx_time`` is one sample late, so that a receiver sees the gap.
    Message output ``sent``: the PDUs of the semantic encoder, without the items' bytes, each before its frame's first
    sample; at the end the news that no more will come. Frames that were not received come in their order.
    Message output ``truth``: PDUs with ``frame_index`` and ``snr_db`` where the recording knows the SNR that was set.
    Message output ``told``: the same as both, for all frames of a piece in one PDU. The task sink takes it as ``sent``,
    and most of the time that the news of a frame cost is saved.

    Args:
        file: a SigMF pair (either file, or the name without ending), a ``.sigmf`` archive, or a plain file of samples.
        pace: ``fast`` as fast as the blocks after it take samples, ``real`` at the sample rate.
        start_sample, stop_sample: the part to send; 0 as stop: up to the end.
        chunk: the most samples in one piece, 1 to 1,048,576.
        repeat: restart at the end, for ever.
        datatype, sample_rate_hz: of a plain file, such as ``ci16_le``; '' and 0 for what the metadata says.

    Attributes:
        capture: the open recording; None while ``file`` is ''.
        sample_rate_hz: of the recording.
        samples_sent: so far.
        seconds: from the first sample to the end, or to the last answer of the blocks that it follows; 0 before.

    Raises:
        BlockError, CaptureError: a parameter makes no sense, or the recording cannot be read.
    """

    def __init__(
        self,
        file: str = "",
        pace: str = "fast",
        start_sample: int = 0,
        stop_sample: int = 0,
        chunk: int = 262_144,
        repeat: bool = False,
        datatype: str = "",
        sample_rate_hz: float = 0.0,
    ) -> None:
        gr.basic_block.__init__(self, "sdr_sc_sigmf_source", in_sig=None, out_sig=[np.complex64])
        require_text("SigMF source", pace=pace, datatype=datatype)
        require_whole("SigMF source", start_sample=start_sample, stop_sample=stop_sample, chunk=chunk)
        require_number("SigMF source", sample_rate_hz=sample_rate_hz)
        if pace not in PACES:
            raise BlockError(f"SigMF source: pace is {pace!r}; use 'fast' or 'real'.")
        if not 1 <= chunk <= _LARGEST_CHUNK:
            raise BlockError(f"SigMF source: chunk is {chunk}; use 1 to {_LARGEST_CHUNK}.")
        self.capture: Capture | None = None
        self.sample_rate_hz = 0.0
        self.samples_sent = 0
        self.seconds = 0.0
        self._began = 0.0
        self._chunk, self._repeat = chunk, bool(repeat)
        if file:
            self._open(str(file), datatype, sample_rate_hz, start_sample, stop_sample)
        self._pace = RealTime(self.sample_rate_hz) if pace == "real" else None
        self._followed: Followed | None = None
        self._told: Iterator[tuple[int, FrameRecord]] = iter(())
        self._next_told: tuple[int, FrameRecord] | None = None
        self._place = -1
        self._end = SenderEnd()
        self._time: tuple[int, DeviceTime] | None = None  # of the last tags: place in the output, device time
        # A call of a Python block costs 0.2 ms, so it should hand over many samples. Buffers are sized by this before
        # the blocks start; start() takes it back, since the end need not fill it.
        self.set_output_multiple(max(chunk, 8192))
        self.message_port_register_out(_SENT)
        self.message_port_register_out(_TRUTH)
        self.message_port_register_out(_TOLD)

    def _open(self, file: str, datatype: str, sample_rate_hz: float, start: int, stop: int) -> None:
        self.capture = open_capture(file, datatype=datatype or None, sample_rate_hz=sample_rate_hz or None)
        self.sample_rate_hz = float(self.capture.info.sample_rate_hz)
        self._segment_starts = [segment.sample_start for segment in self.capture.segments]
        count = self.capture.sample_count
        self._start, self._stop = start, min(stop or count, count)
        if self._start >= self._stop:
            raise BlockError(
                f"SigMF source: the part from sample {start} to {stop or count} of {file}, which has {count} samples, "
                "is empty; choose another."
            )

    def follow(self, receiver: Any, *ends: tuple[Any, Any], between: tuple[Any, ...] = ()) -> None:
        """Stay only so far ahead of a receiver and its decoders that no frame is dropped; end when all is answered.

        Args:
            receiver: the OFDM receiver.
            ends: pairs of a semantic decoder and of its task sink, or None.
            between: blocks between this one and the receiver.
        """
        self._followed = Followed(receiver, ends, between)

    @guarded_start
    def start(self) -> bool:
        if self.capture is None:
            raise BlockError("SigMF source: file is ''; name a recording.")
        self.set_output_multiple(1)
        self._rewind()
        return True

    def _rewind(self) -> None:
        assert self.capture is not None
        self._place = self._start
        self._told = sent_frames(self.capture, self._start, self._stop)
        self._next_told = next(self._told, None)

    @guarded
    def general_work(self, input_items: list, output_items: list) -> int:
        assert self.capture is not None
        if not self.samples_sent:
            self._began = time.monotonic()
        if self._place >= self._stop:
            return self._finish()
        out = output_items[0]
        count = min(len(out), self._chunk, self._stop - self._place)
        if self._pace is not None:
            count = self._pace.due(self.samples_sent, count)
        elif self._followed is not None and not self._followed.wait_for_room():
            count = 0
        if count == 0:
            return 0
        stop = self._place + count
        out[:count] = self.capture.samples(self._place, count)
        self._tag(self._place, stop)
        self._tell(stop)
        self._place = stop
        self.samples_sent += count
        if stop == self._stop and self._repeat:
            self._rewind()
        return count

    def _finish(self) -> int:
        """Announce the end, and end only when all is answered: the blocks that listen to this one end with it."""
        now = time.monotonic()
        self._end.begin()
        if self._end.tell(now, lambda: True):
            for port in (_SENT, _TOLD):
                self.message_port_pub(port, make_pdu(end_meta(), _NOTHING))
        while time.monotonic() < now + 0.05:
            if self._settled():
                self.seconds = time.monotonic() - self._began
                time.sleep(REPLAY_LAST_S)
                return -1
            time.sleep(_POLL_S)
        return 0

    def _settled(self) -> bool:
        passed_s = self._end.told_for(time.monotonic())
        if self._followed is None:
            return passed_s > REPLAY_LINGER_S
        return self._followed.settled(self.samples_sent) or passed_s > REPLAY_GIVE_UP_S

    def _tell(self, stop: int) -> None:
        """News of the frames that begin before ``stop``."""
        frames = []
        while self._next_told is not None and self._next_told[0] < stop:
            frames.append(self._next_told[1])
            self._next_told = next(self._told, None)
        if not frames:
            return
        if has_listener(self, "told"):
            self.message_port_pub(_TOLD, make_pdu(many_meta(frames, time.monotonic_ns()), _NOTHING))
        one_by_one = has_listener(self, "sent"), has_listener(self, "truth")
        for record in frames if any(one_by_one) else ():
            record.time_ns = time.monotonic_ns()
            self.message_port_pub(_SENT, make_pdu(sent_meta(record), _NOTHING))
            if record.snr_set_db is not None:
                truth = {"frame_index": record.frame_index, "snr_db": record.snr_set_db}
                self.message_port_pub(_TRUTH, make_pdu(truth, _NOTHING))

    def _tag(self, start: int, stop: int) -> None:
        """Tags of the segments that begin within a part, and of the one in which the first part begins."""
        assert self.capture is not None
        offset = self.nitems_written(0) - start
        segments = self.capture.segments
        if start == self._start:
            before = bisect_right(self._segment_starts, start)
            if before:
                self._tag_segment(segments[before - 1], start, offset + start)
        first = bisect_left(self._segment_starts, max(start, self._start + 1))
        for segment in segments[first : bisect_left(self._segment_starts, stop)]:
            self._tag_segment(segment, segment.sample_start, offset + segment.sample_start)

    def _tag_segment(self, segment: Segment, place: int, offset: int) -> None:
        """Tag the sample ``place`` of the file, which is ``offset`` of the output."""
        rate_hz = self.sample_rate_hz
        time_then: DeviceTime | None = None
        if segment.rx_time_s is not None:
            time_then = later_by(segment.rx_time_s, (place - segment.sample_start) / rate_hz)
        if self._time is not None and (time_then is None or self.samples_sent and place == self._start):
            # A gap of unknown length, or the beginning again: a jump that no receiver takes for a stream.
            passed = offset - self._time[0] + 1
            time_then = later_by(self._time[1], passed / rate_hz)
        if time_then is None and (self._repeat or len(self._segment_starts) > 1):
            time_then = (0, 0.0)  # what the jumps count from
        tags = [(RX_FREQ, None if segment.freq_hz is None else pmt.from_double(segment.freq_hz))]
        if time_then is not None:
            tags += [(RX_TIME, time_value(time_then)), (RX_RATE, pmt.from_double(rate_hz))]
            self._time = offset, time_then
        for key, value in tags:
            if value is not None:
                self.add_item_tag(0, offset, key, value)


def rate_of(file: str, datatype: str = "", sample_rate_hz: float = 0.0) -> float:
    """Sample rate of a recording, Hz, for the blocks after it in a flowgraph; 1e6 while ``file`` is ''.

    Raises:
        CaptureError: it cannot be read.
    """
    if not file:
        return 1e6  # GRC computes the flowgraph's values before anyone has named a recording
    return float(
        open_capture(file, datatype=datatype or None, sample_rate_hz=sample_rate_hz or None).info.sample_rate_hz
    )
