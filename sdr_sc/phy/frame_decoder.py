# SPDX-License-Identifier: GPL-3.0-or-later
"""From the samples of one synchronised frame to its header, then to its features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_sc.phy import header as header_format
from sdr_sc.phy.channel_estimate import remove_common_phase, smooth
from sdr_sc.phy.equalise import common_slope, lmmse, smooth_phase
from sdr_sc.phy.framing import header_subcarriers, pilot_values
from sdr_sc.phy.header import Header
from sdr_sc.phy.interleave import deinterleave, deinterleave_values
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.ofdm import demodulate
from sdr_sc.phy.preamble_estimate import estimate_from_preamble, training_times
from sdr_sc.phy.snr import PowerEstimate, repeated_symbols
from sdr_sc.phy.sync import rotate


@dataclass(frozen=True)
class HeaderResult:
    """What preamble and header of a frame gave.

    Attributes:
        header: the fields.
        channel: complex64 (used,), smoothed, with the phase at the end of the preamble.
        power: signal and noise power per occupied subcarrier, over preamble and header.
        cycles_per_sample: carrier offset over the sample rate, refined over the header.
        phasors: complex (training and header symbols,), common phase of each, weighted by its energy.
    """

    header: Header
    channel: np.ndarray
    power: PowerEstimate
    cycles_per_sample: float
    phasors: np.ndarray


@dataclass(frozen=True)
class PayloadResult:
    """The features of a frame; shapes (n_items, k).

    Attributes:
        features: complex64, LMMSE estimates; NaN where erased.
        noise_variance: float32, variance of the noise on the unbiased estimate; infinite where erased. The LMMSE
            weight is 1/(1 + noise_variance).
        erased: bool, True where the samples did not arrive.
    """

    features: np.ndarray
    noise_variance: np.ndarray
    erased: np.ndarray


def decode_header(samples: np.ndarray, cycles_per_sample: float, numerology: Numerology) -> HeaderResult | None:
    """Estimate the channel from the preamble, read the header, and use it as further known symbols.

    Args:
        samples: complex64, from the frame's first sample, at least ``numerology.payload_offset``.
        cycles_per_sample: carrier offset over the sample rate.

    Returns:
        None if the header's check fails.
    """
    n = numerology
    received = rotate(samples[: n.payload_offset], -cycles_per_sample)
    first_look = estimate_from_preamble(received, n)
    training, channel = first_look.training, first_look.channel
    symbols = demodulate(received[n.preamble_samples :], n)
    noise = repeated_symbols(training).noise

    pilots = symbols[:, n.pilot_index] * pilot_values(n.header_symbols, n)
    phasors = np.concatenate((first_look.phasors, pilots @ channel[n.pilot_index].conj()))
    times = _symbol_times(n.header_symbols, n)
    slope = common_slope(phasors, np.concatenate((first_look.times, times[2:])))
    turned = symbols * np.exp(-1j * slope * times[2:]).astype(np.complex64)[:, np.newaxis]
    data_channel = channel[n.data_index]
    soft = (turned[:, n.data_index] * data_channel.conj()).real / np.float32(max(noise, 1e-30))
    header = header_format.decode(soft)
    if header is None:
        return None

    # The header is known from here on: all of its subcarriers serve as training.
    gains = np.concatenate((training, symbols * header_subcarriers(header, n).conj()))
    slope = common_slope(gains @ channel.conj(), times)
    gains, phases = remove_common_phase(gains * np.exp(-1j * slope * times).astype(np.complex64)[:, None], channel)
    power = repeated_symbols(gains, phases_removed=True)
    channel = smooth(gains.mean(axis=0), n)
    known = np.exp(1j * phases) * np.abs(gains @ channel.conj())
    refined = cycles_per_sample + slope / (2 * np.pi * n.symbol_samples)
    return HeaderResult(header, channel, power, refined, known)


def decode_payload(
    samples: np.ndarray, cycles_per_sample: float, result: HeaderResult, numerology: Numerology
) -> PayloadResult:
    """Equalise the payload.

    Args:
        samples: complex64, from the frame's first sample; may end early, then features are erased.
        cycles_per_sample: the carrier offset that `decode_header` was given.
        result: what `decode_header` returned.
    """
    n, header = numerology, result.header
    count = header.feature_symbols
    symbols = n.payload_symbols(count)
    whole = max(0, min(symbols, (len(samples) - n.payload_offset) // n.symbol_samples))
    features = np.full(count, np.nan + 1j * np.nan, np.complex64)
    variance = np.full(count, np.inf, np.float32)
    if whole:
        used = samples[: n.payload_offset + whole * n.symbol_samples]
        received = demodulate(rotate(used, -cycles_per_sample)[n.payload_offset :], n)
        times = _symbol_times(n.header_symbols + whole, n)[2 + n.header_symbols :]
        slope = 2 * np.pi * n.symbol_samples * (result.cycles_per_sample - cycles_per_sample)
        received = received * np.exp(-1j * slope * times).astype(np.complex64)[:, np.newaxis]
        received = _track_phase(received, result, n)
        scale = np.float32(10.0 ** (header.power_scale_db / 20.0))
        estimate, noise = lmmse(received[:, n.data_index], scale * result.channel[n.data_index], result.power.noise)
        arrived = whole * n.data_subcarriers
        on_air = np.full(count, np.nan + 1j * np.nan, np.complex64)
        on_air_variance = np.full(count, np.inf, np.float32)
        on_air[: min(count, arrived)] = estimate.ravel()[:count]
        on_air_variance[: min(count, arrived)] = noise.ravel()[:count]
        features, variance = deinterleave(on_air), deinterleave_values(on_air_variance)
    shape = (header.n_items, header.k)
    return PayloadResult(features.reshape(shape), variance.reshape(shape), ~np.isfinite(variance).reshape(shape))


def _symbol_times(symbols: int, n: Numerology) -> np.ndarray:
    """Middles of the two training symbols and ``symbols`` symbols behind them, in symbol durations from the end of
    the preamble."""
    useful = n.fft_size / n.symbol_samples
    first_middle = n.cyclic_prefix / n.symbol_samples + useful / 2
    return np.concatenate((training_times(n), first_middle + np.arange(symbols)))


def _track_phase(received: np.ndarray, result: HeaderResult, n: Numerology) -> np.ndarray:
    """Turn each payload symbol by the smoothed common phase of the pilots around it."""
    symbols, first = len(received), n.header_symbols
    pilots = received[:, n.pilot_index] * pilot_values(first + symbols, n)[first:]
    phasors = np.concatenate((result.phasors, pilots @ result.channel[n.pilot_index].conj()))
    phase = smooth_phase(phasors)[-symbols:]
    return received * np.exp(-1j * phase).astype(np.complex64)[:, np.newaxis]
