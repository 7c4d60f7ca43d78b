# SPDX-License-Identifier: GPL-3.0-or-later
"""What the entries of a knowledge base say of an item whose features were received with noise.

A base keeps the noise-free features ``x`` of its entries, real and imaginary parts in turn, of unit mean power per
symbol, as the encoder gives them. Of an item that is like entry ``e`` a receiver holds ``y = x_e + d + n`` with
independent Gaussian numbers: noise ``n``, whose variance the receiver knows of every symbol, and what ``d`` the item
differs from its entry by, of variance ``spread`` a number. Of an item like no entry it holds noise and a symbol of unit
power. The logarithm of the ratio of both densities is that of a matched filter in noise of different variances (Kay,
"Fundamentals of Statistical Signal Processing: Detection Theory", 1998, section 4.3); over all entries it is a density
estimate with a Gaussian kernel (Parzen, Ann. Math. Stat. 33(3), 1962) as seen through the channel:

    log r_e = sum_i [ y_i x_ei / v_i - x_ei^2 / (2 v_i) - y_i^2 / 2 (1 / v_i - 1 / w_i) + log(w_i / v_i) / 2 ],
    v_i = noise_i + spread,  w_i = noise_i + 1/2.

The first sum is what a search for the nearest entries by their cosine with ``y_i / v_i`` finds, so that numbers of
another noise count less and erased ones nothing. In the second sum ``x_ei^2`` counts as 1/2, its mean, which is exact
where all symbols have the same noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_sc.errors import ContractError
from sdr_sc.semantic.knowledge.interface import NO_ENTRY, Neighbours

SYMBOL_VARIANCE = 0.5
"""Of a real or imaginary part of a feature symbol of unit power."""
_LEAST_NOISE = 1e-6


@dataclass(frozen=True)
class Kernel:
    """How far an item's features may be from those of the entry that it is like.

    Attributes:
        spread: variance of a real or imaginary part between item and entry without noise, above 0 and below 1/2.
        temper: what logarithms of ratios are multiplied by, above 0 and at most 1: numbers that deviate together say
            less than independent ones would (a power likelihood, as of Bissiri, Holmes and Walker, J. R. Stat. Soc. B
            78(5), 2016).
        entry_noise: variance of a complex symbol's noise in the features that the entries were made of; 0 for those of
            an encoder. Entries are then taken at the mean of what was sent given what was received, which is that of a
            Wiener filter: a share ``1 / (1 + entry_noise)`` of it.

    Raises:
        ContractError: a value is outside its range.

    >>> Kernel(0.1).of_noisy_entries(1.0)
    Kernel(spread=0.1, temper=1.0, entry_noise=1.0)
    """

    spread: float
    temper: float = 1.0
    entry_noise: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.spread < SYMBOL_VARIANCE:
            raise ContractError(f"a kernel with a spread of {self.spread}; it has to be above 0 and below 0.5.")
        if not 0.0 < self.temper <= 1.0:
            raise ContractError(f"a kernel with a temper of {self.temper}; it has to be above 0 and at most 1.")
        if not 0.0 <= self.entry_noise < np.inf:
            raise ContractError(f"a kernel with entries of noise {self.entry_noise}; it has to be 0 or more.")

    def of_noisy_entries(self, entry_noise: float) -> Kernel:
        """The same for entries of received features, such as those of a local base."""
        return Kernel(self.spread, self.temper, entry_noise)

    @property
    def entry_power(self) -> float:
        """Mean power of a symbol of an entry, 0 to 1."""
        return 1.0 / (1.0 + self.entry_noise)

    @property
    def variance(self) -> float:
        """Of a number of an item given its entry, without the item's own noise."""
        return self.spread + SYMBOL_VARIANCE * (1.0 - self.entry_power)


