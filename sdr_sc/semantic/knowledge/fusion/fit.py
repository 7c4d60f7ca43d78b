# SPDX-License-Identifier: GPL-3.0-or-later
"""Fusion rules from held-out items: temperature, kernel and gates by the likelihood of the right answers.

The weights of the pool are stacked (Wolpert, Neural Networks 5(2), 1992): fitted on items that neither the decoder's
training nor the base has seen, so that they count what each is worth on new items. Items of classes that the decoder
lacks have to be among them, or new classes are never believed. How many of them there are in the fit is a prior; that
items of known classes do not suffer is a condition of its own (`without_harm`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sdr_sc.errors import SdrScError
from sdr_sc.semantic.knowledge.fusion.fuse import fuse
from sdr_sc.semantic.knowledge.fusion.posterior import Evidence, Kernel, evidence_of, query_of
from sdr_sc.semantic.knowledge.fusion.rule import OFF, FusionRule, Gate, Guard, gate_inputs, margin_of
from sdr_sc.semantic.knowledge.fusion.tail import level_of
from sdr_sc.semantic.knowledge.interface import Neighbours

SPREADS = (0.05, 0.1, 0.2)
TEMPERS = (0.25, 0.5, 1.0)
_TEMPERATURES = np.geomspace(0.2, 5.0, 41)
_FLOOR = 1e-4
"""Probability of the right answer that each expert is given at least, so that one surprise does not decide all."""
_RIDGE = 1e-3
_STEP_NATS, _MOST_STEPS = 0.5, 30
_MOST_GATE = 30.0
RESERVE_NATS = 1.0
_MOST_NATS = 60.0


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Items received at one SNR, with what is right.

    Attributes:
        snr_db: dB.
        logits: float (n, own classes), of the decoder; NaN for lost items, which do not count.
        truth: int (n,), among all classes.
        features, noise_variance: complex64 and float (n, k), as received.
        found: neighbours of the items' queries; where symbols have the same noise, the kernel does not matter for them.
        classes: int64 (n, count), of the neighbours.
        prior: float (classes,), see `sdr_sc.semantic.knowledge.fusion.posterior.class_prior`.
        weight: of all of these items together in the fit.
    """

    snr_db: float
    logits: np.ndarray
    truth: np.ndarray
    features: np.ndarray
    noise_variance: np.ndarray
    found: Neighbours
    classes: np.ndarray
    prior: np.ndarray
    weight: float = 1.0

    def evidence(self, kernel: Kernel) -> Evidence:
        """Of the base, with a kernel."""
        query = query_of(self.features, self.noise_variance, kernel, 2 * self.features.shape[1])
        return evidence_of(query, self.found, self.classes, self.logits.shape[1], self.prior)

    def in_decoder(self) -> np.ndarray:
        """bool (n,), which are of a class that the decoder has, and there."""
        return (self.truth < self.logits.shape[1]) & np.isfinite(self.logits).all(axis=1)


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """Temperature of a softmax by the likelihood of held-out answers (Guo et al., "On Calibration of Modern Neural
    Networks", 2017), of a grid.

    >>> rng = np.random.default_rng(1)
    >>> logits = rng.normal(size=(4000, 3))
    >>> truth = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    >>> bool(1.7 < fit_temperature(2 * logits, truth) < 2.3)
    True
    """
    own = logits[np.arange(len(logits)), truth]
    losses = []
    for temperature in _TEMPERATURES:
        scaled = logits / temperature
        most = scaled.max(axis=1)
        losses.append(float(np.mean(most + np.log(np.exp(scaled - most[:, None]).sum(axis=1)) - own / temperature)))
    return float(_TEMPERATURES[int(np.argmin(losses))])


