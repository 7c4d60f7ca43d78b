# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements under attack and failure: hostile messages, faults, changed bits, and a soak."""
