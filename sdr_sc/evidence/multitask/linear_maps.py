# SPDX-License-Identifier: GPL-3.0-or-later
"""Linear maps from items to a few numbers: principal components of them, or those that tasks are found from.

Texts are bags of hashed words, weighted by tf-idf (Salton and Buckley, "Term-weighting approaches in automatic text
retrieval", 1988); pictures are their pixels. Reduced-rank regression (Izenman, "Reduced-rank regression for the
multivariate linear model", 1975) finds the numbers from which a linear receiver best makes the teacher's vectors and
the classes; plain principal components need no teacher.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sdr_sc.data.dataset import Dataset
from sdr_sc.data.joint.joined import JoinedSet
from sdr_sc.data.joint.slots import longest_text, planes_of, texts_of
from sdr_sc.data.texts import LONGEST_TEXT
from sdr_sc.distill.multitask.regression import Values
from sdr_sc.semantic.modalities.text_tokens import TokenSizes, token_numbers

SIZES = TokenSizes()
_KINDS = {"pictures": "image", "texts": "text", "names": "text"}
_BLOCK = 20_000
_MORE, _TURNS = 16, 6


def kind_of(data: Dataset) -> str:
    """``text``, ``image``, or '' for items of several kinds."""
    if not isinstance(data, JoinedSet):
        return data.modality if data.modality in ("text", "image") else ""
    kinds = {_KINDS.get(member.kind, "") for member in data.members}
    return kinds.pop() if len(kinds) == 1 else ""


def values_of(data: Dataset, items: np.ndarray) -> Values:
    """What a linear map sees of a data set's items, all of one kind: counts of hashed words, float32 (n, rows), sparse;
    or pixels of 0 to 1, float32 (n, pixels)."""
    if kind_of(data) == "image":
        pixels = planes_of(items) if isinstance(data, JoinedSet) else items
        return pixels.reshape(len(items), -1).astype(np.float32) / 255
    if isinstance(data, JoinedSet):
        items = texts_of(items, min(LONGEST_TEXT, longest_text(data.side)))
    return word_counts(items)


def word_counts(slots: np.ndarray) -> Values:
    """How often each hashed word is in a text: float32 (n, `SIZES.word_rows`).

    >>> from sdr_sc.data.texts import text_items
    >>> word_counts(text_items(["a dog a cat", ""]).batch.slots(16)).toarray().sum(axis=1).tolist()
    [4.0, 0.0]
    """
    from scipy.sparse import csr_matrix, vstack

    parts = []
    for start in range(0, len(slots), _BLOCK):  # the pieces of words take much memory
        words = token_numbers(slots[start : start + _BLOCK], SIZES)[..., 0]
        item, place = np.nonzero(words)
        ones = np.ones(len(item), np.float32)
        parts.append(csr_matrix((ones, (item, words[item, place])), (len(words), SIZES.word_rows)))
    return vstack(parts, format="csr")


@dataclass(frozen=True)
class Weighting:
    """What items go through before a linear map: tf-idf at unit length, or pixels around their mean.

    Attributes:
        idf: float32 (rows,), of words; empty for pixels.
        mean: float32 (pixels,); empty for words.
    """

    idf: np.ndarray
    mean: np.ndarray

    @classmethod
    def fit(cls, values: Values) -> Weighting:
        """Of a training part."""
        none = np.empty(0, np.float32)
        if isinstance(values, np.ndarray):
            return cls(none, values.mean(axis=0))
        found = np.asarray((values > 0).sum(axis=0)).ravel()
        return cls((1 + np.log((1 + values.shape[0]) / (1 + found))).astype(np.float32), none)

    def of(self, values: Values) -> Values:
        """Of any items."""
        if isinstance(values, np.ndarray):
            return values - self.mean
        from scipy.sparse import diags

        weighted = values.sqrt() @ diags(self.idf)
        length = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
        return (diags(1 / np.maximum(length, 1e-9)) @ weighted).tocsr().astype(np.float32)


def components(x: Values, count: int, seed: int) -> np.ndarray:
    """First principal axes, those of most variance first: float32 (columns of x, count), fewer where there are no more;
    by subspace iteration (Halko, Martinsson and Tropp, "Finding structure with randomness", 2011).

    >>> x = np.random.default_rng(1).normal(size=(200, 6)).astype(np.float32) * np.array([9, 5, 1, 1, 1, 1], np.float32)
    >>> np.abs(components(x, 2, 1)[:2]).round(1).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    most = min(count, *x.shape)
    found = np.random.default_rng(seed).normal(size=(x.shape[1], min(most + _MORE, *x.shape))).astype(np.float32)
    for _ in range(_TURNS):
        found = np.linalg.qr(np.asarray(x.T @ (x @ found)))[0]
    axes, _, _ = np.linalg.svd(np.asarray(x @ found).T, full_matrices=False)
    return np.asarray(found @ axes[:, :most], np.float32)


def shared_power(variances: np.ndarray, noise: float) -> np.ndarray:
    """Power of each number such that a linear receiver has the least mean square error (Lee and Petersen, "Optimal
    linear coding for vector channels", 1976): sum is the count; those that would drown in noise get none.

    Args:
        variances: of the numbers before.
        noise: power of the noise on each.

    >>> shared_power(np.array([4.0, 1.0]), 1e-9).round(3).tolist(), shared_power(np.array([4.0, 0.01]), 2.0).tolist()
    ([1.333, 0.667], [2.0, 0.0])
    """
    root, count = np.sqrt(np.maximum(variances, 1e-12)), len(variances)
    order = np.argsort(-root)
    for used in range(count, 0, -1):
        kept = order[:used]
        level = (count + used * noise) / root[kept].sum()
        power = level * root[kept] - noise
        if power[-1] > 0 or used == 1:
            break
    found: np.ndarray = np.zeros(count)
    found[kept] = power
    return found


def least_squares(inputs: np.ndarray, targets: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """The linear receiver of least mean square error where noise of a power comes on each of the inputs: weights and
    offset, float64."""
    centre, offset = inputs.mean(axis=0, dtype=np.float64), targets.mean(axis=0, dtype=np.float64)
    x, y = inputs - centre, targets - offset
    own: Any = x.T @ x / len(x) + noise * np.eye(x.shape[1])
    weights = np.linalg.solve(own, x.T @ y / len(x))
    return weights, offset - centre @ weights
