# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel models that a line of text can name, with their parameters and defaults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sdr_sc.phy.channels.base import ChannelModel
from sdr_sc.phy.channels.disturbances import Impulses, OfdmInterference, Shadowing
from sdr_sc.phy.channels.fading import Rayleigh, Rician
from sdr_sc.phy.channels.frontend import Clip, DcOffset, IqImbalance, Quantise
from sdr_sc.phy.channels.gaps import SampleGaps
from sdr_sc.phy.channels.measured import Measured
from sdr_sc.phy.channels.multipath import Multipath, RayleighBlockFading, delay
from sdr_sc.phy.channels.noise import USRP_CLASS, PhaseNoise
from sdr_sc.phy.channels.offsets import CarrierOffset, ClockOffset
from sdr_sc.phy.channels.spurs_and_gain import GainStep, Tone
from sdr_sc.phy.channels.tdl import Tdl
from sdr_sc.phy.numerology import Numerology


@dataclass(frozen=True)
class Context:
    """What a line of text does not say: sample rate, numerology, and the seed of this one model."""

    sample_rate_hz: float
    numerology: Numerology
    seed: int


Maker = Callable[..., ChannelModel]
MAKERS: dict[str, Maker] = {}
"""By name; a maker takes a `Context` first, then the parameters that the text may give."""


def _model(maker: Maker) -> Maker:
    MAKERS[maker.__name__.strip("_")] = maker
    return maker


@_model
def _delay(c: Context, samples: int) -> ChannelModel:
    return delay(samples)


@_model
def _multipath(c: Context, taps: list) -> ChannelModel:
    return Multipath(taps)


@_model
def _rayleigh_block(c: Context, block_samples: int = 20_000, rms_delay_samples: float = 2.0) -> ChannelModel:
    return RayleighBlockFading(block_samples, rms_delay_samples, c.seed)


@_model
def _rayleigh(c: Context, doppler_hz: float = 5.0, renew_samples: int = 0) -> ChannelModel:
    return Rayleigh(doppler_hz, c.sample_rate_hz, c.seed, renew_samples)


@_model
def _rician(c: Context, k_factor_db: float = 9.0, doppler_hz: float = 5.0, renew_samples: int = 0) -> ChannelModel:
    return Rician(k_factor_db, doppler_hz, c.sample_rate_hz, c.seed, renew_samples)


def _tdl_maker(profile: str) -> Maker:
    def make(
        c: Context, delay_spread_ns: float = 100.0, doppler_hz: float = 5.0, renew_samples: int = 0
    ) -> ChannelModel:
        return Tdl(profile, delay_spread_ns, doppler_hz, c.sample_rate_hz, c.seed, renew_samples)

    make.__name__ = f"tdl_{profile.lower()}"
    return make


for _profile in "ABCDE":
    _model(_tdl_maker(_profile))


@_model
def _measured(
    c: Context,
    file: str,
    speed: float = 1.0,
    start_s: float | None = None,
    frequency_scaled: bool = False,
    renew_samples: int = 0,
) -> ChannelModel:
    return Measured(file, c.sample_rate_hz, speed, start_s, frequency_scaled, c.seed, renew_samples)


@_model
def _carrier_offset(c: Context, cfo_hz: float) -> ChannelModel:
    return CarrierOffset(cfo_hz, c.sample_rate_hz)


@_model
def _clock_offset(c: Context, ppm: float) -> ChannelModel:
    return ClockOffset(ppm)


@_model
def _phase_noise(
    c: Context,
    rms_deg: float = USRP_CLASS["rms_deg"],
    corner_hz: float = USRP_CLASS["corner_hz"],
    linewidth_hz: float = 0.0,
) -> ChannelModel:
    return PhaseNoise(c.sample_rate_hz, rms_deg, corner_hz, linewidth_hz, c.seed)


@_model
def _iq_imbalance(c: Context, gain_db: float = 0.0, phase_deg: float = 0.0) -> ChannelModel:
    return IqImbalance(gain_db, phase_deg)


@_model
def _dc_offset(c: Context, relative_db: float) -> ChannelModel:
    return DcOffset(relative_db, c.numerology.mean_sample_power)


@_model
def _tone(c: Context, relative_db: float, frequency_hz: float) -> ChannelModel:
    return Tone(relative_db, frequency_hz, c.sample_rate_hz, c.numerology.mean_sample_power)


@_model
def _impulses(c: Context, every_samples: float, relative_db: float = 20.0, length_samples: int = 1) -> ChannelModel:
    return Impulses(every_samples, relative_db, length_samples, c.numerology.mean_sample_power, c.seed)


@_model
def _ofdm_interference(
    c: Context, relative_db: float, frequency_hz: float = 0.0, on_samples: int = 0, off_samples: int = 0
) -> ChannelModel:
    power = c.numerology.mean_sample_power
    return OfdmInterference(relative_db, c.sample_rate_hz, frequency_hz, on_samples, off_samples, power, c.seed)


@_model
def _shadowing(c: Context, spread_db: float = 6.0, coherence_s: float = 0.1) -> ChannelModel:
    return Shadowing(c.sample_rate_hz, spread_db, coherence_s, c.seed)


@_model
def _gain_step(c: Context, step_db: float, settle_samples: int = 200, quiet_samples: int = 100) -> ChannelModel:
    return GainStep(step_db, settle_samples, quiet_samples, c.numerology.mean_sample_power)


@_model
def _clip(c: Context, backoff_db: float) -> ChannelModel:
    return Clip(backoff_db, c.numerology.mean_sample_power)


@_model
def _quantise(c: Context, bits: int = 12, full_scale: float = 4.0) -> ChannelModel:
    return Quantise(bits, full_scale)


@_model
def _gaps(c: Context, gap_samples: int, every_samples: int, tagged: bool = False, told: bool = False) -> ChannelModel:
    return SampleGaps(gap_samples, every_samples, c.seed, tagged or told)  # reported: the former name, in recordings
