# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms of the training loss against their closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from sdr_sc.semantic.losses import Bottleneck, expected_error, label_loss, residual_information, soft_label_loss
from sdr_sc.semantic.networks.symbols import normalise_prefix, normalise_prefixes, snr_input


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 20.0])
@pytest.mark.parametrize("spread", [0.05, 0.4])
def test_the_bound_is_tight_for_a_gaussian_class(snr_db: float, spread: float) -> None:
    """For s ~ CN(centre, spread), I(X; Z | Y) of the Gaussian channel is log(1 + spread / noise) a symbol."""
    generator = torch.Generator().manual_seed(1)
    centres = torch.randn(1, 4, 2, generator=generator)
    symbols = centres + (spread / 2) ** 0.5 * torch.randn(50_000, 4, 2, generator=generator)
    noise = torch.tensor(10 ** (-snr_db / 10))
    bound = residual_information(symbols, centres, torch.full((4,), spread), noise).sum(1).mean().item()
    assert bound == pytest.approx(4 * math.log(1 + spread / noise.item()), rel=0.01)


def test_the_bound_is_the_divergence_of_two_gaussians() -> None:
    """One symbol against torch's own divergence of the real and the imaginary part."""
    from torch.distributions import Normal, kl_divergence

    symbol, centre, spread, noise = torch.tensor([0.3, -1.2]), torch.tensor([0.8, 0.1]), 0.3, 0.7
    received = Normal(symbol, (noise / 2) ** 0.5)
    model = Normal(centre, ((noise + spread) / 2) ** 0.5)
    wanted = kl_divergence(received, model).sum().item()
    found = residual_information(
        symbol.view(1, 1, 2), centre.view(1, 1, 2), torch.tensor([spread]), torch.tensor([noise])
    )
    assert found.item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(("offset", "factor"), [(0.3, 1.0), (0.0, 0.5), (0.0, 2.0)])
def test_a_wrong_centre_or_spread_makes_the_bound_larger(offset: float, factor: float) -> None:
    generator = torch.Generator().manual_seed(2)
    symbols = 0.2**0.5 * torch.randn(20_000, 1, 2, generator=generator)  # spread 0.4
    noise = torch.tensor(0.1)
    true = residual_information(symbols, torch.zeros(1, 1, 2), torch.tensor([0.4]), noise).mean()
    wrong = residual_information(symbols, torch.full((1, 1, 2), offset), torch.tensor([0.4 * factor]), noise).mean()
    assert wrong > true + 0.05


def test_learned_centres_and_spreads_find_those_of_the_classes() -> None:
    generator = torch.Generator().manual_seed(3)
    torch.manual_seed(3)
    labels = torch.randint(3, (3000,), generator=generator)
    means = normalise_prefix(torch.randn(3, 4, 2, generator=generator), 4)
    raw = means[labels] + 0.1 * torch.randn(3000, 4, 2, generator=generator)
    sent = normalise_prefixes(raw, (4,))
    bottleneck = Bottleneck(3, (4,))
    optimiser = torch.optim.Adam(bottleneck.parameters(), lr=0.05)
    snr_db, noise = torch.full((3000,), 10.0), torch.full((1, 3000, 4), 0.1)
    for _ in range(600):
        optimiser.zero_grad()
        bottleneck(sent, snr_db, noise, labels).mean().backward()
        optimiser.step()
    found = normalise_prefix(bottleneck.centres.detach(), 4)
    assert (found - means).abs().max() < 0.05
    within = (sent[0] - means[labels]).square().sum(2).mean().item()
    told = snr_input(snr_db[:1])
    spread = (bottleneck.log_spread + bottleneck.spread_drift * told).exp()
    assert spread.mean().item() == pytest.approx(within, rel=0.2)


def gaussian_share(snr_db: float, k_list: tuple[int, ...], spread: float, faded: float = 1.0) -> torch.Tensor:
    """The bottleneck's value for each k where a class's symbols have a spread of their own, which it knows."""
    generator = torch.Generator().manual_seed(4)
    items, k_max = 20_000, k_list[-1]
    bottleneck = Bottleneck(1, k_list)
    with torch.no_grad():
        bottleneck.centres.copy_(torch.full((1, k_max, 2), 0.5**0.5))  # of power 1 for every k
        bottleneck.log_spread.fill_(math.log(spread))
    one = bottleneck.centres + (spread / 2) ** 0.5 * torch.randn(items, k_max, 2, generator=generator)
    sent = torch.stack([one * (torch.arange(k_max) < k).view(1, -1, 1) for k in k_list])
    noise = torch.full((len(k_list), items, k_max), 10 ** (-snr_db / 10) / faded)
    return bottleneck(sent, torch.full((items,), snr_db), noise, torch.zeros(items, dtype=torch.int64)).mean(1)


