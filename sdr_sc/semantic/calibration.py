# SPDX-License-Identifier: GPL-3.0-or-later
"""Confidence that is true: a temperature and a curve for it, by SNR, noise variance and the number of symbols."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sdr_sc.errors import ContractError

LEAST_SLOPE = 0.02
"""Of the curve beyond its knots, and between them: confidences that differ stay different."""
_LEAST_REST = 1e-12
_BELOW = 0.999  # of the largest probability, which no other one reaches
_MOST_LOG_ODDS = 20.0


def channel_snr_db(noise_variance: np.ndarray, k: np.ndarray | int) -> np.ndarray:
    """The SNR of plain noise that leaves items as uncertain as they are: the mean error of their symbols' LMMSE
    estimates is that of ``1 / (1 + SNR)``.

    Args:
        noise_variance: float (n, k or more), of the unbiased estimates of unit-power symbols; infinite where nothing
            arrived.
        k: symbols that count of each item, the first ones; int (n,) or one number.

    Returns:
        float64 (n,), dB; minus infinity where nothing arrived.

    >>> channel_snr_db(np.array([[0.1, 0.1], [1.0, np.inf]]), 2).round(2).tolist()
    [10.0, -4.77]
    """
    kept = np.arange(noise_variance.shape[1]) < np.reshape(k, (-1, 1))
    error = np.where(kept, 1.0 - 1.0 / (1.0 + noise_variance.astype(np.float64)), 0.0).sum(axis=1) / np.ravel(k)
    with np.errstate(divide="ignore"):
        return 10.0 * np.log10((1.0 - error) / np.maximum(error, 1e-12))


@dataclass(frozen=True)
class Calibration:
    """How probable it is that a model's answer is right, from its logits.

    The logits are divided by a temperature, and the log odds of the probability that follows are read off a rising
    curve. Temperature and curve are given for each SNR of a grid and each k, and interpolated over the SNR. A softmax
    with a temperature alone (Guo et al., "On Calibration of Modern Neural Networks", 2017) leaves errors of up to
    15 points at few symbols, the curve takes these out.

    Two SNRs matter where symbols fade. How far apart the logits are follows the SNR that the decoder was given, that of
    the frame; how much of an item arrived follows its own symbols. Tables are read between the two, at
    ``given + own_share (own - given)``: near the first where all symbols are more than enough, further on otherwise.

    Attributes:
        snr_db: rising grid, dB; over plain noise both SNRs are the same.
        temperature: above 0; one row for each SNR, one column for each k of the model's list.
        log_odds: the curves' knots: natural logarithm of p / (1 - p) at that temperature, rising.
        calibrated: log odds of being right at each knot, by SNR, k and knot, rising along the knots.
        measured_on: the data that it was fitted on.
        own_share: 0 to 1, by the SNR given and k; empty for 1 throughout, as contracts of earlier versions had it.

    Raises:
        ContractError: the values do not fit each other.
    """

    snr_db: tuple[float, ...]
    temperature: tuple[tuple[float, ...], ...]
    log_odds: tuple[float, ...]
    calibrated: tuple[tuple[tuple[float, ...], ...], ...]
    measured_on: str
    own_share: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        rows, knots = len(self.snr_db), len(self.log_odds)
        columns = len(self.temperature[0]) if self.temperature else 0
        if not rows or knots < 2 or not columns:
            raise ContractError("a calibration without SNRs, k or knots")
        if not _rising(self.snr_db) or not _rising(self.log_odds):
            raise ContractError("a calibration whose SNRs or knots do not rise")
        if len(self.temperature) != rows or any(len(row) != columns for row in self.temperature):
            raise ContractError(f"a calibration whose temperatures are not {rows} rows of {columns}")
        shape = [len(self.calibrated), {len(row) for row in self.calibrated}]
        if shape != [rows, {columns}] or any(len(curve) != knots for row in self.calibrated for curve in row):
            raise ContractError(f"a calibration whose curves are not {rows} rows of {columns}, of {knots} knots each")
        if not all(math.isfinite(one) and one > 0 for row in self.temperature for one in row):
            raise ContractError("a calibration with a temperature that is not above 0")
        if not all(_rising(curve) for row in self.calibrated for curve in row):
            raise ContractError("a calibration with a curve that does not rise")
        if self.own_share and [len(row) for row in self.own_share] != [columns] * rows:
            raise ContractError(f"a calibration whose shares are not {rows} rows of {columns}")
        if not all(0.0 <= one <= 1.0 for row in self.own_share for one in row):
            raise ContractError("a calibration with a share that is not 0 to 1")

    @cached_property
    def _tables(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Grid, logarithm of the temperatures, knots, curves, shares."""
        temperature = np.log(np.array(self.temperature))
        return (
            np.array(self.snr_db),
            temperature,
            np.array(self.log_odds),
            np.array(self.calibrated),
            np.array(self.own_share) if self.own_share else np.ones_like(temperature),
        )

    def confidence(
        self,
        logits: np.ndarray,
        column: np.ndarray | int,
        snr_db: np.ndarray | float,
        own_snr_db: np.ndarray | float | None = None,
    ) -> np.ndarray:
        """Probability that the largest logit is the right answer.

        Args:
            logits: float (n, outputs), finite.
            column: place of each item's k in the model's list; int (n,) or one number.
            snr_db: that the decoder was given, dB; float (n,) or one number; kept within the grid.
            own_snr_db: that of each item's symbols, see `channel_snr_db`; None for the same.

        Returns:
            float32 (n,), 0 to 1.
        """
        column, row, upper, share, heat = self._at(len(logits), column, snr_db, own_snr_db)
        _, _, knots, curves, _ = self._tables
        odds = top_log_odds(logits, heat)
        curve = (1.0 - share)[:, None] * curves[row, column] + share[:, None] * curves[upper, column]
        left, part = _between(np.clip(odds, knots[0], knots[-1]), knots)
        right, every = np.minimum(left + 1, len(knots) - 1), np.arange(len(logits))
        true = (1.0 - part) * curve[every, left] + part * curve[every, right]
        true += LEAST_SLOPE * (np.maximum(odds - knots[-1], 0.0) + np.minimum(odds - knots[0], 0.0))
        return (1.0 / (1.0 + np.exp(-np.clip(true, -_MOST_LOG_ODDS, _MOST_LOG_ODDS)))).astype(np.float32)

    def probabilities(
        self,
        logits: np.ndarray,
        column: np.ndarray | int,
        snr_db: np.ndarray | float,
        own_snr_db: np.ndarray | float | None = None,
    ) -> np.ndarray:
        """Probability of every output: that of the largest logit is `confidence`, and the others share the rest as a
        softmax with the temperature has it.

        Args:
            logits, column, snr_db, own_snr_db: as for `confidence`.

        Returns:
            float64 (n, outputs), of sum 1 an item.
        """
        *_, heat = self._at(len(logits), column, snr_db, own_snr_db)
        return with_confidence(logits / heat[:, None], self.confidence(logits, column, snr_db, own_snr_db))

    def _at(
        self,
        items: int,
        column: np.ndarray | int,
        snr_db: np.ndarray | float,
        own_snr_db: np.ndarray | float | None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Each item's column, rows of the tables around its SNR, the second one's share, and temperature."""
        grid, temperature, _, _, own_share = self._tables
        column = np.broadcast_to(column, items)
        given = np.broadcast_to(np.clip(snr_db, grid[0], grid[-1]), items)
        row, share = _between(given, grid)
        upper = np.minimum(row + 1, len(grid) - 1)
        if own_snr_db is not None:
            part = (1.0 - share) * own_share[row, column] + share * own_share[upper, column]
            row, share = _between(given + part * (np.clip(own_snr_db, grid[0], grid[-1]) - given), grid)
            upper = np.minimum(row + 1, len(grid) - 1)
        return (
            column,
            row,
            upper,
            share,
            np.exp((1.0 - share) * temperature[row, column] + share * temperature[upper, column]),
        )


def with_confidence(logits: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Probabilities of which that of the largest logit is given, and the others share the rest as a softmax has it,
    evened out as far as it takes that none of them is above the given one.

    Args:
        logits: float (n, outputs), finite.
        confidence: float (n,), of the largest logit.

    >>> with_confidence(np.array([[2.0, 0.0, 0.0]]), np.array([0.9])).round(3).tolist()
    [[0.9, 0.05, 0.05]]
    >>> with_confidence(np.array([[2.0, 1.9, -9.0]]), np.array([0.4])).round(3).tolist()
    [[0.4, 0.4, 0.2]]
    """
    best = logits.argmax(axis=1)[:, None]
    others = np.exp(logits.astype(np.float64) - np.take_along_axis(logits, best, axis=1)) + _LEAST_REST
    np.put_along_axis(others, best, 0.0, axis=1)
    sure = confidence.astype(np.float64)[:, None]
    others /= np.maximum(others.sum(axis=1, keepdims=True), _LEAST_REST)
    even, most = 1.0 / max(logits.shape[1] - 1, 1), others.max(axis=1, keepdims=True)
    allowed = _BELOW * sure / np.maximum(1.0 - sure, _LEAST_REST)
    share = np.clip((most - allowed) / np.maximum(most - even, _LEAST_REST), 0.0, 1.0)
    found = (1.0 - sure) * ((1.0 - share) * others + share * even)
    np.put_along_axis(found, best, sure, axis=1)
    return found


def top_log_odds(logits: np.ndarray, temperature: np.ndarray | float = 1.0) -> np.ndarray:
    """Natural log odds of the most probable output's softmax probability: float64 (n,).

    >>> top_log_odds(np.array([[0.0, 2.0], [1.0, 1.0]])).round(6).tolist()
    [2.0, -0.0]
    """
    scaled = logits.astype(np.float64) / np.reshape(temperature, (-1, 1))
    best = scaled.argmax(axis=1)[:, None]
    others = np.exp(scaled - np.take_along_axis(scaled, best, axis=1))
    np.put_along_axis(others, best, 0.0, axis=1)
    return -np.log(np.maximum(others.sum(axis=1), _LEAST_REST))


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over bins of equal width, weighted by their
    items (Guo et al., 2017), as a fraction.

    >>> calibration_error(np.array([0.9, 0.9, 0.2]), np.array([True, True, False])).__round__(3)
    0.133
    """
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    distance = np.bincount(place, confidence, bins) - np.bincount(place, right, bins)
    return float(np.abs(distance).sum() / len(confidence))


def _between(values: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of the grid point at or below each value, and how far it is to the next one, 0 to 1."""
    if len(grid) == 1:
        return np.zeros(len(values), int), np.zeros(len(values))
    left = np.clip(np.searchsorted(grid, values, side="right") - 1, 0, len(grid) - 2)
    return left, (values - grid[left]) / (grid[left + 1] - grid[left])


def _rising(values: tuple[float, ...]) -> bool:
    return all(map(math.isfinite, values)) and all(a < b for a, b in zip(values, values[1:], strict=False))
