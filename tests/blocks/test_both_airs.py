# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks and the simulated link adapt alike: the same estimates and losses give the same k, frame by frame."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pmt
import pytest
from gnuradio import gr

from sdr_sc.blocks.item_source import item_source
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.blocks.semantic_encoder import semantic_encoder
from sdr_sc.blocks.snr_smoother import snr_smoother
from sdr_sc.data import fashion_mnist
from sdr_sc.flowgraph.harness import run_flowgraph
from sdr_sc.link.end_of_stream import END
from sdr_sc.phy.channels import Awgn
from sdr_sc.phy.numerology import Numerology
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.link import Link

DEADLINE_S = 200.0
SNR_DB = (20, 20, 5, 5.2, 6, 7.5, 9, -30, 9, 12, -30, -30, 1, 3, 25, 25, 25, 4, 4, 18)
"""Of the air, frame by frame; no frame is received at -30 dB."""


class scripted_air:  # noqa: N801
    """Noise of another power for each frame."""

    mean_power = 1.0

    def __init__(self):
        self.noises = iter([Awgn(snr_db, seed) for seed, snr_db in enumerate(SNR_DB)])

    def process(self, samples):
        return next(self.noises).process(samples)


class answering_receiver(gr.basic_block):  # noqa: N801
    """Stands in for air and receiver: says of each frame the estimate that it was given, or lets the time pass."""

    def __init__(self, estimates_db, clock):
        gr.basic_block.__init__(self, "answering_receiver", None, None)
        self.estimates_db, self.clock, self.k = estimates_db, clock, []
        self.message_port_register_in(pmt.intern("sent"))
        self.message_port_register_out(pmt.intern("frames"))
        self.set_msg_handler(pmt.intern("sent"), self.handle)

    def handle(self, message):
        meta, data = read_pdu(message, "sent")
        if END in meta or len(self.k) == len(self.estimates_db):
            return
        snr_db = self.estimates_db[len(self.k)]
        self.k.append(meta["k"])
        if snr_db is None:
            self.clock.now_s += 1.0  # longer than the time-out
        else:
            received = {"snr_db": snr_db, "frame_num": meta["frame_num"]}
            self.message_port_pub(pmt.intern("frames"), make_pdu(received, data))


@pytest.mark.parametrize("smoothing", [0.0, 0.3, 0.8])
def test_both_airs_choose_the_same_k(smoothing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    data = fashion_mnist.load("test")
    link = Link(ModelScheme.load(), scripted_air(), None, 1, Numerology(), smoothing)
    outcomes = list(link.send(data.images[: len(SNR_DB)], data.labels[: len(SNR_DB)]))
    estimates_db, simulated = [outcome.snr_db for outcome in outcomes], [outcome.channel_uses for outcome in outcomes]
    assert [snr_db is None for snr_db in estimates_db] == [snr_db == -30 for snr_db in SNR_DB]
    assert len(set(simulated)) >= 3

    clock = SimpleNamespace(
        now_s=1000.0, monotonic=lambda: clock.now_s, monotonic_ns=time.monotonic_ns, sleep=time.sleep
    )
    monkeypatch.setattr("sdr_sc.blocks.semantic_encoder.time", clock)
    tb, source, smoother = gr.top_block(), item_source(items=0), snr_smoother(smoothing)
    encoder = semantic_encoder(items_per_frame=1, feedback_timeout_s=0.5)
    receiver = answering_receiver(estimates_db, clock)
    tb.blocks = source, encoder, receiver, smoother
    tb.connect(source, encoder)
    tb.msg_connect(encoder, "frames", receiver, "sent")
    tb.msg_connect(receiver, "frames", smoother, "frames")
    tb.msg_connect(smoother, "snr", encoder, "snr")
    run_flowgraph(tb, DEADLINE_S, until=lambda: len(receiver.k) == len(SNR_DB))
    assert receiver.k == simulated