def fit_rule(
    k: int,
    held: Sequence[HeldOut],
    guard: Guard = Guard(),  # noqa: B008  # frozen
    entry_noise: float = 0.0,
    calibrated: bool = False,
) -> FusionRule:
    """A rule for k symbols from held-out items at several SNRs.

    Args:
        held: one or more for each SNR, such as items that the decoder knows and items that the base alone knows.
        guard: of the rule.
        entry_noise: see `Kernel`.
        calibrated: whether the logits' softmax is calibrated as it is.

    Raises:
        SdrScError: no items are there to fit it on.
    """
    if not any(one.in_decoder().any() for one in held):
        raise SdrScError("no held-out item of the decoder's classes arrived; fit the fusion on more items.")
    plain = FusionRule(k, Kernel(SPREADS[0], 1.0, entry_noise), OFF, OFF, guard)
    if not calibrated:
        grid = tuple(sorted({one.snr_db for one in held}))
        temperatures = tuple(_temperature([one for one in held if one.snr_db == snr_db]) for snr_db in grid)
        plain = replace(plain, snr_db=grid, temperature=temperatures)
    found = [fit_gates(replace(plain, kernel=Kernel(spread, temper, entry_noise)), held)
             for spread in SPREADS for temper in TEMPERS]  # fmt: skip
    return min(found, key=lambda one: one[0])[1]


def _temperature(held: Sequence[HeldOut]) -> float:
    logits = np.concatenate([one.logits[one.in_decoder()] for one in held]).astype(np.float64)
    truth = np.concatenate([one.truth[one.in_decoder()] for one in held])
    return fit_temperature(logits, truth) if len(truth) else 1.0


def fit_gates(rule: FusionRule, held: Sequence[HeldOut]) -> tuple[float, FusionRule]:
    """The gates of most likelihood for a rule's kernel, and the mean loss in nats of the items with them."""
    from scipy.optimize import minimize  # here: a start-up must not wait for scipy

    right, own, new, weight = (np.concatenate(each) for each in zip(*(_terms(rule, one) for one in held), strict=True))
    if not len(right):
        return np.inf, rule
    weight = weight / weight.sum()
    has = np.stack([np.ones(len(right), bool), own[:, 0] > 0, new[:, 0] > 0], axis=1)

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        odds = np.stack([np.zeros(len(right)), own @ numbers[:3], new @ numbers[3:]], axis=1)
        parts = np.where(has, np.exp(np.clip(odds, -60.0, 60.0)), 0.0)
        parts /= parts.sum(axis=1, keepdims=True)
        mixed = (parts * right).sum(axis=1)
        slope = -weight[:, None] * parts * (right / mixed[:, None] - 1.0)
        gradient = np.concatenate([own.T @ slope[:, 1], new.T @ slope[:, 2]])
        value = -float(weight @ np.log(mixed)) + _RIDGE * float(numbers @ numbers)
        return value, gradient + 2 * _RIDGE * numbers

    bounds = [(-_MOST_GATE, _MOST_GATE), (0.0, _MOST_GATE), (0.0, _MOST_GATE)] * 2
    start = np.array([-2.0, 0.2, 0.2, -2.0, 0.5, 0.2])
    found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B")
    numbers = [float(value) + 0.0 for value in found.x]
    gates = [Gate(*numbers[:3]) if has[:, 1].any() else OFF, Gate(*numbers[3:]) if has[:, 2].any() else OFF]
    return float(found.fun), replace(rule, own=gates[0], new=gates[1])


def _terms(rule: FusionRule, one: HeldOut) -> tuple[np.ndarray, ...]:
    """Of the items that arrived: probability of the right answer with each expert (n, 3), inputs of both gates (n, 3),
    0 where there is no evidence, and weights (n,)."""
    sure, said = rule.decoder_probabilities(one.logits, one.snr_db), one.evidence(rule.kernel)
    there = np.isfinite(sure).all(axis=1)
    sure, truth, every = sure[there], one.truth[there], np.arange(np.count_nonzero(there))
    known = truth < sure.shape[1]
    by_base = said.probabilities[there][every, truth]
    decoder = np.where(known, sure[every, np.where(known, truth, 0)], 0.0)
    right = np.stack([decoder, np.where(known, by_base, 0.0), np.where(known, 0.0, by_base)], axis=1)
    margin = margin_of(sure)
    inputs = []
    for evidence in gate_inputs(said):
        has = np.isfinite(evidence[there])
        rows = np.stack([np.ones(len(every)), np.where(has, evidence[there], 0.0), -margin], axis=1)
        inputs.append(np.where(has[:, None], rows, 0.0))
    return np.maximum(right, _FLOOR), *inputs, np.full(len(every), one.weight / max(len(every), 1))


