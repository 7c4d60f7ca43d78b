# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a data set that know nothing of each other: by origin, and without items that are nearly the same."""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from sdr_sc.data.dataset import Split

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
TRAIN_PERCENT, VALIDATION_PERCENT = 90, 5
_ARTICLES = frozenset({"a", "an", "the"})
_HASH_SIDE, _DCT_SIDE = 8, 32


def part_of(origin: str, train: int = TRAIN_PERCENT, validation: int = VALIDATION_PERCENT) -> Split:
    """The part of an item, by the CRC-32 of its origin's name (UTF-8): of one origin all items lie in one part, and no
    item changes its part when others are added.

    Args:
        origin: what items have in common that must not be in two parts: a word, a drawing.
        train, validation: percent of all origins; the others are for the test.

    >>> part_of("dog"), part_of("cat 5"), part_of("dog", train=0, validation=100)
    ('train', 'test', 'validation')
    """
    place = zlib.crc32(origin.encode("utf-8", "surrogatepass")) % 100
    return "train" if place < train else "validation" if place < train + validation else "test"


def normalised(text: str) -> str:
    """What two texts have in common that differ in case, accents' coding, punctuation, spaces and articles alone.

    >>> normalised("The  Dog's (big) house!"), normalised("a dog s big HOUSE")
    ('dog s big house', 'dog s big house')
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(one if one.isalnum() or unicodedata.category(one) == "So" else " " for one in folded).split()
    return " ".join(word for word in words if word not in _ARTICLES) or " ".join(words) or text.strip()


def first_of_each(keys: Iterable[Hashable]) -> np.ndarray:
    """Places of the first of each key, int64, rising.

    >>> first_of_each("abacb").tolist()
    [0, 1, 3]
    """
    seen: dict[Hashable, int] = {}
    for place, key in enumerate(keys):
        seen.setdefault(key, place)
    return np.fromiter(seen.values(), np.int64, len(seen))


class Groups:
    """Items that belong together, directly or through others (union and find).

    >>> groups = Groups(4)
    >>> groups.join(3, 1)
    >>> groups.roots().tolist()
    [0, 1, 2, 1]
    """

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def join(self, one: int, other: int) -> None:
        """Put two items, and all that belong to them, together."""
        a, b = self._root(one), self._root(other)
        self._parent[max(a, b)] = min(a, b)

    def join_alike(self, keys: Sequence[Hashable]) -> None:
        """Put items of the same key together; None is no key."""
        first: dict[Hashable, int] = {}
        for place, key in enumerate(keys):
            if key is not None:
                self.join(first.setdefault(key, place), place)

    def roots(self) -> np.ndarray:
        """Of each item the first one that it belongs to: int64."""
        return np.array([self._root(place) for place in range(len(self._parent))], np.int64)

    def _root(self, place: int) -> int:
        while self._parent[place] != place:
            self._parent[place] = self._parent[self._parent[place]]
            place = self._parent[place]
        return place


def perceptual_hashes(pictures: np.ndarray) -> np.ndarray:
    """What pictures look like, whatever their sizes were: signs of their lowest frequencies (the usual pHash).

    Args:
        pictures: grey, (n, 32, 32), any real type.

    Returns:
        bool (n, 64): which of the 64 lowest coefficients of the cosine transform, without the mean, are above their
        median.

    Raises:
        ValueError: the pictures have another size.
    """
    if pictures.shape[1:] != (_DCT_SIDE, _DCT_SIDE):
        raise ValueError(f"pictures of {pictures.shape[1:]} where {_DCT_SIDE} x {_DCT_SIDE} are needed")
    from scipy.fft import dctn

    low = dctn(pictures.astype(np.float64), axes=(1, 2), norm="ortho")[:, : _HASH_SIDE + 1, : _HASH_SIDE + 1]
    flat = low.reshape(len(low), -1)[:, 1 : 1 + _HASH_SIDE**2]
    return flat > np.median(flat, axis=1, keepdims=True)


def alike(hashes: np.ndarray, looks: np.ndarray, most_bits: int, most_difference: float) -> np.ndarray:
    """Pairs of pictures that are nearly the same.

    Args:
        hashes: of `perceptual_hashes`, bool (n, bits).
        looks: small pictures in colour, (n, values): what the hash does not see.
        most_bits: in which the hashes may differ.
        most_difference: root of the mean square by which the looks may differ.

    Returns:
        int64 (pairs, 2), the first place the lower one.
    """
    signs = np.where(hashes, np.float32(1), np.float32(-1))
    plain = looks.astype(np.float32)
    found = []
    for place in range(len(signs) - 1):
        bits = (signs.shape[1] - signs[place + 1 :] @ signs[place]) / 2
        near = place + 1 + np.flatnonzero(bits <= most_bits)
        if len(near):
            difference = np.sqrt(np.mean((plain[near] - plain[place]) ** 2, axis=1))
            found += [(place, int(other)) for other in near[difference <= most_difference]]
    return np.array(found, np.int64).reshape(-1, 2)
