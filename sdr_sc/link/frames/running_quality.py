# SPDX-License-Identifier: GPL-3.0-or-later
"""How good the latest answers were, by figure: what a plot shows while a link runs."""

from __future__ import annotations

from collections import deque

WINDOW_ITEMS = 200


class RunningQuality:
    """Shares of right answers over the latest items whose truth is known, lost ones too.

    Args:
        window_items: how many items a share is over; whole frames, so that it may be a few more.

    >>> quality = RunningQuality(window_items=4)
    >>> for right in (0, 2, 1):
    ...     quality.add("subgroup: accuracy", right, 2)
    >>> quality.shares()
    {'subgroup: accuracy': 75.0}
    """

    def __init__(self, window_items: int = WINDOW_ITEMS) -> None:
        self._window_items = window_items
        self._frames: dict[str, deque[tuple[int, int]]] = {}
        self._sums: dict[str, list[int]] = {}

    def add(self, figure: str, right: int, items: int) -> None:
        """Note a frame.

        Args:
            figure: what is counted, such as the accuracy of a task.
            right: items of the frame that count as right.
            items: those whose truth is known.
        """
        if not items:
            return
        frames, sums = self._frames.setdefault(figure, deque()), self._sums.setdefault(figure, [0, 0])
        frames.append((right, items))
        sums[0] += right
        sums[1] += items
        while sums[1] - frames[0][1] >= self._window_items:
            gone_right, gone_items = frames.popleft()
            sums[0] -= gone_right
            sums[1] -= gone_items

    def shares(self) -> dict[str, float]:
        """Of each figure the share of right answers, percent, in the order in which they were first noted."""
        return {figure: 100 * right / items for figure, (right, items) in self._sums.items()}