def without_harm(
    rule: FusionRule, held: Sequence[HeldOut], points: float, reserve_nats: float = RESERVE_NATS
) -> FusionRule:
    """The rule with as much weight for the base as costs items of the decoder's classes no more than so many points.

    The gates are lowered for each SNR by itself (`FusionRule.spared`). First that of the own classes, in steps of half
    a nat until the held-out items lose nothing beyond chance, and then by a reserve. Then that of the new classes, to
    where that share of known items would be given to them: from each held-out item follows a lowering from which on it
    keeps its answer, and how these go on beyond a few hundred items is estimated (`sdr_sc.semantic.knowledge.fusion
    .tail`). The held-out items may be asked of the very base that is going to be used: that needs no items of its new
    classes. An item may be there several times, with noise of its own.

    Args:
        held: those that matter, such as the held-out items of the model's own data, one or more for each SNR.
        points: of per cent, that new classes may cost; with 0 they have no say.
        reserve_nats: of the log odds of the weight of the own classes.

    Raises:
        SdrScError: the held-out items are none of the decoder's classes.
    """
    known = [one for one in held if one.in_decoder().any()]
    if not known:
        raise SdrScError("no held-out item is of the decoder's classes; give others to find out what the base costs.")
    new = rule.new if points > 0 else OFF
    spared = []
    for snr_db in sorted({one.snr_db for one in known}):
        here = [one for one in known if one.snr_db == snr_db]
        own_nats = _own_nats(replace(rule, new=OFF, spared=()), here, reserve_nats) if rule.own != OFF else 0.0
        new_nats = 0.0
        if new != OFF:
            eager = replace(rule, spared=((snr_db, own_nats, 0.0),))
            scores = np.concatenate([_nats_to_keep(eager, one) for one in here])
            new_nats = float(np.clip(level_of(scores, points / 100.0), 0.0, _MOST_NATS))
        spared.append((float(snr_db), own_nats, new_nats))
    return replace(rule, new=new, spared=tuple(spared))


def _own_nats(rule: FusionRule, held: Sequence[HeldOut], reserve_nats: float) -> float:
    """By how much the gate of own classes has to be lowered for the items of an SNR to lose nothing, with a standard
    error to spare: what a few hundred items show by chance is no gain."""
    for step in range(_MOST_STEPS):
        nats = step * _STEP_NATS
        lowered = replace(rule, own=rule.own.lowered(nats))
        losses = np.concatenate([_losses(lowered, one) for one in held])
        error = losses.std() / np.sqrt(len(losses) / len(held))  # the same items, again and again
        if losses.mean() + error <= 0.0:
            return nats + reserve_nats
    return _MOST_NATS


def _nats_to_keep(rule: FusionRule, one: HeldOut) -> np.ndarray:
    """By how much the gate of new classes has to be lowered for items of the decoder's classes to keep their right
    answers: float (items,), minus infinity where it is not right without new classes, or where the guard keeps it."""
    chosen = one.in_decoder()
    sure, said = rule.decoder_probabilities(one.logits, one.snr_db), one.evidence(rule.kernel)
    there = np.isfinite(sure).all(axis=1)
    weights = rule.weights(said, margin_of(np.where(there[:, None], sure, 1.0)), one.snr_db)
    own = weights[:, :1] * sure + weights[:, 1:2] * said.probabilities[:, : said.own]
    theirs = weights[:, 2] * said.probabilities[:, said.own :].max(axis=1, initial=0.0)
    with np.errstate(divide="ignore"):
        nats = np.log(theirs) - np.log(np.where(there, own.max(axis=1), 1.0))
    right = there & (np.where(there[:, None], own, 0.0).argmax(axis=1) == one.truth)
    return np.where(right, nats, -np.inf)[chosen]


def harm(rule: FusionRule, one: HeldOut) -> float:
    """Points of accuracy that items of the decoder's classes lose by the base; below 0 where they gain."""
    return 100.0 * float(_losses(rule, one).mean())


def _losses(rule: FusionRule, one: HeldOut) -> np.ndarray:
    """Of the items of the decoder's classes: 1 where the base costs the right answer, -1 where it finds it."""
    chosen = one.in_decoder()
    sure = rule.decoder_probabilities(one.logits, one.snr_db)
    fused = fuse(sure, one.evidence(rule.kernel), rule, one.snr_db)
    before, after = np.nan_to_num(sure).argmax(axis=1) == one.truth, fused.best == one.truth
    return before[chosen].astype(float) - after[chosen]
