# SPDX-License-Identifier: GPL-3.0-or-later
"""Verbs of ``sdr-sc bench evidence``, a file each."""
