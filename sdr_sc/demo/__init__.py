# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration of the closed loop, and the captures that the repository ships."""
