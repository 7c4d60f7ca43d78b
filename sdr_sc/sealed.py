# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums within and beside files, so that a changed bit is noticed; for every layer.

They notice damage. They do not prove who wrote a file: whoever changes it on purpose can write the checksum again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdr_sc.errors import SdrScError
from sdr_sc.files import open_plain, read_plain
from sdr_sc.shown import shown

SEAL_KEY = "sha256"
"""Of a JSON object: SHA-256 over `canonical` of its other members."""


def canonical(content: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, ASCII.

    >>> canonical({"b": 1.0, "a": [True, None]})
    b'{"a":[true,null],"b":1.0}'
    """
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def digest_of(content: Any) -> str:
    """SHA-256 over `canonical`, hexadecimal."""
    return hashlib.sha256(canonical(content)).hexdigest()


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object, in types that JSON has, with its checksum as the last member."""
    plain = {name: value for name, value in content.items() if name != SEAL_KEY}
    return {**plain, SEAL_KEY: digest_of(plain)}


def unsealed(
    content: dict[str, Any], what: str, fix: str, kind: type[SdrScError] = SdrScError
) -> tuple[dict[str, Any], bool]:
    """The members of an object without its checksum, and whether it had one: older files have none.

    Args:
        what: the file's role and name, the sentence's subject.
        fix: the end of the sentence.
        kind: the error's class.

    Raises:
        SdrScError: of class ``kind``: the checksum is not that of the other members, or stands under a damaged name.

    >>> unsealed(sealed({"a": 1}), "summary", "run it again")
    ({'a': 1}, True)
    >>> unsealed({**sealed({"a": 1}), "a": 3}, "summary", "run it again")
    Traceback (most recent call last):
    sdr_sc.errors.SdrScError: summary is damaged or was edited (its checksum is not that of its content); run it again.
    """
    plain = {name: value for name, value in content.items() if name != SEAL_KEY}
    if SEAL_KEY not in content:
        renamed = next((name for name in content if is_almost(name, SEAL_KEY)), None)
        if renamed is not None:
            raise kind(f"{what} is damaged or was edited (its checksum is called {shown(renamed)!r}); {fix}.")
        return plain, False
    if content[SEAL_KEY] != digest_of(plain):
        raise kind(f"{what} is damaged or was edited (its checksum is not that of its content); {fix}.")
    return plain, True


def is_almost(name: str, wanted: str) -> bool:
    """Whether a name is another one with a few changed bits: a checksum under it must not count as none.

    >>> is_almost("sha256", "sha256"), is_almost("sha3t6", "sha256"), is_almost("sample", "sha256")
    (False, True, False)
    """
    return len(name) == len(wanted) and 0 < sum(a != b for a, b in zip(name, wanted, strict=True)) <= 2


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal; in pieces, whatever its size.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with open_plain(path) as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def sidecar(path: Path) -> Path:
    """The file beside ``path`` that holds its checksum, as ``sha256sum`` writes it."""
    return path.with_name(path.name + ".sha256")


def sidecar_line(path: Path, content: bytes) -> bytes:
    """What `sidecar` holds for a file of this content; ``sha256sum --check`` reads it."""
    return f"{hashlib.sha256(content).hexdigest()}  {path.name}\n".encode()


def check_sidecar(path: Path, what: str, fix: str, kind: type[SdrScError] = SdrScError) -> bool:
    """Whether a file has a checksum beside it, which is then the right one.

    Args:
        what, fix, kind: as for `unsealed`; the file's name is added to ``what``.

    Raises:
        SdrScError: of class ``kind``: the checksum is another one, or a file cannot be read.
    """
    beside = sidecar(path)
    try:
        if not beside.is_file():
            return False
        told, found = read_plain(beside), file_digest(path)
    except OSError as error:
        raise kind(f"{what} {shown(path)} cannot be read ({error.strerror or error}); {fix}.") from None
    if told.split()[:1] != [found.encode()]:
        raise kind(f"{what} {shown(path)} is damaged or was edited: {shown(beside.name)} holds another SHA-256; {fix}.")
    return True
