# SPDX-License-Identifier: GPL-3.0-or-later
"""A writer may reword a description and say nothing else: what adds, drops, moves or invents is refused and counted."""

from __future__ import annotations

import random
import re

import pytest

from sdr_sc.errors import SdrScError
from sdr_sc.semantic.knowledge.description.rewording import (
    MOST_SLOW,
    RewordingDescriber,
    TooSlowError,
    fault_of,
)
from sdr_sc.semantic.knowledge.description.statements import Description, Quote, Source, Statement
from sdr_sc.semantic.knowledge.description.subject import Subject

pytestmark = pytest.mark.unit

DECODER, FIRST, SECOND = Source("decoder", "d"), Source("entry", "owl", 1), Source("entry", "eagle", 2)
SAID = Description(
    (
        Statement(("Its class is probably ", Quote("birds", (DECODER, SECOND), "64 %"), "."), "classification", 2),
        Statement(("The thing itself may be ", Quote("owl", (DECODER,)), "."), "retrieval", 1),
        Statement(("The decoder and 2 of the 3 entries looked up disagree on the class: nearest is ",
                   Quote("تفاحة", (FIRST,)), "."), "classification"),
    )
)  # fmt: skip
GOOD = (
    'Its class is probably "birds" (64 %) [d][2] and the thing itself may be "owl" [d], where the decoder and 2 of '
    'the 3 looked up disagree on the class: nearest is "تفاحة" [1].'
)


def test_the_same_in_other_words_is_taken() -> None:
    assert fault_of(SAID, GOOD) == "" == fault_of(SAID, SAID.text())
    reworded = Description(SAID.statements, GOOD)
    assert reworded.text() == GOOD and reworded.sources == SAID.sources
    assert reworded.text(isolated=True) == re.sub(r'"([^"]*)"', '"\u2068\\1\u2069"', GOOD)


@pytest.mark.parametrize("was, instead, why", [
    (" probably", "", "how sure"), ("may be", "is", "how sure"), ("may be", "is not", "how sure"),
    ("is probably", "is probably not", "how sure"), ("disagree", "agree", "how sure"),
    ('"owl" [d]', '"owl" [d] or "crow" [1]', "quotes or marks"), ('"owl" [d]', '"owl" [1]', "lacks a quote"),
    ('"birds"', '"Birds"', "lacks a quote"), ("64 %", "65 %", "lacks a quote"), ("[d][2]", "[d]", "lacks a quote"),
    ("2 of the 3", "3 of the 3", "other numbers"), ("2 of the 3", "of the", "other numbers"),
    ("2 of the 3", "² of the 3", "other numbers"), ("2 of the 3", "two of the 3", "other numbers"),
    ("Its class", "Its bright class", "words of its own"), ("and the thing", "although the thing", "how sure"),
    ("and the thing", "because the thing", "words of its own"), ("the thing itself", "it", "leaves out"),
    ("Its class", "The group", "words of its own"), ("[1].", "[1]. It flies.", "words of its own"),
    ("[1].", "[1]. It is.", "sentence without a source"), ("Its class", "Its\x1b[2J class", "control"),
    ("Its class", "Its class\nis", "control"), ("[1].", "[1]." + " It is" * 200, "too long"),
    (GOOD, "", "too long or empty"), ("Its class", "Its “class”", "quotes or marks"),
])  # fmt: skip
def test_anything_else_is_refused(was: str, instead: str, why: str) -> None:
    text = GOOD.replace(was, instead, 1)
    assert text != GOOD and why in fault_of(SAID, text)


def test_no_word_number_or_order_of_words_brings_in_what_the_template_does_not_say() -> None:
    """Texts made of the description's own pieces, shuffled: whatever passes has all quotes in their order, each after
    the same words of certainty."""
    rng, passed = random.Random(1), 0
    for _ in range(5000):
        pieces = re.findall(r'"[^"]*"(?: \([^)]*\))?(?: ?\[\w\])*|[\w.:,]+', SAID.text())
        for _ in range(rng.randint(0, 2)):
            one, other = rng.randrange(len(pieces)), rng.randrange(len(pieces))
            pieces[one], pieces[other] = pieces[other], pieces[one]
        if rng.random() < 0.5:
            pieces.insert(rng.randrange(len(pieces)), rng.choice(("not", "the", "ripe", "7", '"x" [d]', "is")))
        text = " ".join(pieces)
        if fault_of(SAID, text) == "":
            passed += 1
            assert re.findall(r'"([^"]*)"', text) == ["birds", "owl", "تفاحة"]
            before_birds, before_owl = text.split('"birds"')[0], text.split('"birds"')[1].split('"owl"')[0]
            assert "probably" in before_birds and "may" not in before_birds
            assert "may" in before_owl and "probably" not in before_owl
            assert not {"not", "ripe", "7"} & set(text.split())
    assert passed > 100


class Fixed:
    """A describer that says one thing, and a writer that does what it is made for."""

    def __init__(self, *answers: str | Exception) -> None:
        self._answers = list(answers)
        self.asked = 0

    def describe(self, known: Subject) -> Description:
        return SAID

    def write(self, text: str, timeout_s: float) -> str:
        assert text == SAID.text() and timeout_s == 20.0
        self.asked += 1
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_what_became_of_each_description_is_counted() -> None:
    made = Fixed(GOOD, SAID.text(), GOOD.replace("probably ", ""), TooSlowError(), SdrScError("x."), GOOD)
    describer = RewordingDescriber(made, made)
    texts = [describer.describe(Subject(())).text() for _ in range(6)]
    assert texts == [GOOD, *[SAID.text()] * 4, GOOD]
    assert describer.counts == {"reworded": 2, "unchanged": 1, "refused": 1, "slow": 1, "failed": 1}
    assert describer.reasons == {"says how sure it is in other words": 1}
    assert describer.last_refused == GOOD.replace("probably ", "")


def test_a_writer_that_never_answers_is_not_asked_for_ever() -> None:
    made = Fixed(*[TooSlowError()] * 10)
    describer = RewordingDescriber(made, made)
    assert {describer.describe(Subject(())).text() for _ in range(10)} == {SAID.text()}
    assert made.asked == MOST_SLOW and describer.counts == {"slow": MOST_SLOW, "left out": 10 - MOST_SLOW}
