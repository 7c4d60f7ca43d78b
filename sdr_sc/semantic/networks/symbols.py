# SPDX-License-Identifier: GPL-3.0-or-later
"""Feature symbols of items: prefixes at unit power, padding, and the SNR as networks see it."""

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
        float32 (len(k_list), items, k_max, 2), zero after the first k symbols.

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


def pad_symbols(symbols: Tensor, k_max: int) -> tuple[Tensor, Tensor]:
    """What `StudentDecoder` takes of (items, k, 2) symbols: (items, k_max, 2) with zeros after, and k / k_max of each
    item."""
    items, k = symbols.shape[:2]
    return nn.functional.pad(symbols, (0, 0, 0, k_max - k)), symbols.new_full((items,), k / k_max)
