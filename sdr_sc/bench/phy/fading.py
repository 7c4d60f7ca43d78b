# SPDX-License-Identifier: GPL-3.0-or-later
"""The fading channels that trials run over, one new realisation for each frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.bench.phy.recordings import MEASURED_CHANNELS, SHARED_DATA
from sdr_sc.phy.channels import ChannelModel, Measured, Tdl

# Silence that lets a frame's echoes end before the next frame: the longest path of TDL-C at 20 MS/s, and the filter.
ECHO_SAMPLES = 200
MEASURED_NAMES = ("office_los_1", "office_los_2", "office_nlos_1", "office_nlos_2")


def measured_file(name: str) -> Path:
    """Where the measured channel of that name lies, if it is there."""
    return SHARED_DATA / MEASURED_CHANNELS / f"{name}.npz"


@dataclass(frozen=True)
class Fading:
    """A family of channels, to be drawn from.

    Attributes:
        profile: ``A`` to ``E`` of the TDL models.
        measured: path of a file of measured channels, in place of a profile. With neither the channel has gain 1.
        delay_spread_ns: rms, of a profile.
        doppler_hz: largest Doppler shift, of a profile; 0 for a channel that stands still during a frame.
    """

    profile: str = ""
    measured: str = ""
    delay_spread_ns: float = 300.0
    doppler_hz: float = 0.0

    def draw(self, sample_rate_hz: float, seed: int) -> ChannelModel | None:
        """The realisation of that seed; None for a gain of 1.

        Raises:
            ChannelError: a parameter or the file makes no sense.
        """
        if self.measured:
            return Measured(self.measured, sample_rate_hz, seed=seed)
        if self.profile:
            return Tdl(self.profile, self.delay_spread_ns, self.doppler_hz, sample_rate_hz, seed)
        return None

    def process(self, samples: np.ndarray, sample_rate_hz: float, seed: int) -> np.ndarray:
        """Samples, complex64 (n,), through a new realisation; complex64 (n,)."""
        model = self.draw(sample_rate_hz, seed)
        return samples if model is None else model.process(samples)


NO_FADING = Fading()
