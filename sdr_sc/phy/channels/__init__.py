# SPDX-License-Identifier: GPL-3.0-or-later
"""Channel models: seeded, streaming (the cut of the input changes no bit), chainable.

`ChannelModel` is what all of them offer; `parse_chain` makes a chain of them from a line of text.

>>> import numpy as np
>>> channel = Chain([Rayleigh(doppler_hz=10.0, sample_rate_hz=1e6, seed=1), Awgn(snr_db=20.0, seed=2)])
>>> channel.process(np.ones(1000, np.complex64)).shape
(1000,)
"""

from sdr_sc.phy.channels.bank import power_gains
from sdr_sc.phy.channels.base import Chain, ChannelModel
from sdr_sc.phy.channels.disturbances import Impulses, OfdmInterference, Shadowing
from sdr_sc.phy.channels.fading import Rayleigh, Rician
from sdr_sc.phy.channels.frontend import Clip, DcOffset, IqImbalance, Quantise
from sdr_sc.phy.channels.gaps import SampleGaps
from sdr_sc.phy.channels.measured import Measured
from sdr_sc.phy.channels.measured_file import MeasuredTaps, read_measured
from sdr_sc.phy.channels.multipath import Multipath, RayleighBlockFading, delay, power_on_subcarriers
from sdr_sc.phy.channels.noise import USRP_CLASS, Awgn, PhaseNoise
from sdr_sc.phy.channels.offsets import CarrierOffset, ClockOffset
from sdr_sc.phy.channels.paths import PathChannel
from sdr_sc.phy.channels.spec import MODEL_NAMES, ParsedChain, parse_chain
from sdr_sc.phy.channels.spurs_and_gain import GainStep, Tone
from sdr_sc.phy.channels.tdl import Tdl

__all__ = [
    "MODEL_NAMES",
    "USRP_CLASS",
    "Awgn",
    "CarrierOffset",
    "Chain",
    "ChannelModel",
    "ClockOffset",
    "Clip",
    "DcOffset",
    "GainStep",
    "Impulses",
    "IqImbalance",
    "Measured",
    "MeasuredTaps",
    "Multipath",
    "OfdmInterference",
    "ParsedChain",
    "PathChannel",
    "PhaseNoise",
    "Quantise",
    "Rayleigh",
    "RayleighBlockFading",
    "Rician",
    "SampleGaps",
    "Shadowing",
    "Tdl",
    "Tone",
    "delay",
    "parse_chain",
    "power_gains",
    "power_on_subcarriers",
    "read_measured",
]
