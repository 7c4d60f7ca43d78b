# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks that somebody may call until the process ends."""

from __future__ import annotations

import ctypes
from typing import Any


def keep_until_exit(block: Any) -> None:
    """Never destroy a block, whatever becomes of its flowgraph.

    A USRP sink has a thread of its own that sends messages from its construction to its destruction, also while the
    flowgraph is taken apart. A message to a block that has left GNU Radio's registry throws in that thread, which
    ends the process with SIGABRT.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(block))
