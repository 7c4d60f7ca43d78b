# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages from a network on their way to a block: checked, counted by kind, at a rate that a flowgraph bears."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

from sdr_sc.link.network.pdu_schema import Pdu, Schema
from sdr_sc.link.network.pdu_wire import Refusal

READ_HZ = 20_000.0
"""Messages read in a second at most; what a stranger sends beyond that waits at his end, and the cores stay free."""
READ_BATCH = 64
"""Of them without a pause."""
MOST_WAITING = 64
PASS_HZ = 1000.0
"""PDUs passed on in a second at most: several times what a link sends, and little for the blocks that take them."""
PASS_BURST = 64.0


class Bucket:
    """Allows ``rate_hz`` things in a second, and ``burst`` at once after a pause.

    >>> bucket = Bucket(rate_hz=10.0, burst=2.0)
    >>> bucket.take(5, now_s=0.0), bucket.take(5, now_s=0.1)
    (2, 1)
    """

    def __init__(self, rate_hz: float, burst: float) -> None:
        self._rate_hz, self._burst = rate_hz, burst
        self._there, self._at_s = burst, -1e18

    def take(self, wanted: int, now_s: float) -> int:
        """How many of them may go now."""
        self._there = min(self._burst, self._there + (now_s - self._at_s) * self._rate_hz + 1e-9)
        self._at_s = now_s
        taken = min(wanted, int(self._there))
        self._there -= taken
        return taken


class Intake:
    """Takes messages, and gives out PDUs.

    Args:
        schema: what they have to be.
        newest_wins: of more PDUs than may pass, or of several with one ``frame_num``, the latest passes and the
            others are superseded, as suits feedback. Without it they wait in their order, and the caller reads no
            more messages while `full`.
        greeting: a message that says only that a peer of ours is there.

    Attributes:
        received: PDUs that passed the check.
        refused: messages that did not, by kind.
        superseded: PDUs that were not passed on, since there were later ones.
        unwanted: PDUs that ``wanted`` did not want.
        greetings: greetings.
        wanted: asked with a PDU's metadata before it waits; None wants all.
    """

    def __init__(self, schema: Schema, newest_wins: bool, greeting: bytes) -> None:
        self.schema, self._newest_wins, self._greeting = schema, newest_wins, greeting
        self.received = self.superseded = self.unwanted = self.greetings = 0
        self.refused: Counter[str] = Counter()
        self.wanted: Callable[[dict[str, Any]], bool] | None = None
        self._waiting: OrderedDict[Any, Pdu] = OrderedDict()
        self._bucket = Bucket(PASS_HZ, PASS_BURST)

    @property
    def waiting(self) -> int:
        """PDUs that wait to be passed on."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether no further message should be read now."""
        return not self._newest_wins and len(self._waiting) >= MOST_WAITING

    def take(self, raw: bytes) -> bool:
        """A message; whatever it is, this raises nothing. Returns whether it is one of ours."""
        if raw == self._greeting:
            self.greetings += 1
            return True
        try:
            meta, data = self.schema.read(raw)
        except Refusal as refusal:
            self.refused[refusal.kind] += 1
            return False
        self.received += 1
        if self.wanted is not None and not self.wanted(meta):
            self.unwanted += 1
            return True
        key: Any = meta.get("frame_num", (self.received,)) if self._newest_wins else self.received
        self.superseded += int(self._waiting.pop(key, None) is not None)
        self._waiting[key] = meta, data
        if self._newest_wins and len(self._waiting) > MOST_WAITING:
            self._waiting.popitem(last=False)
            self.superseded += 1
        return True

    def due(self, now_s: float) -> list[Pdu]:
        """The PDUs to pass on now, in their order.

        Args:
            now_s: time of any clock that does not step back.
        """
        if not self._waiting:
            return []
        count = self._bucket.take(len(self._waiting), now_s)
        if self._newest_wins and count:
            while len(self._waiting) > count:
                self._waiting.popitem(last=False)
                self.superseded += 1
        return [self._waiting.popitem(last=False)[1] for _ in range(count)]


def most_common(refused: Counter[str]) -> str:
    """The kinds of refused messages in a few words, the most common first.

    >>> most_common(Counter({"not a PDU": 12, "out of range": 1, "too large": 3, "cut short": 2}))
    '12 not a PDU, 3 too large, 3 others'
    """
    kinds = refused.most_common()
    first = [f"{count} {kind}" for kind, count in kinds[:2]]
    rest = sum(count for _, count in kinds[2:])
    return ", ".join(first + ([f"{rest} others"] if rest else []))
