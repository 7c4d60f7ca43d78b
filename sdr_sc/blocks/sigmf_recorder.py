# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorder: samples and what is known of their frames to a SigMF pair."""

from __future__ import annotations

import time as clock
from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.ofdm_tx import as_numerology
from sdr_sc.blocks.runtime.guard import guarded, guarded_handler, guarded_start, guarded_stop
from sdr_sc.blocks.runtime.pdu import read_pdu
from sdr_sc.blocks.runtime.refused import Refused
from sdr_sc.blocks.runtime.rx_time import RX_FREQ, RX_TIME, DeviceTime, elapsed_s, read_time, samples_missing
from sdr_sc.capture import CaptureWriter, FrameNote, Segment, SentFrame
from sdr_sc.capture.datatype import FORMATS, warm_up
from sdr_sc.errors import BlockError
from sdr_sc.link.end_of_stream import is_end
from sdr_sc.link.frames.frame_news import read_news
from sdr_sc.link.frames.frame_record import Answer
from sdr_sc.link.frames.recorded_frames import AnnotationLedger, reception_of
from sdr_sc.link.frames.task_answers import entries_of
from sdr_sc.link.parameters import require, require_number, require_text
from sdr_sc.link.sample_limit import SampleLimit
from sdr_sc.phy.numerology import Numerology

_CHUNK = 1 << 19  # samples that may wait while the disk is busy
# A device gives a few thousand samples at a time, and a call for each of these costs more than to write them. So after
# a call with few samples there is a pause, in which more come.
_FEW = 1 << 16
_PAUSE_S = 0.005
_BREAKS = 256


