# SPDX-License-Identifier: GPL-3.0-or-later
"""When bursts leave and arrive: device time, schedules, pace."""
