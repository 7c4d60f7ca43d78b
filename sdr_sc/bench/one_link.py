# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole link of a learned coder without GNU Radio: items through encoder, frame, channel, receiver and decoder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sdr_sc.phy.channels import ChannelModel
from sdr_sc.phy.numerology import Numerology
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.link import LinkResult, run_scheme
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

__all__ = ["LinkResult", "run_link"]


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
    scheme = ModelScheme(encoder, decoder)
    classes = len(encoder.contract.class_names)
    return run_scheme(
        scheme, images, labels, fading, snr_db, k, numerology, items_per_frame, seed, cfo_hz, classes, on_frame
    )
