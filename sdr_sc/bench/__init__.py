# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements: each ends in a table of rows with goals."""
