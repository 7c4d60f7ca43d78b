# SPDX-License-Identifier: GPL-3.0-or-later
"""A sentence of what a receiver knows of an item, each statement of which names its sources."""
