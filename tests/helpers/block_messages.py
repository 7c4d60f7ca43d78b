# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages to blocks, and frames as a receiver would give them."""

from __future__ import annotations

import numpy as np
import pmt
from gnuradio import blocks, gr

from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.flowgraph.harness import run_flowgraph
from sdr_sc.semantic import weights

DEADLINE_S = 200.0
WIRE_ID = weights.read_contract(weights.DEFAULT_MODEL).wire_id


def post(block: gr.basic_block, port: str, message: pmt.pmt_base) -> None:
    block.to_basic_block()._post(pmt.intern(port), message)


def post_done(block: gr.basic_block) -> None:
    post(block, "system", pmt.cons(pmt.intern("done"), pmt.from_long(1)))


def messages(debug: blocks.message_debug) -> list:
    return [debug.get_message(i) for i in range(debug.num_messages())]


def run_messages(block: gr.basic_block, port: str, sent: list, out: str) -> list:
    """Post messages to a message-only block, and return what it published."""
    tb, debug = gr.top_block(), blocks.message_debug()
    tb.msg_connect(block, out, debug, "store")
    tb.block = block
    for message in sent:
        post(block, port, message)
    post_done(block)
    run_flowgraph(tb, DEADLINE_S)
    return messages(debug)


def frame_pdu(model_id: int = WIRE_ID, k: int = 8, n_items: int = 2, **more) -> pmt.pmt_base:
    meta = {"frame_num": 5, "k": k, "n_items": n_items, "model_id": model_id, "snr_db": 20.0, "cfo_hz": 1.0, **more}
    return make_pdu(meta, np.ones(k * n_items, np.complex64))
