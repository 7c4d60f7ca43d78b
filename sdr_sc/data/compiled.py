# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sets in the form in which they are used: arrays in files that are mapped into the memory, with checksums.

A data set is compiled from its packages once and kept in the cache. A folder of it is named for what it was made from;
one that is damaged, or of an earlier version, is made again. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.documents import read_json
from sdr_sc.errors import SdrScError
from sdr_sc.files import open_plain, write_whole
from sdr_sc.jsonable import plain
from sdr_sc.places import cache_folder, own_folder
from sdr_sc.sealed import canonical, digest_of, file_digest, sealed, unsealed
from sdr_sc.shown import shown

_ABOUT = "about.json"
_WHAT, _FIX = "compiled data set", "it is made again"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compiled:
    """A data set's arrays, which lie in files that stay as they are, and what else is known of it.

    Attributes:
        arrays: by name.
        about: in types that JSON has.
        sha256: of what it was made from, hexadecimal.
    """

    arrays: Mapping[str, np.ndarray]
    about: Mapping[str, Any]
    sha256: str


Made = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]


def compiled(name: str, made_from: Mapping[str, Any], make: Callable[[], Made]) -> Compiled:
    """A data set from the cache, or made and put there.

    Args:
        name: of the data set, for the folder.
        made_from: all that decides what it is: checksums of the sources, version of the maker, settings.
        make: gives arrays by name, of plain numbers, and what else is known.

    Raises:
        SdrScError: it cannot be made, or not be written.
    """
    sha256 = digest_of(plain(made_from))
    folder = compiled_folder() / f"{name}-{sha256[:16]}"
    found = _load(folder, sha256)
    if found is None:
        arrays, about = make()
        _write(folder, arrays, about, sha256)
        found = _load(folder, sha256)
    if found is None:
        raise SdrScError(f"{shown(folder)} was changed while it was written; repeat it.")
    return found


def compiled_folder() -> Path:
    """Where compiled data sets lie: this user's own.

    Raises:
        SdrScError: it cannot be made.
    """
    return own_folder(own_folder(cache_folder() / "data") / "compiled")


def _write(folder: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any], sha256: str) -> None:
    own_folder(folder)
    digests = {}
    for name, array in arrays.items():
        raw = io.BytesIO()
        np.lib.format.write_array(raw, np.ascontiguousarray(array), allow_pickle=False)
        path = folder / f"{name}.npy"
        write_whole({path: raw.getvalue()}, sync=False)
        digests[name] = file_digest(path)
    content = sealed({"made_from": sha256, "arrays": digests, "about": plain(about)})
    write_whole({folder / _ABOUT: canonical(content)}, sync=False)


def _load(folder: Path, sha256: str) -> Compiled | None:
    """What a folder holds, or None where it is not there or not whole."""
    if not (folder / _ABOUT).is_file():
        return None
    try:
        content = read_json(folder / _ABOUT, _WHAT, _FIX)
        if not isinstance(content, dict):
            raise SdrScError(f"{_WHAT} {shown(folder)} is no object; {_FIX}.")
        content, is_sealed = unsealed(content, f"{_WHAT} {shown(folder)}", _FIX)
        if not is_sealed or content["made_from"] != sha256:
            raise SdrScError(f"{_WHAT} {shown(folder)} is another one; {_FIX}.")
        arrays = {}
        for name, digest in content["arrays"].items():
            path = folder / f"{name}.npy"
            if file_digest(path) != digest:
                raise SdrScError(f"{_WHAT} {shown(path)} is damaged; {_FIX}.")
            arrays[name] = _mapped(path)
    except (SdrScError, OSError, ValueError) as error:
        _log.warning("warning: %s", shown(str(error), 300))
        return None
    return Compiled(arrays, content["about"], sha256)


def _mapped(path: Path) -> np.ndarray:
    """An array that is read when it is used; an empty one, for which nothing can be mapped, is read at once."""
    with open_plain(path) as file:
        if file.seek(0, io.SEEK_END) <= 128:
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
    return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
