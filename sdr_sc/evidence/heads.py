# SPDX-License-Identifier: GPL-3.0-or-later
"""Small networks from what a receiver holds of an item to a label, fitted after the fact."""

from __future__ import annotations

import numpy as np

HIDDEN, EPOCHS, BATCH, RATE = 128, 25, 250, 3e-3


def predict(
    known: np.ndarray, labels: np.ndarray, new: np.ndarray, levels: int, seed: int = 1, epochs: int = EPOCHS
) -> np.ndarray:
    """Labels of new items, by a network of one hidden layer that is fitted on known ones.

    Args:
        known, new: float (n, width), what the receiver holds; NaN where an item is lost.
        labels: int64 (n,), of the known ones.
        levels: how many labels there are.
        seed: of weights and order.
        epochs: of the fit.

    Returns:
        int64 (n,); of a lost item the label that is the most frequent among the known ones.
    """
    import torch

    frequent = int(np.bincount(labels, minlength=levels).argmax())
    usable, there = np.isfinite(known).all(axis=1), np.isfinite(new).all(axis=1)
    found = np.full(len(new), frequent, np.int64)
    if not usable.any() or not there.any():
        return found
    mean, spread = known[usable].mean(axis=0), known[usable].std(axis=0) + 1e-6
    inputs = torch.from_numpy(((known[usable] - mean) / spread).astype(np.float32))
    truth = torch.from_numpy(labels[usable].astype(np.int64))
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    network = torch.nn.Sequential(
        torch.nn.Linear(inputs.shape[1], HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, levels)
    )
    order = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-3)
    steps = epochs * -(-len(inputs) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2 * RATE, steps)
    for _ in range(epochs):
        for chosen in torch.randperm(len(inputs), generator=order).split(BATCH):
            loss = torch.nn.functional.cross_entropy(network(inputs[chosen]), truth[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    torch.random.set_rng_state(state)
    with torch.inference_mode():
        logits = network(torch.from_numpy(((new[there] - mean) / spread).astype(np.float32)))
    found[there] = logits.argmax(1).numpy()
    return found
