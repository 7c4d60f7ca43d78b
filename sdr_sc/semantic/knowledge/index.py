# SPDX-License-Identifier: GPL-3.0-or-later
"""An approximate index for large bases: faiss's inverted lists of 8-bit vectors."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.errors import SdrScError
from sdr_sc.files import open_plain, whole_file
from sdr_sc.places import cache_folder, own_folder, why_not_own
from sdr_sc.shown import shown

TRAINED_ON = 64
"""Vectors a list that the lists' centres are made from."""
PROBED = 24
"""Lists that are searched."""
FACTOR, LEAST_CANDIDATES = 8, 64
"""Candidates for each neighbour that is wanted: 8-bit vectors alone find 96 % of the ten nearest, so
that what they find is compared again in float32."""
_KEPT = 4
"""Indexes that the cache keeps."""
_log = logging.getLogger(__name__)


def lists_for(entries: int) -> int:
    """How many lists a base is cut into: about the square root, a power of 2.

    >>> lists_for(1_000_000), lists_for(100_000)
    (1024, 256)
    """
    return 1 << int(np.log2(max(entries, 1)) / 2 + 0.1)


class ApproximateIndex:
    """Ids of the vectors that are near to a query, most of them.

    Args:
        ids: int64 (n,).
        vectors: float32 (n, dimension), of length 1.

    Raises:
        ImportError: there is no faiss.
    """

    def __init__(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        import faiss

        lists = lists_for(len(ids))
        quantiser = faiss.IndexFlatIP(vectors.shape[1])
        self._index: Any = faiss.IndexIVFScalarQuantizer(
            quantiser, vectors.shape[1], lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        sample = np.random.default_rng(1).permutation(len(ids))[: lists * TRAINED_ON]
        self._index.train(np.ascontiguousarray(vectors[np.sort(sample)]))
        self.add(ids, vectors)

    @classmethod
    def cached(cls, ids: np.ndarray, vectors: np.ndarray, checksum: str) -> ApproximateIndex:
        """The index of a base, from this user's cache or made now and put there.

        Args:
            checksum: of the base's content, hexadecimal.

        Raises:
            ImportError: there is no faiss.
        """
        import faiss

        try:
            path = own_folder(cache_folder() / "knowledge") / f"{checksum}-{ids_digest(ids)}-{faiss.__version__}.faiss"
        except SdrScError:
            return cls(ids, vectors)
        found = cls._read(path, len(ids), vectors.shape[1])
        if found is None:
            found = cls(ids, vectors)
            found._write(path)
        return found

    def __len__(self) -> int:
        return self._index.ntotal

    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Add vectors of length 1: int64 (n,), float32 (n, dimension)."""
        self._index.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(ids, np.int64))

    def remove(self, ids: np.ndarray) -> None:
        """Remove vectors by their ids."""
        self._index.remove_ids(np.ascontiguousarray(ids, np.int64))

    def search(self, queries: np.ndarray, count: int, partly: bool = False) -> np.ndarray:
        """Candidates for the nearest.

        Args:
            queries: float32 (n, dimension).
            count: neighbours that are wanted.
            partly: whether numbers at the end of the queries are not known, and 0: then more lists are searched.

        Returns:
            int64 (n, candidates), -1 where there are fewer.
        """
        import faiss

        factor = 4 if partly else 1
        parameters = faiss.SearchParametersIVF(nprobe=min(self._index.nlist, PROBED * factor))
        wanted = min(len(self), max(LEAST_CANDIDATES, FACTOR * count) * factor)
        return self._index.search(np.ascontiguousarray(queries, np.float32), wanted, params=parameters)[1]

    def _write(self, path: Path) -> None:
        """Into the cache, where the latest few stay; without one that can be written it is made again next time."""
        import faiss

        try:
            with whole_file(path) as partial:
                faiss.write_index(self._index, str(partial))
            others = sorted(path.parent.glob("*.faiss"), key=lambda one: one.stat().st_mtime)
            for old in others[:-_KEPT]:
                old.unlink(missing_ok=True)
        except (OSError, RuntimeError) as error:
            _log.warning("the index %s is not kept: %s", shown(path), shown(error, 200))

    @classmethod
    def _read(cls, path: Path, entries: int, dimension: int) -> ApproximateIndex | None:
        """From the cache; None where it holds none that fits, and is this user's own: faiss trusts what it reads."""
        import faiss

        try:
            with open_plain(path) as file:
                if why_not_own(os.fstat(file.fileno())):
                    return None
            found = cls.__new__(cls)
            found._index = faiss.read_index(str(path))
            return found if (found._index.ntotal, found._index.d) == (entries, dimension) else None
        except (OSError, RuntimeError):
            return None


def ids_digest(ids: np.ndarray) -> str:
    """Of a base's ids: the same content may have others in another file."""
    return hashlib.sha256(np.ascontiguousarray(ids, "<i8").tobytes()).hexdigest()[:16]