@pytest.mark.parametrize("snr_db", [-5.0, 5.0, 25.0])
def test_the_bottleneck_is_a_share_of_the_capacity_whatever_k_is(snr_db: float) -> None:
    found = gaussian_share(snr_db, (1, 2, 32), 0.3)
    noise = 10 ** (-snr_db / 10)
    wanted = math.log(1 + 0.3 / noise) / math.log(1 + 1 / noise)
    assert found.tolist() == pytest.approx([wanted] * 3, rel=0.03)


def test_the_bottleneck_counts_the_noise_after_fading() -> None:
    wanted = gaussian_share(5.0 - 10.0, (4,), 0.3)
    assert gaussian_share(5.0, (4,), 0.3, faded=0.1).item() == pytest.approx(wanted.item(), rel=1e-3)


def test_each_class_has_a_spread_of_its_own_that_drifts_with_the_snr() -> None:
    bottleneck = Bottleneck(2, (4,))
    labels, noise = torch.tensor([0, 1]), torch.full((1, 2, 4), 0.1)
    sent = normalise_prefixes(torch.randn(2, 4, 2, generator=torch.Generator().manual_seed(5)), (4,))
    bottleneck(sent, torch.tensor([0.0, 20.0]), noise, labels)[0, 1].backward()
    for parameter in (bottleneck.log_spread, bottleneck.spread_drift, bottleneck.centres, bottleneck.drift):
        assert parameter.grad is not None and not parameter.grad[0].any() and parameter.grad[1].any()


def test_soft_labels_have_the_entropy_as_their_lower_bound() -> None:
    generator = torch.Generator().manual_seed(4)
    teacher = torch.log_softmax(torch.randn(50, 10, generator=generator), 1)
    logits = torch.randn(3, 50, 10, generator=generator)
    loss = soft_label_loss(logits, teacher, 1.0)
    cross = -(teacher.exp() * torch.log_softmax(logits, 2)).sum(2)
    entropy = -(teacher.exp() * teacher).sum(1)
    assert torch.allclose(loss, cross - entropy, atol=1e-5) and (loss > 0).all()
    assert soft_label_loss(teacher, teacher, 3.0).abs().max() < 1e-5


def test_the_temperature_leaves_the_gradient_at_its_size() -> None:
    generator = torch.Generator().manual_seed(5)
    teacher = torch.log_softmax(0.1 * torch.randn(20, 10, generator=generator), 1)
    sizes = []
    for temperature in (1.0, 4.0):
        logits = (0.1 * torch.randn(20, 10, generator=torch.Generator().manual_seed(6))).requires_grad_()
        soft_label_loss(logits, teacher, temperature).sum().backward()
        assert logits.grad is not None
        sizes.append(logits.grad.norm().item())
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)


def test_label_loss_equals_that_of_torch() -> None:
    logits = torch.randn(2, 30, 10, generator=torch.Generator().manual_seed(7))
    labels = torch.arange(30) % 10
    wanted = torch.nn.functional.cross_entropy(logits[1], labels, label_smoothing=0.1, reduction="none")
    assert torch.allclose(label_loss(logits, labels, 0.1)[1], wanted, atol=1e-5)


def test_all_prefixes_at_once_equal_each_alone() -> None:
    symbols = torch.randn(5, 8, 2, generator=torch.Generator().manual_seed(8))
    together = normalise_prefixes(symbols, (2, 3, 8))
    for one, k in zip(together, (2, 3, 8), strict=True):
        assert torch.allclose(one[:, :k], normalise_prefix(symbols, k), atol=1e-6) and not one[:, k:].any()


def test_the_expected_error_is_what_drawn_answers_show() -> None:
    generator = torch.Generator().manual_seed(2)
    logits, labels = 2 * torch.randn(3, 4, 10, generator=generator), torch.randint(10, (4,), generator=generator)
    drawn = torch.distributions.Categorical(logits=logits).sample((20_000,))
    wrong = (drawn != labels).float().mean(0)
    assert torch.allclose(expected_error(logits, labels), wrong, atol=0.015)
