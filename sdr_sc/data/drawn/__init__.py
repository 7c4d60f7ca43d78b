# SPDX-License-Identifier: GPL-3.0-or-later
"""What data sets of drawings can do besides: their items in more pixels, and drawings that two of them share."""
