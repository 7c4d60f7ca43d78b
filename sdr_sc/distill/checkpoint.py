# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a training run in a file: a line with the SHA-256 of what follows, and then torch's own format."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from sdr_sc.errors import SdrScError
from sdr_sc.files import read_plain, write_whole
from sdr_sc.shown import reason_of, shown

_FIRST_WORDS = b"sdr_sc checkpoint, SHA-256 of what follows: "
_ZIP = b"PK"
"""Torch's own format, which earlier versions wrote; torch does not compare the checksums in it."""
_FIX = "delete it to start again"


def write_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a state; a kill while writing leaves the last whole file.

    Raises:
        SdrScError: the file cannot be written.
    """
    stream = io.BytesIO()
    torch.save(state, stream)
    content = stream.getvalue()
    first_line = _FIRST_WORDS + hashlib.sha256(content).hexdigest().encode() + b"\n"
    write_whole({path: first_line + content}, "make room there, or choose another --checkpoint")


def read_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read what `write_checkpoint` wrote; executes nothing from the file.

    Raises:
        SdrScError: it cannot be read, or is damaged.
    """
    what = f"checkpoint {shown(path)}"
    try:
        content = read_plain(path)
    except OSError as error:
        raise SdrScError(f"{what} cannot be read ({error.strerror or error}); {_FIX}.") from error
    if not content.startswith(_ZIP):
        first_line, _, content = content.partition(b"\n")
        if first_line != _FIRST_WORDS + hashlib.sha256(content).hexdigest().encode():
            raise SdrScError(f"{what} cannot be read (it is damaged, or no checkpoint); {_FIX}.")
    try:
        state = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except Exception as error:
        raise SdrScError(f"{what} cannot be read ({reason_of(error)}); {_FIX}.") from error
    if not isinstance(state, dict):
        raise SdrScError(f"{what} holds no state of a training run; {_FIX}.")
    return state
