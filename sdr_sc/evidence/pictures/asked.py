# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions about pictures that were received, beside controls that know less."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_sc.data.asked import AskedItems, asked_items, each_once
from sdr_sc.data.dataset import Dataset
from sdr_sc.errors import SdrScError
from sdr_sc.evidence.multitask.measure import QUICK_ITEMS, Log
from sdr_sc.evidence.multitask.rivals import send_messages
from sdr_sc.evidence.multitask.rows import Setting, cost, own_outputs
from sdr_sc.evidence.pictures.thumbnails import OTHER, UNSEEN, displaced, thumbnail_rows
from sdr_sc.evidence.tables import APART
from sdr_sc.evidence.watched import OUTPUTS, watch
from sdr_sc.results.rows import Row, clustered_interval
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.questions import Questions, question_tokens
from sdr_sc.semantic.tasks.question import QUESTION
from sdr_sc.semantic.tasks.reconstruction import RECONSTRUCTION

PRIOR = "the question alone"


@dataclass(frozen=True)
class Asked:
    """All that is asked of some items, of which others may not be asked anything.

    Attributes:
        questions: the model's question network.
        tokens: of all questions, see `question_tokens`.
        picture, question, answer: int64 (asked,), places among the pictures, the questions and the answers' names.
        pictures: how many there are.
    """

    questions: Questions
    tokens: np.ndarray
    picture: np.ndarray
    question: np.ndarray
    answer: np.ndarray
    pictures: int

    @classmethod
    def of(cls, model: str, data: Dataset, places: np.ndarray) -> Asked:
        """Of pictures of a data set.

        Raises:
            SdrScError: it asks no questions, or has other answers than the model.
        """
        questions, found = Questions(model), asked_items(data)
        names = questions.contract.task(QUESTION).names
        if found is None or data.names(QUESTION) != names:
            raise SdrScError(
                f"model {questions.contract.name!r} answers questions with {len(names)} answers, and the data set asks "
                "none that have these; give the data set that it was made for."
            )
        question, answer = found.question[places], found.answer[places]
        picture, column = np.nonzero(question >= 0)
        tokens = question_tokens(list(found.texts))
        return cls(questions, tokens, picture, question[picture, column], answer[picture, column], len(places))

    def right(self, received: np.ndarray) -> np.ndarray:
        """Which answers are right, bool (asked,); none of a lost picture.

        Args:
            received: float32 (pictures, outputs of the task).
        """
        logits = self.questions.logits(received[self.picture], self.tokens[self.question])
        known = np.isfinite(logits).all(axis=1)
        return known & (np.where(known[:, None], logits, 0.0).argmax(axis=1) == self.answer)

    def row(self, name: str, right: np.ndarray) -> Row:
        """The share of right answers; questions about one picture are not independent.

        Args:
            right: bool (asked,).
        """
        counts = np.bincount(self.picture, minlength=self.pictures)
        hits = np.bincount(self.picture, right, self.pictures)
        low, high = clustered_interval(hits[counts > 0], counts[counts > 0])
        return Row(name, 100 * float(right.mean()), "%", n=len(right), ci95=(100 * low, 100 * high))

    def rows(self, column: str, received: np.ndarray, blank: np.ndarray, order: np.ndarray) -> list[Row]:
        """Rows of the answers, and of what is answered of another picture and of nothing.

        Args:
            received: float32 (pictures, outputs of the task).
            blank: float32 (outputs of the task,), where nothing was received.
            order: of the pictures, none in its own place.
        """
        nothing = np.broadcast_to(blank, received.shape)
        controls = ((QUESTION, received), (f"{QUESTION}, {OTHER}", received[order]), (f"{QUESTION}, {UNSEEN}", nothing))
        return [self.row(f"{column}{APART}{name}", self.right(values)) for name, values in controls]

    def prior(self, train: AskedItems) -> Row:
        """The share that is right by the question alone.

        Args:
            train: what the training part asks, the same questions in the same order.
        """
        by_question = train.prior(len(self.questions.contract.task(QUESTION).names))
        return self.row(f"{PRIOR}{APART}{QUESTION}", by_question[self.question] == self.answer)


def bench_asked(setting: Setting, quick: bool, log: Log) -> list[Row]:
    """Answers to all that is asked of each picture of the test part, which is sent once, by SNR and k; its thumbnail,
    where that is a task; payload and whole frames; and controls.

    Args:
        quick: on a part of the pictures.

    Raises:
        SdrScError: the data set asks no questions, or has other answers than the model.
    """
    decoder, test = SemanticDecoder(setting.model), each_once(setting.test)
    drawn = np.random.default_rng(setting.seed).permutation(len(test))[: QUICK_ITEMS if quick else None]
    places = np.sort(drawn)
    asked, items = Asked.of(setting.model, test, places), test.items(places)
    # Its own answers, to any question, are not looked at.
    first = decoder.contract.tasks[0].name
    own = SemanticDecoder(setting.model, question="what is it?" if first == QUESTION else "")
    scheme = ModelScheme(SemanticEncoder(setting.model), own)
    width = max(part.stop for part in decoder.parts.values())
    labels, order = np.zeros(len(places), np.int64), displaced(len(places), setting.seed)
    train = asked_items(setting.train)
    assert train is not None
    rows = [asked.prior(train)]
    for snr_db in setting.snrs_db:
        for k in setting.k_list:
            column = f"{snr_db:g} dB{APART}ours, k={k}"
            log(column.replace(APART, ", "))
            seen = watch(scheme, OUTPUTS, items, labels, snr_db, k, setting.seed, setting.channel, width)
            outputs, part = seen.values.astype(np.float32), decoder.parts[QUESTION]
            rows += asked.rows(column, outputs[:, part], decoder.blank(snr_db, k)[part], order)
            if RECONSTRUCTION in decoder.parts:
                rows += thumbnail_rows(column, decoder, outputs, snr_db, k, items, setting.seed)
            rows += cost(column, seen.result, len(places))
    return rows + (_known_questions(setting, decoder, asked, items, log) if setting.with_rivals else [])


def _known_questions(
    setting: Setting, decoder: SemanticDecoder, asked: Asked, items: np.ndarray, log: Log
) -> list[Row]:
    """The answer to one question about each picture, drawn by chance, coded by a transmitter that knows the question
    beforehand."""
    encoder, contract = SemanticEncoder(setting.model), decoder.contract
    outputs = own_outputs(encoder, decoder, items, contract.training_snr_db[1], contract.k_max)
    right = asked.right(outputs[:, decoder.parts[QUESTION]])
    drawn = np.random.default_rng(setting.seed).permutation(len(asked.picture))
    pictures, first = np.unique(asked.picture[drawn], return_index=True)
    chosen, rows = drawn[first], []
    for snr_db in setting.snrs_db:
        column = f"{snr_db:g} dB{APART}one answer, its question known beforehand, coded"
        log(column.replace(APART, ", "))
        result = send_messages(len(contract.task(QUESTION).names), len(pictures), snr_db, setting)
        hits = (right[chosen] & result.right).astype(np.int64)
        low, high = clustered_interval(hits, np.ones(len(hits)))
        rows.append(
            Row(f"{column}{APART}{QUESTION}", 100 * float(hits.mean()), "%", n=len(hits), ci95=(100 * low, 100 * high))
        )
        rows += cost(column, result, len(pictures))
    return rows
