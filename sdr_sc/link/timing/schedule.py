# SPDX-License-Identifier: GPL-3.0-or-later
"""A schedule of SNR over frames, as text."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from sdr_sc.errors import BlockError


@dataclass(frozen=True)
class SnrSchedule:
    """Steps of SNR: from frame ``frames[i]`` on, ``snr_db[i]``.

    >>> schedule = SnrSchedule.parse("0:25, 100:0")
    >>> schedule.at(99), schedule.at(100)
    (25.0, 0.0)
    """

    frames: tuple[int, ...] = ()
    snr_db: tuple[float, ...] = ()

    @classmethod
    def parse(cls, text: str) -> SnrSchedule:
        """Read ``frame:snr_db`` pairs with commas between; '' is the empty schedule.

        Raises:
            BlockError: not such pairs, or frames that do not rise.
        """
        frames, levels = [], []
        for pair in filter(None, (part.strip() for part in text.split(","))):
            try:
                frame, level = pair.split(":")
                frames.append(int(frame))
                levels.append(float(level))
            except ValueError:
                raise BlockError(f"SNR schedule: {pair!r} is not 'frame:snr_db', such as 100:12.5.") from None
        if frames != sorted(set(frames)) or any(f < 0 for f in frames) or not np.isfinite(levels).all():
            raise BlockError(f"SNR schedule {text!r}: frames have to rise from 0 or more, SNRs have to be finite.")
        return cls(tuple(frames), tuple(levels))

    def to_text(self) -> str:
        """The text that `parse` reads."""
        return ", ".join(f"{frame}:{level:g}" for frame, level in zip(self.frames, self.snr_db, strict=True))

    def at(self, frame: int) -> float | None:
        """SNR of a frame in dB; None before the first step."""
        place = bisect_right(self.frames, frame) - 1
        return self.snr_db[place] if place >= 0 else None
