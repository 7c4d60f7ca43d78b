# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of the energy that an item costs at both ends, computing and on the air.

Everything here is an estimate from stated parameters, none of it a measurement of power.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from sdr_sc.errors import SdrScError


@dataclass(frozen=True)
class EnergyModel:
    """Parameters.

    On the air a transmitter takes ``radiated_mw * 10^(backoff_db / 10) / efficiency + transmit_circuit_mw``, and a
    receiver ``receive_circuit_mw`` (Cui, Goldsmith and Bahai, "Energy-constrained modulation optimization", IEEE Trans.
    Wireless Commun. 4(5), 2005, whose circuit powers and drain efficiency are the defaults).

    Computing is given twice: from below by arithmetic alone, 4.6 pJ for a multiplication and an addition of 32-bit
    floating point and 0.23 pJ for those of 8-bit integers in 45 nm (Horowitz, "Computing's energy problem", ISSCC 2014,
    figure 1.1.9), which leaves out memory and control; and as what a core of a general processor takes for the time
    that was measured.

    Attributes:
        radiated_mw: mean radiated power; 100 mW is an access point's.
        backoff_db: from the amplifier's peak power, for the peaks of an OFDM signal; an assumption.
        efficiency: of the amplifier at its peak power.
        transmit_circuit_mw, receive_circuit_mw: of all else in the two radios.
        float_pj, int8_pj: of one operation, half of a multiplication with its addition.
        core_watts: of one busy core of a general processor; an assumption for one of 15 W with four cores, rounded up.

    Raises:
        SdrScError: a parameter is out of range.
    """

    radiated_mw: float = 100.0
    backoff_db: float = 6.0
    efficiency: float = 0.35
    transmit_circuit_mw: float = 98.2
    receive_circuit_mw: float = 112.5
    float_pj: float = 2.3
    int8_pj: float = 0.115
    core_watts: float = 5.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = (1e-6, 1.0) if field.name == "efficiency" else (0.0, 1e6)
            if not low <= value <= high:
                raise SdrScError(f"energy: {field.name} is {value}; use {low:g} to {high:g}.")

    def transmit_mj(self, air_s: float) -> float:
        """Of the transmitter's radio, for so long on the air."""
        amplifier_mw = self.radiated_mw * 10 ** (self.backoff_db / 10) / self.efficiency
        return (amplifier_mw + self.transmit_circuit_mw) * air_s

    def receive_mj(self, air_s: float) -> float:
        """Of the receiver's radio."""
        return self.receive_circuit_mw * air_s

    def arithmetic_mj(self, operations: float, is_int8: bool = False) -> float:
        """Of so many operations, by arithmetic alone."""
        return operations * (self.int8_pj if is_int8 else self.float_pj) * 1e-9

    def core_mj(self, core_ms: float) -> float:
        """Of a core that is busy for so long."""
        return self.core_watts * core_ms
