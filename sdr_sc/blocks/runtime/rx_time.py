# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``rx_time`` tags of USRP sources: device time of a sample, as whole seconds and a fraction."""

from __future__ import annotations

import pmt

RX_TIME = pmt.intern("rx_time")
RX_FREQ = pmt.intern("rx_freq")
RX_RATE = pmt.intern("rx_rate")
DeviceTime = tuple[int, float]
"""Whole seconds, and the fraction of a second; one float would be too coarse for a clock that says the date."""


def read_time(value: pmt.pmt_base) -> DeviceTime:
    """The time that an ``rx_time`` tag holds."""
    return pmt.to_uint64(pmt.tuple_ref(value, 0)), pmt.to_double(pmt.tuple_ref(value, 1))


def time_value(time: DeviceTime) -> pmt.pmt_base:
    """The value of an ``rx_time`` tag."""
    return pmt.make_tuple(pmt.from_uint64(time[0]), pmt.from_double(time[1]))


def elapsed_s(earlier: DeviceTime, later: DeviceTime) -> float:
    """Seconds between two times.

    >>> round(elapsed_s((1_800_000_000, 0.9), (1_800_000_001, 0.0)), 9)
    0.1
    """
    return (later[0] - earlier[0]) + (later[1] - earlier[1])


def later_by(time: DeviceTime, seconds: float) -> DeviceTime:
    """The time so many seconds later.

    >>> later_by((5, 0.75), 1.5)
    (7, 0.25)
    """
    whole, fraction = divmod(time[1] + seconds, 1.0)
    return time[0] + int(whole), fraction


def samples_missing(earlier: tuple[int, DeviceTime], later: tuple[int, DeviceTime], rate_hz: float) -> int:
    """Samples that the clock counts between two tags more than the stream does; 0 without a gap.

    Args:
        earlier, later: place in the stream and device time of the tags.
        rate_hz: samples per second.

    >>> samples_missing((0, (7, 0.5)), (1000, (7, 0.502)), 1e6)
    1000
    """
    return round(elapsed_s(earlier[1], later[1]) * rate_hz) - (later[0] - earlier[0])
