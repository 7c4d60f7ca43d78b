# SPDX-License-Identifier: GPL-3.0-or-later
"""Fits the context model of thumbnails on training images."""

from __future__ import annotations

import numpy as np
import torch

from sdr_sc.schemes.thumbnail.context import ContextModel, inputs, inputs_of, padded

HIDDEN = (96, 48)
_IMAGES, _PLACES = 64, 64  # of a batch


def fit_context(index: np.ndarray, levels: int, steps: int = 2500, seed: int = 1) -> ContextModel:
    """The model with the fewest bits, by stochastic gradients, for levels uint8 (n, side, side) of training images."""
    side = index.shape[1]
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    sizes = (inputs_of(side), *HIDDEN, levels)
    layers = []
    for rows, columns in zip(sizes, sizes[1:], strict=False):
        weight = torch.randn(rows, columns, generator=generator) * (2 / rows) ** 0.5
        layers.append((weight.requires_grad_(), torch.zeros(columns, requires_grad=True)))
    parameters = [one for layer in layers for one in layer]
    optimiser = torch.optim.AdamW(parameters, 1e-2, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, steps, pct_start=0.1)
    whole = padded(index, levels)
    for _ in range(steps):
        images, places = rng.integers(0, len(index), _IMAGES), rng.integers(0, side * side, _PLACES)
        values = torch.from_numpy(inputs(whole[images], places, side))
        truth = torch.from_numpy(index[images].reshape(_IMAGES, -1)[:, places].astype(np.int64)).ravel()
        for place, (weight, bias) in enumerate(layers):
            values = values @ weight + bias
            if place < len(layers) - 1:
                values = torch.relu(values)
        loss = torch.nn.functional.cross_entropy(values.reshape(-1, levels), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    fitted = [[one.detach().numpy().copy() for one in layer] for layer in layers]
    for one in fitted[-1]:
        one /= np.float32(np.log(2))  # chances are powers of two
    return ContextModel(side, levels, tuple((weight, bias) for weight, bias in fitted))


def item_bits(index: np.ndarray, model: ContextModel) -> float:
    """Bits of an item by the model's chances, without a coder's overhead."""
    total, places = 0.0, np.arange(model.side**2)
    for first in range(0, len(index), 100):
        part = index[first : first + 100]
        chances = model.chances(padded(part, model.levels), places)
        total -= float(np.log2(np.take_along_axis(chances, part.reshape(-1, 1).astype(np.int64), axis=1)).sum())
    return total / len(index)
