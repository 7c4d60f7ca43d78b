# SPDX-License-Identifier: GPL-3.0-or-later
"""The last epochs of training, in which encoder and decoder learn to decide.

A loss of probabilities, cross entropy or distillation, is least where the receiver's doubt is right. The encoder then
sends an item that it is not sure of between the codewords of two classes; at low SNR such a symbol vector is mistaken
for either far more often than a codeword would be. What counts is the answer, so in these epochs the expected error
takes the place of these losses at low SNR. The convolutions have learned what there is to see, and stand still: a step
takes half the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from sdr_sc.distill.objective import Student

_LEARNING_RATE = 1e-3


def decision_optimiser(student: Student, bottleneck: nn.Module) -> torch.optim.Optimizer:
    """AdamW for all of the student but what comes before its pooled vector, which no longer takes a gradient, and for
    the bottleneck's centres and spreads, which have to follow the symbols."""
    encoder = student.encoder
    for part in encoder.backbone():
        part.requires_grad_(False)
    parameters = (*student.parameters(), *bottleneck.parameters())
    learning = [parameter for parameter in parameters if parameter.requires_grad]
    return torch.optim.AdamW(learning, lr=_LEARNING_RATE, weight_decay=0.0, fused=True)
