# SPDX-License-Identifier: GPL-3.0-or-later
"""Retrieval at both ends: where transmitter and receiver hold the same version of a base, an item's nearest entry and
what differs from it may be sent in place of all its features."""
