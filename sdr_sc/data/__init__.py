# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sets as plain numpy arrays, with a checksum that results and model contracts carry."""
