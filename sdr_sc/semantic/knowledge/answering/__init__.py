# SPDX-License-Identifier: GPL-3.0-or-later
"""Knowledge bases in a receiver: a frame's answers from decoder, global base and local base together."""
