# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of day and of a receiver's clock, moved along by samples."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from sdr_sc.capture.sigmf.fields import short

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d{1,18})?(?:([Zz])|([+-])(\d\d):?(\d\d))?", re.ASCII)


def utc_time(value: Any) -> tuple[str | None, str]:
    """A time of a recording in UTC as SigMF spells it (RFC 3339 with Z), and what is to be said of it.

    A time with an offset is moved to UTC, one without a zone is taken as UTC; digits of its fraction all stay.

    Returns:
        The time, None where there is none or none that can be read; and a warning, ``""`` where all is well.

    >>> utc_time("2024-05-01T14:00:00.123456789+02:00")[0], utc_time("2024-05-01T14:00:00Z")
    ('2024-05-01T12:00:00.123456789Z', ('2024-05-01T14:00:00Z', ''))
    >>> utc_time("2024-05-01T14:00:00")
    ('2024-05-01T14:00:00Z', "core:datetime is '2024-05-01T14:00:00' without a zone, and is taken as UTC")
    >>> utc_time(1714564800.5)[1]
    'core:datetime is 1714564800.5, which is no time of RFC 3339 (2026-01-31T23:59:59.5Z), and is not used'
    """
    if value is None:
        return None, ""
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) and len(value) < 80 else None
    try:
        if match is None:
            raise ValueError
        moment = datetime.fromisoformat(f"{match[1]}T{match[2]}")
        if match[5]:
            if int(match[6]) > 23 or int(match[7]) > 59:
                raise ValueError
            offset = timedelta(hours=int(match[6]), minutes=int(match[7]))
            moment = moment - offset if match[5] == "+" else moment + offset
    except (ValueError, OverflowError):
        what = f"core:datetime is {short(value)}, which is no time of RFC 3339 (2026-01-31T23:59:59.5Z)"
        return None, f"{what}, and is not used"
    if match[4]:
        return str(value), ""
    text = f"{moment.isoformat()}{match[3] or ''}Z"
    if match[5]:
        return text, f"core:datetime is {short(value)} with an offset, where SigMF wants UTC with Z; read as {text}"
    return text, f"core:datetime is {short(value)} without a zone, and is taken as UTC"


def later_datetime(text: str, seconds: float) -> str | None:
    """A time of SigMF (RFC 3339, UTC) moved by so many seconds, to the microsecond; None if it is no such time.

    >>> later_datetime("2026-01-31T23:59:59.5Z", 0.75)
    '2026-02-01T00:00:00.250000Z'
    """
    match = _TIME.fullmatch(text.strip())
    if match is None or not match[4]:
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
