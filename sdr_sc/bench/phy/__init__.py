# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements of the physical layer: detection, SNR, throughput, endurance, and hints on faulty signals."""
