# SPDX-License-Identifier: GPL-3.0-or-later
"""Widgets of the blocks that show something in a window of Qt."""
