# SPDX-License-Identifier: GPL-3.0-or-later
"""A small language model on this machine that rewords descriptions: an extra, which nothing else needs."""
