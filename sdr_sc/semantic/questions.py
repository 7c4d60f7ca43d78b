# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions about items that were received: asked of the decoder's outputs, at any time after reception."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sdr_sc.data.asked import OWN_QUESTION
from sdr_sc.data.texts import clean_text, text_items
from sdr_sc.errors import ContractError
from sdr_sc.semantic import weights
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.modalities.text_tokens import token_numbers
from sdr_sc.semantic.specs import TaskSpec
from sdr_sc.semantic.tasks.base import NO_ANSWER, TaskAnswer, output_slices, task_of
from sdr_sc.semantic.tasks.question import QUESTION
from sdr_sc.shown import shown

LONGEST_QUESTION = 256
"""Bytes, UTF-8. A longer one is refused, not cut: what is left of it would be another question."""
PREFIX = "question."
"""Of the network's tensors in a weights file."""
_ANY, _MOST_KNOWN = "what", 4096


class Questions:
    """The question network of a model.

    Args:
        model: weights file, or name of a shipped model.

    Attributes:
        contract: of the model.
        part: which of the decoder's outputs it takes.

    Raises:
        ContractError: the model answers no questions, is an exported one, or its weights do not fit.
    """

    def __init__(self, model: str | Path) -> None:
        import torch

        from sdr_sc.semantic.networks.question import QuestionNetwork

        self.contract: ModelContract = weights.read_contract(model)
        spec = self.contract.task(QUESTION)
        places = [task.name for task in self.contract.tasks]
        self.part = output_slices(self.contract)[places.index(QUESTION)]
        self._network = QuestionNetwork(self.part.stop - self.part.start, len(spec.names))
        found = {
            name.removeprefix(PREFIX): torch.from_numpy(value)
            for name, value in weights.read_tensors(model).items()
            if name.startswith(PREFIX)
        }
        try:
            self._network.load_state_dict(found)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise ContractError(
                f"the weights in {shown(model)} do not fit the question network ({reason}); get the model again."
            ) from error
        self._network.eval()

    def ask(self, outputs: np.ndarray, questions: str | Sequence[str]) -> TaskAnswer:
        """Answers to a question about each item, or to one about all of them.

        Args:
            outputs: float32 (n, outputs of all tasks), of `sdr_sc.semantic.inference.SemanticDecoder.outputs`.
            questions: one, or one for each item.

        Raises:
            ContractError: a question makes none, or there are too many or too few.
        """
        tokens = question_tokens([questions] if isinstance(questions, str) else questions)
        spec = self.contract.task(QUESTION)
        return task_of(QUESTION).answer(self.logits(outputs[:, self.part], tokens), spec)

    def logits(self, received: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Logits of the answers, float32 (n, answers); NaN or infinity where the outputs have them.

        Args:
            received: float32 (n, outputs of the task).
            tokens: of `question_tokens`, of n questions or of a single one.

        Raises:
            ContractError: there is another number of questions, or the outputs are of another length.
        """
        import torch

        if received.shape[1] != self.part.stop - self.part.start:
            raise ContractError(
                f"model {self.contract.name!r} is asked about vectors of {received.shape[1]} numbers where its own "
                f"have {self.part.stop - self.part.start}; give its own decoder's outputs."
            )
        if len(tokens) not in (1, len(received)):
            raise ContractError(f"{len(tokens)} questions about {len(received)} items; give one, or one an item.")
        known = np.isfinite(received).all(axis=1)
        with torch.inference_mode():
            asked = self._network.asked(torch.from_numpy(tokens))
            values = np.where(known[:, None], received, np.float32(0.0)).astype(np.float32)
            found = self._network(torch.from_numpy(values), asked).numpy()
        gone = np.where(np.isinf(received).any(axis=1), np.inf, np.nan).astype(np.float32)
        return np.where(known[:, None], found, gone[:, None])


class BoundQuestion:
    """What items are asked: one question of all, or each one of its own.

    Args:
        questions: of the model.
        text: the question, or `OWN_QUESTION`.

    Attributes:
        is_own: each item is asked one of its own.

    Raises:
        ContractError: it makes none.
    """

    def __init__(self, questions: Questions, text: str) -> None:
        self.text, self.is_own, self._questions = text, text == OWN_QUESTION, questions
        self._tokens = None if self.is_own else question_tokens([text])
        self._known: dict[str, np.ndarray] = {}

    def logits(self, received: np.ndarray, texts: Sequence[str] | None = None) -> np.ndarray:
        """See `Questions.logits`.

        Args:
            texts: the questions, where each item is asked one of its own; '' for none, of which the logits say nothing.

        Raises:
            ContractError: as there; or the items' own questions are to be asked, and are not given, or one makes none.
        """
        if self._tokens is not None:
            return self._questions.logits(received, self._tokens)
        if texts is None:
            raise ContractError(
                f"each item is asked a question of its own ({OWN_QUESTION!r}), which only a flowgraph knows; give one "
                "question for all."
            )
        return self._questions.logits(received, np.concatenate([self._tokens_of(text) for text in texts]))

    def answer(self, received: np.ndarray, spec: TaskSpec, texts: Sequence[str] | None = None) -> TaskAnswer:
        """Answers, `NO_ANSWER` where an item that arrived is asked nothing. Arguments and errors as of `logits`."""
        return self.without(task_of(QUESTION).answer(self.logits(received, texts), spec), texts)

    def without(self, answer: TaskAnswer, texts: Sequence[str] | None) -> TaskAnswer:
        """Answers without those to items that are asked nothing."""
        if not self.is_own or texts is None or all(texts):
            return answer
        gone = np.array([not text for text in texts]) & (answer.best >= 0)
        ids = np.where(gone[:, None], NO_ANSWER, answer.ids)
        return TaskAnswer(ids, np.where(gone, np.float32(0.0), answer.confidence))

    def _tokens_of(self, text: str) -> np.ndarray:
        found = self._known.get(text)
        if found is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = self._known[text] = question_tokens([text or _ANY])
        return found


def question_tokens(texts: Sequence[str]) -> np.ndarray:
    """Numbers of the questions' words, int32 (questions, words, 1 + pieces).

    Raises:
        ContractError: one is empty, has no word, or is too long.

    >>> question_tokens(["What colour is it?"]).shape
    (1, 16, 19)
    """
    from sdr_sc.semantic.networks.question import SIZES

    cleaned = [clean_text(text) for text in texts]
    for text, clean in zip(texts, cleaned, strict=True):
        length = len(text.encode("utf-8", "replace"))
        if not clean:
            raise ContractError("the question is empty; ask one, such as 'what colour is the shape?'.")
        if length > LONGEST_QUESTION:
            raise ContractError(
                f"the question {shown(repr(clean), 60)} has {length} bytes, more than {LONGEST_QUESTION}; ask a "
                "shorter one."
            )
    slots = text_items(cleaned, LONGEST_QUESTION).batch.slots(LONGEST_QUESTION)
    tokens = token_numbers(slots, SIZES._replace(words=SIZES.words + 1))
    for clean, count in zip(cleaned, (tokens[..., 0] > 0).sum(axis=1).tolist(), strict=True):
        if not 1 <= count <= SIZES.words:
            many = f"more than {SIZES.words} words" if count else "no word"
            raise ContractError(f"the question {shown(repr(clean), 60)} has {many}; ask another.")
    return tokens[:, : SIZES.words]
