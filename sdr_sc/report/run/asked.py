# SPDX-License-Identifier: GPL-3.0-or-later
"""What the items of a run were asked, and how often it was answered right: a table of the page."""

from __future__ import annotations

import numpy as np

MOST_QUESTIONS = 12
"""That a table lists, the most frequent ones; the others are one row."""


def asked_rows(question: np.ndarray, correct: np.ndarray) -> list[dict[str, str]]:
    """For the page's template, the most frequent question first; nothing where nothing was asked.

    Args:
        question: object, str (items,); '' for nothing.
        correct: float (items,), 1 where the answer is right, NaN where it is not known what is.

    >>> asked = np.array(["what?", "", "why?", "what?", "what?"], object)
    >>> for row in asked_rows(asked, np.array([1.0, np.nan, np.nan, 0.0, 1.0])):
    ...     print(*row.values())
    what? 3 66.7 %
    why? 1 –
    """
    number: dict[str, int] = {"": 0}
    places = np.fromiter((number.setdefault(text, len(number)) for text in question), np.int64, len(question))
    known = np.isfinite(correct)
    items = np.bincount(places, minlength=len(number))
    judged = np.bincount(places[known], minlength=len(number))
    right = np.bincount(places[known], correct[known], len(number))
    texts = [*number]
    order = [place for place in np.argsort(-items, kind="stable").tolist() if place]
    rows = [(texts[place], [place]) for place in order[:MOST_QUESTIONS]]
    others = order[MOST_QUESTIONS:]
    if others:
        rows.append((f"{len(others):,} other questions", others))
    return [
        {
            "question": text,
            "items": f"{items[some].sum():,}",
            "right": f"{100 * right[some].sum() / judged[some].sum():.1f} %" if judged[some].sum() else "–",
        }
        for text, some in rows
    ]
