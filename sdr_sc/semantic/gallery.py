# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver searches for the item that was sent: entries with a vector each, made for one space of vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sdr_sc.array_file import read_arrays, write_arrays
from sdr_sc.documents import real_number
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.semantic.tasks.base import LOST, NOT_A_NUMBER, TaskAnswer
from sdr_sc.shown import shown

MOST_ENTRIES = 1 << 20
_KIND, _FIX, _BLOCK = "gallery", "get it again", 1024


def entries_number(names: Sequence[str]) -> int:
    """A number from 1 on by which two ends know whether they mean the same entries, in the same order: 31 bits of the
    names' SHA-256.

    >>> entries_number(["a", "b"]), entries_number(["b", "a"])
    (1057782683, 1649657645)
    """
    digest = hashlib.sha256("\n".join(names).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big") >> 1 or 1


@dataclass(frozen=True)
class Gallery:
    """Entries.

    Attributes:
        names: of the entries.
        vectors: float32 (entries, dimensions), of unit length.
        space: name of the vectors' space, which a model's teacher has to be of.
        temperature: of the confidence: the softmax of cosines over it.

    Raises:
        ContractError: names and vectors do not fit each other, or vectors are not of unit length.
    """

    names: tuple[str, ...]
    vectors: np.ndarray
    space: str
    temperature: float = 0.07

    def __post_init__(self) -> None:
        shape = self.vectors.shape
        if self.vectors.ndim != 2 or not 1 <= shape[0] <= MOST_ENTRIES or len(self.names) != shape[0]:
            raise ContractError(
                f"a gallery of {len(self.names)} names and vectors of shape {shape}; give one each, up to "
                f"{MOST_ENTRIES} entries."
            )
        if not np.allclose(np.square(self.vectors.astype(np.float64)).sum(axis=1), 1.0, atol=1e-2):
            raise ContractError("a gallery's vectors are not of unit length; make it again.")
        if not self.temperature > 0:
            raise ContractError(f"a gallery's temperature is {self.temperature}; it has to be above 0.")

    @cached_property
    def names_sha256(self) -> str:
        """Checksum of the names in their order: what the numbers of answers mean."""
        return hashlib.sha256("\n".join(self.names).encode("utf-8", "surrogatepass")).hexdigest()

    @cached_property
    def entries_number(self) -> int:
        """See `entries_number`."""
        return entries_number(self.names)

    @classmethod
    def of_entries(cls, names: Sequence[str], entries: np.ndarray, vectors: np.ndarray, space: str) -> Gallery:
        """A gallery from items, some of which may be of one entry, whose first one's vector is taken.

        Args:
            names: of the entries.
            entries: int (items,), places among the names, each of which occurs; below 0 of items that are none.
            vectors: float32 (items, dimensions), of unit length.
            space: see the attributes.

        Raises:
            ContractError: an entry has no item.

        >>> Gallery.of_entries(["a", "b"], np.array([1, 1, 0]), np.eye(3, dtype=np.float32), "s").vectors.tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
        """
        found, first = np.unique(entries, return_index=True)
        found, first = found[found >= 0], first[found >= 0]
        if not np.array_equal(found, np.arange(len(names))):
            raise ContractError(
                f"{len(names)} entries of a gallery, of which {len(found)} have an item; give one each."
            )
        return cls(tuple(names), vectors[first], space)

    def some(self, entries: np.ndarray) -> Gallery:
        """Some of the entries, which then have the numbers from 0 in this order.

        Args:
            entries: int (n,), places among the names.
        """
        return Gallery(
            tuple(self.names[place] for place in entries), self.vectors[entries], self.space, self.temperature
        )

    def joined(self, others: Gallery) -> Gallery:
        """With further entries after its own, for the same space of vectors.

        Raises:
            ContractError: they are of another space.
        """
        if others.space != self.space:
            raise ContractError(
                f"a gallery of {shown(self.space)}'s vectors has no place for those of {shown(others.space)}."
            )
        vectors = np.concatenate((self.vectors, others.vectors))
        return Gallery((*self.names, *others.names), vectors, self.space, self.temperature)

    def search(self, outputs: np.ndarray, top: int = 5) -> TaskAnswer:
        """The entries nearest to a decoder's vectors, by their cosine.

        Args:
            outputs: float32 (n, dimensions), of the task ``retrieval``; NaN where the item was lost, infinite where the
                model gave no number.
            top: answers an item, best first.

        Raises:
            ContractError: the vectors have other dimensions.
        """
        if outputs.shape[1] != self.vectors.shape[1]:
            raise ContractError(
                f"a gallery with vectors of {self.vectors.shape[1]} numbers is searched with {outputs.shape[1]}; give "
                "that of the model."
            )
        top = min(top, len(self.names))
        ids, each = np.empty((len(outputs), top), np.int64), np.zeros((len(outputs), top), np.float32)
        for start in range(0, len(outputs), _BLOCK):  # so that a large gallery fits the memory
            part = outputs[start : start + _BLOCK]
            faulty = np.isinf(part).any(axis=1)
            gone = np.isnan(part).any(axis=1) | faulty
            known = np.where(gone[:, None], 1.0, part)
            cosine = (known / np.maximum(np.linalg.norm(known, axis=1, keepdims=True), 1e-9)) @ self.vectors.T
            first = np.argpartition(-cosine, top - 1, axis=1)[:, :top] if top < cosine.shape[1] else None
            first = np.tile(np.arange(top), (len(part), 1)) if first is None else first
            order = np.argsort(-np.take_along_axis(cosine, first, axis=1), axis=1, kind="stable")
            found = np.take_along_axis(first, order, axis=1)
            shifted = np.exp((cosine - cosine.max(axis=1, keepdims=True)) / self.temperature)
            ids[start : start + _BLOCK] = np.where(gone[:, None], np.where(faulty, NOT_A_NUMBER, LOST)[:, None], found)
            probability = np.take_along_axis(shifted, found, axis=1) / shifted.sum(axis=1, keepdims=True)
            each[start : start + _BLOCK] = np.where(gone[:, None], 0.0, probability)
        return TaskAnswer(ids, each[:, 0].copy(), each)

    def save(self, path: Path) -> None:
        """Write it to a file, with checksums.

        Raises:
            SdrScError: it cannot be written.
        """
        text = [name.encode() for name in self.names]
        arrays: dict[str, np.ndarray] = {
            "vectors": np.ascontiguousarray(self.vectors, np.float16),
            "names": np.frombuffer(b"".join(text), np.uint8),
            "ends": np.cumsum([len(one) for one in text], dtype=np.int64),
        }
        write_arrays(path, _KIND, arrays, {"space": self.space, "temperature": self.temperature})

    @classmethod
    def load(cls, path: Path) -> Gallery:
        """Read what `save` wrote; executes nothing from the file.

        Raises:
            SdrScError: it cannot be read, is damaged, or is none.
        """
        arrays, about = read_arrays(path, _KIND, "gallery", _FIX)
        names, ends, vectors = (arrays.get(name) for name in ("names", "ends", "vectors"))
        space, temperature = about.get("space"), real_number(about.get("temperature"), 0.0)
        fits = (
            names is not None and ends is not None and vectors is not None
            and (names.ndim, ends.ndim, vectors.ndim) == (1, 1, 2) and names.dtype == np.uint8 and len(ends) > 0
            and (np.diff(ends, prepend=0) >= 0).all() and int(ends[-1]) == len(names)
            and isinstance(space, str) and temperature is not None
        )  # fmt: skip
        if not fits:
            raise SdrScError(f"{shown(path)} holds no entries of a gallery; {_FIX}.")
        assert names is not None and ends is not None and vectors is not None and temperature is not None
        found = [bytes(part).decode(errors="replace") for part in np.split(names, ends[:-1])]
        return cls(tuple(found), unit_rows(vectors.astype(np.float32)), str(space), temperature)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Vectors at length 1; zeros stay.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
