# SPDX-License-Identifier: GPL-3.0-or-later
"""Size and arithmetic of a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(module: nn.Module) -> int:
    """Number of trained parameters (batch-norm statistics are not counted)."""
    return sum(p.numel() for p in module.parameters())


def count_flops(module: nn.Module, *inputs: Tensor) -> int:
    """Floating-point operations of one forward pass over ``inputs`` in evaluation mode: two for each multiply-add of
    convolutions, matrix products and attention. Element-wise operations, which cost a few per cent of that, are not
    counted."""
    training = module.training
    module.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(*inputs)
    finally:
        module.train(training)
    return counter.get_total_flops()
