# SPDX-License-Identifier: GPL-3.0-or-later
"""Any scheme over the whole link without GNU Radio: frames, channel and receiver are the same for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdr_sc.experiments.baselines.scheme import Scheme, Transmission
from sdr_sc.phy.channels import Awgn, CarrierOffset, Chain, ChannelModel, parse_chain
from sdr_sc.phy.framing import build_frame
from sdr_sc.phy.header import FRAME_NUM_MODULO, Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receiver import ReceivedFrame, Receiver

GAP_SAMPLES = 160
CLASSES = 10


@dataclass(frozen=True)
class LinkResult:
    """What came of one operating point.

    Attributes:
        items, correct, lost: items sent, answered rightly, and without an answer: lost with their frame, or not to be
            decoded (these are not correct).
        frames, frames_lost: frames sent, and not received.
        frames_false: frames received that were never sent.
        correct_by_frame, items_by_frame: items answered rightly, and sent, in each frame.
        snr_estimates_db: one for each received frame.
        channel_uses: complex symbols of payload sent.
        symbols_on_air: used subcarriers of all OFDM symbols: preamble, header, pilots and payload.
        confusion: int64 (classes, classes + 1), items by true class and answer; the last column counts no answer.
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
    confusion: np.ndarray


def noisy_channel(
    channel: str | ChannelModel | None, snr_db: float, cfo_hz: float, seed: int, numerology: Numerology
) -> Chain:
    """Channel, carrier offset and noise behind one another.

    Args:
        channel: a line of `sdr_sc.phy.channels.parse_chain`, '' for none, which also says what stands behind the noise;
            or a model to stand in front of offset and noise.
        snr_db: Es/N0 on the occupied subcarriers, its mean with fading.
        seed: of noise and channel.
    """
    offset = CarrierOffset(cfo_hz, numerology.sample_rate_hz)
    if isinstance(channel, str):
        parsed = parse_chain(channel, numerology.sample_rate_hz, seed, numerology)
        noise = Awgn(snr_db, seed, parsed.subcarrier_power)
        return Chain([*parsed.before.models, offset, noise, *parsed.after.models])
    models: list[ChannelModel] = [] if channel is None else [channel]
    return Chain([*models, offset, Awgn(snr_db, seed)])


def run_scheme(
    scheme: Scheme,
    images: np.ndarray,
    labels: np.ndarray,
    channel: str | ChannelModel | None,
    snr_db: float,
    k: int | None,
    numerology: Numerology,
    items_per_frame: int = 50,
    seed: int = 1,
    cfo_hz: float = 700.0,
    classes: int = CLASSES,
    on_frame: Callable[[], None] = lambda: None,
) -> LinkResult:
    """Send all images at one SNR; the scheme is told the receiver's estimate from the frame before.

    Args:
        images: uint8 (n, *item_shape).
        labels: int (n,), 0..classes - 1.
        channel: see `noisy_channel`.
        snr_db: Es/N0 on the occupied subcarriers.
        k: payload symbols per item, or None for the scheme's choice.
        items_per_frame: most items of a frame.
        seed: of noise and channel: the same for every scheme gives all of them the same realisation in time.
        on_frame: called after each frame.
    """
    air = noisy_channel(channel, snr_db, cfo_hz, seed, numerology)
    receiver = Receiver(numerology)
    gap = np.zeros(GAP_SAMPLES, np.complex64)
    scheme.begin(channel if isinstance(channel, str) else "")
    estimate: float | None = None
    estimates: list[float] = []
    correct: list[int] = []
    sizes: list[int] = []
    confusion = np.zeros((classes, classes + 1), np.int64)
    frames_lost = frames_false = frames = uses = on_air = first = 0
    while first < len(labels):
        taken = scheme.frame_items(estimate, k, min(items_per_frame, len(labels) - first))
        batch, truth = images[first : first + taken], labels[first : first + taken]
        first += taken
        for transmission in scheme.send(batch, truth, estimate, k):
            header = _header(transmission, frames)
            samples = np.concatenate((build_frame(transmission.payload, header, numerology), gap))
            of_frame = truth[transmission.items]
            frames += 1
            sizes.append(len(of_frame))
            uses += transmission.channel_uses
            on_air += numerology.frame_samples(transmission.payload.size) // numerology.symbol_samples * numerology.used
            received, false = _pick(receiver.push(air.process(samples)), header)
            frames_false += false
            if received is None:
                frames_lost += 1
                estimate = None
                found = np.full(len(of_frame), -1)
            else:
                estimate = received.snr_db
                estimates.append(estimate)
                found = scheme.answer(transmission, received)
            correct.append(int((found == of_frame).sum()))
            np.add.at(confusion, (of_frame, np.where(found < 0, classes, found)), 1)
            on_frame()
    return LinkResult(
        items=len(labels),
        correct=sum(correct),
        lost=int(confusion[:, classes].sum()),
        frames=frames,
        frames_lost=frames_lost,
        frames_false=frames_false,
        correct_by_frame=np.array(correct),
        items_by_frame=np.array(sizes),
        snr_estimates_db=np.array(estimates),
        channel_uses=uses,
        symbols_on_air=on_air,
        confusion=confusion,
    )


def _header(transmission: Transmission, frame: int) -> Header:
    rows, width = transmission.payload.shape
    return Header(transmission.model_id, width, rows, frame % FRAME_NUM_MODULO)


def _pick(frames: list[ReceivedFrame], header: Header) -> tuple[ReceivedFrame | None, int]:
    """The received frame that was sent, and how many others there were."""
    right = [frame for frame in frames if frame.header == header]
    return (right[0] if right else None), len(frames) - len(right[:1])
