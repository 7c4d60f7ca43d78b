# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame and its transmitter: preamble, header, payload."""
