# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays and JSON of a training run in a file: a line with the SHA-256 of what follows, and then safetensors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.documents import parse_json, read_bytes
from sdr_sc.errors import SdrScError
from sdr_sc.files import write_whole
from sdr_sc.shown import reason_of, shown

LIMIT_BYTES = 1 << 30
_FIRST_WORDS = b"sdr_sc training state, SHA-256 of what follows: "
_EARLIER = (b"PK", b"sdr_sc checkpoint, SHA-256 of what follows: ")
"""What files of earlier versions begin with: their content is a pickle, which is not read."""
_ABOUT = "about"
_FIX = "delete it to start again"


def write_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """Write a state; a kill while writing leaves the last whole file.

    Args:
        arrays: by name.
        about: what belongs to them, for JSON.

    Raises:
        SdrScError: the file cannot be written.
    """
    from safetensors.numpy import save

    plain = {name: np.ascontiguousarray(value).reshape(np.shape(value)) for name, value in arrays.items()}
    content = save(plain, metadata={_ABOUT: json.dumps(about)})
    first_line = _FIRST_WORDS + hashlib.sha256(content).hexdigest().encode() + b"\n"
    write_whole({path: first_line + content}, "make room there, or choose another --checkpoint")


def read_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `write_checkpoint` wrote, within `LIMIT_BYTES`; executes nothing from the file.

    Returns:
        The arrays, and ``about``.

    Raises:
        SdrScError: it cannot be read, is damaged, or was written by an earlier version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    what = f"checkpoint {shown(path)}"
    content = read_bytes(path, "checkpoint", _FIX, SdrScError, LIMIT_BYTES)
    if content.startswith(_EARLIER):
        raise SdrScError(
            f"{what} was written by an earlier version, whose checkpoints are not read any more; end that run with "
            f"that version, or {_FIX}."
        )
    first_line, _, content = content.partition(b"\n")
    if first_line != _FIRST_WORDS + hashlib.sha256(content).hexdigest().encode():
        raise SdrScError(f"{what} cannot be read (it is damaged, or no checkpoint); {_FIX}.")
    try:
        arrays = load(content)
        header = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")], what, _FIX)
        text = header["__metadata__"][_ABOUT]
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise SdrScError(f"{what} cannot be read ({reason_of(error)}); {_FIX}.") from error
    about = parse_json(text, what, _FIX)
    if not isinstance(about, dict):
        raise SdrScError(f"{what} holds no state of a training run; {_FIX}.")
    return arrays, about


def as_json(value: Any) -> Any:
    """A value as it comes back from JSON: tuples are lists there."""
    return json.loads(json.dumps(value))
