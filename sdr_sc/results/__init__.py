# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows with their intervals and goals, where results come from, and processes that compute them."""
