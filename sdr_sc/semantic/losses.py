# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms of the training loss: distillation of soft labels and of features, and the information bottleneck.

The derivation of the bottleneck, with each term named as here, is in ``docs/distillation.md``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sdr_sc.semantic.networks.symbols import normalise_prefixes, snr_input


def soft_label_loss(logits: Tensor, log_probabilities: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of the student's answer from the teacher's, both softened (Hinton, Vinyals and Dean,
    "Distilling the Knowledge in a Neural Network", 2015), times the temperature squared, which keeps the gradient's
    size whatever the temperature.

    Args:
        logits: float32 (..., items, classes) of the student.
        log_probabilities: float32 (items, classes) of the teacher.
        temperature: 1 for the probabilities as they are.

    Returns:
        float32 (..., items), nats.

    >>> teacher = torch.log_softmax(torch.tensor([[2.0, 0.0]]), dim=1)
    >>> soft_label_loss(torch.tensor([[3.0, 1.0]]), teacher, 2.0).abs().max().item() < 1e-6
    True
    """
    wanted = torch.log_softmax(log_probabilities / temperature, dim=-1)
    found = torch.log_softmax(logits / temperature, dim=-1)
    return temperature**2 * (wanted.exp() * (wanted - found)).sum(dim=-1)


def label_loss(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross entropy with smoothed labels.

    Args:
        logits: float32 (..., items, classes).
        labels: int64 (items,).
        smoothing: probability that is spread evenly over all classes.

    Returns:
        float32 (..., items), nats.
    """
    log_q = torch.log_softmax(logits, dim=-1)
    return -(1.0 - smoothing) * _of_labels(log_q, labels) - smoothing * log_q.mean(dim=-1)


def expected_error(logits: Tensor, labels: Tensor) -> Tensor:
    """Probability that an answer drawn from the student's probabilities is wrong: 1 - q(label).

    Cross entropy asks for honest doubt, and gets it with symbols of doubtful items between the classes' codewords,
    where noise is dangerous. This loss is least where every item is sent as one codeword.

    Args:
        logits: float32 (..., items, classes).
        labels: int64 (items,).

    Returns:
        float32 (..., items), 0..1.

    >>> expected_error(torch.tensor([[0.0, 0.0], [3.0, -3.0]]), torch.tensor([0, 0])).numpy().round(4)
    array([0.5   , 0.0025], dtype=float32)
    """
    return 1.0 - _of_labels(torch.softmax(logits, dim=-1), labels)


def _of_labels(values: Tensor, labels: Tensor) -> Tensor:
    """Each item's value of its own label: (..., items, classes) to (..., items)."""
    index = labels.view(*(1,) * (values.ndim - 2), -1, 1).expand(*values.shape[:-1], 1)
    return values.gather(-1, index).squeeze(-1)


def feature_loss(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error of predicted teacher features, each of unit variance; both float32 (items, dimensions)."""
    return nn.functional.mse_loss(predicted, wanted)


def residual_information(symbols: Tensor, centres: Tensor, spread: Tensor, noise: Tensor) -> Tensor:
    """Upper bound of what the received symbols reveal of the item beyond its class, I(X; Z | Y), in nats.

    With Z = s(x) + n and circular noise of power ``noise``, it is the divergence KL(p(z|x) || r(z|y)) of the received
    symbols' distribution from a Gaussian r around the class's centre (for the principle: Fischer, "The Conditional
    Entropy Bottleneck", 2020). It is tight where the symbols of a class are Gaussian with just this centre and spread.

    Args:
        symbols: float32 (..., items, k, 2), as sent.
        centres: float32 (..., items, k, 2), that of each item's class.
        spread: float32, power of a class's symbols around their centre; of a shape that broadcasts to (..., items, k).
        noise: float32, noise power over the received signal's power; as ``spread``.

    Returns:
        float32 (..., items, k), each symbol's part of the bound, nats.

    >>> noise = torch.tensor(0.5)
    >>> at_centre = residual_information(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), torch.tensor([1e-9]), noise)
    >>> round(at_centre.item(), 6)
    0.0
    """
    distance = (symbols - centres).square().sum(dim=-1)
    return torch.log1p(spread / noise) + (distance - spread) / (noise + spread)


class Bottleneck(nn.Module):
    """The share of the symbols' capacity that `residual_information` takes, with learned centres and spreads of the
    classes, which drift with the SNR as the encoder does; needed in training alone.

    In nats the residue is largest where the channel is best and symbols are not scarce, and grows with k. Over the
    capacity log(1 + 1/N0) of each symbol, with the noise N0 that it has after fading, and as a mean over the k symbols,
    one weight means the same for every k and SNR.

    Args:
        n_classes: of the task.
        k_list: feature symbols per item.
    """

    def __init__(self, n_classes: int, k_list: tuple[int, ...]) -> None:
        super().__init__()
        self.k_list = k_list
        shape = (n_classes, k_list[-1], 2)
        self.centres = nn.Parameter(torch.randn(shape) / math.sqrt(2.0))
        self.drift = nn.Parameter(torch.zeros(shape))  # of the centres with the SNR
        self.log_spread = nn.Parameter(torch.full(shape[:2], math.log(0.1)))
        self.spread_drift = nn.Parameter(torch.zeros(shape[:2]))

    def forward(self, sent: Tensor, snr_db: Tensor, noise: Tensor, labels: Tensor) -> Tensor:
        """Mean share for each k and item.

        Args:
            sent: float32 (len(k_list), items, k_max, 2), as `normalise_prefixes` gives them.
            snr_db: float32 (items,), before fading, as the encoder is given it.
            noise: float32 (len(k_list), items, k_max), noise power over the power of each received symbol.
            labels: int64 (items,).

        Returns:
            float32 (len(k_list), items), of the capacity; 1 is as much as a symbol can carry.
        """
        told = snr_input(snr_db).view(-1, 1, 1)
        raw = self.centres[labels] + self.drift[labels] * told
        spread = (self.log_spread[labels] + self.spread_drift[labels] * told[..., 0]).exp()
        centres = normalise_prefixes(raw, self.k_list)
        parts = residual_information(sent, centres, spread, noise) / torch.log1p(1.0 / noise)
        counts = torch.tensor(self.k_list).unsqueeze(1)
        kept = torch.arange(sent.shape[2]) < counts
        return (parts * kept.to(parts).unsqueeze(1)).sum(dim=2) / counts.to(parts)
