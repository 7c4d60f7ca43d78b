# SPDX-License-Identifier: GPL-3.0-or-later
"""Temperatures and curves of a `Calibration`, fitted by maximum likelihood on items whose answers are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from sdr_sc.distill.measured.held_out import Model, over_noise, prefix
from sdr_sc.semantic.calibration import LEAST_SLOPE, Calibration, top_log_odds

KNOTS = (
    *(-1.5, -1.2, -1.0, -0.8),
    *(round(0.05 * place, 2) for place in range(-14, 10)),
    *(round(0.1 * place, 1) for place in range(5, 17)),
    *(1.8, 2.1, 2.5, 3.0, 4.0, 5.5, 7.5, 10.0),
)
"""Close together where the items of few symbols are: with one symbol, the share of right answers rises from 10 to 40 %
within 0.2."""
_DRAWS = 4
_NEIGHBOURS = 1
_BINS = 300
_PRIOR_ITEMS = 0.1
"""Weight of a curve without bends, in items: decides where few items are, and no more."""


def fit_calibration(
    model: Model,
    k_list: Sequence[int],
    grid: Sequence[float],
    rng: np.random.Generator,
    measured_on: str,
    on_snr: Callable[[], None] = lambda: None,
) -> tuple[Calibration, np.ndarray]:
    """A calibration over a grid of SNRs; each SNR's curve rests on the draws of its neighbours, too.

    Returns:
        It, and the accuracies (SNR, k) of the draws, 0 to 1.
    """
    drawn = []
    for snr_db in grid:
        symbols = model.symbols(snr_db)
        drawn.append([_draws(model, prefix(symbols, 0, k), snr_db, rng) for k in k_list])
        on_snr()
    temperature, calibrated = [], []
    for row in range(len(grid)):
        near = drawn[max(row - _NEIGHBOURS, 0) : row + _NEIGHBOURS + 1]
        curves = [
            _fit(*(np.concatenate(part) for part in zip(*column, strict=True))) for column in zip(*near, strict=True)
        ]
        temperature.append(tuple(round(heat, 4) for heat, _ in curves))
        calibrated.append(tuple(curve for _, curve in curves))
    accuracy = np.array([[right.mean() for _, right, _ in row] for row in drawn])
    return Calibration(tuple(grid), tuple(temperature), KNOTS, tuple(calibrated), measured_on), accuracy


def _draws(
    model: Model, sent: np.ndarray, snr_db: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, which answers are right, and targets, over the draws of the noise."""
    logits = [model.logits(over_noise(sent, snr_db, rng), snr_db) for _ in range(_DRAWS)]
    right = np.concatenate([model.right(one) for one in logits])
    return np.concatenate(logits), right, np.tile(model.targets, _DRAWS)


def _fit(logits: np.ndarray, right: np.ndarray, targets: np.ndarray) -> tuple[float, tuple[float, ...]]:
    """Temperature, and the curve's values at `KNOTS`."""
    heat = _fit_temperature(logits, targets)
    return heat, _fit_curve(top_log_odds(logits, heat), right)


def _fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    every = np.arange(len(targets))
    shifted = logits - logits.max(axis=1, keepdims=True)

    def loss(log_heat: float) -> float:
        scaled = shifted / np.float32(np.exp(log_heat))
        return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[every, targets]).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 3.0), method="bounded", options={"xatol": 1e-3}).x))


def _fit_curve(log_odds: np.ndarray, right: np.ndarray) -> tuple[float, ...]:
    """The rising curve through `KNOTS` that makes the outcomes most likely."""
    knots = np.array(KNOTS)
    order = np.argsort(log_odds)
    parts = [part for part in np.array_split(order, _BINS) if len(part)]
    weight = np.array([len(part) for part in parts], float)
    hits = np.array([right[part].sum() for part in parts], float)
    place = np.clip([log_odds[part].mean() for part in parts], knots[0], knots[-1])
    tents = np.stack([np.interp(place, knots, row) for row in np.eye(len(knots))], axis=1)
    # The values are a first one and the rises after it, which stay above their bounds.
    sums = np.tril(np.ones((len(knots), len(knots))))
    widths = np.diff(knots)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        value = tents @ (sums @ parameters)
        slope = np.diff(parameters[1:] / widths)
        cost = (weight * np.logaddexp(0.0, value) - hits * value).sum() + _PRIOR_ITEMS * np.square(slope).sum()
        gradient = sums.T @ (tents.T @ (weight / (1.0 + np.exp(-value)) - hits))
        bend = 2.0 * _PRIOR_ITEMS * slope
        gradient[1:] += (np.concatenate(([0.0], bend)) - np.concatenate((bend, [0.0]))) / widths
        return float(cost), gradient

    bounds = [(-10.0, 10.0), *((LEAST_SLOPE * width, 20.0) for width in widths)]
    found = minimize(loss, np.concatenate(([knots[0]], widths)), jac=True, method="L-BFGS-B", bounds=bounds)
    return tuple(round(float(value), 4) for value in sums @ found.x)
