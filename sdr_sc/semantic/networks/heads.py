# SPDX-License-Identifier: GPL-3.0-or-later
"""A decoder with a head for each task: what was sent once answers all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

    def shared(self, symbols: Tensor, snr_db: Tensor, fraction: Tensor) -> Tensor:
        """What every head sees: float32 (items, width + received)."""
        received = torch.cat((symbols.flatten(1), fraction.unsqueeze(1)), dim=1)
        x = torch.relu(self.film(self.first(received), snr_db))
        return torch.cat((torch.relu(x + self.second(x)), received), dim=1)

    def forward(self, symbols: Tensor, snr_db: Tensor, fraction: Tensor) -> Tensor:
        x = self.shared(symbols, snr_db, fraction)
        return torch.cat([head(x) for head in self.heads], dim=1)


@dataclass(frozen=True)
class TaskOutputs:
    """Outputs of a decoder's tasks, made for the items that are asked for: in training most items lack targets of some.

    Attributes:
        decoder: whose heads are those of the tasks.
        tasks: their names, in the decoder's order.
        shared: float32 (..., items, width + received), see `MultiTaskDecoder.shared`.
    """

    decoder: MultiTaskDecoder
    tasks: Sequence[str]
    shared: Tensor

    def of(self, task: str, chosen: Tensor | None = None) -> Tensor:
        """A task's outputs, float32 (..., chosen, outputs).

        Args:
            chosen: bool (items,) or places; None for all items.
        """
        shared = self.shared if chosen is None else self.shared[..., chosen, :]
        return self.decoder.heads[self.tasks.index(task)](shared)

    def last(self, task: str) -> Tensor:
        """The last one of a task's outputs of all items, float32 (..., items)."""
        head = self.decoder.heads[self.tasks.index(task)]
        assert isinstance(head, nn.Linear)
        return nn.functional.linear(self.shared, head.weight[-1:], head.bias[-1:]).squeeze(-1)
