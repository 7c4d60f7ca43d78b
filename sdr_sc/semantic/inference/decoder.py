# SPDX-License-Identifier: GPL-3.0-or-later
"""Received feature symbols to answers of a model's tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sdr_sc.errors import ContractError, ModelFaultError
from sdr_sc.semantic import weights
from sdr_sc.semantic.inference import confidence
from sdr_sc.semantic.inference.network import WARM_UP_RUNS, load_network
from sdr_sc.semantic.questions import BoundQuestion, Questions
from sdr_sc.semantic.tasks.base import TaskAnswer, output_slices, task_of
from sdr_sc.semantic.tasks.classification import ranked
from sdr_sc.shown import shown


def check_features(features: np.ndarray) -> None:
    """Raise `ContractError` unless features are (items, k)."""
    if features.ndim != 2:
        raise ContractError(f"features have shape {features.shape}; they have to be (items, k).")


class SemanticDecoder:
    """Received feature symbols to answers of tasks: what was sent once may be asked about all of them.

    Args:
        model, threads: as for `SemanticEncoder`.
        question: that every item is answered for where the model's first task answers questions; others may be asked
            of the `outputs` (`sdr_sc.semantic.questions`).

    Attributes:
        task: the first one, which every frame is answered for.
        parts: which of the network's outputs are those of each task, by its name.

    Raises:
        ContractError, MissingDependencyError: as for `SemanticEncoder`; or the question makes none.
    """

    def __init__(self, model: str | Path = weights.DEFAULT_MODEL, threads: int = 1, question: str = "") -> None:
        self._model = str(model)
        self.contract, self.network = load_network(model, "decoder", threads)
        self.task = task_of(self.contract.tasks[0].name)
        names = (spec.name for spec in self.contract.tasks)
        self.parts = dict(zip(names, output_slices(self.contract), strict=True))
        self._first = output_slices(self.contract)[0]
        self._question = None
        if self.task.needs == "question" and question:
            self._question = BoundQuestion(Questions(model), question)
        for _ in range(WARM_UP_RUNS):
            self.outputs(np.zeros((1, self.contract.k_list[0]), np.complex64), 0.0)

    def _of_first(self, outputs: np.ndarray, texts: Sequence[str] | None = None) -> np.ndarray:
        """Outputs of the first task from those of all; of a question, the logits of its answers.

        Args:
            texts: see `answered`.
        """
        own = outputs[:, self._first]
        if self.task.needs != "question":
            return own
        if self._question is None:
            raise ContractError(
                f"model {self.contract.name!r} answers questions, and none is asked; give one, or measure it with "
                "'sdr-sc bench evidence multitask'."
            )
        return self._question.logits(own, texts)

    def decode(
        self, features: np.ndarray, snr_db: float, erased: np.ndarray | None = None, strict: bool = True
    ) -> np.ndarray:
        """Outputs of the first task for each item, such as the logits of its classes; see `outputs` for all tasks.

        Args, Raises: as for `outputs`; or the first task answers questions, and none was given.

        Returns:
            float32 (n_items, outputs of the first task); NaN for an item of which every symbol is erased.
        """
        return self._of_first(self.outputs(features, snr_db, erased, strict))

    def outputs(
        self, features: np.ndarray, snr_db: float, erased: np.ndarray | None = None, strict: bool = True
    ) -> np.ndarray:
        """Outputs of all tasks for each item, those of each one in its `parts`.

        Args:
            features: complex64 (n_items, k), LMMSE estimates.
            snr_db: the receiver's estimate, dB; clipped to the training range.
            erased: bool (n_items, k); erased symbols count as LMMSE does for infinite noise: 0.
            strict: raise where the model's outputs are no numbers; otherwise these are infinity.

        Returns:
            float32 (n_items, outputs of all tasks); NaN for an item of which every symbol is erased.

        Raises:
            ContractError: k is not in the model's list.
            ModelFaultError: the model gives outputs that are no numbers.
        """
        check_features(features)
        items, k = features.shape
        self.contract.check_k(k)
        if erased is None:
            erased = ~np.isfinite(features)
        padded = np.zeros((items, self.contract.k_max), np.complex64)
        np.copyto(padded[:, :k], features, where=~erased, casting="same_kind")
        logits = self._run(padded, np.full(items, snr_db), np.full(items, k))
        lost = erased.all(axis=1)
        if not np.isfinite(logits).all():
            lost |= (~np.isfinite(features) & ~erased).any(axis=1)
            faulty = ~np.isfinite(logits).all(axis=1) & ~lost
            if strict and faulty.any():
                raise ModelFaultError(self.fault())
            logits[faulty] = np.inf
        logits[lost] = np.nan
        return logits

    def blank(self, snr_db: float, k: int) -> np.ndarray:
        """Outputs of all tasks of an item of which nothing is known, as if its k symbols were 0: float32 (outputs,)."""
        return self._run(np.zeros((1, self.contract.k_max), np.complex64), np.full(1, snr_db), np.full(1, k))[0]

    def run(self, prefixes: np.ndarray, snr_db: np.ndarray, k: np.ndarray) -> np.ndarray:
        """Outputs of the first task for items of which different numbers of symbols arrived, as the network gives them.

        Args:
            prefixes: complex64 (n_items, k_max), LMMSE estimates; 0 where none arrived.
            snr_db: (n_items,), dB; clipped to the training range.
            k: int (n_items,), symbols that were sent of each item.

        Returns:
            float32 (n_items, outputs of the first task).
        """
        return self._of_first(self._run(prefixes, snr_db, k))

    def _run(self, prefixes: np.ndarray, snr_db: np.ndarray, k: np.ndarray) -> np.ndarray:
        low, high = self.contract.training_snr_db
        return self.network.run(
            np.ascontiguousarray(prefixes, np.complex64).view(np.float32).reshape(len(prefixes), -1, 2),
            np.clip(snr_db, low, high).astype(np.float32),
            (k / self.contract.k_max).astype(np.float32),
        )

    def outputs_of_prefixes(self, prefixes: np.ndarray, snr_db: np.ndarray, k: np.ndarray) -> np.ndarray:
        """Outputs of all tasks for items of which different numbers of symbols are known, with different errors.

        Args:
            prefixes: complex64 (n_items, k_max), LMMSE estimates; 0 where nothing is known.
            snr_db: (n_items,), dB, minus infinity for an item that is lost; clipped to the training range.
            k: int (n_items,), symbols that are known of each.

        Returns:
            float32 (n_items, outputs of all tasks); NaN for lost items, infinity where the model gives no numbers.
        """
        outputs = self._run(prefixes, snr_db, k)
        outputs[~np.isfinite(outputs).all(axis=1)] = np.inf
        outputs[np.isneginf(snr_db)] = np.nan
        return outputs

    def answered_prefixes(
        self,
        outputs: np.ndarray,
        snr_db: np.ndarray,
        k: np.ndarray,
        noise_variance: np.ndarray,
        texts: Sequence[str] | None = None,
    ) -> TaskAnswer:
        """Answers to the model's first task from `outputs_of_prefixes`.

        Args:
            snr_db, k: as given there.
            noise_variance: float32 (n_items, k_max), infinite where nothing is known.
            texts: as for `answered`.
        """
        finite_db = np.where(np.isneginf(snr_db), self.contract.training_snr_db[0], snr_db)
        found = self.judged(self._of_first(outputs, texts), finite_db, k, noise_variance)
        return found if self._question is None else self._question.without(found, texts)

    def answer(
        self,
        features: np.ndarray,
        snr_db: float,
        erased: np.ndarray | None = None,
        noise_variance: np.ndarray | None = None,
    ) -> TaskAnswer:
        """Answers to the model's first task, with a calibrated confidence where the model knows one.

        Args:
            features, snr_db, erased: as for `decode`, which here never raises for a model's fault.
            noise_variance: float32 (n_items, k), of the unbiased estimates, infinite where erased; None where there is
                only the SNR to go by.
        """
        return self.answered(self.outputs(features, snr_db, erased, False), features, snr_db, erased, noise_variance)

    def answered(
        self,
        outputs: np.ndarray,
        features: np.ndarray,
        snr_db: float,
        erased: np.ndarray | None = None,
        noise_variance: np.ndarray | None = None,
        texts: Sequence[str] | None = None,
    ) -> TaskAnswer:
        """`answer` where the `outputs` of these features are there already.

        Args:
            texts: what each item is asked, '' for nothing, where the first task answers a question of its own.
        """
        noise_variance = _variance(features, snr_db, erased, noise_variance)
        k = np.full(len(features), features.shape[1])
        found = self.judged(self._of_first(outputs, texts), snr_db, k, noise_variance)
        return found if self._question is None else self._question.without(found, texts)

    def probabilities(
        self,
        features: np.ndarray,
        snr_db: float,
        erased: np.ndarray | None = None,
        noise_variance: np.ndarray | None = None,
    ) -> np.ndarray:
        """Probability of every output of the model's first task, calibrated where the model knows how.

        Args:
            features, snr_db, erased, noise_variance: as for `answer`.

        Returns:
            float64 (n_items, n_classes), of sum 1; NaN for items that are lost or that the model gives no number for.
        """
        logits = self.decode(features, snr_db, erased, strict=False)
        noise_variance = _variance(features, snr_db, erased, noise_variance)
        return confidence.probabilities(self.contract, self.task, logits, snr_db, features.shape[1], noise_variance)

    def answer_prefixes(
        self, prefixes: np.ndarray, snr_db: np.ndarray, k: np.ndarray, noise_variance: np.ndarray
    ) -> TaskAnswer:
        """Answers from prefixes that were put together of several rounds; see `run` and `judged`. An item of which
        nothing arrived, with a noise variance of infinity throughout, is lost."""
        logits = self.run(prefixes, snr_db, k)
        logits[~np.isfinite(logits).all(axis=1)] = np.inf
        logits[np.isinf(noise_variance).all(axis=1)] = np.nan
        return self.judged(logits, snr_db, k, noise_variance)

    def judged(
        self, logits: np.ndarray, snr_db: np.ndarray | float, k: np.ndarray, noise_variance: np.ndarray
    ) -> TaskAnswer:
        """Answers to the model's first task from logits.

        Args:
            logits: float32 (n_items, n_classes), of `decode` or `run`.
            snr_db: that the decoder was given, dB; float (n_items,) or one number.
            k: int (n_items,), from the model's list.
            noise_variance: float (n_items, k or more), see `channel_snr_db`.
        """
        return confidence.judged(self.contract, self.task, logits, snr_db, k, noise_variance)

    def fault(self) -> str:
        """What is wrong with a model whose logits are no numbers, as a sentence."""
        return (
            f"the decoder of model {shown(self._model)!r} gives answers that are no finite numbers, from features that "
            "are; train it again."
        )


def _variance(
    features: np.ndarray, snr_db: float, erased: np.ndarray | None, noise_variance: np.ndarray | None
) -> np.ndarray:
    """Noise variance of each feature, by the SNR where no other is known; infinite where it is erased."""
    if noise_variance is not None:
        return noise_variance
    gone = ~np.isfinite(features) if erased is None else erased
    return np.where(gone, np.inf, 10.0 ** (-np.clip(snr_db, -200.0, 200.0) / 10.0))


def answers(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class and its probability, see `sdr_sc.semantic.tasks.classification.ranked`.

    >>> answers(np.array([[0.0, 2.0], [np.nan, np.nan], [np.inf, np.inf]]))[0].tolist()
    [1, -1, -2]
    """
    found = ranked(logits)
    return found.best, found.confidence
