# SPDX-License-Identifier: GPL-3.0-or-later
"""The differentiable channel of training: what a feature symbol looks like after an LMMSE receiver."""

from __future__ import annotations

import torch
from torch import Tensor


def lmmse_channel(
    symbols: Tensor, snr_db: Tensor, generator: torch.Generator, fading_fraction: float = 0.25
) -> tuple[Tensor, Tensor]:
    """Send unit-power feature symbols through AWGN or Rayleigh fading and an LMMSE equaliser.

    With gain h and noise power N0 = 10^(-snr_db/10), the equaliser's output is ``w (x + n/h)`` with
    ``w = |h|^2 / (|h|^2 + N0)``. A fading item has one power gain |h|^2 (exponential, unit mean) for each pair of
    neighbouring symbols; the interleaver makes them nearly independent.

    Args:
        symbols: float32 (items, k, 2).
        snr_db: float32 (items,), SNR before fading.
        generator: source of all randomness.
        fading_fraction: part of the items that fade.

    Returns:
        Equalised symbols, float32 (items, k, 2), and the item's SNR after fading, float32 (items,), dB.
    """
    items, k, _ = symbols.shape
    device = symbols.device
    fades = torch.rand(items, 1, generator=generator, device=device) < fading_fraction
    pairs = torch.empty(items, (k + 1) // 2, device=device).exponential_(generator=generator)
    gain = torch.where(fades, pairs.repeat_interleave(2, dim=1)[:, :k].clamp_min(1e-3), 1.0)
    noise_power = 10.0 ** (-snr_db / 10.0)
    variance = noise_power.unsqueeze(1) / gain
    noise = torch.randn(items, k, 2, generator=generator, device=device) * (variance / 2).sqrt().unsqueeze(2)
    weight = (1.0 / (1.0 + variance)).unsqueeze(2)
    received_snr_db = snr_db + 10.0 * gain.mean(dim=1).log10()
    return weight * (symbols + noise), received_snr_db
