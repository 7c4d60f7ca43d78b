# SPDX-License-Identifier: GPL-3.0-or-later
"""How much a knowledge base counts beside a decoder: gates, the guard, and the rule that holds them.

See `sdr_sc.semantic.knowledge.fusion.fuse` for the formula. The gates are linear in few numbers, of which the decoder's
margin ``M``, the log odds of its best answer, counts against the base. For the decoder's own classes what entries
explain, ``E_own``, counts for it (`Evidence.log_own`, compressed). For new ones it is the ratio of likelihoods
``E_new - max(E_own, 0)``: an item is of a new class as far as entries of new classes explain it better than those of
known ones do, or than none. By Bayes its factor would be 1, and the bias the prior.

From an SNR on, the weight is 0 where the decoder has a margin (`Guard`): there no entry changes an answer, whoever put
it into the base.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sdr_sc.errors import ContractError
from sdr_sc.semantic.calibration import top_log_odds
from sdr_sc.semantic.knowledge.fusion.posterior import Evidence, Kernel

_LEAST = 1e-12
_MOST_ODDS = 60.0


@dataclass(frozen=True)
class Gate:
    """How much a part of the base counts: the log odds of its weight against that of the decoder.

    Attributes:
        bias: in nats.
        by_evidence: that they rise by with the evidence, 0 or more.
        by_margin: that they fall by with the log odds of the decoder's best answer, 0 or more.

    Raises:
        ContractError: a value is outside its range.

    >>> Gate(-2.0, 1.0, 0.5).log_odds(np.array([-np.inf, 0.0, 3.0, 3.0]), np.array([0.0, 0.0, 0.0, 4.0])).tolist()
    [-inf, -2.0, 1.0, -1.0]
    """

    bias: float
    by_evidence: float
    by_margin: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.bias) and 0.0 <= self.by_evidence < np.inf and 0.0 <= self.by_margin < np.inf):
            raise ContractError("a gate whose weight does not rise with the evidence, or fall with the margin")

    def log_odds(self, evidence: np.ndarray, margin: np.ndarray) -> np.ndarray:
        """float64 (n,), minus infinity where there is no evidence."""
        there = np.isfinite(evidence)
        odds = self.bias + self.by_evidence * np.where(there, evidence, 0.0) - self.by_margin * margin
        return np.where(there, np.clip(odds, -_MOST_ODDS, _MOST_ODDS), -np.inf)

    def lowered(self, by: float) -> Gate:
        """The same with less weight: by so many nats of its odds."""
        return replace(self, bias=self.bias - by)


OFF = Gate(-_MOST_ODDS, 0.0, 0.0)
"""Of a part that is not asked."""


@dataclass(frozen=True)
class Guard:
    """Where a base has no say.

    Attributes:
        snr_db: from which on a margin of the decoder decides alone; infinite for never. A receiver estimates its SNR:
            the usual value is 1 dB below the 10 dB from which on the decoder's margin is to be safe.
        confidence: of the decoder's best answer from which on it has a margin, above 0 and below 1.

    >>> Guard(10.0, 0.9).holds(np.array([10.0, 9.0, 20.0]), np.array([2.3, 2.3, 2.0])).tolist()
    [True, False, False]
    """

    snr_db: float = 9.0
    confidence: float = 0.9

    def __post_init__(self) -> None:
        if np.isnan(self.snr_db) or not 0.0 < self.confidence < 1.0:
            raise ContractError(f"a guard at {self.snr_db} dB and a confidence of {self.confidence} means nothing.")

    def holds(self, snr_db: np.ndarray | float, margin: np.ndarray) -> np.ndarray:
        """bool (n,): where the decoder decides alone."""
        return (snr_db >= self.snr_db) & (margin >= np.log(self.confidence / (1.0 - self.confidence)))


@dataclass(frozen=True)
class FusionRule:
    """All that fusion needs for one number of symbols (`sdr_sc.semantic.knowledge.fusion.fit` makes it).

    Attributes:
        k: symbols of an item that it was fitted for.
        kernel: of the evidence.
        own, new: gates of the classes that the decoder has, and of those that the base alone has.
        guard: see there.
        snr_db: rising grid, dB.
        temperature: that the decoder's logits are divided by, at each SNR of the grid; empty where the probabilities
            are calibrated already.
        spared: a rising SNR, dB, and nats, 0 or more, that the gates of own and of new classes are lowered by there, so
            that known classes are spared; linear in between.

    Raises:
        ContractError: temperatures do not fit the grid, or SNRs do not rise.
    """

    k: int
    kernel: Kernel
    own: Gate
    new: Gate
    guard: Guard = Guard()  # noqa: RUF009  # frozen
    snr_db: tuple[float, ...] = ()
    temperature: tuple[float, ...] = ()
    spared: tuple[tuple[float, float, float], ...] = ()

    def __post_init__(self) -> None:
        grid = np.array(self.snr_db)
        if len(self.temperature) != len(grid) or (np.diff(grid) <= 0).any() or min(self.temperature, default=1) <= 0:
            raise ContractError("a fusion rule whose temperatures do not fit its SNRs, or are not above 0")
        at, *nats = np.array(self.spared, float).reshape(-1, 3).T
        if (
            not np.isfinite(at).all()
            or (np.diff(at) <= 0).any()
            or not (np.isfinite(nats) & (np.array(nats) >= 0)).all()
        ):
            raise ContractError("a fusion rule that spares known classes by less than 0, or at SNRs that do not rise")

    def decoder_probabilities(self, logits: np.ndarray, snr_db: np.ndarray | float) -> np.ndarray:
        """Softmax of the decoder's logits at the temperature of the SNR: float64 (n, classes); NaN where these are not
        finite.

        Args:
            logits: float (n, classes).
            snr_db: of each item, dB; (n,) or one number.

        >>> rule = FusionRule(4, Kernel(0.1), OFF, OFF, snr_db=(0.0, 10.0), temperature=(1.0, 4.0))
        >>> rule.decoder_probabilities(np.array([[4.0, 0.0]]), 5.0).round(3).tolist()
        [[0.881, 0.119]]
        """
        there = np.isfinite(logits).all(axis=1)
        scaled = np.where(there[:, None], logits, 0.0).astype(np.float64)
        if self.temperature:
            temperature = np.exp(np.interp(snr_db, self.snr_db, np.log(self.temperature)))
            scaled /= np.broadcast_to(temperature, len(scaled))[:, None]
        parts = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return np.where(there[:, None], parts / parts.sum(axis=1, keepdims=True), np.nan)

    def _lowered(self, snr_db: np.ndarray | float) -> list[np.ndarray | float]:
        """Of the gates of own and of new classes."""
        if not self.spared:
            return [0.0, 0.0]
        at, *nats = zip(*self.spared, strict=True)
        return [np.interp(snr_db, at, one) for one in nats]

    def weights(self, said: Evidence, margin: np.ndarray, snr_db: np.ndarray | float) -> np.ndarray:
        """Weights of decoder, own classes and new classes: float64 (n, 3), of sum 1.

        Args:
            margin: float (n,), see `margin_of`.
            snr_db: of each item, dB; (n,) or one number.
        """
        inputs, lowered = gate_inputs(said), self._lowered(snr_db)
        parts = [gate.log_odds(one, margin) for gate, one in zip((self.own, self.new), inputs, strict=True)]
        odds = np.stack([np.zeros(len(margin)), parts[0] - lowered[0], parts[1] - lowered[1]], axis=1)
        odds[self.guard.holds(snr_db, margin), 1:] = -np.inf
        each = np.exp(odds - odds.max(axis=1, keepdims=True))
        return each / each.sum(axis=1, keepdims=True)


def gate_inputs(said: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """The evidence that both gates see: float64 (n,) each, minus infinity where there is none."""
    least = np.maximum(np.maximum(said.log_own, said.unseen), 0.0)  # of a known class, or like nothing in the base
    return compressed(said.log_own), said.log_new - least


def compressed(log_ratio: np.ndarray) -> np.ndarray:
    """Log ratios of many numbers at a scale of their signal: ``sign(r) log(1 + |r|)``.

    >>> compressed(np.array([-9.0, 0.0, 99.0])).round(2).tolist()
    [-2.3, 0.0, 4.61]
    """
    return np.sign(log_ratio) * np.log1p(np.abs(log_ratio))


def margin_of(probabilities: np.ndarray) -> np.ndarray:
    """Natural log odds of the best answer: float64 (n,)."""
    return top_log_odds(np.log(np.maximum(probabilities, _LEAST)))
