# SPDX-License-Identifier: GPL-3.0-or-later
"""Student networks, by the kind that a model's contract names."""
