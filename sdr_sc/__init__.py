# SPDX-License-Identifier: GPL-3.0-or-later
"""A GNU Radio testbed for task-oriented semantic communication, over simulated and measured channels."""

__version__ = "0.1.0"
