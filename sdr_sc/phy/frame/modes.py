# SPDX-License-Identifier: GPL-3.0-or-later
"""Frame modes: how much a frame spends on being found and on its header."""

from __future__ import annotations

from enum import IntEnum


class FrameMode(IntEnum):
    """Mode of a frame; the values are those in the header."""

    SHORT = 0
    NORMAL = 1
    ROBUST = 2
