# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages that a block does not take, since they may come from outside: counted and reported, never fatal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sdr_sc.blocks.runtime.failures import describe
from sdr_sc.shown import shown

_MOST_REASONS = 16
_OTHER = "other reasons"


class Refused:
    """Counts the messages that a block refused, by reason; the first of each reason is logged.

    Args:
        block: whose logger takes the warnings.
    """

    def __init__(self, block: Any) -> None:
        self._block = block
        self.reasons: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.reasons.values())

    def note(self, reason: str) -> None:
        """Count one.

        Args:
            reason: a sentence without what differs from message to message.
        """
        if reason not in self.reasons and len(self.reasons) >= _MOST_REASONS:
            reason = _OTHER
        if reason not in self.reasons:
            self._block.logger.warn(f"a message was refused, and others like it will be: {reason}")
        self.reasons[reason] += 1

    @contextmanager
    def messages(self) -> Iterator[None]:
        """While entered, an exception means that the message at hand is refused."""
        try:
            yield
        except Exception as error:  # also what PMT raises at foreign content
            self.note(shown(describe(error), 300))
