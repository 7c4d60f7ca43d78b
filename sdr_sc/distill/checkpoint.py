# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a training run in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.array_file import LIMIT_BYTES, parse_arrays, write_arrays
from sdr_sc.documents import read_bytes
from sdr_sc.errors import SdrScError
from sdr_sc.shown import shown

_KIND = "training state"
_EARLIER = (b"PK", b"sdr_sc checkpoint, SHA-256 of what follows: ")
"""What files of earlier versions begin with: their content is a pickle, which is not read."""
_FIX = "delete it to start again"


def write_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """Write a state; a kill while writing leaves the last whole file.

    Args:
        arrays: by name.
        about: what belongs to them, for JSON.

    Raises:
        SdrScError: the file cannot be written.
    """
    write_arrays(path, _KIND, arrays, about, "make room there, or choose another --checkpoint")


def read_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `write_checkpoint` wrote; executes nothing from the file.

    Returns:
        The arrays, and ``about``.

    Raises:
        SdrScError: it cannot be read, is damaged, or was written by an earlier version.
    """
    named = f"checkpoint {shown(path)}"
    content = read_bytes(path, "checkpoint", _FIX, SdrScError, LIMIT_BYTES)
    if content.startswith(_EARLIER):
        raise SdrScError(
            f"{named} was written by an earlier version, whose checkpoints are not read any more; end that run with "
            f"that version, or {_FIX}."
        )
    return parse_arrays(content, _KIND, "checkpoint", named, _FIX)


def as_json(value: Any) -> Any:
    """A value as it comes back from JSON: tuples are lists there."""
    return json.loads(json.dumps(value))
