# SPDX-License-Identifier: GPL-3.0-or-later
"""Compile and run GNU Radio flowgraphs: the loopback, both ends of a USRP link, recording and replay."""
