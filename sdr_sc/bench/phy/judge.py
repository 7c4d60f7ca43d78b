# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the features of a received frame are those that were sent."""

from __future__ import annotations

import numpy as np

from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import ReceivedFrame

_ERROR_MARGIN = 4.0  # over 16 features or more the mean error stays below this many times its expectation
_ERROR_FLOOR = 1e-3
WRONG_SHARE = 0.2
"""Of a damaged frame's unerased features that many may be wrong."""
_UNSEEN_SYMBOLS = 2
# |error|^2 over the variance is exponential with mean 1: above 12 once in 160,000 features.
_WRONG_MARGIN, _WRONG_FLOOR = 12.0, 0.01


def squared_errors(frame: ReceivedFrame, sent: np.ndarray) -> np.ndarray:
    """float64 (n_items, k): squared error of the unbiased features, which have a mean power of 1; an erased one counts
    1, as nothing is known of it.

    Args:
        sent: complex64 (n_items, k).
    """
    errors = np.ones(sent.shape)
    there = ~frame.erased
    estimate = frame.features[there] * (1 + frame.noise_variance[there])
    errors[there] = np.abs(estimate - sent[there]) ** 2
    return errors


def features_are_right(
    frame: ReceivedFrame, sent: np.ndarray, snr_db: float | None, power_scale_db: float = 0.0
) -> bool:
    """Whether the features of an undamaged frame over a channel of gain 1 are all there, as exactly as its SNR allows.

    Args:
        sent: complex64 (n_items, k), 16 features or more.
        snr_db: Es/N0 of the frame; None for no noise.
        power_scale_db: of its header.
    """
    noise = 0.0 if snr_db is None else 10 ** (-snr_db / 10)
    expected = noise * 10 ** (-power_scale_db / 10) + noise  # on the features, and on the pilots
    error = float(np.mean(squared_errors(frame, sent)))
    return bool(not frame.erased.any() and error <= _ERROR_MARGIN * expected + _ERROR_FLOOR)


def wrong_features(frame: ReceivedFrame, sent: np.ndarray) -> int:
    """How many of the features that are not erased are further from ``sent`` than the frame's own ``noise_variance``
    allows."""
    there = ~frame.erased
    variance = frame.noise_variance[there].astype(np.float64)
    return int(np.count_nonzero(squared_errors(frame, sent)[there] > _WRONG_MARGIN * variance + _WRONG_FLOOR))


def has_wrong_features(frame: ReceivedFrame, sent: np.ndarray, numerology: Numerology) -> bool:
    """Whether so many of a damaged frame's features are wrong and not erased that the receiver has to know.

    Damage within a symbol or two need not show on their few pilots, so that two symbols' features may be wrong however
    short the frame is. No kind of damage is left out: a piece of another sign or order, or another frame on top, shows
    on the pilots as well if it lasts longer. A slip of 9 samples hardly does, by which pilots every 14 of 64
    subcarriers turn by nearly whole turns.
    """
    most = max(WRONG_SHARE * np.count_nonzero(~frame.erased), _UNSEEN_SYMBOLS * numerology.data_subcarriers)
    return wrong_features(frame, sent) > most
