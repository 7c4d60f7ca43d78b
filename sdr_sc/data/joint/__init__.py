# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sets of pictures and of texts as one, for a model of both."""
