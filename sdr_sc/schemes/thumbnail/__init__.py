# SPDX-License-Identifier: GPL-3.0-or-later
"""A tuned digital image: a thumbnail of few levels, entropy-coded over a frame's items, and its own classifier."""
