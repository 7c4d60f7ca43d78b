# SPDX-License-Identifier: GPL-3.0-or-later
"""Fusion rules of a knowledge base: their file, and how they are fitted for one."""
