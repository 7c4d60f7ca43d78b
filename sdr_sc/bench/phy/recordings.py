# SPDX-License-Identifier: GPL-3.0-or-later
"""Where recordings lie that measurements use and the project does not ship."""

from __future__ import annotations

from pathlib import Path

from sdr_sc.results.rows import NOT_MEASURED

SHARED_DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
"""Beside the repository; measurements say which of their rows need a file that is not there."""
MEASURED_CHANNELS = "measured_channels"
WIFI_CAPTURES = "wifi_captures"


def absent(what: str, path: Path) -> str:
    """Name of a row that was not measured since ``path`` is not there.

    >>> absent("SNR of a", SHARED_DATA / "wifi_captures" / "a.ci16")
    'SNR of a, not measured: shared/data/wifi_captures/a.ci16 is absent'
    """
    shown = path.relative_to(SHARED_DATA.parents[1]) if path.is_relative_to(SHARED_DATA) else path
    return f"{what}{NOT_MEASURED}{shown} is absent"
