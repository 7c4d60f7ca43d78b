# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of items over the air, frame by frame: the same channel and noise for every scheme."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sdr_sc.experiments.baselines.link import GAP_SAMPLES
from sdr_sc.experiments.baselines.scheme import Scheme, Transmission
from sdr_sc.phy.channels import ChannelModel
from sdr_sc.phy.framing import build_frame
from sdr_sc.phy.header import FRAME_NUM_MODULO, Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receiver import ReceivedFrame, Receiver


@dataclass(frozen=True)
class FrameOutcome:
    """What came of one frame.

    Attributes:
        truth, found: int64 (items,), the classes, and the answers; -1 where there is none.
        snr_db: the receiver's estimate; None where the frame was lost.
        channel_uses: complex symbols of its payload.
        symbols_on_air: used subcarriers of all its OFDM symbols.
    """

    truth: np.ndarray
    found: np.ndarray
    snr_db: float | None
    channel_uses: int
    symbols_on_air: int


class Link:
    """One end-to-end link: a scheme, an air with its state, a receiver, and what was fed back last.

    Args:
        scheme: whose ``begin`` was called.
        air: channel, offset and noise.
        k: payload symbols per item, None for the scheme's choice.
        items_per_frame: most items of a frame.
    """

    def __init__(
        self, scheme: Scheme, air: ChannelModel, k: int | None, items_per_frame: int, numerology: Numerology
    ) -> None:
        self._scheme, self._air, self._k = scheme, air, k
        self._items_per_frame, self._numerology = items_per_frame, numerology
        self._receiver = Receiver(numerology)
        self._gap = np.zeros(GAP_SAMPLES, np.complex64)
        self._frames = 0
        self._fed_back_db: float | None = None

    def sound(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Send one frame with one item that nobody counts, so that the transmitter knows the channel's SNR: a link that
        is measured is one that has been running."""
        self._scheme.frame_items(None, self._k, 1)  # schemes that begin with a small frame have had it
        transmission = self._scheme.send(images[:1], labels[:1], None, self._k)[0]
        self._over_the_air(transmission)

    def send(self, images: np.ndarray, labels: np.ndarray) -> Iterator[FrameOutcome]:
        """Send items; the scheme is told the receiver's estimate from the frame before.

        Args:
            images: uint8 (n, 28, 28).
            labels: int64 (n,).
        """
        first = 0
        while first < len(labels):
            most = min(self._items_per_frame, len(labels) - first)
            taken = self._scheme.frame_items(self._fed_back_db, self._k, most)
            batch, truth = images[first : first + taken], labels[first : first + taken]
            first += taken
            for transmission in self._scheme.send(batch, truth, self._fed_back_db, self._k):
                received = self._over_the_air(transmission)
                of_frame = truth[transmission.items]
                if received is None:
                    found = np.full(len(of_frame), -1)
                else:
                    found = self._scheme.answer(transmission, received)
                n, size = self._numerology, transmission.payload.size
                on_air = n.frame_samples(size) // n.symbol_samples * n.used
                yield FrameOutcome(of_frame, found, self._fed_back_db, transmission.channel_uses, on_air)

    def _over_the_air(self, transmission: Transmission) -> ReceivedFrame | None:
        """The frame as it was received; None if it was lost. Keeps what is fed back."""
        rows, width = transmission.payload.shape
        header = Header(transmission.model_id, width, rows, self._frames % FRAME_NUM_MODULO)
        self._frames += 1
        samples = np.concatenate((build_frame(transmission.payload, header, self._numerology), self._gap))
        received = [f for f in self._receiver.push(self._air.process(samples)) if f.header == header]
        self._fed_back_db = received[0].snr_db if received else None
        return received[0] if received else None
