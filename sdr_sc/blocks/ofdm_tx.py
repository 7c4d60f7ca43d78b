# SPDX-License-Identifier: GPL-3.0-or-later
"""OFDM transmitter: features to samples."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks._guard import guarded, guarded_handler
from sdr_sc.blocks._parameters import require_number, require_whole
from sdr_sc.blocks._pdu import END, read_pdu, require
from sdr_sc.errors import BlockError
from sdr_sc.phy.framing import FrameBuilder
from sdr_sc.phy.header import FRAME_NUM_MODULO, Header
from sdr_sc.phy.numerology import Numerology

PACKET_LEN = pmt.intern("packet_len")
FRAME_INDEX = pmt.intern("frame_index")
_TAIL_SYMBOLS = 8
_LINGER_S = 0.1
_CHUNK = 32_768


class ofdm_tx(gr.basic_block):
    """Maps the features of each frame PDU to OFDM symbols behind a preamble and a header.

    Message input ``frames``: PDUs of complex64 features with ``n_items``, ``k``, ``frame_num``, ``model_id``.
    Output 0: complex64 samples. The first sample of a frame carries the tags ``packet_len`` (samples up to the next
    frame, the gap included) and ``frame_index``.

    Args:
        numerology: a `Numerology`, a path of a YAML file, or '' for the default.
        gap_samples: silence behind each frame, samples; 0 leaves a frame's end in the channel's delay until the next
            frame pushes it out.
        amplitude: factor on all samples. 1 gives occupied subcarriers of power 1; for hardware leave headroom for
            the peaks, 0.2 or less.

    Raises:
        BlockError, NumerologyError: a parameter makes no sense.
    """

    def __init__(self, numerology: Numerology | str = "", gap_samples: int = 160, amplitude: float = 1.0) -> None:
        gr.basic_block.__init__(self, "sdr_sc_ofdm_tx", in_sig=None, out_sig=[np.complex64])
        require_whole("OFDM transmitter", gap_samples=gap_samples)
        require_number("OFDM transmitter", amplitude=amplitude)
        if not 0 < amplitude <= 10:
            raise BlockError(f"OFDM transmitter: amplitude is {amplitude}; use a number above 0 up to 10.")
        self.numerology = as_numerology(numerology)
        self.gap_samples = gap_samples
        self.amplitude = amplitude
        self.frames_sent = 0
        self._queue: deque[np.ndarray] = deque()
        self._tags: deque[tuple[int, int]] = deque()  # frame index and length, for the frames in the queue
        self._place = 0
        self._ended = False
        self._builder = FrameBuilder(self.numerology)
        # A call of a Python block costs 0.2 ms, so it should hand over many samples. Buffers are sized by this before
        # the blocks start; start() takes it back, since a frame need not fill it.
        self.set_output_multiple(_CHUNK)
        self.message_port_register_in(pmt.intern("frames"))
        self.set_msg_handler(pmt.intern("frames"), self.handle_frame)

    def start(self) -> bool:
        self.set_output_multiple(1)
        return True

    @guarded_handler
    def handle_frame(self, message: pmt.pmt_base) -> None:
        """Build a frame and queue its samples."""
        meta, data = read_pdu(message, "frames")
        if END in meta:
            # What is still in filters and detectors downstream gets pushed out by silence.
            self._queue.append(np.zeros(_TAIL_SYMBOLS * self.numerology.symbol_samples, np.complex64))
            self._tags.append((-1, 0))
            self._ended = True
            return
        require(meta, ("n_items", "k", "frame_num", "model_id"), "frames")
        header = Header(
            model_id=meta["model_id"],
            k=meta["k"],
            n_items=meta["n_items"],
            frame_num=meta["frame_num"] % FRAME_NUM_MODULO,
            task=meta.get("task", 0),
            power_scale_db=meta.get("power_scale_db", 0.0),
        )
        if len(data) != header.feature_symbols:
            raise BlockError(
                f"port 'frames' got {len(data)} features where its PDU says {header.n_items} items of {header.k}."
            )
        features = np.asarray(data, np.complex64).reshape(header.n_items, header.k)
        samples = self._builder.build(features, header, self.amplitude, self.gap_samples)
        self._queue.append(samples)
        self._tags.append((meta.get("frame_index", meta["frame_num"]), len(samples)))
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
        if produced == 0 and self._ended and not self._queue:
            time.sleep(_LINGER_S)  # the blocks downstream end with this one: let the last frame's messages pass first
            return -1
        return produced

    def _tag(self, produced: int) -> None:
        index, length = self._tags.popleft()
        if length:
            offset = self.nitems_written(0) + produced
            self.add_item_tag(0, offset, PACKET_LEN, pmt.from_long(length))
            self.add_item_tag(0, offset, FRAME_INDEX, pmt.from_long(index))


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
