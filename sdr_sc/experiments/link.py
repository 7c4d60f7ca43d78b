# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole link without GNU Radio: items through encoder, frame, channel, receiver and decoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdr_sc.phy.channels import Awgn, CarrierOffset, Chain, ChannelModel
from sdr_sc.phy.framing import build_frame
from sdr_sc.phy.header import FRAME_NUM_MODULO, Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receiver import ReceivedFrame, Receiver
from sdr_sc.semantic.cam import ChannelAdaptiveModule
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder, answers

GAP_SAMPLES = 160


@dataclass(frozen=True)
class LinkResult:
    """What came of one operating point.

    Attributes:
        items, correct, lost: items sent, answered rightly, and lost with their frame (a lost item is not correct).
        frames, frames_lost: frames sent, and not received.
        frames_false: frames received that were never sent.
        correct_by_frame, items_by_frame: items answered rightly, and sent, in each frame.
        snr_estimates_db: one for each received frame.
        channel_uses: feature symbols sent.
        symbols_on_air: used subcarriers of all OFDM symbols: preamble, header, pilots and payload.
    """

    items: int
    correct: int
    lost: int
    frames: int
    frames_lost: int
    frames_false: int
    correct_by_frame: np.ndarray
    items_by_frame: np.ndarray
    snr_estimates_db: np.ndarray
    channel_uses: int
    symbols_on_air: int


def run_link(
    encoder: SemanticEncoder,
    decoder: SemanticDecoder,
    images: np.ndarray,
    labels: np.ndarray,
    snr_db: float,
    k: int | None,
    numerology: Numerology,
    items_per_frame: int = 50,
    cfo_hz: float = 700.0,
    seed: int = 1,
    fading: ChannelModel | None = None,
    on_frame: Callable[[], None] = lambda: None,
) -> LinkResult:
    """Send all images at one SNR; the encoder is told the receiver's estimate from the frame before.

    Args:
        encoder, decoder: of the same model.
        images: uint8 (n, *item_shape).
        labels: int (n,).
        snr_db: Es/N0 on the occupied subcarriers.
        k: feature symbols per item, or None for the CAM's choice.
        seed: of the noise.
        fading: a channel model in front of offset and noise.
        on_frame: called after each frame.
    """
    models: list[ChannelModel] = [] if fading is None else [fading]
    channel = Chain([*models, CarrierOffset(cfo_hz, numerology.sample_rate_hz), Awgn(snr_db, seed)])
    receiver = Receiver(numerology)
    cam = ChannelAdaptiveModule(encoder.contract)
    gap = np.zeros(GAP_SAMPLES, np.complex64)
    estimate: float | None = None
    estimates: list[float] = []
    correct: list[int] = []
    sizes: list[int] = []
    lost = frames_lost = frames_false = frames = uses = on_air = 0
    for first in range(0, len(labels), items_per_frame):
        batch, truth = images[first : first + items_per_frame], labels[first : first + items_per_frame]
        used_k = cam.choose(estimate) if k is None else k
        told_db = cam.robust_snr_db if estimate is None else estimate
        features = encoder.encode(batch, told_db, used_k)
        header = Header(encoder.contract.wire_id, used_k, len(batch), frames % FRAME_NUM_MODULO)
        samples = np.concatenate((build_frame(features, header, numerology), gap))
        frames += 1
        sizes.append(len(batch))
        uses += features.size
        on_air += numerology.frame_samples(features.size) // numerology.symbol_samples * numerology.used
        received, false = _pick(receiver.push(channel.process(samples)), header)
        frames_false += false
        if received is None:
            frames_lost += 1
            lost += len(batch)
            correct.append(0)
            estimate = None
        else:
            estimate = received.snr_db
            estimates.append(estimate)
            classes, _ = answers(decoder.decode(received.features, received.snr_db, received.erased))
            correct.append(int((classes == truth).sum()))
            lost += int((classes < 0).sum())
        on_frame()
    return LinkResult(
        items=len(labels),
        correct=sum(correct),
        lost=lost,
        frames=frames,
        frames_lost=frames_lost,
        frames_false=frames_false,
        correct_by_frame=np.array(correct),
        items_by_frame=np.array(sizes),
        snr_estimates_db=np.array(estimates),
        channel_uses=uses,
        symbols_on_air=on_air,
    )


def _pick(frames: list[ReceivedFrame], header: Header) -> tuple[ReceivedFrame | None, int]:
    """The received frame that was sent, and how many others there were."""
    right = [frame for frame in frames if frame.header == header]
    return (right[0] if right else None), len(frames) - len(right[:1])
