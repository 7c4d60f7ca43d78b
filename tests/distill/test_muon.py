# SPDX-License-Identifier: GPL-3.0-or-later
"""The Muon optimiser."""

from __future__ import annotations

import pytest
import torch

from sdr_sc.distill.muon import Muon, orthogonalise


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (16, 16)])
def test_steps_have_singular_values_about_one_in_the_gradients_own_directions(shape: tuple[int, int]) -> None:
    gradient = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = orthogonalise(1e-3 * gradient)
    u, _, vh = torch.linalg.svd(gradient, full_matrices=False)
    inside = torch.diagonal(u.T @ found @ vh.T)
    assert inside.min() > 0.5 and inside.max() < 1.4
    assert torch.allclose(u @ torch.diag(inside) @ vh, found, atol=1e-3)


def test_a_first_step_moves_a_kernel_by_the_learning_rate() -> None:
    kernel = torch.nn.Parameter(torch.zeros(4, 3, 3, 3))
    kernel.grad = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(2))
    Muon([kernel], lr=0.1, weight_decay=0.0).step()
    assert torch.allclose(kernel.detach().reshape(4, -1), -0.1 * orthogonalise(kernel.grad.reshape(4, -1)), atol=1e-6)


def test_weights_decay_in_proportion_to_the_rate() -> None:
    weight = torch.nn.Parameter(torch.ones(2, 2))
    weight.grad = torch.zeros(2, 2)
    Muon([weight], lr=0.1, weight_decay=0.5).step()
    assert torch.allclose(weight.detach(), torch.full((2, 2), 0.95))


def test_it_solves_a_least_squares_problem() -> None:
    generator = torch.Generator().manual_seed(3)
    wanted, inputs = torch.randn(5, 7, generator=generator), torch.randn(200, 7, generator=generator)
    weight = torch.nn.Parameter(torch.zeros(5, 7))
    optimiser = Muon([weight], lr=0.1, weight_decay=0.0)
    for step in range(300):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / 300)
        optimiser.zero_grad()
        (inputs @ (weight - wanted).T).square().mean().backward()
        optimiser.step()
    assert (weight - wanted).abs().max() < 0.05
