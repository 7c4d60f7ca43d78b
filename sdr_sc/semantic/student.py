# SPDX-License-Identifier: GPL-3.0-or-later
"""The student networks: an image encoder to complex feature symbols, and a decoder to task logits.

Both are conditioned on the SNR in the manner of FiLM (Perez et al., 2018). The encoder does not know how many
of its symbols will be sent: training with every ``k`` at once orders them, so that every prefix is a good prefix
(nested features, as in Kusupati et al., "Matryoshka Representation Learning", 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

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


def normalise_prefixes(symbols: Tensor, k_list: Sequence[int]) -> Tensor:
    """`normalise_prefix` for every k at once.

    Args:
        symbols: float32 (items, k_max, 2).
        k_list: feature symbols kept per item.

    Returns:
        float32 (len(k_list), items, k_max, 2), zero behind the first k symbols.

    >>> sent = normalise_prefixes(torch.ones(1, 4, 2), (2, 4))
    >>> sent.square().sum(dim=(2, 3)).flatten().round(decimals=4).tolist()
    [2.0, 4.0]
    """
    k = torch.tensor(k_list, device=symbols.device)
    energy = symbols.square().sum(dim=2).cumsum(dim=1)[:, k - 1].T  # (len(k_list), items)
    scale = torch.rsqrt(energy / k.unsqueeze(1) + 1e-9)
    kept = torch.arange(symbols.shape[1], device=symbols.device) < k.unsqueeze(1)
    return symbols * (scale.unsqueeze(2) * kept.unsqueeze(1)).unsqueeze(3)


def snr_input(snr_db: Tensor) -> Tensor:
    """The SNR as the networks see it, about -1 to 1."""
    return (snr_db - SNR_CENTRE_DB) / SNR_SCALE_DB


class FiLM(nn.Module):
    """Scale and shift activations by a learned function of the SNR."""

    def __init__(self, width: int, hidden: int = 16) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, hidden), nn.ReLU(), nn.Linear(hidden, 2 * width))
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    @torch.no_grad()
    def ignore_snr(self) -> None:
        """Give for any SNR what `SNR_CENTRE_DB` gives."""
        self.net[0].weight.zero_()

    def forward(self, x: Tensor, snr_db: Tensor) -> Tensor:
        """x: (items, width); snr_db: (items,)."""
        scale, shift = self.net(snr_input(snr_db).unsqueeze(1)).chunk(2, dim=1)
        return x * (1.0 + scale) + shift


def _conv(n_in: int, n_out: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(n_in, n_out, size, stride, size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))


class _Residual(nn.Module):
    """Two 3x3 convolutions with a skip path around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(width, width), nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


class _WeightedPool(nn.Module):
    """Each channel's weighted sum over its map, with weights of its own: items are aligned, and place tells something
    (the global depthwise convolution of Chen et al., "MobileFaceNets", 2018)."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        mean = 1.0 / side**2
        self.weight = nn.Parameter(mean * (1.0 + 0.5 * torch.randn(width, side, side)))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weight.to(x.dtype)).sum(dim=(2, 3))


class StudentEncoder(nn.Module):
    """Image and SNR to ``k_max`` complex feature symbols, best first.

    Few, dense convolutions with channels in multiples of 16: on a CPU they train and run several times faster than
    separable ones of as many parameters.

    Input: float32 (items, 1, height, width) normalised as the contract says, and float32 (items,) SNR in dB.
    Output: float32 (items, k_max, 2), not yet normalised in power (see `normalise_prefix`).

    Attributes:
        kind: name of this architecture in a model's contract.
        width: length of the pooled feature vector.
        sides: heights and widths of the images that it takes, pixels: those of 28 and their neighbours of the same map.
    """

    kind = "dense"
    width = 48
    sides = range(27, 35)

    def __init__(self, k_max: int = 32) -> None:
        super().__init__()
        self.k_max = k_max
        self.features = nn.Sequential(
            _conv(1, 16, 5, stride=2),
            nn.Conv2d(16, 32, 3, padding=1, bias=False),
            nn.MaxPool2d(2),  # before norm and ReLU, which then work on a quarter of the map
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            _Residual(32),
            _conv(32, self.width, stride=2),
        )
        self.pool = _WeightedPool(self.width, 4)
        self.hidden = nn.Linear(self.width, 64)
        self.film = FiLM(64)
        self.symbols = nn.Linear(64, 2 * k_max)

    @classmethod
    def takes(cls, shape: Sequence[int]) -> bool:
        """Whether it takes items of this shape.

        >>> StudentEncoder.takes((28, 28)), StudentEncoder.takes((64, 64)), StudentEncoder.takes((32, 32, 3))
        (True, False, False)
        """
        return len(shape) == 2 and set(shape) <= set(cls.sides)

    def forward(self, images: Tensor, snr_db: Tensor) -> Tensor:
        return self.from_pooled(self.pooled(images), snr_db)

    def pooled(self, images: Tensor) -> Tensor:
        """The part that does not depend on the SNR: feature vectors (items, width)."""
        return self.pool(self.features(images))

    def from_pooled(self, pooled: Tensor, snr_db: Tensor) -> Tensor:
        """The part that does."""
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
