# SPDX-License-Identifier: GPL-3.0-or-later
"""What a large model says of items, kept in the cache: each is asked about once, and a killed run goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.array_file import read_arrays, write_arrays
from sdr_sc.errors import SdrScError
from sdr_sc.places import cache_folder, own_folder
from sdr_sc.sealed import digest_of

CHUNK_ITEMS = 2048
"""Of a file in the cache: what a killed run loses at most."""
_KIND, _FIX = "answers of a large model", "delete it"


def asked_once(
    model: str,
    about: Mapping[str, Any],
    items: int,
    ask: Callable[[np.ndarray], np.ndarray],
    batch_items: int,
    on_batch: Callable[[int], None] = lambda items: None,
) -> np.ndarray:
    """A model's vectors of all items, from the cache where they are there: float32 (items, width), as of float16.

    Args:
        model: its name, for the folder.
        about: all that decides the answers: the model's fingerprint, checksum and form of the items.
        items: how many there are, one or more.
        ask: gives float (n, width) of items by place.
        batch_items: that are asked about at once.
        on_batch: called with the number of items that are done.

    Raises:
        SdrScError: the cache cannot be written.
    """
    folder = own_folder(own_folder(cache_folder() / "teachers") / model)
    found = []
    for start in range(0, items, CHUNK_ITEMS):
        places = np.arange(start, min(start + CHUNK_ITEMS, items))
        key = digest_of({**about, "first": start, "items": len(places)})
        path = folder / f"{key[:32]}.answers"
        kept = _kept(path, key, len(places))
        if kept is None:
            parts = []
            for batch in np.split(places, range(batch_items, len(places), batch_items)):
                parts.append(ask(batch).astype(np.float16))
                on_batch(len(batch))
            kept = np.concatenate(parts)
            write_arrays(path, _KIND, {"vectors": kept}, {"key": key})
        else:
            on_batch(len(places))
        found.append(kept)
    return np.concatenate(found).astype(np.float32)


def _kept(path: Path, key: str, items: int) -> np.ndarray | None:
    """What the cache has, or None where it is not there or damaged."""
    if not path.is_file():
        return None
    try:
        arrays, about = read_arrays(path, _KIND, _KIND, _FIX)
    except SdrScError:
        return None
    vectors = arrays.get("vectors")
    if about.get("key") != key or vectors is None or vectors.ndim != 2 or len(vectors) != items:
        return None
    return vectors
