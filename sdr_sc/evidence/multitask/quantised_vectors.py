# SPDX-License-Identifier: GPL-3.0-or-later
"""A vector in some bytes: residual vector quantisation, each byte a codeword of what the bytes before it have left.

(Chen, Guan and Wang, "Approximate Nearest Neighbor Search by Residual Vector Quantization", 2010.) It is encoded with a
beam: greedy choices lose a few per cent of the entries that are found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WORDS, _ROUNDS, _BEAM = 256, 15, 8


@dataclass(frozen=True)
class ResidualQuantiser:
    """Codebooks.

    Attributes:
        books: float32 (stages, `WORDS`, dimensions).
    """

    books: np.ndarray

    @classmethod
    def fit(cls, vectors: np.ndarray, stages: int, seed: int) -> ResidualQuantiser:
        """From vectors, float32 (n, dimensions); by k-means of what each stage leaves. Of fewer than `WORDS`,
        codewords come several times.

        >>> rng = np.random.default_rng(1)
        >>> vectors = rng.normal(size=(2000, 4)).astype(np.float32)
        >>> found = ResidualQuantiser.fit(vectors, 2, 1)
        >>> errors = [np.square(found.decode(found.encode(vectors)[:, :n]) - vectors).mean() for n in (1, 2)]
        >>> errors[0] < 0.15 and errors[1] < errors[0] / 3
        True
        """
        rng, rest, books = np.random.default_rng(seed), vectors.astype(np.float32).copy(), []
        for _ in range(stages):
            book = rest[rng.choice(len(rest), WORDS, replace=len(rest) < WORDS)].copy()
            for _ in range(_ROUNDS):
                nearest = _distances(rest, book).argmin(axis=1)
                sums = np.zeros_like(book)
                np.add.at(sums, nearest, rest)
                counts = np.bincount(nearest, minlength=WORDS)
                empty = counts == 0
                book = sums / np.maximum(counts, 1)[:, None]
                lacking = int(empty.sum())
                book[empty] = rest[rng.choice(len(rest), lacking, replace=len(rest) < lacking)]
            rest -= book[_distances(rest, book).argmin(axis=1)]
            books.append(book)
        return cls(np.stack(books))

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """Codewords, uint8 (n, stages), by a beam of the best beginnings."""
        count = len(vectors)
        rest, codes = vectors.astype(np.float32)[:, None], np.zeros((count, 1, 0), np.uint8)
        for book in self.books:
            width = book.shape[1]
            far = _distances(rest.reshape(-1, width), book).reshape(count, -1)
            keep = np.argpartition(far, min(_BEAM, far.shape[1]) - 1, axis=1)[:, :_BEAM]
            parent, word = np.divmod(keep, WORDS)
            rest = np.take_along_axis(rest, parent[..., None], axis=1) - book[word]
            earlier = np.take_along_axis(codes, np.repeat(parent[..., None], codes.shape[2], axis=2), axis=1)
            codes = np.concatenate((earlier, word[..., None].astype(np.uint8)), axis=2)
        best = np.square(rest).sum(axis=2).argmin(axis=1)
        return codes[np.arange(count), best]

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Vectors of the first codewords, uint8 (n, up to stages): float32 (n, dimensions)."""
        return sum(
            (self.books[stage][codes[:, stage]] for stage in range(codes.shape[1])),
            np.zeros((len(codes), self.books.shape[2]), np.float32),
        )


def _distances(vectors: np.ndarray, book: np.ndarray) -> np.ndarray:
    """Squared distances, float32 (n, words)."""
    return np.square(vectors).sum(axis=1)[:, None] + np.square(book).sum(axis=1) - 2 * vectors @ book.T
