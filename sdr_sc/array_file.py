# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays and JSON in a file: a line that says what they are, with the SHA-256 of what follows, and then safetensors.

For every layer. Reading executes nothing from the file, and takes no more memory than its limit.
"""

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
_ABOUT = "about"


def write_arrays(
    path: Path, kind: str, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any], fix: str = "make room there"
) -> None:
    """Write a file, whole or not at all.

    Args:
        kind: what it holds, such as ``training state``.
        arrays: by name.
        about: what belongs to them, for JSON.
        fix: the end of the sentence where it cannot be written.

    Raises:
        SdrScError: it cannot be written.
    """
    from safetensors.numpy import save

    plain = {name: np.ascontiguousarray(value).reshape(np.shape(value)) for name, value in arrays.items()}
    content = save(plain, metadata={_ABOUT: json.dumps(about)})
    write_whole({path: first_words(kind) + hashlib.sha256(content).hexdigest().encode() + b"\n" + content}, fix)


def first_words(kind: str) -> bytes:
    """What a file of a kind begins with."""
    return f"sdr_sc {kind}, SHA-256 of what follows: ".encode()


def read_arrays(path: Path, kind: str, what: str, fix: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `write_arrays` wrote, within `LIMIT_BYTES`.

    Args:
        kind: as it was written.
        what: what users call such a file; its path is added.
        fix: the end of an error's sentence.

    Returns:
        The arrays, and ``about``.

    Raises:
        SdrScError: it cannot be read, is damaged, or of another kind.
    """
    content = read_bytes(path, what, fix, SdrScError, LIMIT_BYTES)
    return parse_arrays(content, kind, what, f"{what} {shown(path)}", fix)


def parse_arrays(
    content: bytes, kind: str, what: str, named: str, fix: str
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The same of a file's bytes.

    Args:
        named: the file, for the sentence.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    first_line, _, content = content.partition(b"\n")
    if first_line != first_words(kind) + hashlib.sha256(content).hexdigest().encode():
        raise SdrScError(f"{named} cannot be read (it is damaged, or no {what}); {fix}.")
    try:
        arrays = load(content)
        header = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")], named, fix)
        about = parse_json(header["__metadata__"][_ABOUT], named, fix)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise SdrScError(f"{named} cannot be read ({reason_of(error)}); {fix}.") from error
    if not isinstance(about, dict):
        raise SdrScError(f"{named} holds no {kind}; {fix}.")
    return arrays, about
