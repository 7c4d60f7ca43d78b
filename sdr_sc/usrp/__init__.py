# SPDX-License-Identifier: GPL-3.0-or-later
"""What flowgraphs with a USRP need besides GNU Radio's own blocks: safe settings, and the device's clock."""

from sdr_sc.usrp.bursts import attach_bursts
from sdr_sc.usrp.device import device_report, prepare_device
from sdr_sc.usrp.settings import UsrpSettings, attach_clock, end_with, tell_end, usrp_settings

__all__ = [
    "UsrpSettings",
    "attach_bursts",
    "attach_clock",
    "device_report",
    "end_with",
    "prepare_device",
    "tell_end",
    "usrp_settings",
]
