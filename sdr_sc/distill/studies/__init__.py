# SPDX-License-Identifier: GPL-3.0-or-later
"""Trainings that are compared: schemes, the sizes of a comparison, its teachers."""
