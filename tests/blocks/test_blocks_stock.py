# SPDX-License-Identifier: GPL-3.0-or-later
"""Our blocks between GNU Radio's own."""

from __future__ import annotations

import numpy as np
import pytest
from block_messages import post
from gnuradio import analog, blocks, channels, gr

from sdr_sc.blocks.ofdm_rx import ofdm_rx
from sdr_sc.blocks.ofdm_tx import ofdm_tx
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.flowgraph.harness import run_flowgraph
from sdr_sc.link.end_of_stream import END


@pytest.mark.parametrize("noise_voltage, agc", [(0.1, False), (0.3162, False), (0.1, True)])
def test_noise_voltage_of_the_stock_channel_model_is_what_the_frame_page_says(noise_voltage: float, agc: bool) -> None:
    rng, amplitude = np.random.default_rng(3), 0.5
    tb, debug = gr.top_block(), blocks.message_debug()
    tb.tx, tb.rx = ofdm_tx(amplitude=amplitude), ofdm_rx()
    tb.air = channels.channel_model(noise_voltage * amplitude, 0.0005, 1.0, [1.0], 7)
    tb.agc = analog.agc2_cc(1e-4, 1e-4, 1.0, 1.0) if agc else blocks.copy(8)
    tb.connect(tb.tx, tb.air, tb.agc, tb.rx)
    tb.msg_connect(tb.rx, "frames", debug, "store")
    for i in range(40):
        features = np.exp(2j * np.pi * rng.random(4 * 32)).astype(np.complex64)
        meta = {"frame_num": i, "frame_index": i, "k": 32, "n_items": 4, "model_id": 77}
        post(tb.tx, "frames", make_pdu(meta, features))
    post(tb.tx, "frames", make_pdu({END: True}, np.empty(0, np.uint8)))
    run_flowgraph(tb, 200)
    snr_db = [read_pdu(debug.get_message(i), "frames")[0]["snr_db"] for i in range(debug.num_messages())]
    assert len(snr_db) >= 38  # the last may stay in the channel's buffers
    assert np.mean(snr_db) == pytest.approx(20 * np.log10(1 / noise_voltage), abs=0.3)
