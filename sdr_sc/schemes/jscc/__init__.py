# SPDX-License-Identifier: GPL-3.0-or-later
"""A learned image codec over the air, and a classifier of its reconstructions."""
