# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the items that a receiver asks about get more symbols.

By default those that it asks for, by its own confidence. Where the transmitter holds the decoder, it may compare the
answers that are fed back with its own, and send more only for items whose answer is another one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np


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

    def wanted(self, symbols: np.ndarray, answers: np.ndarray) -> np.ndarray:
        return self._answer(symbols) != answers
