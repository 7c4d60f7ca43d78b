# SPDX-License-Identifier: GPL-3.0-or-later
"""Change a simulated USRP while a program uses it."""

from __future__ import annotations

import math

from sdr_sc.simusrp.airs import now_ps, opened
from sdr_sc.simusrp.build import SimusrpError
from sdr_sc.simusrp.layout import LIVE_KEYS

LIMITS = {"path_loss_db": (0.0, 300.0), "cfo_hz": (-1e6, 1e6), "noise_figure_db": (0.0, 100.0)}
"""Smallest and largest value of each key."""


def set_value(name: str, key: str, value: float, air: str = "default", at_s: float | None = None) -> None:
    """Set a value of a device that some program has open.

    Args:
        name: the device's name.
        key: ``path_loss_db``, ``cfo_hz`` or ``noise_figure_db``; all three are about what the device receives.
        value: the new value.
        air: the air that the device is on.
        at_s: the moment of the air from which it holds, to the sample; now if left out. It is the device's own time
            unless the program has set that.

    Raises:
        SimusrpError: no such air, device or key, or a value that makes no sense.
    """
    if key not in LIMITS:
        raise SimusrpError(f"a simulated USRP has no value '{key}' that can be set; use one of {', '.join(LIMITS)}.")
    low, high = LIMITS[key]
    if not (math.isfinite(value) and low <= value <= high):
        raise SimusrpError(f"{key}={value:g} does not fit; use {low:g} to {high:g}.")
    if at_s is not None and not 0 <= at_s < 9e6:
        raise SimusrpError(f"the moment {at_s:g} s does not fit; use 0 s or more.")
    with opened(air, lock=True) as header:
        found = [slot for slot in header.devices if slot.used and slot.name.decode(errors="replace") == name]
        if not found:
            there = ", ".join(slot.name.decode(errors="replace") for slot in header.devices if slot.used)
            raise SimusrpError(
                f"there is no device '{name}' on air '{air}'; "
                + (f"there are: {there}." if there else "start the program that opens it first.")
            )
        slot = found[0]
        place = slot.change_count % len(slot.changes)
        change = slot.changes[place]
        if slot.change_count >= len(slot.changes) and change.key < len(LIVE_KEYS):
            slot.initial[change.key] = change.value  # what is written over stays in force
        change.at_ps = now_ps(header) if at_s is None else round(at_s * 1e12)
        change.value = value
        change.key = LIVE_KEYS.index(key)
        slot.change_count += 1  # last: receivers read the entries below it
