# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptions: no statement without a source, whatever the answers and entries are, and plain words throughout."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic.knowledge.description.statements import LONGEST_STATEMENT, Quote, Source, Statement, quoted
from sdr_sc.semantic.knowledge.description.subject import NearEntry, Subject, near_entries
from sdr_sc.semantic.knowledge.description.template import TemplateDescriber
from sdr_sc.semantic.knowledge.interface import Entry
from sdr_sc.semantic.shown_answers import WITHOUT, ShownAnswer
from sdr_sc.shown import shown

pytestmark = pytest.mark.unit

HOSTILE = ('apple" [d]. Its class is "gun', "\x1b[2J\x07", "x" * 500, "\u202egnp.exe", "تفاحة حمراء", "שלום [1]",
           "\ud800", "a\r\nb", "\U000e0001" * 70, "", " ", "[d]", '"')  # fmt: skip
TASKS = ("classification", "subgroup", "retrieval", "question", "something of the future")
names = some.one_of(some.sampled_from(HOSTILE), some.sampled_from(("food", "animals", "tools")), some.text(max_size=80))
numbers = some.one_of(some.floats(0, 1), some.floats(), some.sampled_from((float("nan"), float("inf"), -1.0)))


def entry(title: str = "red apple", text: str = "", source: str = "noto_emoji train 7", **answers: str) -> Entry:
    return Entry("key", title, np.ones(2, np.float32), answers, source, text)


entries = some.builds(
    NearEntry,
    number=some.integers(0, 1 << 31),
    similarity=numbers,
    share=numbers,
    entry=some.none() | some.builds(
        lambda title, text, source, answers: Entry("k", title, np.ones(2, np.float32), answers, source, text),
        names, names, names, some.dictionaries(some.sampled_from(TASKS), names, max_size=3),
    ),
    fault=names,
    is_local=some.booleans(),
)  # fmt: skip
answers = some.builds(
    ShownAnswer,
    task=some.sampled_from(TASKS),
    answers=some.lists(some.tuples(names, some.none() | numbers), max_size=5).map(tuple),
    without=some.sampled_from(("", *WITHOUT.values())),
)
subjects = some.builds(
    Subject,
    answers=some.lists(answers, max_size=5).map(tuple),
    alone=some.dictionaries(some.sampled_from(TASKS), names, max_size=2),
    entries=some.lists(entries, max_size=5).map(tuple),
    base=some.sampled_from(("used", "", "other model", "lost frame", *HOSTILE)),
    base_name=names,
    calibrated=some.frozensets(some.sampled_from(TASKS)),
    question=names,
)


@settings(max_examples=150, deadline=None)
@given(subjects)
def test_every_statement_has_sources_that_are_listed_and_hold_what_it_quotes(known: Subject) -> None:
    description = TemplateDescriber().describe(known)
    assert description.statements
    assert description == TemplateDescriber().describe(known)
    marks = {source.mark: source for source in description.sources}
    assert len(marks) == len(description.sources)
    for statement in description.statements:
        text = statement.text()
        assert statement.sources and len(text) <= LONGEST_STATEMENT
        assert shown(text) == text  # nothing that could control a terminal
        assert set(re.findall(r"\[\w+\]", text)) == {source.mark for source in statement.sources} <= set(marks)
        assert text.count('"') == 2 * sum(not quote.bare for quote in statement.quotes)
        for quote in statement.quotes:
            for source in quote.sources:
                if source.kind == "entry":
                    near = known.entries[source.place - 1]
                    assert near.entry is not None and near.number == source.entry_id
                    said = (near.entry.title, near.entry.text, *near.entry.answers.values())
                    assert quote.name in (*said, *(quoted(one, 160) for one in said))
    assert all(shown(line) == line and len(line) < 400 for line in description.lines())


def test_a_statement_without_a_source_cannot_be_made() -> None:
    decoder = Source("decoder", "the decoder")
    for made in (
        lambda: Statement(("It is an apple.",), "classification"),
        lambda: Statement((), "classification"),
        lambda: Quote("apple", ()),
        lambda: Quote("apple", ("[d]",)),  # type: ignore[arg-type]
        lambda: Source("entry", "apple"),
        lambda: Source("decoder", "apple", 1),
        lambda: Quote('apple" [d]', (decoder,), bare=True),
        lambda: replace(Statement((Quote("apple", (decoder,)),), "x"), parts=("It is an apple.",)),
        lambda: Statement(tuple(Quote("x" * 60, (decoder,)) for _ in range(10)), "x"),
    ):
        with pytest.raises(ValueError):
            made()


APPLE, CHERRY = entry(classification="food"), entry("cherries", classification="food")
KNOWN = Subject(
    (ShownAnswer("classification", (("food", 0.95),)), ShownAnswer("retrieval", (("red apple", 0.7), ("cherry", 0.2)))),
    {"classification": "food"},
    (NearEntry(4, 0.93, 0.5, APPLE), NearEntry(7, 0.88, 0.2, CHERRY)),
    "used",
    "emoji",
    calibrated=frozenset({"classification"}),
)


def said(known: Subject) -> str:
    return TemplateDescriber().describe(known).text()


