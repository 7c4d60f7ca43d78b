# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of day and of a receiver's clock, moved along by samples."""

from __future__ import annotations

import re
from datetime import datetime, timedelta


def later_datetime(text: str, seconds: float) -> str | None:
    """A time of SigMF (RFC 3339, UTC) moved by so many seconds, to the microsecond; None if it is no such time.

    >>> later_datetime("2026-01-31T23:59:59.5Z", 0.75)
    '2026-02-01T00:00:00.250000Z'
    """
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?[Zz]", text.strip())
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(f"{match[1]}T{match[2]}")
        moved = moment + timedelta(seconds=seconds, microseconds=round(float(match[3] or 0) * 1e6))
    except (ValueError, OverflowError):
        return None
    return moved.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def later_rx_time(time_s: tuple[int, float], samples: int, sample_rate_hz: float) -> tuple[int, float]:
    """A time of a receiver's clock, so many samples later; whole seconds never lose precision.

    >>> later_rx_time((1_700_000_000, 0.75), 2_500_000, 1e6)
    (1700000003, 0.25)
    """
    whole, rest = divmod(samples, sample_rate_hz)
    fraction = time_s[1] + rest / sample_rate_hz
    return time_s[0] + int(whole) + int(fraction), fraction - int(fraction)
