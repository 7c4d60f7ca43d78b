# SPDX-License-Identifier: GPL-3.0-or-later
"""One answer from what a model's decoder says of an item and what a knowledge base says of it.

Both have seen the same received symbols, so their posteriors are no independent pieces of evidence, and their product
would count the noise twice. They are experts of which one is right: the item is like nothing that the base has, or like
an entry of a class that the decoder has, too, or like one of a class that the base alone has. The fused posterior is
their mixture (a linear opinion pool: Genest and Zidek, Statistical Science 1(1), 1986; with weights by what is seen:
Jacobs et al., "Adaptive mixtures of local experts", Neural Computation 3(1), 1991),

    p(c) = (1 - a - b) p_decoder(c) + a p_own(c) + b p_new(c),
    a : b : 1 - a - b = exp(own gate) : exp(new gate) : 1,

with gates by evidence and margin (`sdr_sc.semantic.knowledge.fusion.rule`). A mixture bounds what a base can do: an
answer that leads the decoder's second by ``m`` stays the answer as long as the base's weight is below ``m / (1 + m)``,
whatever it says (`enough_to_flip`). Where the rule's guard holds, the weight is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_sc.errors import ContractError
from sdr_sc.semantic.knowledge.fusion.posterior import Evidence
from sdr_sc.semantic.knowledge.fusion.rule import FusionRule, margin_of
from sdr_sc.semantic.knowledge.interface import NO_ENTRY
from sdr_sc.semantic.tasks.base import LOST, TaskAnswer


@dataclass(frozen=True, eq=False)
class Fused:
    """Answers with where they come from.

    Attributes:
        probabilities: float64 (n, classes); NaN for items that the decoder had nothing of.
        weight: float64 (n,), of the base, both parts together.
        ids: int64 (n, count), the entries that were looked up, nearest first; `NO_ENTRY` where there is none.
        supports: float64 (n, count), what each of them adds to the probability of the answer; 0 if it is for another.
        from_decoder: float64 (n,), what the decoder adds to it.
    """

    probabilities: np.ndarray
    weight: np.ndarray
    ids: np.ndarray
    supports: np.ndarray
    from_decoder: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """int64 (n,), the most probable class; `LOST` for lost items."""
        return self.answer().best

    def answer(self, top: int = 1) -> TaskAnswer:
        """As a task's answer: classes by their probability, and the probability of each."""
        there = np.isfinite(self.probabilities).all(axis=1)[:, None]
        known = np.where(there, self.probabilities, 0.0)
        order = np.argsort(-known, axis=1, kind="stable")[:, :top]
        each = np.where(there, np.take_along_axis(known, order, axis=1), 0.0).astype(np.float32)
        return TaskAnswer(np.where(there, order, LOST).astype(np.int64), each[:, 0].copy(), each)

    def sources(self, item: int) -> list[tuple[int, float]]:
        """Entries that an item's answer comes from, with their shares of its probability, the largest first.

        The decoder has the rest.
        """
        total = float(np.nan_to_num(self.from_decoder[item]) + self.supports[item].sum())
        order = np.argsort(-self.supports[item], kind="stable")
        return [
            (int(self.ids[item, place]), float(self.supports[item, place]) / total)
            for place in order
            if self.supports[item, place] > 0
        ]


def fuse(
    decoder: np.ndarray,
    said: Evidence,
    rule: FusionRule,
    snr_db: np.ndarray | float,
    margin: np.ndarray | None = None,
) -> Fused:
    """One answer from both.

    Args:
        decoder: float (n, own classes), calibrated probabilities of the decoder; NaN for a lost item, which stays lost:
            of nothing received a base knows nothing either.
        said: of the base, for these classes and perhaps others.
        snr_db: of each item, dB; (n,) or one number.
        margin: float (n,), see `margin_of`, that the rule goes by; None for that of ``decoder``.

    Raises:
        ContractError: both are of other items or classes.

    >>> from sdr_sc.semantic.knowledge.fusion.rule import OFF, Gate
    >>> from sdr_sc.semantic.knowledge.fusion.posterior import Kernel
    >>> said = Evidence(2, np.array([[0.0, 0.0, 1.0]]), np.array([-np.inf]), np.array([30.0]), np.array([[7]]),
    ...     np.array([[2]]), np.ones((1, 1)), np.array([-np.inf]))
    >>> rule = FusionRule(4, Kernel(0.1), OFF, Gate(-1.0, 1.0, 1.0))
    >>> found = fuse(np.array([[0.6, 0.4]]), said, rule, 20.0)
    >>> found.best.tolist(), found.sources(0)
    ([2], [(7, 1.0)])
    >>> found = fuse(np.array([[0.95, 0.05]]), said, rule, 20.0)  # the decoder is sure: the base has no say
    >>> found.best.tolist(), found.sources(0)
    ([0], [])
    """
    own, classes = decoder.shape[1], said.probabilities.shape[1]
    if said.own != own or len(decoder) != len(said.probabilities):
        raise ContractError(
            f"a base that answers {len(said.probabilities)} items in {said.own} classes of a decoder cannot be fused "
            f"with answers to {len(decoder)} in {own}."
        )
    there = np.isfinite(decoder).all(axis=1)
    sure = np.zeros((len(decoder), classes))
    sure[:, :own] = np.where(there[:, None], decoder, 0.0)
    weights = rule.weights(said, margin_of(sure[:, :own]) if margin is None else margin, snr_db)
    weights[~there] = 1.0, 0.0, 0.0
    of_class = weights[:, np.where(np.arange(classes) < own, 1, 2)]
    mixed = weights[:, :1] * sure + of_class * said.probabilities
    best = mixed.argmax(axis=1)
    from_decoder = weights[:, 0] * sure[np.arange(len(sure)), best]
    supports = entry_supports(said, weights, best)
    return Fused(np.where(there[:, None], mixed, np.nan), 1.0 - weights[:, 0], said.ids, supports, from_decoder)


def entry_supports(said: Evidence, weights: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """What each entry adds to the probability of an answer: float64 (n, count), 0 if it is for another.

    Args:
        weights: float (n, 3), of `FusionRule.weights`.
        answers: int (n,), classes.
    """
    for_answer = (said.classes == answers[:, None]) & (said.ids != NO_ENTRY)
    of_part = np.where(answers < said.own, weights[:, 1], weights[:, 2])
    return np.where(for_answer, of_part[:, None] * said.shares, 0.0)


def enough_to_flip(decoder: np.ndarray) -> np.ndarray:
    """Smallest weight at which a base could change the decoder's answer if it were sure of another one: float64 (n,).

    Args:
        decoder: float (n, classes), its probabilities.

    >>> enough_to_flip(np.array([[0.75, 0.25], [0.5, 0.5]])).round(4).tolist()
    [0.3333, 0.0]
    """
    first = np.sort(decoder, axis=1)[:, ::-1]
    lead = first[:, 0] - (first[:, 1] if first.shape[1] > 1 else 0.0)
    return lead / (1.0 + lead)
