# SPDX-License-Identifier: GPL-3.0-or-later
"""The differentiable channel of training: what a feature symbol looks like after an LMMSE receiver."""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST_GAIN = 1e-3


def lmmse_channel(
    symbols: Tensor,
    snr_db: Tensor,
    generator: torch.Generator,
    fading_fraction: float = 0.25,
    bank: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Send unit-power feature symbols through AWGN or fading and an LMMSE equaliser.

    With gain h and noise power N0 = 10^(-snr_db/10), the equaliser's output is ``w (x + n/h)`` with
    ``w = |h|^2 / (|h|^2 + N0)``. Without a bank, a fading item has one power gain |h|^2 (exponential, unit mean) for
    each pair of neighbouring symbols; the interleaver makes them nearly independent. With a bank, a fading item crosses
    one of its channels, each symbol on a subcarrier of its own choice, as the interleaver spreads them.

    Args:
        symbols: float32 (items, k, 2).
        snr_db: float32 (items,), SNR before fading.
        generator: source of all randomness.
        fading_fraction: part of the items that fade.
        bank: float32 (channels, subcarriers), power gains as `sdr_sc.phy.channels.power_gains` draws them; or None for
            Rayleigh fading.

    Returns:
        Equalised symbols, float32 (items, k, 2), and the item's SNR after fading, float32 (items,), dB.
    """
    items, k, _ = symbols.shape
    device = symbols.device
    fades = torch.rand(items, 1, generator=generator, device=device) < fading_fraction
    if bank is None:
        pairs = torch.empty(items, (k + 1) // 2, device=device).exponential_(generator=generator)
        faded = pairs.repeat_interleave(2, dim=1)[:, :k]
    else:
        channel = torch.randint(bank.shape[0], (items, 1), generator=generator, device=device)
        faded = bank[channel, torch.randint(bank.shape[1], (items, k), generator=generator, device=device)]
    gain = torch.where(fades, faded.clamp_min(_LEAST_GAIN), 1.0)
    noise_power = 10.0 ** (-snr_db / 10.0)
    variance = noise_power.unsqueeze(1) / gain
    noise = torch.randn(items, k, 2, generator=generator, device=device) * (variance / 2).sqrt().unsqueeze(2)
    weight = (1.0 / (1.0 + variance)).unsqueeze(2)
    received_snr_db = snr_db + 10.0 * gain.mean(dim=1).log10()
    return weight * (symbols + noise), received_snr_db
