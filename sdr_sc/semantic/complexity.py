# SPDX-License-Identifier: GPL-3.0-or-later
"""Size and arithmetic of a network, counted from its layers."""

from __future__ import annotations

from torch import Tensor, nn


def count_parameters(module: nn.Module) -> int:
    """Number of trained parameters (batch-norm statistics are not counted)."""
    return sum(p.numel() for p in module.parameters())


def count_flops(module: nn.Module, *inputs: Tensor) -> int:
    """Floating-point operations of one forward pass over ``inputs``: two for each multiply-add of convolutions and
    linear layers. Element-wise operations, which cost a few per cent of that, are not counted."""
    total = 0

    def hook(layer: nn.Module, _args: tuple, output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            per_output = layer.in_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]
        else:
            assert isinstance(layer, nn.Linear)
            per_output = layer.in_features
        total += 2 * per_output * output.numel()

    handles = [m.register_forward_hook(hook) for m in module.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    training = module.training
    module.eval()
    try:
        module(*inputs)
    finally:
        module.train(training)
        for handle in handles:
            handle.remove()
    return total
