# SPDX-License-Identifier: GPL-3.0-or-later
"""What a diagnosis can find."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Cause(Enum):
    """Why a receiver finds no frame in a signal."""

    RECEIVED = "frames are found"
    EMPTY = "no samples other than 0"
    TOO_SHORT = "shorter than a frame"
    OFFSET = "carrier offset beyond the range"
    INVERTED = "spectrum inverted"
    RATE = "another sample rate"
    OFF_CENTRE = "off the centre of a wider capture"
    NUMEROLOGY = "another numerology"
    WEAK = "too weak"
    CLIPPED = "clipped"
    CARRIER = "a steady carrier"
    NOISE = "noise alone"
    OTHER_OFDM = "OFDM of another system"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class Diagnosis:
    """The cause that fits best.

    Attributes:
        cause: what it is.
        proven: whether the receiver finds frames, or the training symbols of another numerology are there, once the
            cause is taken away; otherwise the cause is likely and no more.
        frames: that the receiver then finds in the stretch.
        offset: of the signal's centre from the receiver's, cycles per sample of the stretch.
        ratio: samples of the stretch for one sample at the rate of the receiver's numerology.
        inverted: whether the spectrum is inverted.
        numerology: fields that differ from the receiver's numerology, with the values that were found.
        snr_db: where the cause is a weak signal; NaN where it was not measured.
        share: of the samples that are clipped, 0..1.
        ofdm: samples of an OFDM symbol's useful part and of its cyclic prefix, where another system is suspected.
    """

    cause: Cause
    proven: bool = False
    frames: int = 0
    offset: float = 0.0
    ratio: float = 1.0
    inverted: bool = False
    numerology: dict[str, int] = field(default_factory=dict)
    snr_db: float = float("nan")
    share: float = 0.0
    ofdm: tuple[int, int] = (0, 0)

    def to_dict(self) -> dict[str, Any]:
        """For results files; `sdr_sc.diagnosis` names the units."""
        found: dict[str, Any] = {**vars(self), "cause": self.cause.name.lower(), "ofdm": list(self.ofdm)}
        return found
