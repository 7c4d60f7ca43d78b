# SPDX-License-Identifier: GPL-3.0-or-later
"""OFDM receiver: samples to features."""

from __future__ import annotations

import time

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks._guard import guarded
from sdr_sc.blocks._pdu import make_pdu
from sdr_sc.blocks.ofdm_tx import as_numerology
from sdr_sc.errors import BlockError
from sdr_sc.phy.detect import DEFAULT_THRESHOLD
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receiver import ReceivedFrame, Receiver, warm_up


class ofdm_rx(gr.sync_block):
    """Detects frames, corrects the carrier offset, equalises, and estimates the SNR of each frame.

    Input 0: complex64 samples. Message output ``frames``: for each frame a PDU of the equalised complex64 features,
    items one behind the other, with ``frame_num``, ``k``, ``n_items``, ``model_id``, ``task``, ``snr_db``, ``cfo_hz``,
    ``noise_variance`` and ``erased`` (vectors as long as the features), ``channel`` (one gain for each occupied
    subcarrier) and ``start_sample``. A frame that the end of the stream cuts is counted, not given out.

    Args:
        numerology: a `Numerology`, a path of a YAML file, or '' for the default.
        threshold: square root of the detection metric, 0.1..0.9; lower finds weaker frames at more cost.

    Raises:
        BlockError, NumerologyError: a parameter makes no sense.
    """

    def __init__(self, numerology: Numerology | str = "", threshold: float = DEFAULT_THRESHOLD) -> None:
        gr.sync_block.__init__(self, "sdr_sc_ofdm_rx", in_sig=[np.complex64], out_sig=None)
        if not 0.1 <= threshold <= 0.9:
            raise BlockError(f"OFDM receiver: threshold is {threshold}; use 0.1 to 0.9.")
        self.numerology = as_numerology(numerology)
        self.receiver = Receiver(self.numerology, threshold)
        self.message_port_register_out(pmt.intern("frames"))

    def start(self) -> bool:
        warm_up(self.numerology)
        return True

    @guarded
    def work(self, input_items: list, output_items: list) -> int:
        for frame in self.receiver.push(input_items[0]):
            self._publish(frame)
        return len(input_items[0])

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
            "noise_variance": frame.noise_variance.ravel(),
            "erased": frame.erased.ravel().astype(np.uint8),
            "channel": frame.channel,
            "start_sample": frame.start_sample,
            "received_ns": time.monotonic_ns(),
        }
        self.message_port_pub(pmt.intern("frames"), make_pdu(meta, frame.features.ravel()))
