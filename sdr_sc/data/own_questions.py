# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of each item that is sent: one question of all, or one of its own out of the data set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_sc.data.asked import OWN_QUESTION, QUESTION, AskedSet, asked_items
from sdr_sc.data.dataset import Dataset
from sdr_sc.data.texts import clean_text

_SEED = 0x9E37


@dataclass(frozen=True)
class ItemsAsked:
    """One question about each item, or none.

    Attributes:
        texts: the questions, '' where nothing is asked of an item.
        answer: int32 (items,), places of what is right among the answers' names; -1 where it is not known.
    """

    texts: tuple[str, ...]
    answer: np.ndarray


def items_asked(data: Dataset, question: str, seed: int) -> ItemsAsked:
    """What is asked of the items of a data set, which is that of `sdr_sc.data.asked.asked_data`.

    Args:
        question: of all items, whose right answer is known of those that the data set asks it of; '' for none; or
            `OWN_QUESTION`, for one that the data set asks of the item, the same one each time that it is sent.
        seed: by which that is drawn.

    >>> from sdr_sc.data.texts import Texts
    >>> two = np.array([[0, 1], [1, 0]])
    >>> asked = AskedSet(np.zeros((2, 3, 8, 8), np.uint8), np.array([0, 0, 1]), Texts.of(["a", "b"]),
    ...                  np.array([0, 1, 1]), np.array([1, 0, 1]), ("yes", "no"), 9, "", "test", "", "")
    >>> found = items_asked(asked.pictures_once(), "*", 1)
    >>> found.texts[1], found.answer[1], found.texts[0] in ("a", "b")
    ('b', 1, True)
    >>> items_asked(asked.pictures_once(), "B", 1).answer.tolist()
    [0, 1]
    """
    count, asked = len(data), asked_items(data)
    if not question or asked is None:
        return ItemsAsked(("",) * count, np.full(count, -1, np.int32))
    if question != OWN_QUESTION:
        if isinstance(data, AskedSet):  # the items of one question
            return ItemsAsked((question,) * count, data.targets(QUESTION, np.arange(count)))
        wanted = clean_text(question).casefold()
        place = [number for number, text in enumerate(asked.texts) if text.casefold() == wanted]
        is_it = np.isin(asked.question, place)
        answer = np.where(is_it.any(axis=1), asked.answer[np.arange(count), is_it.argmax(axis=1)], -1)
        return ItemsAsked((question,) * count, answer.astype(np.int32))
    known = (asked.question >= 0).sum(axis=1)
    column = (np.random.default_rng((_SEED, seed)).random(count) * known).astype(np.int64)
    number, answer = asked.question[np.arange(count), column], asked.answer[np.arange(count), column]
    texts = [*asked.texts]
    return ItemsAsked(tuple(texts[one] if one >= 0 else "" for one in number.tolist()), answer.astype(np.int32))
