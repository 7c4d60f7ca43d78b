# SPDX-License-Identifier: GPL-3.0-or-later
"""A decoder with a head for each task: what was sent once answers all of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sdr_sc.semantic.networks.dense import FiLM


class MultiTaskDecoder(nn.Module):
    """Received feature symbols and SNR to the outputs of several tasks, one after the other.

    Each head sees what the shared layers make of the symbols, and the symbols themselves: what a linear map finds in
    them, such as a vector to search a gallery with, has not to pass through layers that were bent for another task.

    Input: as of `StudentDecoder`. Output: float32 (items, sum of the tasks' outputs).

    Args:
        outputs: of each task.
        k_max: symbols of an item.
        width: of the shared layers.

    Attributes:
        kind: name of this architecture in a model's contract.
    """

    kind = "multitask"

    def __init__(self, outputs: Sequence[int], k_max: int = 32, width: int = 256) -> None:
        super().__init__()
        self.k_max = k_max
        received = 2 * k_max + 1
        self.first = nn.Linear(received, width)
        self.film = FiLM(width)
        self.second = nn.Linear(width, width)
        self.heads = nn.ModuleList(nn.Linear(width + received, count) for count in outputs)

    def adamw_modules(self) -> list[nn.Module]:
        """As `Encoder.adamw_modules`: the heads, and FiLM's layers."""
        return [*self.heads, *self.film.modules()]

    def forward(self, symbols: Tensor, snr_db: Tensor, fraction: Tensor) -> Tensor:
        received = torch.cat((symbols.flatten(1), fraction.unsqueeze(1)), dim=1)
        x = torch.relu(self.film(self.first(received), snr_db))
        x = torch.cat((torch.relu(x + self.second(x)), received), dim=1)
        return torch.cat([head(x) for head in self.heads], dim=1)
