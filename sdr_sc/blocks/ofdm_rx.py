# SPDX-License-Identifier: GPL-3.0-or-later
"""OFDM receiver: samples to features."""

from __future__ import annotations

import time

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks._guard import guarded
from sdr_sc.blocks._parameters import require_number, require_text
from sdr_sc.blocks._pdu import make_pdu
from sdr_sc.blocks.ofdm_tx import as_numerology
from sdr_sc.errors import BlockError
from sdr_sc.phy.detect import DEFAULT_THRESHOLD
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receiver import ReceivedFrame, Receiver, warm_up
from sdr_sc.phy.snr import DEFAULT_ESTIMATOR, ESTIMATORS

_CHUNK = 131_072
_FRAMES = pmt.intern("frames")


class ofdm_rx(gr.basic_block):
    """Detects frames, corrects the carrier offset, equalises, and estimates the SNR of each frame.

    Input 0: complex64 samples. Message output ``frames``: for each frame a PDU of the equalised complex64 features,
    items one behind the other, with ``frame_num``, ``k``, ``n_items``, ``model_id``, ``task``, ``snr_db``, ``cfo_hz``,
    ``clock_offset_ppm``, ``noise_variance`` and ``erased`` (vectors as long as the features), ``channel`` (one gain
    for each occupied subcarrier), ``start_sample``, and ``received_ns``, when the frame was given out (nanoseconds of
    the machine's monotonic clock). A frame that the end of the stream cuts is counted, not given out.

    Args:
        numerology: a `Numerology`, a path of a YAML file, or '' for the default.
        threshold: square root of the detection metric, 0.1..0.9; lower finds weaker frames at more cost.
        snr_estimator: name of one of `sdr_sc.phy.snr.ESTIMATORS`.

    Raises:
        BlockError, NumerologyError: a parameter makes no sense.
    """

    def __init__(
        self,
        numerology: Numerology | str = "",
        threshold: float = DEFAULT_THRESHOLD,
        snr_estimator: str = DEFAULT_ESTIMATOR,
    ) -> None:
        gr.basic_block.__init__(self, "sdr_sc_ofdm_rx", in_sig=[np.complex64], out_sig=None)
        require_number("OFDM receiver", threshold=threshold)
        require_text("OFDM receiver", snr_estimator=snr_estimator)
        if not 0.1 <= threshold <= 0.9:
            raise BlockError(f"OFDM receiver: threshold is {threshold}; use 0.1 to 0.9.")
        self.numerology = as_numerology(numerology)
        if snr_estimator not in ESTIMATORS:
            raise BlockError(f"OFDM receiver: snr_estimator is {snr_estimator!r}; use one of {', '.join(ESTIMATORS)}.")
        self.receiver = Receiver(self.numerology, threshold, snr_estimator)
        # A call of a Python block costs 0.2 ms, so it should get many samples at once. Buffers are sized by this rate
        # before the blocks start; start() takes it back, since the scheduler would wait for that many samples.
        self.set_relative_rate(1, _CHUNK)
        self.message_port_register_out(_FRAMES)

    def start(self) -> bool:
        self.set_relative_rate(1, 1)
        warm_up(self.numerology)
        return True

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        return [1] * ninputs

    @guarded
    def general_work(self, input_items: list, output_items: list) -> int:
        samples = input_items[0]
        for frame in self.receiver.push(samples):
            self._publish(frame)
        self.consume(0, len(samples))
        return 0

    def stop(self) -> bool:
        self.receiver.abandon()  # the blocks that would take a last, cut frame have ended
        return True

    def _publish(self, frame: ReceivedFrame) -> None:
        header = frame.header
        meta = {
            "frame_num": header.frame_num,
            "k": header.k,
            "n_items": header.n_items,
            "model_id": header.model_id,
            "task": header.task,
            "snr_db": frame.snr_db,
            "cfo_hz": frame.cfo_hz,
            "clock_offset_ppm": frame.clock_offset_ppm,
            "noise_variance": frame.noise_variance.ravel(),
            "erased": frame.erased.ravel().astype(np.uint8),
            "channel": frame.channel,
            "start_sample": frame.start_sample,
            "received_ns": time.monotonic_ns(),
        }
        self.message_port_pub(_FRAMES, make_pdu(meta, frame.features.ravel()))