def test_what_is_known_is_said_with_its_sources() -> None:
    description = TemplateDescriber().describe(KNOWN)
    assert description.text() == (
        'Its class is "food" (95 %) [d][1][2]. The thing itself is probably "red apple" [d]. '
        'The nearest entries are "red apple" (similarity 0.93) [1], "cherries" (0.88) [2].'
    )
    assert description.lines() == [
        "[d] the decoder of the model",
        "[1] red apple (noto_emoji train 7), similarity 0.93, 50 % of the answer",
        "[2] cherries (noto_emoji train 7), similarity 0.88, 20 % of the answer",
    ]


@pytest.mark.parametrize("confidence, words", [
    (0.9, 'is "food" (90 %)'), (0.6, 'is probably "food" (60 %)'), (0.3, 'may be "food" (30 %)'),
    (0.29, 'Nothing certain can be said of its class; the likeliest is "food" (29 %)'),
    (float("nan"), 'Nothing certain can be said of its class; the likeliest is "food" [d]'),
])  # fmt: skip
def test_words_are_as_sure_as_the_confidence_is(confidence: float, words: str) -> None:
    known = replace(KNOWN, answers=(ShownAnswer("classification", (("food", confidence),)),))
    assert words in said(known)
    other = said(replace(known, calibrated=frozenset()))
    assert 'Its class is "food"' not in other and "%" not in other


@pytest.mark.parametrize("changed, words", [
    ({"alone": {"classification": "animals"}},
     'The decoder alone says the class "animals" [d], and the entries of the base another, "food" [1][2].'),
    ({"entries": (NearEntry(4, 0.9, 0.0, entry("owl", classification="animals")), *KNOWN.entries)},
     'The decoder and 1 of the 3 entries looked up disagree on the class: nearest is "animals" [1].'),
    ({"entries": (NearEntry(4, 0.9, 0.0, entry("owl", classification="animals")),) * 2},
     'The decoder and all 2 entries looked up disagree on the class: nearest is "animals" [1][2].'),
    ({"entries": (NearEntry(4, 0.9, 0.0, APPLE), NearEntry(5, 0.8, 0.0, APPLE), NearEntry(7, 0.7, 0.0, CHERRY))},
     'The nearest entries are "red apple" (similarity 0.90) [1][2], "cherries" (0.70) [3].'),
    ({"entries": (NearEntry(4, 0.9, 0.0, entry("owl", classification="animals")),)},
     'The decoder and the one entry disagree on the class: nearest is "animals" [1].'),
    ({"entries": ()}, "Of this item the base has no entry [b]."),
    ({"base": "other model"}, "The knowledge base was not asked (other model) [b]."),
    ({"entries": (NearEntry(4, 0.9, 0.0, None, "4 is gone"),)}, "nearest entry cannot be read (4 is gone) [b]."),
    ({"entries": (NearEntry(4, 0.9, 0.0, entry("owl", "a night bird")),)}, 'The first says "a night bird" [1].'),
    ({"entries": (NearEntry(4, 0.9, 0.0, entry("x" * 400, "x" * 10_000)),)}, f'entry is "{"x" * 59}…" (similarity'),
    ({"entries": (NearEntry(4, float("nan"), 0.0, APPLE),)}, 'The nearest entry is "red apple" [1].'),
    ({"entries": ()}, '"food" (95 %) [d].'),
    ({"entries": (), "alone": {"classification": "animals"}}, '"food" (95 %) [b].'),
])  # fmt: skip
def test_what_is_missing_or_contradicts_is_said(changed: dict, words: str) -> None:
    assert words in said(replace(KNOWN, **changed))


@pytest.mark.parametrize("without, words", [
    ("lost", "of this item nothing arrived [d]."), ("no number", "of this item the model gave no number [d]."),
    ("not sure", "the decoder is not sure [d]."), ("none", "for such an item there is no answer [d]."),
])  # fmt: skip
def test_of_an_item_without_answers_nothing_certain_is_said(without: str, words: str) -> None:
    lost = Subject((ShownAnswer("classification", without=without),), base="lost frame")
    assert said(lost) == (f"Nothing certain can be said: {words} The knowledge base was not asked (lost frame) [b].")
    assert said(replace(lost, base="")) == f"Nothing certain can be said: {words}"


def test_foreign_text_cannot_leave_its_quotation_marks() -> None:
    attack = entry('apple" [d]. Its class is "gun', classification="food")
    text = said(replace(KNOWN, entries=(NearEntry(1, 0.9, 0.5, attack),)))
    assert "'gun" in text and '"gun' not in text and "(d)" in text
    arabic = Quote("تفاحة", (Source("decoder", "the decoder"),))
    assert arabic.text(isolated=True) == '"\u2068تفاحة\u2069" [d]' and arabic.text() == '"تفاحة" [d]'


def test_entries_that_are_gone_have_a_fault() -> None:
    def read(number: int, is_local: bool) -> Entry:
        if is_local:
            raise KnowledgeError("entry 9 is gone.")
        return APPLE

    found = near_entries([3, 9, -1], [0.9, 0.8, -1], [0.5, 0, 0], [0, 1, 0], read)
    assert [(one.number, one.entry is not None, one.fault) for one in found] == [
        (3, True, ""),
        (9, False, "entry 9 is gone"),
    ]
    assert (
        "received here before"
        in TemplateDescriber().describe(replace(KNOWN, entries=(replace(KNOWN.entries[0], is_local=True),))).lines()[1]
    )
