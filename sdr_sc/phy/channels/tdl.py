# SPDX-License-Identifier: GPL-3.0-or-later
"""Tapped delay line models TDL-A to TDL-E of 3GPP TR 38.901, tables 7.7.2-1 to 7.7.2-5."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_sc.errors import ChannelError
from sdr_sc.phy.channels.base import check
from sdr_sc.phy.channels.fading import ClarkeGains
from sdr_sc.phy.channels.paths import PathChannel


@dataclass(frozen=True)
class TdlProfile:
    """A table of TR 38.901: delays for a delay spread of 1, powers in dB; with ``los``, row 0 is the line of sight."""

    delays: tuple[float, ...]
    powers_db: tuple[float, ...]
    los: bool = False


# fmt: off
PROFILES = {
    "A": TdlProfile(
        (0.0000, 0.3819, 0.4025, 0.5868, 0.4610, 0.5375, 0.6708, 0.5750, 0.7618, 1.5375, 1.8978, 2.2242, 2.1718, 2.4942,
         2.5119, 3.0582, 4.0810, 4.4579, 4.5695, 4.7966, 5.0066, 5.3043, 9.6586),
        (-13.4, 0.0, -2.2, -4.0, -6.0, -8.2, -9.9, -10.5, -7.5, -15.9, -6.6, -16.7, -12.4, -15.2, -10.8, -11.3, -12.7,
         -16.2, -18.3, -18.9, -16.6, -19.9, -29.7)),
    "B": TdlProfile(
        (0.0000, 0.1072, 0.2155, 0.2095, 0.2870, 0.2986, 0.3752, 0.5055, 0.3681, 0.3697, 0.5700, 0.5283, 1.1021, 1.2756,
         1.5474, 1.7842, 2.0169, 2.8294, 3.0219, 3.6187, 4.1067, 4.2790, 4.7834),
        (0.0, -2.2, -4.0, -3.2, -9.8, -1.2, -3.4, -5.2, -7.6, -3.0, -8.9, -9.0, -4.8, -5.7, -7.5, -1.9, -7.6, -12.2,
         -9.8, -11.4, -14.9, -9.2, -11.3)),
    "C": TdlProfile(
        (0.0000, 0.2099, 0.2219, 0.2329, 0.2176, 0.6366, 0.6448, 0.6560, 0.6584, 0.7935, 0.8213, 0.9336, 1.2285, 1.3083,
         2.1704, 2.7105, 4.2589, 4.6003, 5.4902, 5.6077, 6.3065, 6.6374, 7.0427, 8.6523),
        (-4.4, -1.2, -3.5, -5.2, -2.5, 0.0, -2.2, -3.9, -7.4, -7.1, -10.7, -11.1, -5.1, -6.8, -8.7, -13.2, -13.9, -13.9,
         -15.8, -17.1, -16.0, -15.7, -21.6, -22.8)),
    "D": TdlProfile(
        (0.000, 0.000, 0.035, 0.612, 1.363, 1.405, 1.804, 2.596, 1.775, 4.042, 7.937, 9.424, 9.708, 12.525),
        (-0.2, -13.5, -18.8, -21.0, -22.8, -17.9, -20.1, -21.9, -22.9, -27.8, -23.6, -24.8, -30.0, -27.7),
        los=True),
    "E": TdlProfile(
        (0.0000, 0.0000, 0.5133, 0.5440, 0.5630, 0.5440, 0.7112, 1.9092, 1.9293, 1.9589, 2.6426, 3.7136, 5.4524,
         12.0034, 20.6519),
        (-0.03, -22.03, -15.8, -18.1, -19.8, -22.9, -22.4, -18.6, -20.8, -22.6, -22.3, -25.6, -20.2, -29.8, -29.2),
        los=True),
}
# fmt: on


class Tdl(PathChannel):
    """A TDL model of TR 38.901, of unit mean power.

    A, B and C have no line of sight: every tap fades by Rayleigh with Clarke's spectrum. The first tap of D and E is
    Rician, with a K factor of 13.3 dB and 22 dB, and its line of sight is shifted by 0.7 of the largest Doppler shift.
    Delays are ``delay_spread_ns`` times those of the table, whose rms delay spread is 1 (equation 7.7-1); off the
    sample grid they cost 13 samples of bulk delay.

    Args:
        profile: ``A`` to ``E``.
        delay_spread_ns: rms delay spread; 38.901 suggests 10 (very short) to 1000 (very long); 0 is flat.
        doppler_hz: largest Doppler shift, speed over wavelength; 0 holds one random realisation.
        sample_rate_hz: complex samples per second.
        seed: of the realisations.
        renew_samples: a new realisation every so many samples, 0 for never.

    Raises:
        ChannelError: a parameter makes no sense.

    >>> model = Tdl("C", delay_spread_ns=300.0, doppler_hz=5.0, sample_rate_hz=1e6, seed=1)
    >>> round(model.mean_power, 6), model.bulk_delay_samples
    (1.0, 13)
    """

    def __init__(
        self,
        profile: str,
        delay_spread_ns: float,
        doppler_hz: float,
        sample_rate_hz: float,
        seed: int = 0,
        renew_samples: int = 0,
    ) -> None:
        if profile not in PROFILES:
            raise ChannelError(f"channel: TDL profile {profile!r} is unknown; use one of {', '.join(PROFILES)}.")
        check("delay_spread_ns", delay_spread_ns, 0, 1e6, "ns")
        table = PROFILES[profile]
        powers = 10.0 ** (np.array(table.powers_db) / 10.0)
        is_los = np.zeros(len(powers), bool)
        is_los[0] = table.los
        gains = ClarkeGains(powers / powers.sum(), is_los, doppler_hz)
        super().__init__(np.array(table.delays) * delay_spread_ns * 1e-9, gains, sample_rate_hz, seed, renew_samples)
