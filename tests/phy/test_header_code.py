# SPDX-License-Identifier: GPL-3.0-or-later
"""The header's tail-biting code: against the standard's equations, and against maximum-likelihood decoders."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.phy.frame import header_code
from sdr_sc.phy.frame.header import INFO_BITS

TAPS = ((0, 2, 3, 5, 6), (0, 1, 2, 3, 6), (0, 1, 2, 4, 6))
"""Delays of the generators 133, 171 and 165 octal (3GPP TS 36.212, figure 5.1.3-1)."""


def coded(bits: np.ndarray) -> np.ndarray:
    """int (..., 3 n) of +1 and -1: cyclic convolutions modulo 2, of messages (..., n)."""
    outputs = [sum(np.roll(bits, delay, axis=-1) for delay in taps) % 2 for taps in TAPS]
    return 1 - 2 * np.stack(outputs, axis=-1).reshape(*bits.shape[:-1], -1).astype(int)


def messages(length: int) -> np.ndarray:
    """All messages of a length, int (2**length, length)."""
    return (np.arange(1 << length)[:, None] >> np.arange(length)) & 1


def most_likely(soft: np.ndarray) -> np.ndarray:
    """The maximum-likelihood message: one Viterbi search from every state, which has to end where it began."""
    values = soft.reshape(-1, 3).astype(float)
    states = np.arange(64)  # the last six bits, the newest one as the most significant
    register = (np.arange(2)[:, None] << 6) | states  # (bit, state)
    branch = np.ones((3, 2, 64))
    for output, taps in enumerate(TAPS):
        branch[output] = 1 - 2 * (sum((register >> (6 - delay)) & 1 for delay in taps) % 2)
    following = register >> 1
    metric = np.where(np.eye(64, dtype=bool), 0.0, -np.inf)  # (beginning, state)
    history = []
    for value in values:
        gain = np.tensordot(value, branch, 1)
        best, origin = np.full((64, 64), -np.inf), np.zeros((64, 64), int)
        for bit in range(2):
            for odd in range(2):  # the two states that lead to one state differ in their oldest bit
                sources = states[states % 2 == odd]
                targets = following[bit, sources]
                reached = metric[:, sources] + gain[bit, sources]
                is_better = reached > best[:, targets]
                best[:, targets] = np.where(is_better, reached, best[:, targets])
                origin[:, targets] = np.where(is_better, sources, origin[:, targets])
        metric = best
        history.append(origin)
    beginning = int(np.argmax(np.diag(metric)))
    state, bits = beginning, []
    for origin in reversed(history):
        bits.append(state >> 5)
        state = int(origin[beginning, state])
    return np.array(bits[::-1])


def noisy(sent: np.ndarray, snr_db: float, rng: np.random.Generator) -> np.ndarray:
    """Soft values of coded bits in white noise."""
    return (sent + rng.standard_normal(sent.shape) * 10 ** (-snr_db / 20)).astype(np.float32)


@pytest.mark.parametrize("length", [6, 7, 11, *INFO_BITS.values()])
def test_the_encoder_is_the_cyclic_convolution(length: int) -> None:
    bits = np.random.default_rng(length).integers(0, 2, (50, length), np.uint8)
    for message, expected in zip(bits, coded(bits), strict=True):
        np.testing.assert_array_equal(header_code.encode(message), expected)


def test_the_reference_decoder_is_that_of_brute_force() -> None:
    rng, every = np.random.default_rng(1), messages(10)
    words = coded(every)
    for _ in range(60):
        soft = noisy(words[rng.integers(len(words))], -3.0, rng)
        np.testing.assert_array_equal(most_likely(soft), every[np.argmax(words @ soft)])


@pytest.mark.parametrize("length", [12, 14])
@pytest.mark.parametrize("snr_db, least_same", [(0.0, 0.92), (2.0, 0.99)])
def test_short_messages_decode_as_by_brute_force(length: int, snr_db: float, least_same: float) -> None:
    """The search goes round so short a circle several times, which is not quite maximum likelihood: at 0 dB, where
    brute force errs as well, a few words differ."""
    rng, every, draws = np.random.default_rng(length), messages(length), 200
    words = coded(every)
    same = 0
    for _ in range(draws):
        soft = noisy(words[rng.integers(len(words))], snr_db, rng)
        same += np.array_equal(header_code.decode(soft), every[np.argmax(words @ soft)])
    assert same >= least_same * draws


@pytest.mark.parametrize(
    "snr_db, right_from, right_to, least_same", [(-1.5, 30, 50, 56), (0.0, 54, 59, 59), (2.0, 60, 60, 60)]
)
def test_headers_decode_as_by_maximum_likelihood(
    snr_db: float, right_from: int, right_to: int, least_same: int
) -> None:
    """SNR of a coded bit, each sent once: from where many headers are lost to where none is."""
    rng = np.random.default_rng(7)
    same = right = best_right = 0
    for _ in range(60):
        bits = rng.integers(0, 2, INFO_BITS[1], np.uint8)
        soft = noisy(coded(bits), snr_db, rng)
        found, best = header_code.decode(soft), most_likely(soft)
        same += np.array_equal(found, best)
        right += np.array_equal(found, bits)
        best_right += np.array_equal(best, bits)
    assert right_from <= best_right <= right_to
    assert same >= least_same
    assert right >= best_right - 2


def test_repeated_bits_add_up() -> None:
    rng = np.random.default_rng(3)
    soft, which = rng.standard_normal(500).astype(np.float32), rng.integers(0, 216, 500)
    expected = np.bincount(which, soft.astype(float), 216)
    np.testing.assert_allclose(header_code.combine(soft, which, 216), expected, atol=1e-5)
