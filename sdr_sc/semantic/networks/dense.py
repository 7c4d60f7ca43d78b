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

from sdr_sc.semantic.networks.base import Encoder
from sdr_sc.semantic.networks.fused import FusedEncoder
from sdr_sc.semantic.networks.symbols import snr_input


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


def convolution(n_in: int, n_out: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution without bias that keeps the sides at stride 1, batch norm and ReLU."""
    inner = nn.Conv2d(n_in, n_out, size, stride, size // 2, bias=False)
    return nn.Sequential(inner, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """Two 3x3 convolutions with a skip path around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(width, width), nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


class WeightedPool(nn.Module):
    """Each channel's weighted sum over its map, with weights of its own: items are aligned, and place matters
    (the global depthwise convolution of Chen et al., "MobileFaceNets", 2018)."""

    def __init__(self, width: int, height: int, breadth: int) -> None:
        super().__init__()
        mean = 1.0 / (height * breadth)
        self.weight = nn.Parameter(mean * (1.0 + 0.5 * torch.randn(width, height, breadth)))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weight.to(x.dtype)).sum(dim=(2, 3))


_LARGEST_MAP = 5


def _map_side(side: int) -> int:
    """Rows of the map after the first convolution and the max pooling.

    >>> [_map_side(side) for side in (16, 28, 32, 128)]
    [4, 7, 8, 32]
    """
    return -(-side // 2) // 2


class StudentEncoder(Encoder):
    """Image and SNR to ``k_max`` complex feature symbols, best first.

    Few, dense convolutions with channels in multiples of 16: on a CPU they train and run several times faster than
    separable ones of as many parameters.

    Input: float32 (items, channels, height, width) normalised as the contract says, and float32 (items,) SNR in dB.
    Output: float32 (items, k_max, 2), not yet normalised in power (see `normalise_prefix`).

    The map that is pooled has 3 to 5 rows and columns, whatever the image's size: a larger one is halved more often.

    Args:
        k_max: symbols of an item.
        item_shape: (height, width) of grey images, (3, height, width) of colour ones.

    Attributes:
        kind: name of this architecture in a model's contract.
        width: length of the pooled feature vector.
        channels: of the first and the following convolutions.
        hidden_width: of the layer between the pooled vector and the symbols.
        sides: heights and widths of the images that it takes, pixels.
    """

    kind = "dense"
    width = 48
    channels = (16, 32)
    hidden_width = 64
    sides = range(16, 129)

    def __init__(self, k_max: int = 32, item_shape: Sequence[int] = (28, 28)) -> None:
        super().__init__()
        self.k_max = k_max
        (first, middle), hidden = self.channels, self.hidden_width
        maps = [_map_side(side) for side in item_shape[-2:]]
        stages: list[nn.Module] = []
        while max(maps) > _LARGEST_MAP * 2:
            stages.append(convolution(middle, middle, stride=2))
            maps = [-(-side // 2) for side in maps]
        last = 2 if max(maps) > _LARGEST_MAP else 1
        self.features = nn.Sequential(
            convolution(item_shape[0] if len(item_shape) == 3 else 1, first, 5, stride=2),
            nn.Conv2d(first, middle, 3, padding=1, bias=False),
            nn.MaxPool2d(2),  # before norm and ReLU, which then work on a quarter of the map
            nn.BatchNorm2d(middle),
            nn.ReLU(inplace=True),
            *stages,
            Residual(middle),
            convolution(middle, self.width, stride=last),
        )
        self.pool = WeightedPool(self.width, *(-(-side // last) for side in maps))
        self.hidden = nn.Linear(self.width, hidden)
        self.film = FiLM(hidden)
        self.symbols = nn.Linear(hidden, 2 * k_max)

    @classmethod
    def takes(cls, shape: Sequence[int]) -> bool:
        """Whether it takes items of this shape.

        >>> [StudentEncoder.takes(shape) for shape in ((28, 28), (3, 64, 128), (32, 32, 3), (8, 8))]
        [True, True, False, False]
        """
        return len(shape) in (2, 3) and set(shape[-2:]) <= set(cls.sides) and tuple(shape[:-2]) in ((), (3,))

    @classmethod
    def refusal(cls, item_shape: Sequence[int]) -> str:
        sides = cls.sides
        return "" if cls.takes(item_shape) else f"grey or RGB images of {sides[0]} to {sides[-1]} pixels a side"

    def adamw_modules(self) -> list[nn.Module]:
        return [self.features[0][0], *self.film.modules()]  # type: ignore[index]

    def backbone(self) -> list[nn.Module]:
        return [self.features, self.pool]

    def ignore_snr(self) -> None:
        self.film.ignore_snr()

    def for_inference(self) -> nn.Module:
        return FusedEncoder(self)

    def pooled(self, images: Tensor) -> Tensor:
        """The part that does not depend on the SNR: feature vectors (items, width)."""
        return self.pool(self.features(images))

    def from_pooled(self, pooled: Tensor, snr_db: Tensor) -> Tensor:
        """The part that does."""
        hidden = torch.relu(self.film(self.hidden(pooled), snr_db))
        return self.symbols(hidden).view(-1, self.k_max, 2)


class SmallEncoder(StudentEncoder):
    """The same network with a fifth of the parameters (about 10,000), for transmitters with less memory.

    >>> sum(parameter.numel() for parameter in SmallEncoder(32).parameters())
    10168
    """

    kind = "small"
    width = 20
    channels = (8, 12)
    hidden_width = 32


class StudentDecoder(nn.Module):
    """Received feature symbols and SNR to task logits.

    Input: float32 (items, k_max, 2) LMMSE feature symbols, 0 where none was sent (see `pad_symbols`); float32 (items,)
    SNR in dB; float32 (items,) k / k_max, the part that was sent.
    Output: float32 (items, n_classes) logits.

    Attributes:
        kind: name of this architecture in a model's contract.
    """

    kind = "dense"

    def __init__(self, n_classes: int, k_max: int = 32, width: int = 160) -> None:
        super().__init__()
        self.k_max = k_max
        self.first = nn.Linear(2 * k_max + 1, width)
        self.film = FiLM(width)
        self.second = nn.Linear(width, width)
        self.logits = nn.Linear(width, n_classes)

    def adamw_modules(self) -> list[nn.Module]:
        """As `Encoder.adamw_modules`: the last layer, and FiLM's."""
        return [self.logits, *self.film.modules()]

    def forward(self, symbols: Tensor, snr_db: Tensor, fraction: Tensor) -> Tensor:
        x = self.first(torch.cat((symbols.flatten(1), fraction.unsqueeze(1)), dim=1))
        x = torch.relu(self.film(x, snr_db))
        x = torch.relu(x + self.second(x))
        return self.logits(x)