@dataclass(frozen=True, eq=False)
class Query:
    """What items are searched by, and how cosines become logarithms of ratios.

    Attributes:
        vectors: float32 (n, dimension) to search with, 0 after the first ``known`` numbers; all 0 for a lost item.
        known: how many numbers of an entry are compared.
        slope, offset: float64 (n,): ``log r = slope cosine + offset``.
    """

    vectors: np.ndarray
    known: int
    slope: np.ndarray
    offset: np.ndarray

    def log_ratios(self, similarity: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Logarithms of the ratios ``r`` of entries: float64 (n, count), minus infinity where there is no entry.

        Args:
            similarity, ids: of `Neighbours`.
        """
        found = self.slope[:, None] * np.clip(similarity, -1.0, 1.0) + self.offset[:, None]
        return np.where(ids == NO_ENTRY, -np.inf, found)


def query_of(features: np.ndarray, noise_variance: np.ndarray, kernel: Kernel, dimension: int) -> Query:
    """The query of received items.

    Args:
        features: complex64 (n, k), LMMSE estimates of symbols, as a receiver gives them; not finite where erased.
        noise_variance: float (n, k), of the unbiased estimates of unit-power symbols, infinite where erased.
        dimension: of the base's vectors, 2 k at least.

    Raises:
        ContractError: the shapes do not fit each other.

    >>> found = query_of(np.ones((1, 2), np.complex64) / 2, np.full((1, 2), 1.0), Kernel(0.25), 6)
    >>> found.vectors.round(3).tolist(), found.known  # unbiased: 1; over a variance of 0.5 + 0.25
    ([[1.3329999446868896, 0.0, 1.3329999446868896, 0.0, 0.0, 0.0]], 4)
    """
    if features.ndim != 2 or features.shape != noise_variance.shape or 2 * features.shape[1] > dimension:
        raise ContractError(
            f"features of shape {features.shape} with noise of shape {noise_variance.shape} make no query of "
            f"{dimension} numbers."
        )
    there = np.isfinite(features) & np.isfinite(noise_variance)
    noise = np.where(there, np.maximum(noise_variance, _LEAST_NOISE), 1.0).astype(np.float64)
    unbiased = np.where(there, features, 0.0).astype(np.complex128) * (1.0 + noise)
    used = there.astype(np.float64)
    near, far = noise / 2 + kernel.variance, noise / 2 + SYMBOL_VARIANCE
    vectors = np.zeros((len(features), dimension), np.float32)
    weighted = np.ascontiguousarray(unbiased * used / near).view(np.float64)
    vectors[:, : weighted.shape[1]] = weighted
    k = features.shape[1]
    length = np.linalg.norm(weighted, axis=1) * np.sqrt(k * kernel.entry_power)  # |q| |x|; |x|^2 is k at unit power
    power = np.square(np.abs(unbiased)) * (1.0 / near - 1.0 / far)
    power += kernel.entry_power / near - 2.0 * np.log(far / near)
    return Query(vectors, 2 * k, kernel.temper * length, -0.5 * kernel.temper * (power * used).sum(axis=1))


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a base says of items: of classes that the decoder has, and of those that the base alone has.

    Attributes:
        own: how many classes are the decoder's, the first ones.
        probabilities: float64 (n, classes): posterior of the decoder's classes if an item is like an entry of one of
            these, and of the others if it is like an entry of one of those; each part has the sum 1, or 0 where no
            neighbour is of it.
        log_own, log_new: float64 (n,), natural logarithms of how much more probable what was received is for an item
            like an entry of either part than for one like none; minus infinity where no neighbour is of it.
        ids: int64 (n, count), the entries, nearest first, `NO_ENTRY` where there is none.
        classes: int64 (n, count), of the entries; below 0 where one has no answer.
        shares: float64 (n, count), how much each entry has in the probabilities of its part.
        unseen: float64 (n,), as ``log_own``, at most that of an entry that was not among the neighbours.
    """

    own: int
    probabilities: np.ndarray
    log_own: np.ndarray
    log_new: np.ndarray
    ids: np.ndarray
    classes: np.ndarray
    shares: np.ndarray
    unseen: np.ndarray


def evidence_of(query: Query, found: Neighbours, classes: np.ndarray, own: int, prior: np.ndarray) -> Evidence:
    """Posterior of the classes from the neighbours of items.

    An entry that was not among the neighbours counts as one that explains nothing.

    Args:
        found: of a search with the query's vectors.
        classes: int64 (n, count), of the neighbours, below 0 where one has no answer to the task.
        own: how many classes are the decoder's, the first ones.
        prior: float (classes,), see `class_prior`.

    >>> query = query_of(np.full((1, 1), 0.8 + 0j), np.full((1, 1), 0.25), Kernel(0.05), 2)
    >>> found = Neighbours(np.array([[4, 2]]), np.array([[1.0, -1.0]]))
    >>> said = evidence_of(query, found, np.array([[1, 0]]), 2, np.full(2, 0.5))
    >>> said.probabilities.round(4).tolist(), bool(said.log_own[0] > 0), said.log_new.tolist()
    ([[0.0, 1.0]], True, [-inf])
    """
    count, class_count = classes.shape[1], len(prior)
    logs = query.log_ratios(found.similarity, found.ids)
    answered = (classes >= 0) & (classes < class_count) & (found.ids != NO_ENTRY)
    safe = np.where(answered, classes, 0)
    with np.errstate(divide="ignore"):
        log_prior = np.log(prior)
    full = (found.ids != NO_ENTRY).all(axis=1) if count else np.zeros(len(classes), bool)
    last = logs[:, -1] + log_prior.max() if count else np.zeros(len(classes))
    logs = np.where(answered, logs + log_prior[safe], -np.inf)
    is_own = safe < own
    parts = [_part(np.where(is_own == which, logs, -np.inf)) for which in (True, False)]
    shares = np.where(is_own, parts[0][1], parts[1][1])
    place = (np.arange(len(classes))[:, None] * class_count + safe).ravel()
    summed = np.bincount(place, shares.ravel(), len(classes) * class_count).reshape(len(classes), class_count)
    unseen = np.where(full, last, -np.inf)
    return Evidence(own, summed, parts[0][0], parts[1][0], found.ids, classes, shares, unseen)


def _part(logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logarithm of the sum of exponentials of each row, and the shares in it."""
    most = logs.max(axis=1, initial=-np.inf)
    there = np.isfinite(most)
    values = np.exp(logs - np.where(there, most, 0.0)[:, None])
    total = np.where(there, values.sum(axis=1), 1.0)
    return np.where(there, np.where(there, most, 0.0) + np.log(total), -np.inf), values / total[:, None]


def class_prior(entries: np.ndarray, own: int) -> np.ndarray:
    """How probable it is that an item is like a given entry of a class, if it is like one of its part: all classes of a
    part are equally probable, and so are all entries of a class.

    Args:
        entries: int (classes,), how many the base has of each class.
        own: how many classes are the decoder's, the first ones.

    >>> class_prior(np.array([2, 0, 5, 5]), 2).tolist()
    [0.5, 0.0, 0.1, 0.1]
    """
    has = entries > 0
    of_part = np.where(np.arange(len(entries)) < own, has[:own].sum(), has[own:].sum())
    return np.where(has, 1.0 / np.maximum(entries, 1) / np.maximum(of_part, 1), 0.0)
