# SPDX-License-Identifier: GPL-3.0-or-later
"""What all schemes of coded bits do alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from sdr_sc.schemes.bler_tables import rates_for, tables_sha256
from sdr_sc.schemes.scheme import BaseScheme


class CodedScheme(BaseScheme):
    """The channel's table of error rates. Until something is known of the channel the mode is a robust guess.

    Attributes:
        rates: of the channel that the run is over.
    """

    def __init__(self) -> None:
        self.rates = rates_for("")
        self._tables = tables_sha256()

    def begin(self, channel: str) -> None:
        """Take the channel's table of error rates."""
        self.rates = rates_for(channel)

    def is_whole(self, found: np.ndarray) -> bool:
        """Whether all checks of a frame's codewords were right."""
        return bool((found >= 0).all())

    @property
    def smoothing(self) -> float:
        """Of the channel's table."""
        return self.rates.smoothing

    def describe_code(self) -> dict[str, Any]:
        """The code, and which tables of error rates its modes are chosen by."""
        return {"code": "5G NR LDPC (3GPP TS 38.212), CRC-16", "error_rates_sha256": self._tables}
