# SPDX-License-Identifier: GPL-3.0-or-later
"""What an exported student is checked and measured by: agreement with its weights, accuracy, time for one item."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdr_sc.errors import ContractError
from sdr_sc.phy.numerology import Numerology
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.link import run_scheme
from sdr_sc.semantic.cam import look_up
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

TOLERANCE = 1e-4
_SNR_DB = (-5.0, 0.0, 10.0, 20.0)
_RANDOM_ITEMS = 64
_RUNS, _WARM_UP = 400, 50


@dataclass(frozen=True)
class Coder:
    """Both halves of a model in one runtime, under a name for people."""

    name: str
    encoder: SemanticEncoder
    decoder: SemanticDecoder


@dataclass(frozen=True)
class Agreement:
    """Largest absolute difference of the feature symbols, at unit power, and of the logits, over ``items`` items."""

    symbols: float
    logits: float
    items: int


@dataclass(frozen=True)
class Accuracy:
    """What was answered correctly at one operating point.

    Attributes:
        right: bool, one for each item.
    """

    snr_db: float
    k: int
    right: np.ndarray


def agreement(reference: Coder, other: Coder, images: np.ndarray) -> Agreement:
    """Compare over every k, SNRs in and beyond the training range, the images given, and random ones.

    Args:
        images: uint8 (n, *item_shape).
    """
    rng = np.random.default_rng(1)
    items = np.concatenate([images, rng.integers(0, 256, (_RANDOM_ITEMS, *images.shape[1:]), np.uint8)])
    contract = reference.encoder.contract
    symbols, logits = [], []
    for snr_db in _SNR_DB:
        for k in contract.k_list:
            sent, sent_other = (coder.encoder.encode(items, snr_db, k) for coder in (reference, other))
            symbols.append(np.abs(sent - sent_other).max())
            received = awgn_lmmse(sent, snr_db, rng)
            one, two = (coder.decoder.decode(received, snr_db) for coder in (reference, other))
            logits.append(np.abs(one - two).max())
    # numpy's maximum keeps a NaN, Python's does not.
    return Agreement(float(np.max(symbols)), float(np.max(logits)), len(items) * len(symbols))


def check_agreement(found: Agreement, name: str) -> None:
    """Raise `ContractError` if a difference is larger than `TOLERANCE`, or is none at all (NaN)."""
    if not (found.symbols <= TOLERANCE and found.logits <= TOLERANCE):
        raise ContractError(
            f"{name} was not written, because it differs from the weights by {found.symbols:.2g} in the symbols and "
            f"{found.logits:.2g} in the logits, more than {TOLERANCE:g}; report this with the model."
        )


def accuracy(coder: Coder, images: np.ndarray, labels: np.ndarray, snr_db: float) -> Accuracy:
    """Accuracy over AWGN through the physical layer, with the k that the CAM's table gives for this SNR.

    The noise is the same for every coder.

    Args:
        images: uint8 (n, *item_shape).
        labels: int (n,).
    """
    contract = coder.encoder.contract
    k, scheme = look_up(contract.cam, snr_db), ModelScheme(coder.encoder, coder.decoder)
    right = run_scheme(scheme, images, labels, None, snr_db, k, Numerology(), classes=len(contract.class_names)).right
    return Accuracy(snr_db, k, right)


def awgn_lmmse(features: np.ndarray, snr_db: float, rng: np.random.Generator) -> np.ndarray:
    """LMMSE estimates of unit-power features after AWGN: complex64, of the same shape."""
    noise_power = 10.0 ** (-snr_db / 10.0)
    noise = rng.standard_normal((*features.shape, 2)).view(np.complex128)[..., 0] * np.sqrt(noise_power / 2)
    return ((features + noise) / (1.0 + noise_power)).astype(np.complex64)


def latency_ms(coder: Coder, image: np.ndarray) -> tuple[float, float]:
    """Median time to encode and to decode one item, ms, with the largest k."""
    k, snr_db = coder.encoder.contract.k_max, 10.0
    received = coder.encoder.encode(image[None], snr_db, k)
    return (
        _median_ms(lambda: coder.encoder.encode(image[None], snr_db, k)),
        _median_ms(lambda: coder.decoder.decode(received, snr_db)),
    )


def _median_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_WARM_UP + _RUNS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return 1e3 * float(np.median(times[_WARM_UP:]))
