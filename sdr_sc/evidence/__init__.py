# SPDX-License-Identifier: GPL-3.0-or-later
"""What sending features is worth against its rivals, setting by setting: wins, losses, other tasks, cost."""
