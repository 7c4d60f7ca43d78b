# SPDX-License-Identifier: GPL-3.0-or-later
"""A GNU Radio real-channel testbed for task-oriented semantic communication."""

__version__ = "0.1.0"
