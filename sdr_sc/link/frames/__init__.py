# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of every frame: what was sent, received and answered."""
