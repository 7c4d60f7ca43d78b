# SPDX-License-Identifier: GPL-3.0-or-later
"""The differentiable channel of training: what a feature symbol looks like after an LMMSE receiver."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_LEAST_GAIN = 1e-3


class Received(NamedTuple):
    """What comes out of the equaliser.

    Attributes:
        symbols: float32 (items, k, 2), equalised.
        snr_db: float32 (items,), of the item after fading.
        noise: float32 (items, k), noise power over the power of each symbol after fading.
    """

    symbols: Tensor
    snr_db: Tensor
    noise: Tensor


def lmmse_channel(
    symbols: Tensor,
    snr_db: Tensor,
    generator: torch.Generator,
    fading_fraction: float = 0.25,
    bank: Tensor | None = None,
    estimate_noise: float = 0.0,
) -> Received:
    """Send unit-power feature symbols through AWGN or fading and an LMMSE equaliser.

    With gain h, noise power N0 = 10^(-snr_db/10) and the estimate h' = h + e, the equaliser's output is
    ``h'* (h x + n) / (|h'|^2 + N0)``. The error e is circular Gaussian of power ``estimate_noise * N0``. Gain and
    error are the same for each pair of neighbouring symbols; the interleaver makes those of different pairs nearly
    independent. Without a bank a fading item has exponential |h|^2 of unit mean. With a bank it crosses one of its
    channels, each pair on a subcarrier of its own choice, as the interleaver spreads them.

    Args:
        symbols: float32 (items, k, 2).
        snr_db: float32 (items,), SNR before fading.
        generator: source of all randomness.
        fading_fraction: part of the items that fade.
        bank: float32 (channels, subcarriers), power gains as `sdr_sc.phy.channels.power_gains` draws them; or None for
            Rayleigh fading.
        estimate_noise: power of the channel estimate's error over the noise power; 0 for a known channel.
    """
    items, k, _ = symbols.shape
    device, pairs = symbols.device, (k + 1) // 2
    if not fading_fraction:
        faded = torch.ones(items, pairs, device=device)
    elif bank is None:
        faded = torch.empty(items, pairs, device=device).exponential_(generator=generator)
    else:
        channel = torch.randint(bank.shape[0], (items, 1), generator=generator, device=device)
        faded = bank[channel, torch.randint(bank.shape[1], (items, pairs), generator=generator, device=device)]
    fades = torch.rand(items, 1, generator=generator, device=device) < fading_fraction
    power = torch.where(fades, faded.clamp_min(_LEAST_GAIN), 1.0)
    noise_power = (10.0 ** (-snr_db / 10.0)).unsqueeze(1)
    gain = power.sqrt()
    # Without loss of generality h is real: a common phase turns noise and error, which are circular, alone.
    real, imaginary = gain, torch.zeros_like(gain)
    if estimate_noise > 0:
        error = torch.randn(2, items, pairs, generator=generator, device=device)
        error *= (estimate_noise / 2 * noise_power).sqrt()
        real, imaginary = gain + error[0], error[1]
    weight = 1.0 / (real.square() + imaginary.square() + noise_power)
    real, imaginary, gain = (_to_symbols(value, k) for value in (real * weight, -imaginary * weight, gain))
    noise = torch.randn(items, k, 2, generator=generator, device=device) * (noise_power / 2).sqrt().unsqueeze(2)
    received = gain.unsqueeze(2) * symbols + noise
    i, q = received.unbind(dim=2)
    equalised = torch.stack((real * i - imaginary * q, real * q + imaginary * i), dim=2)
    item_snr_db = snr_db + 10.0 * power.mean(dim=1).log10()
    return Received(equalised, item_snr_db, _to_symbols((noise_power / power).expand(items, pairs), k))


def _to_symbols(pairs: Tensor, k: int) -> Tensor:
    return pairs.repeat_interleave(2, dim=1)[:, :k]
