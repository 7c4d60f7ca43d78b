# SPDX-License-Identifier: GPL-3.0-or-later
"""The linear analog rival: linear features as analog symbols through the same frames, and a linear receiver.

All is fitted on the training part alone: how items become numbers, which numbers are sent with which power for the SNR,
and for each SNR and k the receiver: least squares to the teacher's vectors, logistic regression to the classes. What is
to be chosen (see `sdr_sc.evidence.multitask.linear_maps`) is what does best on a tenth of the training items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sdr_sc.distill.multitask.probe import Probe, fit_probe
from sdr_sc.distill.multitask.regression import Values, reduced_rank, ridge
from sdr_sc.evidence.multitask.linear_maps import (
    Weighting,
    components,
    kind_of,
    least_squares,
    shared_power,
    values_of,
)
from sdr_sc.evidence.multitask.rows import RETRIEVAL, Setting, answers_of
from sdr_sc.phy.receive.receiver import ReceivedFrame
from sdr_sc.schemes.scheme import BaseScheme, Transmission, known_parts, wire_id
from sdr_sc.semantic.gallery import unit_rows
from sdr_sc.semantic.inference import SemanticDecoder
from sdr_sc.semantic.tasks.base import task_of

NAME = "linear analog"
POWERS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "least error": shared_power,
    "by its root": lambda variance, noise: np.sqrt(variance) / max(float(np.sqrt(variance).mean()), 1e-12),
    "the same": lambda variance, noise: np.ones(len(variance)),
}
"""How power is shared among numbers, from their variances and the noise on each: for the least error of all of them, by
the root of the variance, as where there is little noise; or the same for each. Where noise is large the first sends a
few numbers alone, which is best for classes, and poor for finding entries."""
CLASS_WEIGHTS = (0.3, 1.0, 3.0)
"""Of the classes beside the teacher's vectors, of unit length, in the targets of a regression."""
_PENALTIES = {"text": (0.3, 1.0, 3.0), "image": (3e-4, 3e-3, 3e-2)}
"""Of the regression; those of pictures a share of the items."""
_PIXEL_AXES, _HELD_OUT, _PROBE_PENALTY = 256, 10, 1e-4
FITTED_ITEMS = 20_000
"""Most, of a receiver and of pictures."""
CHOOSING_ITEMS, ASKED_ITEMS = 8_000, 2_000
"""Items, at most, that receivers are fitted on and that are asked, where numbers and power are chosen."""


@dataclass(frozen=True)
class Numbers:
    """A way from weighted items to real numbers.

    Attributes:
        title: what it is.
        axes: float32 (columns, numbers), those of most variance first.
        mean, variance: float64 (numbers,), on the training part.
        power: one of `POWERS`.
    """

    title: str
    axes: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    power: str = next(iter(POWERS))

    @classmethod
    def of(cls, title: str, axes: np.ndarray, x: Values) -> Numbers:
        """With the statistics of training items."""
        found = np.asarray(x @ axes, np.float64)
        return cls(title, axes, found.mean(axis=0), found.var(axis=0))

    def sent(self, x: Values, k: int, noise: float) -> np.ndarray:
        """What is sent of items as 2 k real numbers of mean square 1 over each item: float64 (n, 2 k).

        Args:
            noise: power on each number, by which the power is shared out.
        """
        count = min(2 * k, self.axes.shape[1])
        found = np.asarray(x @ self.axes[:, :count], np.float64) - self.mean[:count]
        variance = self.variance[:count]
        found *= np.sqrt(POWERS[self.power](variance, noise) / np.maximum(variance, 1e-12))
        found = np.pad(found, ((0, 0), (0, 2 * k - count)))
        return found / np.sqrt(np.maximum(np.square(found).mean(axis=1, keepdims=True), 1e-9))


