# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of sweeps: one HTML page, and figures for papers."""
