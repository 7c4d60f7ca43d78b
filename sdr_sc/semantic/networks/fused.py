# SPDX-License-Identifier: GPL-3.0-or-later
"""The student encoder in the form that it is exported in: the same function in fewer, larger operations.

With one image at a time, calling an operation costs more than what it computes. So the weighted pooling becomes a
convolution; the SNR's scaling goes into FiLM's first layer, the 1 of its 1 + scale into a bias; and its last layer is
cut in two, so that nothing has to be sliced. Batch norm and ReLU come before the max pooling that they follow in
training, as nothing that rises changes which value is the largest: there a runtime makes them part of the convolution.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sdr_sc.semantic.networks.symbols import SNR_CENTRE_DB, SNR_SCALE_DB


class FusedEncoder(nn.Module):
    """The function of a `StudentEncoder`, for inference alone.

    Args:
        encoder: in evaluation mode; it is left as it is.
    """

    @torch.no_grad()
    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.k_max = encoder.k_max
        self.features = nn.Sequential(*_pooled_last(list(encoder.features)))
        self.pool = _as_convolution(encoder.pool.weight)
        self.hidden = encoder.hidden
        first, last = encoder.film.net[0], encoder.film.net[2]
        weight = first.weight / SNR_SCALE_DB
        self.snr = _linear(weight, first.bias - SNR_CENTRE_DB * weight[:, 0])
        (scale, shift), (scale_bias, shift_bias) = last.weight.chunk(2), last.bias.chunk(2)
        self.scale, self.shift = _linear(scale, 1.0 + scale_bias), _linear(shift, shift_bias)
        self.symbols = encoder.symbols
        self.eval()

    def forward(self, images: Tensor, snr_db: Tensor) -> Tensor:
        told = torch.relu(self.snr(snr_db.unsqueeze(1)))
        hidden = self.hidden(self.pool(self.features(images)).flatten(1))
        return self.symbols(torch.relu(hidden * self.scale(told) + self.shift(told))).view(-1, self.k_max, 2)


def _pooled_last(layers: list[nn.Module]) -> list[nn.Module]:
    """Each max pooling after the batch norm and ReLU that follow it, if that norm rises in every channel."""
    for i, (pool, norm, relu) in enumerate(zip(layers, layers[1:], layers[2:], strict=False)):
        kinds = isinstance(pool, nn.MaxPool2d), isinstance(norm, nn.BatchNorm2d), isinstance(relu, nn.ReLU)
        if all(kinds) and bool((norm.weight > 0).all()):
            return [*layers[:i], norm, relu, pool, *_pooled_last(layers[i + 3 :])]
    return layers


def _as_convolution(weight: Tensor) -> nn.Conv2d:
    """The weighted sum of each channel's map with weights (channels, side, side)."""
    channels, *side = weight.shape
    layer = nn.Conv2d(channels, channels, tuple(side), groups=channels, bias=False)
    layer.weight.copy_(weight.unsqueeze(1))
    return layer


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)
    return layer
