# SPDX-License-Identifier: GPL-3.0-or-later
"""OFDM transmitter: features to samples."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.runtime.guard import guarded, guarded_handler, guarded_start
from sdr_sc.blocks.runtime.pdu import read_pdu
from sdr_sc.errors import BlockError
from sdr_sc.link.end_of_stream import TRANSMITTER_LINGER_S, TransmitterEnd, is_end
from sdr_sc.link.frames.decodable import indexed_of
from sdr_sc.link.level import LevelMeter
from sdr_sc.link.mapping import ChannelReport, ImportanceMapper
from sdr_sc.link.mode_choice import fixed_mode
from sdr_sc.link.network.pdu_schema import INDEXED, REPORT, REPORT_FRAME
from sdr_sc.link.parameters import require, require_number, require_whole
from sdr_sc.link.timing.air_queue import AirQueue
from sdr_sc.link.timing.burst_timing import BurstTiming
from sdr_sc.link.timing.device_clock import DeviceClock
from sdr_sc.phy.frame.framing import FrameBuilder, fill
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, PROTOCOL_VERSION, VERSIONS, Header
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.phy.kernels import is_compiled
from sdr_sc.phy.numerology import Numerology

PACKET_LEN = pmt.intern("packet_len")
FRAME_INDEX = pmt.intern("frame_index")
TX_TIME = pmt.intern("tx_time")
_TAIL_SYMBOLS = 8
_CHUNK = 32_768
_RECENT = 512


class ofdm_tx(gr.basic_block):
    """Maps the features of each frame PDU to OFDM symbols after a preamble and a header.

    Message input ``frames``: PDUs of complex64 features with ``n_items``, ``k``, ``frame_num``, ``model_id``; where
    ``refined_symbols`` is given, so many features of refinements follow those of the new items, and ``request`` says
    which request of the receiver they answer. ``mode`` is the frame mode, normal where it is not given. With ``report``
    and ``report_frame``, what the receiver reported of the channel of that frame, the features are mapped by
    importance: the first ones of all items on the strongest subcarriers. Where that is not possible, or the channel is
    not selective, they are interleaved as ever.
    Output 0: complex64 samples. The first sample of a frame carries the tags ``packet_len`` (samples up to the next
    frame, the gap included) and ``frame_index``; with ``lead_s`` also ``tx_time``, for a USRP sink.

    Args:
        numerology: a `Numerology`, a path of a YAML file, or '' for the default.
        gap_samples: silence after each frame, samples; 0 leaves a frame's end in the channel's delay until the next
            frame pushes it out.
        amplitude: factor on all samples. 1 gives occupied subcarriers of power 1; for hardware leave headroom for
            the peaks, 0.2 or less.
        lead_s: how long before its send time a frame is handed over, s; 0 for no send times.
        period_s: frames start at multiples of this; 0 for as soon as they may.
        sample_rate_hz: of the device, for send times; 0 for the numerology's.
        mode: frame mode of all frames: short, normal or robust; auto for the one that each PDU names.
        protocol_version: of the headers; 1 for receivers of the version before: normal frames of up to 64 items.

    Attributes:
        level: of the frames, without gaps, against a full scale of 1.
        mapper: how many frames were mapped by importance, and why others with a report were not.
        finished: set when the last frame has left, and is off the air as far as the device says.
        recent: send time in s of device time, and k, of the latest frames that have a send time.

    Raises:
        BlockError, NumerologyError: a parameter makes no sense.
    """

    def __init__(
        self,
        numerology: Numerology | str = "",
        gap_samples: int = 160,
        amplitude: float = 1.0,
        lead_s: float = 0.0,
        period_s: float = 0.0,
        sample_rate_hz: float = 0.0,
        mode: str = "auto",
        protocol_version: int = PROTOCOL_VERSION,
    ) -> None:
        gr.basic_block.__init__(self, "sdr_sc_ofdm_tx", in_sig=None, out_sig=[np.complex64])
        require_whole("OFDM transmitter", gap_samples=gap_samples)
        require_number(
            "OFDM transmitter",
            amplitude=amplitude,
            lead_s=lead_s,
            period_s=period_s,
            sample_rate_hz=sample_rate_hz,
        )
        if not 0 < amplitude <= 10:
            raise BlockError(f"OFDM transmitter: amplitude is {amplitude}; use a number above 0 up to 10.")
        if protocol_version not in VERSIONS:
            raise BlockError(f"OFDM transmitter: protocol_version is {protocol_version}; use one of {VERSIONS}.")
        self._mode, self._version = fixed_mode("OFDM transmitter", mode), protocol_version
        if protocol_version == 1:
            self._mode = FrameMode.NORMAL
        self.numerology = as_numerology(numerology)
        self.gap_samples = gap_samples
        self.amplitude = amplitude
        self.frames_sent = 0
        self.level = LevelMeter(1.0)
        if min(lead_s, period_s, sample_rate_hz) < 0 or (period_s and not lead_s):
            raise BlockError(
                f"OFDM transmitter: lead_s is {lead_s}, period_s {period_s}, sample_rate_hz {sample_rate_hz}; none may "
                "be negative, and a period needs a lead."
            )
        rate_hz = sample_rate_hz or self.numerology.sample_rate_hz
        self.recent: deque[tuple[float, int]] = deque(maxlen=_RECENT)
        self._air = AirQueue(BurstTiming(rate_hz, lead_s, period_s)) if lead_s else None
        self._queue: deque[np.ndarray] = deque()
        self._tags: deque[tuple[int, int, tuple[int, float] | None]] = deque()  # index, length, send time of frames
        self._place = 0
        self._end = TransmitterEnd()
        self.finished = self._end.finished
        self._builder, self.mapper = FrameBuilder(self.numerology), ImportanceMapper(self.numerology)
        # A call of a Python block costs 0.2 ms, so it should hand over many samples. Buffers are sized by this before
        # the blocks start; start() takes it back, since a frame need not fill it.
        self.set_output_multiple(_CHUNK)
        self.message_port_register_in(pmt.intern("frames"))
        self.set_msg_handler(pmt.intern("frames"), self.handle_frame)
        self.set_msg_handler(pmt.intern("system"), self.handle_system)

    def load(self) -> None:
        """Load the compiled kernels, which takes a moment: before the start where a device would not wait for it."""
        if not is_compiled(fill):
            print("compiling the transmitter's kernels, some seconds, once", file=sys.stderr, flush=True)
        self._builder.build(np.zeros((1, 1), np.complex64), Header(model_id=0, k=1, n_items=1, frame_num=0), 1.0, 0)

    @guarded_start
    def start(self) -> bool:
        self.set_output_multiple(1)
        self.load()
        return True

    def set_clock(self, read_s: Callable[[], float]) -> None:
        """Where the device's time comes from, for send times; without it frames follow on one another.

        Not to be set where the device's time waits for the frames.
        """
        if self._air is not None:
            self._air.clock = DeviceClock(read_s)

    def set_answers(self, read: Callable[[], int]) -> None:
        """Source of the number of bursts whose end the device has reported, see `usrp_monitor.bursts_answered`."""
        if self._air is not None:
            self._air.answers = read

    def is_full(self, frames_made: int) -> bool:
        """Whether so much waits for the air that the encoder should make no more frames for now.

        Args:
            frames_made: by the encoder; those that this block has not seen yet wait in its message queue.
        """
        return self._air is not None and self._air.is_full(frames_made)

    @guarded  # and called after an error as well
    def handle_system(self, message: pmt.pmt_base) -> None:
        """The block that sends frames has ended: this one goes on until the last of them is off the air."""
        self._end.begin()

    @guarded_handler
    def handle_frame(self, message: pmt.pmt_base) -> None:
        """Build a frame and queue its samples."""
        meta, data = read_pdu(message, "frames")
        if is_end(meta):
            # What is still in filters and detectors downstream gets pushed out by silence; on the air there is always
            # something after the last burst, and no sample may be outside of bursts.
            if self._air is None:
                self._queue.append(np.zeros(_TAIL_SYMBOLS * self.numerology.symbol_samples, np.complex64))
                self._tags.append((-1, 0, None))
            self._end.begin()
            return
        require(meta, ("n_items", "k", "frame_num", "model_id"), "frames")
        indexed = indexed_of(meta) if INDEXED in meta else None
        if indexed is not None and self._version != PROTOCOL_VERSION:
            raise BlockError(
                f"frames of protocol version {self._version} name no entries of a knowledge base; set version to "
                f"{PROTOCOL_VERSION}, or leave knowledge_base of the encoder out."
            )
        header = Header(
            model_id=meta["model_id"],
            k=meta["k"] if indexed is None else 1,
            n_items=meta["n_items"],
            frame_num=meta["frame_num"] % FRAME_NUM_MODULO,
            task=meta.get("task", 0),
            power_scale_db=meta.get("power_scale_db", 0.0),
            version=self._version,
            mode=FrameMode(meta.get("mode", FrameMode.NORMAL)) if self._mode is None else self._mode,
            request=meta.get("request", 0),
            refined_symbols=meta.get("refined_symbols", 0),
            indexed=indexed,
        )
        if len(data) != header.feature_symbols:
            raise BlockError(
                f"port 'frames' got {len(data)} features where its PDU says {header.n_items} items of {header.k} and "
                f"{header.refined_symbols} of refinements."
            )
        levels = None
        if REPORT in meta:
            require(meta, (REPORT_FRAME,), "frames")
            report = ChannelReport(meta[REPORT_FRAME], np.asarray(meta[REPORT], np.uint8))
            header = self.mapper.header(header, report)
            levels = report.levels if header.report_age else None
        data = np.asarray(data, np.complex64)
        features = data[: header.new_symbols].reshape(header.shape)
        refinement = data[header.new_symbols :]
        samples = self._builder.build(features, header, self.amplitude, self.gap_samples, refinement, levels)
        self.level.add(samples[: len(samples) - self.gap_samples])
        send_time = None
        if self._air is not None:
            send_time = self._air.next(len(samples))
            self.recent.append((sum(send_time), header.k))
        self._tags.append((meta.get("frame_index", meta["frame_num"]), len(samples), send_time))
        self._queue.append(samples)
        self.frames_sent += 1

    @guarded
    def general_work(self, input_items: list, output_items: list) -> int:
        out, produced = output_items[0], 0
        while self._queue and produced < len(out):
            samples = self._queue[0]
            if self._place == 0:
                self._tag(produced)
            part = samples[self._place : self._place + len(out) - produced]
            out[produced : produced + len(part)] = part
            produced += len(part)
            self._place += len(part)
            if self._place == len(samples):
                self._queue.popleft()
                self._place = 0
        # The air is waited for in slices, so that a stop gets through.
        if produced == 0 and self._end.is_over(not self._queue, lambda: self._air is None or self._air.wait()):
            time.sleep(TRANSMITTER_LINGER_S)
            self.finished.set()
            return -1
        return produced

    def _tag(self, produced: int) -> None:
        index, length, send_time = self._tags.popleft()
        if length:
            offset = self.nitems_written(0) + produced
            self.add_item_tag(0, offset, PACKET_LEN, pmt.from_long(length))
            self.add_item_tag(0, offset, FRAME_INDEX, pmt.from_long(index))
            if send_time is not None:
                seconds, fraction = send_time
                value = pmt.make_tuple(pmt.from_uint64(seconds), pmt.from_double(fraction))
                self.add_item_tag(0, offset, TX_TIME, value)


def as_numerology(numerology: Numerology | str) -> Numerology:
    """The numerology that a block parameter names: itself, a YAML file's, or the default for ''.

    Raises:
        BlockError, NumerologyError: the parameter names none.
    """
    if isinstance(numerology, Numerology):
        return numerology
    if not isinstance(numerology, (str, Path)):
        raise BlockError(f"numerology is {numerology!r}; use a path of a YAML file, or '' for the default.")
    return Numerology.from_yaml(numerology) if numerology else Numerology()
