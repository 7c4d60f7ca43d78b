# SPDX-License-Identifier: GPL-3.0-or-later
"""What both ends of a link keep, without GNU Radio."""
