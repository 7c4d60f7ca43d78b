# SPDX-License-Identifier: GPL-3.0-or-later
"""The student networks: an image encoder to complex feature symbols, and a decoder to task logits.

Both are conditioned on the SNR in the manner of FiLM (Perez et al., 2018). The encoder does not know how many
of its symbols will be sent: training with a random ``k`` orders them, so that every prefix is a good prefix
(nested features, as in Kusupati et al., "Matryoshka Representation Learning", 2022).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SNR_CENTRE_DB = 10.0
SNR_SCALE_DB = 15.0


def normalise_prefix(symbols: Tensor, k: int) -> Tensor:
    """Scale the first ``k`` feature symbols of each item to unit mean power; drop the others.

    Args:
        symbols: float32, shape (items, k_max, 2), real and imaginary part last.
        k: feature symbols kept per item.

    Returns:
        float32, shape (items, k, 2), with mean of |x|^2 over the k symbols equal to 1.
    """
    kept = symbols[:, :k]
    power = kept.square().sum(dim=(1, 2), keepdim=True) / k
    return kept * torch.rsqrt(power + 1e-9)


class FiLM(nn.Module):
    """Scale and shift activations by a learned function of the SNR."""

    def __init__(self, width: int, hidden: int = 16) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, hidden), nn.ReLU(), nn.Linear(hidden, 2 * width))
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, x: Tensor, snr_db: Tensor) -> Tensor:
        """x: (items, width); snr_db: (items,)."""
        scale, shift = self.net(((snr_db - SNR_CENTRE_DB) / SNR_SCALE_DB).unsqueeze(1)).chunk(2, dim=1)
        return x * (1.0 + scale) + shift


def _conv(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU())


class _Separable(nn.Module):
    """Depthwise 3x3 then pointwise 1x1 convolution, with a skip path where the shape allows it."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_in, 3, stride, 1, groups=n_in, bias=False),
            nn.BatchNorm2d(n_in),
            nn.ReLU(),
            nn.Conv2d(n_in, n_out, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.skip = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return torch.relu(x + y if self.skip else y)


class StudentEncoder(nn.Module):
    """Image and SNR to ``k_max`` complex feature symbols, best first.

    Input: float32 (items, 1, 28, 28) normalised as the contract says, and float32 (items,) SNR in dB.
    Output: float32 (items, k_max, 2), not yet normalised in power (see `normalise_prefix`).
    """

    def __init__(self, k_max: int = 32, width: int = 96) -> None:
        super().__init__()
        self.k_max = k_max
        self.features = nn.Sequential(
            _conv(1, 16),
            _conv(16, 32, stride=2),
            _Separable(32, 64),
            _Separable(64, width, stride=2),
            _Separable(width, width),
            _Separable(width, width),
        )
        self.hidden = nn.Linear(width, width)
        self.film = FiLM(width)
        self.symbols = nn.Linear(width, 2 * k_max)

    def forward(self, images: Tensor, snr_db: Tensor) -> Tensor:
        return self.from_pooled(self.features(images).mean(dim=(2, 3)), snr_db)

    def from_pooled(self, pooled: Tensor, snr_db: Tensor) -> Tensor:
        """The part behind the convolutions, which alone depends on the SNR; ``pooled`` is (items, width)."""
        hidden = torch.relu(self.film(self.hidden(pooled), snr_db))
        return self.symbols(hidden).view(-1, self.k_max, 2)


class StudentDecoder(nn.Module):
    """Received feature symbols and SNR to task logits.

    Input: float32 (items, k_max, 2) LMMSE feature symbols, 0 where none was sent (see `pad_symbols`); float32 (items,)
    SNR in dB; float32 (items,) k / k_max, the part that was sent.
    Output: float32 (items, n_classes) logits.
    """

    def __init__(self, n_classes: int, k_max: int = 32, width: int = 160) -> None:
        super().__init__()
        self.k_max = k_max
        self.first = nn.Linear(2 * k_max + 1, width)
        self.film = FiLM(width)
        self.second = nn.Linear(width, width)
        self.logits = nn.Linear(width, n_classes)

    def forward(self, symbols: Tensor, snr_db: Tensor, fraction: Tensor) -> Tensor:
        x = self.first(torch.cat((symbols.flatten(1), fraction.unsqueeze(1)), dim=1))
        x = torch.relu(self.film(x, snr_db))
        x = torch.relu(x + self.second(x))
        return self.logits(x)


def pad_symbols(symbols: Tensor, k_max: int) -> tuple[Tensor, Tensor]:
    """What `StudentDecoder` takes of (items, k, 2) symbols: (items, k_max, 2) with zeros behind, and k / k_max of each
    item."""
    items, k = symbols.shape[:2]
    return nn.functional.pad(symbols, (0, 0, 0, k_max - k)), symbols.new_full((items,), k / k_max)
