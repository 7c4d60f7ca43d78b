# SPDX-License-Identifier: GPL-3.0-or-later
"""A description in another's words: a writer may join and reword its sentences, and may say nothing else.

A small language model that is asked to describe something invents, or takes the wrong entry. Here it gets the
template's sentences and what it writes is used only if (`fault_of`)

* it has every quote of the template with its marks, letter for letter and in the same order, and no other;
* between two quotes it has the same words of certainty and negation as the template, and the same numbers;
* every other word between two quotes stands there in the template, or is one of few that carry no content;
* it leaves out no word there that does carry content;
* each of its sentences has the mark of a source.

So no noun, number, name or degree of certainty can come in or change its place. Otherwise the template's text stays.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Protocol

from sdr_sc.errors import SdrScError
from sdr_sc.semantic.knowledge.description.statements import Description
from sdr_sc.semantic.knowledge.description.subject import Subject
from sdr_sc.semantic.knowledge.description.template import Describer
from sdr_sc.shown import shown

REWORDED, UNCHANGED, REFUSED, SLOW, FAILED, LEFT_OUT = "reworded", "unchanged", "refused", "slow", "failed", "left out"
MOST_SLOW = 3
"""Descriptions in a row that came too late or not at all, after which the writer is not asked any more."""
_LONGER = 1.5
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_SENTENCE_END = re.compile(r"[.!?](?:\s|$)")
_CERTAINTY = frozenset(
    "probably may might perhaps possibly likely likeliest certain certainly sure surely definitely clearly must not no "
    "nothing never none without cannot but although however another alone only disagree".split()
)
"""Words that have to be the same ones in the same place."""
_GLUE = frozenset(
    "a an the it its it's this that these them they their which what who and or with of by to in on for from as at is "
    "are be was were been has have had says say said saying while where whose here there so also then".split()
)
"""Words without content, which may be added or left out."""
_MAY_GO = frozenset("itself entry entries similarity".split())
"""Words of the template that may be left out."""


class TooSlowError(Exception):
    """A writer did not answer in time."""


class Writer(Protocol):
    """Writes a sentence in other words, such as a language model."""

    def write(self, text: str, timeout_s: float) -> str:
        """The text in other words.

        Raises:
            TooSlowError: it takes longer.
            SdrScError: it cannot.
        """
        ...


class RewordingDescriber:
    """Descriptions that a writer may reword.

    Args:
        describer: whose descriptions they are.
        writer: that is asked for each.
        timeout_s: that it has for a description.

    Attributes:
        counts: descriptions by what became of them: ``reworded``; ``unchanged``, where the writer had nothing to
            change; ``refused``; ``slow``; ``failed``; ``left out``, after `MOST_SLOW` in a row.
        reasons: why texts were refused, with their number.
        last_refused: the latest of these texts, as it came.
    """

    def __init__(self, describer: Describer, writer: Writer, timeout_s: float = 20.0) -> None:
        self._describer, self._writer, self._timeout_s = describer, writer, timeout_s
        self._in_a_row = 0
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.last_refused = ""

    def describe(self, known: Subject) -> Description:
        """See `Describer.describe`."""
        description = self._describer.describe(known)
        if self._in_a_row >= MOST_SLOW:
            self.counts[LEFT_OUT] += 1
            return description
        try:
            text = self._writer.write(description.text(), self._timeout_s).strip()
        except TooSlowError:
            return self._late(description, SLOW)
        except SdrScError:
            return self._late(description, FAILED)
        self._in_a_row = 0
        if text == description.text():
            self.counts[UNCHANGED] += 1
            return description
        fault = fault_of(description, text)
        if fault:
            self.counts[REFUSED] += 1
            self.reasons[fault] += 1
            self.last_refused = text
            return description
        self.counts[REWORDED] += 1
        return replace(description, reworded=text)

    def _late(self, description: Description, why: str) -> Description:
        self._in_a_row += 1
        self.counts[why] += 1
        return description


def fault_of(description: Description, text: str) -> str:
    """Why a text may not stand in place of a description's own; '' if it may.

    >>> from sdr_sc.semantic.knowledge.description.statements import Quote, Source, Statement
    >>> apple = Quote("apple", (Source("decoder", "the decoder"),))
    >>> said = Description((Statement(("It is probably ", apple, "."), "retrieval", 2),))
    >>> fault_of(said, 'This is probably an "apple" [d].')
    ''
    >>> fault_of(said, 'It is an "apple" [d].'), fault_of(said, 'It is probably a ripe "apple" [d].')
    ('says how sure it is in other words', 'has words of its own')
    """
    original = description.text()
    if not text or len(text) > _LONGER * len(original) + 40:
        return "is too long or empty"
    if shown(text) != text:
        return "has control characters"
    quotes = [quote.text() for statement in description.statements for quote in statement.quotes]
    own, theirs = _between(quotes, original), _between(quotes, text)
    assert own is not None
    if theirs is None:
        return "lacks a quote, or has them in another order"
    if any(sign in piece for piece in theirs for sign in '"[]“”'):
        return "has quotes or marks of its own"
    for before, after in zip(own, theirs, strict=True):
        if _numbers(before) != _numbers(after):
            return "has other numbers"
        had, has = _words(before), _words(after)
        if Counter(had & _CERTAINTY) != Counter(has & _CERTAINTY):
            return "says how sure it is in other words"
        if has - had - _GLUE:
            return "has words of its own"
        if had - has - _GLUE - _MAY_GO:
            return "leaves out what the template says"
    if any("[" not in sentence for sentence in _SENTENCE_END.split("[]".join(theirs)) if sentence.strip()):
        return "has a sentence without a source"
    return ""


def _between(quotes: list[str], text: str) -> list[str] | None:
    """What is before, between and after quotes; None unless all are there in this order."""
    found, start = [], 0
    for quote in quotes:
        place = text.find(quote, start)
        if place < 0:
            return None
        found.append(text[start:place])
        start = place + len(quote)
    return [*found, text[start:]]


def _words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORD.findall(text))


def _numbers(text: str) -> list[str]:
    return "".join(one if one.isnumeric() else " " for one in text).split()
