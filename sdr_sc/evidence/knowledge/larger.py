# SPDX-License-Identifier: GPL-3.0-or-later
"""The fair rival of a base: a decoder that has as many bytes more as the base takes, trained on the same entries.

It sees received features of a class that may be new or known, at any SNR, and is trained again whenever entries change.
Known classes are spared as those of a base are: the decoder's answer stays unless a new class leads by more than what a
small share of held-out known items shows (`sdr_sc.semantic.knowledge.fusion.tail`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdr_sc.evidence.knowledge.bases import best_of
from sdr_sc.evidence.knowledge.heard import Heard
from sdr_sc.evidence.knowledge.received import Received
from sdr_sc.semantic.gallery import unit_rows
from sdr_sc.semantic.knowledge.fusion.tail import level_of
from sdr_sc.semantic.knowledge.rules.memory import MemoryBase

EPOCHS, BATCH, RATE, DECAY = 150, 250, 2e-3, 1e-2
_BYTES_OF_A_NUMBER = 4


def hidden_for(numbers: int, inputs: int, classes: int) -> int:
    """Width of two hidden layers, of which a network has so many weights at most, and 1 at least.

    >>> width = hidden_for(144_000, 33, 59)
    >>> width, (33 + 1) * width + (width + 1) * width + (width + 1) * 59
    (335, 143774)
    """
    linear = inputs + classes + 2
    return max(1, int((np.sqrt(linear**2 + 4.0 * max(numbers - classes, 0)) - linear) / 2))


class LargerDecoder:
    """A network from received features to known and new classes.

    Args:
        base: whose entries it is trained on, and whose bytes it has.
        k: feature symbols.
        snrs_db: lowest and highest SNR of the training.
        seed: of weights, order and noise.
    """

    def __init__(self, base: MemoryBase, k: int, snrs_db: tuple[float, float], seed: int) -> None:
        import torch

        self.own = base.own
        inputs = 2 * k + 1
        width = hidden_for(base.vectors.nbytes // _BYTES_OF_A_NUMBER, inputs, base.class_count)
        sent = torch.from_numpy(unit_rows(base.vectors[:, : 2 * k]).astype(np.float32) * np.sqrt(k).astype(np.float32))
        truth = torch.from_numpy(base.classes.astype(np.int64))
        state = torch.random.get_rng_state()
        torch.manual_seed(seed)
        layers = torch.nn.Linear, torch.nn.ReLU
        self._network = torch.nn.Sequential(
            layers[0](inputs, width), layers[1](), layers[0](width, width), layers[1](),
            layers[0](width, base.class_count),
        )  # fmt: skip
        chance = torch.Generator().manual_seed(seed)
        optimiser = torch.optim.AdamW(self._network.parameters(), RATE, weight_decay=DECAY)
        steps = EPOCHS * -(-len(sent) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2 * RATE, steps)
        low, high = snrs_db
        for _ in range(EPOCHS):
            for chosen in torch.randperm(len(sent), generator=chance).split(BATCH):
                snr_db = low + (high - low) * torch.rand(len(chosen), 1, generator=chance)
                noise = 10.0 ** (-snr_db / 10)
                heard = sent[chosen] + torch.randn(len(chosen), 2 * k, generator=chance) * (noise / 2).sqrt()
                seen = torch.cat([heard / (1 + noise), snr_db / 10], dim=1)
                loss = torch.nn.functional.cross_entropy(self._network(seen), truth[chosen])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
        torch.random.set_rng_state(state)

    def log_probabilities(self, received: Received) -> np.ndarray:
        """float64 (n, classes); NaN for lost items."""
        import torch

        features = np.ascontiguousarray(received.features, np.complex64).view(np.float32)
        noise = np.where(np.isfinite(received.noise_variance), received.noise_variance, 1e3).mean(axis=1, keepdims=True)
        there = np.isfinite(received.outputs).all(axis=1)
        seen = np.hstack([np.nan_to_num(features), -np.log10(np.maximum(noise, 1e-6))]).astype(np.float32)
        with torch.inference_mode():
            found = torch.log_softmax(self._network(torch.from_numpy(seen)).double(), dim=1).numpy()
        return np.where(there[:, None], found, np.nan)

    def among_new(self, received: Received) -> np.ndarray:
        """int64 (n,), the best of the new classes, counted after the known ones; -1 for lost items."""
        found = best_of(self.log_probabilities(received)[:, self.own :])
        return np.where(found < 0, -1, self.own + found)

    def among_known(self, received: Received) -> np.ndarray:
        """int64 (n,), the best of the known classes; -1 for lost items."""
        return best_of(self.log_probabilities(received)[:, : self.own])

    def level(self, held: Sequence[Heard], share: float) -> float:
        """Lead of a new class that a share of held-out known items has at most, of those that the decoder has right."""
        scores = []
        for one in held:
            right = best_of(one.logits) == one.items.classes
            scores.append(np.where(right, self._lead(one.received), -np.inf))
        return level_of(np.concatenate(scores), share)

    def answers(self, one: Heard, level: float) -> np.ndarray:
        """int64 (n,), the decoder's answer, or a new class that leads by more than the level."""
        return np.where(self._lead(one.received) > level, self.among_new(one.received), best_of(one.logits))

    def _lead(self, received: Received) -> np.ndarray:
        found = self.log_probabilities(received)
        lead = found[:, self.own :].max(axis=1) - found[:, : self.own].max(axis=1)
        return np.where(np.isfinite(lead), lead, -np.inf)
