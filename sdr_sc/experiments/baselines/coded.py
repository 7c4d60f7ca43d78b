# SPDX-License-Identifier: GPL-3.0-or-later
"""What all schemes of coded bits do alike."""

from __future__ import annotations

from sdr_sc.experiments.baselines.error_rates import rates_for
from sdr_sc.experiments.baselines.scheme import BaseScheme

FIRST_ITEMS = 5
"""Items of a coded scheme's first frame."""


class CodedScheme(BaseScheme):
    """The channel's table of error rates, and a first frame that risks little.

    Until something is known of the channel the mode is a robust guess, for which a budget may be too small; so few
    items go into the first frame, which brings the first estimate.

    Attributes:
        rates: of the channel that the run is over.
    """

    def __init__(self) -> None:
        self.rates = rates_for("")
        self._is_first = True

    def begin(self, channel: str) -> None:
        """Take the channel's table of error rates."""
        self.rates = rates_for(channel)
        self._is_first = True

    def frame_items(self, snr_db: float | None, k: int | None, most: int) -> int:
        """Few in the first frame, as many as may be later."""
        is_first, self._is_first = self._is_first, False
        return min(most, FIRST_ITEMS) if is_first else most
