# SPDX-License-Identifier: GPL-3.0-or-later
"""What it saves that both ends hold one base: channel uses for the same quality, with indices counted."""
