# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the items that a receiver asks about get more symbols.

By default those that it asks for, by its own confidence. Where the transmitter holds the decoder, it may compare the
answers that are fed back with its own, and send more only for items whose answer is another one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sdr_sc.errors import BlockError

if TYPE_CHECKING:
    from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

TRIGGERS = ("none", "confidence", "compare")
"""Names of what decides: nothing is refined; the receiver's confidence; the transmitter, which compares answers."""


def check_trigger(part: str, refine: Any) -> str:
    """The name of a trigger that a parameter gives; 0 and 1, of a switch, are none and confidence.

    Args:
        part: whose parameter, for the error.

    Raises:
        BlockError: there is no such trigger.

    >>> check_trigger("encoder", "compare"), check_trigger("encoder", True), check_trigger("encoder", 0)
    ('compare', 'confidence', 'none')
    """
    if type(refine) in (bool, int) and refine in (0, 1):
        return TRIGGERS[refine]
    if refine not in TRIGGERS:
        raise BlockError(f"{part}: refine is {refine!r}; use one of {', '.join(TRIGGERS)}.")
    return str(refine)


class Trigger(Protocol):
    """The transmitter's decision."""

    def wanted(self, symbols: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Which items get more.

        Args:
            symbols: float32 (n, 2 k_max), of `SemanticEncoder.symbols`.
            answers: int64 (n,), that the receiver has so far; -1 for none.

        Returns:
            bool (n,).
        """
        ...


class AsAsked:
    """All of them: the receiver has decided."""

    def wanted(self, symbols: np.ndarray, answers: np.ndarray) -> np.ndarray:
        return np.ones(len(answers), bool)


class AnswerCompared:
    """Those whose answer is not the transmitter's own.

    Args:
        answer: the decoder's answers to items without a channel: float32 (n, 2 k_max) to int64 (n,).

    >>> AnswerCompared(lambda symbols: np.array([3, 4])).wanted(np.zeros((2, 8)), np.array([3, -1])).tolist()
    [False, True]
    """

    def __init__(self, answer: Callable[[np.ndarray], np.ndarray]) -> None:
        self._answer = answer

    @classmethod
    def of(cls, encoder: SemanticEncoder, decoder: SemanticDecoder) -> AnswerCompared:
        """With the decoder's answers to all symbols of an item, at the highest SNR of the training."""
        contract = encoder.contract
        best_db = contract.training_snr_db[1]
        return cls(lambda symbols: decoder.answer(encoder.first(symbols, contract.k_max), best_db).best)

    def wanted(self, symbols: np.ndarray, answers: np.ndarray) -> np.ndarray:
        return self._answer(symbols) != answers
