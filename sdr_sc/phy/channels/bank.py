# SPDX-License-Identifier: GPL-3.0-or-later
"""Banks of power gains, for training through the channels that the link is tested on."""

from __future__ import annotations

import numpy as np
from scipy import fft

from sdr_sc.errors import ChannelError
from sdr_sc.phy.channels.base import Chain
from sdr_sc.phy.channels.spec import parse_chain
from sdr_sc.phy.numerology import Numerology

_PROBE_SAMPLES = 1024


def power_gains(text: str, numerology: Numerology, count: int, seed: int) -> np.ndarray:
    """Draw channels, and measure the power gain |H|^2 of each on the data subcarriers.

    Each channel is probed with an OFDM symbol that repeats until echoes have settled; noise has no part in it. What
    distorts (clipping, phase noise) adds its small share to the gain.

    Args:
        text: models, as `parse_chain` reads them.
        numerology: subcarriers and sample rate.
        count: channels to draw.
        seed: channel i has the seed that is made from this one and i.

    Returns:
        float32 (count, data_subcarriers), over the chain's mean power gain: 1 on average.

    Raises:
        ChannelError: the text cannot be read, or the channels delay the probe by more than it lasts.

    >>> gains = power_gains("rayleigh(doppler_hz=0)", Numerology(), count=200, seed=1)
    >>> gains.shape, bool(np.allclose(gains, gains[:, :1], rtol=1e-3)), 0.8 < gains.mean() < 1.2
    ((200, 48), True, True)
    """
    n = numerology.fft_size
    sent = np.exp(2j * np.pi * np.random.default_rng(seed).random(numerology.used))
    spectrum = np.zeros(n, complex)
    spectrum[numerology.bins] = sent
    symbol = fft.ifft(spectrum, norm="ortho").astype(np.complex64)
    probe = np.tile(symbol, max(_PROBE_SAMPLES // n, 2) + 2)
    bins = numerology.bins[numerology.data_index]
    gains = np.empty((count, numerology.data_subcarriers), np.float32)
    for i in range(count):
        own_seed = int(np.random.SeedSequence([seed, i]).generate_state(1, np.uint64)[0])
        chain = parse_chain(text, numerology.sample_rate_hz, own_seed, numerology)
        received = Chain(chain.models).process(probe)[-n:]
        if len(received) < n or not received.any():
            raise ChannelError(f"channel models {text!r}: no signal within {len(probe)} samples; delay less.")
        power = chain.subcarrier_power * chain.after.mean_power
        gains[i] = np.abs(fft.fft(received, norm="ortho")[bins]) ** 2 / power
    return gains
