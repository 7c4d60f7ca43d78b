# SPDX-License-Identifier: GPL-3.0-or-later
"""SNR smoother: smooths the receiver's estimate from frame to frame, for the feedback."""

from __future__ import annotations

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.runtime.guard import guarded_handler
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.link.adaptation import SnrSmoother, bounded
from sdr_sc.link.network.pdu_schema import REPORT
from sdr_sc.link.parameters import require
from sdr_sc.phy.receive.channel_report import channel_report


class snr_smoother(gr.basic_block):
    """Exponential smoothing, in dB, of the SNR of received frames.

    Message input ``frames``: PDUs of the OFDM receiver. Message output ``snr``: PDUs with ``snr_db`` (smoothed),
    ``snr_frame_db`` (this frame's), ``frame_num``, ``cfo_hz``, and, where the frame's PDU has its ``channel``,
    ``report``: how strong each subcarrier was, in half a byte, by which the transmitter may map its next frames. The
    data is the smoothed value as one float32.

    Args:
        smoothing: weight of the past, 0 (none) to below 1.

    Raises:
        BlockError: ``smoothing`` is out of range.
    """

    def __init__(self, smoothing: float = 0.3) -> None:
        gr.basic_block.__init__(self, "sdr_sc_snr_smoother", in_sig=None, out_sig=None)
        self._smoother = SnrSmoother(smoothing)
        self.message_port_register_in(pmt.intern("frames"))
        self.message_port_register_out(pmt.intern("snr"))
        self.set_msg_handler(pmt.intern("frames"), self.handle_frame)

    def set_smoothing(self, smoothing: float) -> None:
        """Weight of the past from the next frame on."""
        self._smoother.set_smoothing(smoothing)

    @guarded_handler
    def handle_frame(self, message: pmt.pmt_base) -> None:
        """Take in a frame's SNR and publish the smoothed one."""
        meta, _ = read_pdu(message, "frames")
        require(meta, ("snr_db", "frame_num"), "frames")
        latest_db = bounded(float(meta["snr_db"]))
        smoothed_db = self._smoother.smooth(latest_db)
        out = {
            "snr_db": smoothed_db,
            "snr_frame_db": latest_db,
            "frame_num": meta["frame_num"],
            "cfo_hz": meta.get("cfo_hz", 0.0),
        }
        channel = meta.get("channel")
        report = None if channel is None else channel_report(channel)
        if report is not None:
            out[REPORT] = report
        self.message_port_pub(pmt.intern("snr"), make_pdu(out, np.array([smoothed_db], np.float32)))