class LinearScheme(BaseScheme):
    """Linear analog at one SNR and k.

    Args:
        send: items to real numbers, float64 (n, 2 k).
        receivers: of each task one, real numbers to its outputs, in the order of the model's tasks.
        k: symbols of an item.
        noise: power on each number that the receivers were fitted for.
    """

    name = NAME

    def __init__(
        self, send: Callable[[np.ndarray], np.ndarray], receivers: Sequence[Callable[[np.ndarray], np.ndarray]], k: int,
        noise: float,
    ) -> None:  # fmt: skip
        self._send, self._receivers, self._noise = send, receivers, noise
        self.k_list = (k,)

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """One frame."""
        parts = (self._send(images) / np.sqrt(2)).astype(np.float32)
        return [Transmission(np.ascontiguousarray(parts).view(np.complex64), slice(0, len(images)), wire_id(NAME))]

    def outputs(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """Of all tasks; NaN for an item of which every symbol is erased."""
        # The receiver's estimates are of least mean square error, that is smaller by 1 + noise over noise alone.
        parts = known_parts(received).astype(np.float64) * np.sqrt(2) * (1 + self._noise)
        lost = np.isnan(parts).any(axis=1)
        found = np.concatenate([one(np.nan_to_num(parts)) for one in self._receivers], axis=1)
        return np.where(lost[:, None], np.nan, found).astype(np.float32)

    def answer(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """0 for every item that arrived: what is looked at are the outputs."""
        return np.where(np.isnan(known_parts(received)).any(axis=1), -1, 0).astype(np.int64)

    def describe(self) -> dict[str, Any]:
        """What it is."""
        return {"scheme": self.name, "kind": "linear features as analog symbols + a linear receiver"}


class LinearRival:
    """All that is fitted once for a data set.

    Args:
        setting: what is measured; ``setting.others`` has the teacher's vectors of the training part, without which
            there are principal components and classes alone.
        decoder: of the student, whose tasks are answered.
        train_items: most that are used.
        log: called with what is done next.

    Attributes:
        has_vectors: whether it answers the task `RETRIEVAL`.
        items: that it was fitted on.
    """

    def __init__(
        self, setting: Setting, decoder: SemanticDecoder, train_items: int, log: Callable[[str], None]
    ) -> None:
        self._setting, self._specs = setting, decoder.contract.tasks
        self.has_vectors = setting.others is not None and RETRIEVAL in decoder.parts
        train, kind = setting.train, kind_of(setting.train)
        rng = np.random.default_rng(setting.seed)
        places = np.sort(rng.permutation(len(train))[:train_items])
        log(f"fitting the {NAME} rival")
        values = values_of(train, train.items(places))
        self._weighting = Weighting.fit(values)
        x = self._weighting.of(values)
        self._turn = np.empty(0)
        if kind == "image" and x.shape[1] > _PIXEL_AXES:
            self._turn = components(x, _PIXEL_AXES, setting.seed)
            x = np.asarray(x @ self._turn)
        self._classes = {
            spec.name: found.astype(np.int64)
            for spec in self._specs
            if spec.names
            and task_of(spec.name).needs != "question"
            and ((found := answers_of(spec, train, places)) >= 0).any()
        }
        self._vectors = None
        if self.has_vectors:
            assert setting.others is not None
            self._vectors = setting.others.vectors[train.targets(RETRIEVAL, places)]
        origins = np.asarray(getattr(train, "groups", ()), np.int64)
        origin = origins[places] if len(origins) else np.arange(len(places))
        held_out = np.random.default_rng(1).permutation(origin.max() + 1)[origin] % _HELD_OUT == 0
        scale = 1.0 if kind == "text" else len(places)
        self._x, self.items = x, len(places)
        self._chosen = self._choose(held_out, [scale * one for one in _PENALTIES[kind]])

    def _targets(self) -> list[np.ndarray]:
        """The vectors, if there are any, and of each task the classes: float32 (items, width), around the mean."""
        found = [] if self._vectors is None else [self._vectors]
        for spec in self._specs:
            if spec.name in self._classes:
                wanted = self._classes[spec.name]
                found.append((wanted[:, None] == np.arange(len(spec.names))).astype(np.float32))
        return [one - one.mean(axis=0) for one in found]

    def _choose(self, held_out: np.ndarray, penalties: Sequence[float]) -> dict[tuple[float, int], Numbers]:
        """For each SNR and k the numbers, and the way of sharing power, that do best on held-out items."""
        targets, seed, k_list = self._targets(), self._setting.seed, self._setting.k_list
        together, most = np.concatenate(targets, axis=1), 2 * max(k_list)
        own, other = self._x[~held_out], self._x[held_out]

        def miss(penalty: float) -> float:
            guess = np.asarray(other @ ridge(own, together[~held_out], penalty))
            return float(np.square(guess - together[held_out]).mean())

        penalty = min(penalties, key=miss)
        weights = ridge(self._x, together, penalty)
        widths = np.cumsum([one.shape[1] for one in targets])[:-1]
        found = [Numbers.of("principal components", components(self._x, most, seed), self._x)]
        for weight in CLASS_WEIGHTS if self._vectors is not None else (1.0,):
            blocks = np.split(weights, widths, axis=1)
            scaled = np.concatenate([blocks[0], *(weight * one for one in blocks[1:])], axis=1)
            axes = reduced_rank(self._x, scaled, most)
            found.append(Numbers.of(f"reduced rank, classes at {weight:g}", axes, self._x))
        ways = [replace(one, power=power) for one in found for power in POWERS]
        asked = np.flatnonzero(held_out)[:ASKED_ITEMS]
        fitted = np.flatnonzero(~held_out)[:CHOOSING_ITEMS]
        return {
            (snr_db, k): max(ways, key=lambda one: self._quality(one, snr_db, k, fitted, asked))
            for snr_db in self._setting.snrs_db
            for k in k_list
        }

    def _quality(self, numbers: Numbers, snr_db: float, k: int, fitted: np.ndarray, asked: np.ndarray) -> float:
        """Mean of the accuracies, and of R@5 among the items asked, by least squares alone, of items at these places.
        """
        noise, places = 10 ** (-snr_db / 10), np.concatenate((fitted, asked))
        z = numbers.sent(self._x[places], k, noise)
        held_out = np.arange(len(places)) >= len(fitted)
        heard = z + np.sqrt(noise) * np.random.default_rng(2).normal(size=z.shape)
        scores = []
        for spec in self._specs:
            if spec.name in self._classes:
                wanted = self._classes[spec.name][places]
                one_hot = (wanted[:, None] == np.arange(len(spec.names))).astype(np.float64)
                own = ~held_out & (wanted >= 0)
                weights, offset = least_squares(z[own], one_hot[own], noise)
                other = held_out & (wanted >= 0)
                scores.append(((heard[other] @ weights + offset).argmax(axis=1) == wanted[other]).mean())
        if self._vectors is not None:
            weights, offset = least_squares(z[~held_out], self._vectors[fitted], noise)
            guess, wanted = unit_rows(heard[held_out] @ weights + offset), self._vectors[asked]
            right = []
            for start in range(0, len(guess), 1000):
                cosine = guess[start : start + 1000] @ wanted.T
                own_one = cosine[np.arange(len(cosine)), start + np.arange(len(cosine))]
                right.append((cosine > own_one[:, None]).sum(axis=1) < 5)
            scores.append(np.concatenate(right).mean())
        return float(np.mean(scores))

    def title(self, snr_db: float, k: int) -> str:
        """Which numbers are sent at an SNR and k, with which power."""
        chosen = self._chosen[snr_db, k]
        return f"{chosen.title}, power: {chosen.power}"

    def scheme(self, snr_db: float, k: int) -> LinearScheme:
        """At one point, with receivers that were fitted for it."""
        noise, numbers = 10 ** (-snr_db / 10), self._chosen[snr_db, k]
        rng = np.random.default_rng((self._setting.seed, k))
        fitted = np.sort(rng.permutation(self._x.shape[0])[:FITTED_ITEMS])
        z = numbers.sent(self._x[fitted], k, noise)
        heard = z + np.sqrt(noise) * rng.normal(size=z.shape)
        receivers = []
        for spec in self._specs:
            if spec.name in self._classes:
                wanted = self._classes[spec.name][fitted]
                known = wanted >= 0
                receivers.append(_of_probe(fit_probe(heard[known], wanted[known], len(spec.names), _PROBE_PENALTY)))
            elif spec.name == RETRIEVAL and self._vectors is not None:
                receivers.append(_of_map(*least_squares(z, self._vectors[fitted], noise)))
            else:
                receivers.append(_nothing(spec.outputs or len(spec.names)))
        return LinearScheme(lambda items: numbers.sent(self._of(items), k, noise), receivers, k, noise)

    def _of(self, items: np.ndarray) -> Values:
        x = self._weighting.of(values_of(self._setting.train, items))
        return np.asarray(x @ self._turn) if len(self._turn) else x


def _of_probe(probe: Probe) -> Callable[[np.ndarray], np.ndarray]:
    return lambda heard: np.log(np.maximum(probe.probabilities(heard), 1e-12))


def _of_map(weights: np.ndarray, offset: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda heard: heard @ weights + offset


def _nothing(width: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda heard: np.zeros((len(heard), width))