class sigmf_recorder(gr.basic_block):
    """Writes a stream to NAME.sigmf-data and NAME.sigmf-meta, and annotates the frames in it.

    Samples go to disk as they come. Where the ``rx_time`` tags of a USRP source say that samples are missing, and
    where ``rx_freq`` changes, a new segment begins in the metadata. A kill leaves a pair that can be read.

    Input 0: complex64 samples, the same that the receiver gets.
    Message inputs, all optional: ``frames`` (PDUs of the OFDM receiver), ``sent`` (of the semantic encoder),
    ``answers`` (of the semantic decoder), ``truth`` (of the item source and of the simulated channel). Frames are
    annotated where ``frames`` is connected.

    Args:
        file: path of the pair, with or without its ending.
        sample_rate_hz: of the stream.
        freq_hz: centre frequency, Hz, until a tag gives another; 0 where there is none.
        datatype: ``cf32_le`` keeps each bit; ``ci16_le`` takes half the room, and has its full scale at 1.
        scale: factor on the samples before they are written, for integer formats.
        hardware: what the samples come from; with one, gaps count as its overflows.
        description: for people.
        numerology: of the frames: a `Numerology`, a path of a YAML file, or '' for the default.
        force: overwrite an existing pair.

    Attributes:
        sample_limit: where it stops to take samples.
        samples_written, samples_clipped, frames_noted, gaps, samples_missing: so far; the last two by the tags.
        refused: messages at ``sent`` and ``truth`` that made no sense, by reason; these may come from another host.

    Raises:
        BlockError, CaptureError, NumerologyError: a parameter makes no sense; at the start: the pair exists, or cannot
            be written; later: the disk is full.
    """

    def __init__(
        self,
        file: str = "",
        sample_rate_hz: float = 1e6,
        freq_hz: float = 0.0,
        datatype: str = "cf32_le",
        scale: float = 1.0,
        hardware: str = "",
        description: str = "",
        numerology: Numerology | str = "",
        force: bool = False,
    ) -> None:
        gr.basic_block.__init__(self, "sdr_sc_sigmf_recorder", in_sig=[np.complex64], out_sig=None)
        require_number("SigMF recorder", sample_rate_hz=sample_rate_hz, freq_hz=freq_hz, scale=scale)
        require_text("SigMF recorder", datatype=datatype, hardware=hardware, description=description)
        if sample_rate_hz <= 0 or scale <= 0:
            raise BlockError(f"SigMF recorder: sample_rate_hz is {sample_rate_hz}, scale {scale}; use numbers above 0.")
        if datatype in FORMATS:  # an unknown one is reported at the start, with the file's name
            warm_up(datatype)  # now: a device does not wait for it
        self._file, self._datatype, self._force = file, datatype, bool(force)
        self._rate_hz, self._freq_hz, self._scale = float(sample_rate_hz), float(freq_hz) or None, float(scale)
        self._hardware, self._description = hardware, description
        self._numerology = replace(as_numerology(numerology), sample_rate_hz=float(sample_rate_hz))
        self._config: dict[str, Any] = {}
        self._git_commit = ""
        self._writer: CaptureWriter | None = None
        self._ledger = AnnotationLedger(self._numerology, self._received, self._not_received)
        self._notes: deque[FrameNote] = deque()  # their last samples are still to come
        self._breaks: deque[int] = deque(maxlen=_BREAKS)
        self._known_time: tuple[int, DeviceTime] | None = None
        self._first_time: tuple[int, DeviceTime] | None = None
        self.sample_limit = SampleLimit()
        self._began: datetime | None = None
        self._closed = False
        self.refused = Refused(self)
        self.samples_written = self.frames_noted = self.gaps = self.samples_missing = 0
        # A call of a Python block costs 0.2 ms, and a disk stalls now and then: so the buffer should be large. Buffers
        # are sized by this rate before the blocks start; start() takes it back.
        self.set_relative_rate(1, _CHUNK)
        for port, handler in (
            ("frames", self.handle_frame),
            ("sent", self.handle_sent),
            ("answers", self.handle_answers),
            ("truth", self.handle_truth),
        ):
            self.message_port_register_in(pmt.intern(port))
            self.set_msg_handler(pmt.intern(port), handler)
        self.set_msg_handler(pmt.intern("system"), self.handle_system)

    @property
    def frames_told(self) -> int:
        """Frames that the receiver has reported."""
        return self._ledger.reported["received"]

    @property
    def answers_told(self) -> int:
        """Answers that the decoder has reported."""
        return self._ledger.reported["answered"]

    @property
    def samples_clipped(self) -> int:
        """Samples that were beyond the range of the format."""
        return 0 if self._writer is None else self._writer.clipped

    def set_origin(self, config: dict[str, Any], git_commit: str = "", hardware: str = "") -> None:
        """Settings, version and hardware of what is recorded, for the metadata; before the start."""
        self._config, self._git_commit = config, git_commit
        self._hardware = hardware or self._hardware

    @guarded_start
    def start(self) -> bool:
        self.set_relative_rate(1, 1)
        if not self._file:
            raise BlockError("SigMF recorder: file is ''; give the recording a name.")
        config = {**self._config, "numerology": self._numerology.to_dict()}
        if self._scale != 1.0:
            config["scale"] = self._scale
        self._writer = CaptureWriter(
            Path(self._file),
            self._rate_hz,
            datatype=self._datatype,
            freq_hz=self._freq_hz,
            hardware=self._hardware,
            description=self._description,
            config=config,
            git_commit=self._git_commit,
            bandwidth_hz=self._numerology.used * self._numerology.subcarrier_spacing_hz,
            force=self._force,
        )
        return True

    @guarded_stop
    def stop(self) -> bool:
        if self._writer is not None and not self._closed:
            self._closed = True
            try:
                self._ledger.close()
                self._annotate(everything=True)
            finally:  # what is known makes a whole recording all the same
                self._writer.close()
        return True

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        return [1] * ninputs

    @guarded
    def general_work(self, input_items: list, output_items: list) -> int:
        done = 0
        samples, consumed = self.sample_limit.take(input_items[0], self.nitems_read(0))
        if self._began is None:
            self._begin(len(samples))
        self._ledger.turn()
        for place, time, freq_hz in self._tags(len(samples)):
            self._write(samples[done:place])
            done = place
            self._note(time, freq_hz)
        self._write(samples[done:])
        self._annotate()
        self.sample_limit.done = self.sample_limit.taken
        self.consume(0, consumed)
        if len(samples) < _FEW:
            clock.sleep(_PAUSE_S)
        return 0

    @guarded  # and called after an error as well
    def handle_system(self, message: pmt.pmt_base) -> None:
        """A block that sends messages has ended: this one goes on to the end of its samples."""

    @guarded_handler
    def handle_frame(self, message: pmt.pmt_base) -> None:
        """A frame was received."""
        meta, _ = read_pdu(message, "frames")
        require(meta, ("frame_num", "k", "n_items", "model_id", "snr_db", "start_sample"), "frames")
        self._ledger.later("received", reception_of(meta))

    @guarded_handler
    def handle_sent(self, message: pmt.pmt_base) -> None:
        """A frame was sent."""
        self._take_news(message, "sent")

    def _take_news(self, message: pmt.pmt_base, port: str) -> None:
        with self.refused.messages():
            meta, data = read_pdu(message, port)
            for kind, news in () if is_end(meta) and port == "sent" else read_news(meta, data, port):
                self._ledger.later(kind, *news)

    @guarded_handler
    def handle_answers(self, message: pmt.pmt_base) -> None:
        """A frame was answered."""
        meta, classes = read_pdu(message, "answers")
        require(meta, ("frame_num",), "answers")
        for task, entries in entries_of(meta).items():
            self._ledger.later("searched", task, entries)
        self._ledger.later(
            "answered", meta["frame_num"], Answer(classes, meta.get("confidence"), 0, rounds=meta.get("rounds"))
        )

    @guarded_handler
    def handle_truth(self, message: pmt.pmt_base) -> None:
        """The source published items, or the channel set an SNR for a frame."""
        self._take_news(message, "truth")

    def _tags(self, count: int) -> list[tuple[int, DeviceTime | None, float | None]]:
        """Place, device time and frequency of the tags on the next samples, in their order."""
        first = self.nitems_read(0)
        found: dict[int, list[Any]] = {}
        for tag in self.get_tags_in_window(0, 0, count, RX_TIME):
            found.setdefault(tag.offset - first, [None, None])[0] = read_time(tag.value)
        for tag in self.get_tags_in_window(0, 0, count, RX_FREQ):
            found.setdefault(tag.offset - first, [None, None])[1] = pmt.to_double(tag.value)
        return [(place, *found[place]) for place in sorted(found)]

    def _begin(self, count: int) -> None:
        """The first segment, unless the first sample has tags that will give more of it."""
        # These samples have arrived already: the first of them is older than now.
        self._began = datetime.now(timezone.utc) - timedelta(seconds=count / self._rate_hz)
        tags = self._tags(count)
        if not tags or tags[0][0] > 0:
            self._segment(0, None, "")

    def _note(self, time: DeviceTime | None, freq_hz: float | None) -> None:
        """Tags on the next sample."""
        place = self.samples_written
        missing = 0
        if time is not None and self._known_time is not None:
            missing = samples_missing(self._known_time, (place, time), self._rate_hz)
        retuned = freq_hz is not None and freq_hz != self._freq_hz
        self._freq_hz = freq_hz if retuned else self._freq_hz
        first_time = time is not None and self._known_time is None
        if missing:
            self.gaps += 1
            self.samples_missing += max(missing, 0)
        if missing or retuned or first_time or place == 0:
            cause = ("overflow" if self._hardware else "gap") if missing else ""
            self._segment(place, time, cause)
        if time is not None:
            self._known_time = place, time

    def _segment(self, place: int, time: DeviceTime | None, cause: str) -> None:
        assert self._writer is not None and self._began is not None
        after_s = place / self._rate_hz
        if time is not None and self._first_time is not None:
            after_s = self._first_time[0] / self._rate_hz + elapsed_s(self._first_time[1], time)
        elif time is not None:
            self._first_time = place, time
        moment = (self._began + timedelta(seconds=after_s)).isoformat(timespec="microseconds")
        index = place + self.samples_missing
        self._writer.segment(Segment(place, self._freq_hz, moment.replace("+00:00", "Z"), time, cause, index))
        if place:
            self._breaks.append(place)

    def _write(self, samples: np.ndarray) -> None:
        if len(samples):
            assert self._writer is not None
            self._writer.write(samples if self._scale == 1.0 else samples * np.float32(self._scale))
            self.samples_written += len(samples)

    def _received(self, note: FrameNote) -> None:
        self._notes.append(note)

    def _not_received(self, frame: SentFrame) -> None:
        if self._writer is not None:
            self._writer.not_received(frame)

    def _annotate(self, everything: bool = False) -> None:
        """Write down the frames whose samples are all there, cut where a gap or the end cuts them."""
        assert self._writer is not None
        while self._notes and (everything or self._notes[0].sample_stop <= self.samples_written):
            note = self._notes.popleft()
            cuts = [place for place in self._breaks if note.sample_start < place < note.sample_stop]
            stop = min([note.sample_stop, self.samples_written, *cuts])
            if stop > note.sample_start:
                self._writer.annotate(replace(note, sample_count=stop - note.sample_start))
                self.frames_noted += 1
