# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a `Calibration` follows the SNR of an item's own symbols away from the frame's, found over fading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sdr_sc.distill.measured.held_out import Model, over_fading, prefix
from sdr_sc.phy.channels import power_gains
from sdr_sc.phy.numerology import Numerology
from sdr_sc.semantic.calibration import Calibration, channel_snr_db

SHARES = tuple(round(0.1 * place, 1) for place in range(11))
_CHANNELS = tuple(f"tdl_{name}(delay_spread_ns={spread})" for name in "ac" for spread in (100, 300, 1000, 2000))
"""At 1 MS/s, from nearly flat to several notches in the band."""
_DRAWS_OF_EACH = 64
_NEIGHBOURS = 2
_LEAST = 1e-7


def fading_bank(seed: int) -> np.ndarray:
    """float32 (channels, subcarriers): power gains of selective channels, each of unit mean over its subcarriers."""
    gains = np.concatenate([power_gains(line, Numerology(), _DRAWS_OF_EACH, seed) for line in _CHANNELS])
    return gains / gains.mean(axis=1, keepdims=True)


def fit_own_share(model: Model, k_list: Sequence[int], calibration: Calibration, seed: int) -> Calibration:
    """The calibration with its shares: of `SHARES` the ones that make the outcomes over fading most likely, by the SNR
    given and k; each rests on the draws of the SNRs beside it, too.

    Args:
        calibration: fitted over plain noise.
        seed: of channels and noise.
    """
    bank, rng = fading_bank(seed), np.random.default_rng(seed)
    loss = np.empty((len(calibration.snr_db), len(k_list), len(SHARES)))
    for row, snr_db in enumerate(calibration.snr_db):
        symbols = model.symbols(snr_db)
        for column, k in enumerate(k_list):
            prefixes, variance = over_fading(prefix(symbols, 0, k), snr_db, bank, rng)
            logits, own_db = model.logits(prefixes, snr_db), channel_snr_db(variance, k)
            loss[row, column] = share_losses(calibration, column, logits, model.right(logits), snr_db, own_db)
    rows = range(len(loss))
    near = [loss[max(row - _NEIGHBOURS, 0) : row + _NEIGHBOURS + 1].mean(axis=0) for row in rows]
    return replace(calibration, own_share=tuple(tuple(SHARES[one] for one in part.argmin(axis=1)) for part in near))


def share_losses(
    calibration: Calibration, column: int, logits: np.ndarray, right: np.ndarray, snr_db: float, own_db: np.ndarray
) -> np.ndarray:
    """Mean negative log-likelihood of which answers are right, nats, for each of `SHARES`.

    Args:
        column: place of the items' k in the model's list.
        logits: float32 (n, outputs).
        right: bool (n,).
        snr_db: that the decoder was given, dB.
        own_db: (n,), of the items' own symbols, see `channel_snr_db`.
    """
    losses = []
    for share in SHARES:
        confidence = calibration.confidence(logits, column, snr_db + share * (own_db - snr_db)).astype(np.float64)
        chance = np.where(right, confidence, 1.0 - confidence)
        losses.append(-np.log(np.maximum(chance, _LEAST)).mean())
    return np.array(losses)
