# SPDX-License-Identifier: GPL-3.0-or-later
"""What an encoder's rows of words and of pieces start from: a regression of the teacher's vectors.

The mean of a text's rows is linear in them, and a linear map leads from there to the symbols. So the rows from which a
linear receiver best finds the teacher's vectors are known before the training: those of a reduced-rank regression
(Izenman, "Reduced-rank regression for the multivariate linear model", 1975) on the shares of the words in each text. A
gradient finds them late, since most words are in few texts. Classes are left to the gradient: with them in the
regression, the rows of rare words learn their few texts' classes by heart.
"""

from __future__ import annotations

import numpy as np
import torch

from sdr_sc.distill.multitask.lesson import Lesson
from sdr_sc.distill.multitask.regression import Values, reduced_rank, ridge
from sdr_sc.semantic.networks.text import PIECE_WEIGHT, TextEncoder

_ENOUGH = 1e-2
_DEVIATION = 48**-0.5
"""Of the means of rows over the texts: as large as that of rows by chance."""
_REST = 0.1
"""Of rows by chance that is left to pieces."""


def taught_texts(lesson: Lesson) -> tuple[np.ndarray, np.ndarray]:
    """The texts that the teacher has vectors of: the numbers of their words, int32 (texts, words, 1 + pieces), and the
    vectors, float32 (texts, dimensions)."""
    places, tokens = lesson.inputs.texts()
    if lesson.vectors is None:
        return tokens[:0], np.empty((0, 0), np.float32)
    vectors = lesson.vectors.numpy()[places]
    seen = np.square(vectors).sum(axis=1) > 0
    return tokens[seen], vectors[seen]


def rarities(tokens: np.ndarray, rows: int) -> np.ndarray:
    """Inverse document frequencies (Salton and Buckley, "Term-weighting approaches in automatic text retrieval", 1988):
    1 + ln((1 + texts) / (1 + texts with the word)), float32 (rows,).

    Args:
        tokens: int32 (texts, words, 1 + pieces), of `sdr_sc.semantic.modalities.text_tokens.token_numbers`.

    >>> [round(float(one), 2) for one in rarities(np.array([[[1], [1]], [[1], [2]], [[1], [0]]]), 3)]
    [2.39, 1.0, 1.69]
    """
    text, place = np.nonzero(tokens[..., 0])
    found = np.unique(text * rows + tokens[text, place, 0]) % rows
    return (1 + np.log((1 + len(tokens)) / (1 + np.bincount(found, minlength=rows)))).astype(np.float32)


def shares(tokens: np.ndarray, weights: np.ndarray) -> Values:
    """By how much each word is in the mean of a text's rows: float32 (texts, rows), sparse.

    Args:
        tokens: see `rarities`.
        weights: float32 (rows,), of words.

    >>> shares(np.array([[[1], [2], [0]], [[0], [0], [0]]]), np.array([0.0, 1.0, 3.0])).toarray().tolist()
    [[0.0, 0.25, 0.75], [0.0, 0.0, 0.0]]
    """
    from scipy.sparse import csr_matrix

    text, place = np.nonzero(tokens[..., 0])
    word = tokens[text, place, 0]
    weight = weights[word]
    values = weight / np.bincount(text, weight, minlength=len(tokens))[text]
    return csr_matrix((values.astype(np.float32), (text, word)), (len(tokens), len(weights)))


def piece_shares(tokens: np.ndarray, rows: int, piece_rows: int) -> Values:
    """By how much each piece is in a word's row: float32 (rows, piece rows), sparse; of words with one number the first
    one counts.

    Args:
        tokens: see `rarities`.

    >>> piece_shares(np.array([[[1, 3, 1], [2, 2, 0]]]), 3, 4).toarray().tolist()
    [[0.0, 0.0, 0.0, 0.0], [0.0, 0.25, 0.0, 0.25], [0.0, 0.0, 0.5, 0.0]]
    """
    from scipy.sparse import csr_matrix

    words = tokens.reshape(-1, tokens.shape[2])
    number, first = np.unique(words[:, 0], return_index=True)
    number, first = number[number > 0], first[number > 0]
    pieces = words[first, 1:]
    at, column = np.nonzero(pieces)
    values = PIECE_WEIGHT / (pieces > 0).sum(axis=1)[at]
    return csr_matrix((values.astype(np.float32), (number[at], pieces[at, column])), (rows, piece_rows))


@torch.no_grad()
def start_from_teacher(encoder: TextEncoder, tokens: np.ndarray, vectors: np.ndarray, penalty: float) -> None:
    """Set the rows, the words' weights, and the way from their mean to the symbols: the numbers of most variance come
    first, as the symbols do.

    Args:
        encoder: whose weights are set.
        tokens: int32 (texts, words, 1 + pieces).
        vectors: float32 (texts, dimensions), the teacher's.
        penalty: of the regression, see `sdr_sc.distill.multitask.regression.ridge`.
    """
    from scipy.sparse import hstack, identity
    from scipy.sparse.linalg import aslinearoperator

    stem, sizes, width = encoder.stem, encoder.sizes, encoder.stem.row_width
    weights = rarities(tokens, sizes.word_rows)
    in_texts = shares(tokens, weights)
    in_words = hstack((identity(len(weights), np.float32), piece_shares(tokens, len(weights), sizes.piece_rows)), "csr")
    x = aslinearoperator(in_texts) @ aslinearoperator(in_words)  # their product has ten times as many values
    scale = float(in_texts.multiply(in_texts).sum()) / len(tokens)
    found = ridge(x, vectors - vectors.mean(axis=0), penalty, _ENOUGH, scale)
    rows = reduced_rank(x, found, width)
    rows *= _DEVIATION / np.asarray(x @ rows).std(axis=0).mean()
    words, pieces = (torch.from_numpy(part) for part in np.split(rows, [sizes.word_rows]))
    count = rows.shape[1]
    stem.words.weight[1:, :count] = words[1:]
    stem.words.weight[1:, width] = torch.from_numpy(np.log(weights))[1:]
    stem.pieces.weight *= _REST
    stem.pieces.weight[1:, :count] += pieces[1:]
    numbers = min(count, 2 * encoder.k_max)
    encoder.symbols.weight[:numbers, encoder.hidden_width : encoder.hidden_width + numbers] = torch.eye(numbers)
