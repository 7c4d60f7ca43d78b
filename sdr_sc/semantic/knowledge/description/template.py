# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptions by a fixed template: the same ones for the same answers and entries, of plain text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

from sdr_sc.semantic.knowledge.description.certainty import OPEN, certainty_of, words_of
from sdr_sc.semantic.knowledge.description.statements import Description, Quote, Source, Statement, quoted
from sdr_sc.semantic.knowledge.description.subject import USED, NearEntry, Subject
from sdr_sc.semantic.shown_answers import ShownAnswer

DECODER = Source("decoder", "the decoder of the model")
LEAST_SHARE = 0.05
"""Of an answer's probability, from which on an entry is one of its sources."""
MOST_NAMED = 3
"""Entries that a statement names."""
_LONGEST_TEXT = 160
_NOT_COMPARED = {"retrieval", "question"}
"""Tasks that entries have an answer to of their own, which is no class that an item shares with them."""
_SUBJECTS = {"classification": "Its class", "subgroup": "Its group", "retrieval": "The thing itself"}
_CLASSES = {"classification": "class", "subgroup": "group"}


class Describer(Protocol):
    """Says in a few statements what a receiver knows of an item."""

    def describe(self, known: Subject) -> Description:
        """A description, of at least one statement.

        Args:
            known: what is known.
        """
        ...


class TemplateDescriber:
    """The describer by default."""

    def describe(self, known: Subject) -> Description:
        """See `Describer.describe`."""
        answered = [answer for answer in known.answers if answer.answers]
        if not answered:
            return Description((*_without(known.answers), *_base_aside(known)))
        sources = _entry_sources(known.entries)
        found = [_answer(answer, known, sources) for answer in answered]
        found += [
            statement for answer in answered for statement in _differing(answer, known, sources) if answer.answers[0][0]
        ]
        return Description((*found, *_nearest(known, sources), *_base_aside(known)))


def base_source(known: Subject) -> Source:
    """The base as a whole."""
    return Source("base", f"the knowledge base {quoted(known.base_name)}".rstrip())


def _entry_sources(entries: Sequence[NearEntry]) -> dict[int, Source]:
    """Sources of the entries that could be read, by their place among them."""
    return {
        place: Source(
            "entry", quoted(near.entry.title), place, _origin(near.entry.source, near.is_local),
            _cosine(near), near.number, _share(near),
        )
        for place, near in enumerate(entries, start=1)
        if near.entry is not None
    }  # fmt: skip


def _origin(source: str, is_local: bool) -> str:
    plain = quoted(source)
    return f"received here before{', ' if plain else ''}{plain}" if is_local else plain


def _answer(answer: ShownAnswer, known: Subject, sources: dict[int, Source]) -> Statement:
    name, probability = answer.answers[0]
    calibrated = answer.task in known.calibrated
    certainty = certainty_of(probability, calibrated)
    percent = f"{100 * probability:.0f} %" if probability is not None and calibrated and 0 <= probability <= 1 else ""
    quote = Quote(name, _who_said(name, answer.task, known, sources), percent)
    subject = _subject(answer.task, known)
    if certainty == OPEN:
        of = subject[0].lower() + subject[1:]
        parts: tuple[str | Quote, ...] = (f"Nothing certain can be said of {of}; the likeliest is ", quote, ".")
    else:
        parts = (f"{subject} {words_of(certainty)} ", quote, ".")
    return Statement(parts, answer.task, certainty)


def _subject(task: str, known: Subject) -> str:
    if task == "question":
        return f"The answer to '{quoted(known.question)}'" if known.question else "The answer to the question"
    return _SUBJECTS.get(task, f"The answer of task {quoted(task)}")


def _who_said(name: str, task: str, known: Subject, sources: dict[int, Source]) -> tuple[Source, ...]:
    """Decoder and entries that an answer comes from: at least one of them, or the base as a whole."""
    if task != known.task or known.base != USED:
        return (DECODER,)
    alone = known.alone.get(task, name)
    entries = [
        sources[place]
        for place, near in sorted(enumerate(known.entries, start=1), key=lambda one: -_share(one[1]))
        if place in sources and _share(near) >= LEAST_SHARE and near.entry and near.entry.answers.get(task) == name
    ]
    who = (*((DECODER,) if alone == name else ()), *entries[:MOST_NAMED])
    return who or (base_source(known),)


def _share(near: NearEntry) -> float:
    return min(max(near.share, 0.0), 1.0) if math.isfinite(near.share) else 0.0


def _cosine(near: NearEntry) -> float | None:
    return near.similarity if abs(near.similarity) < 1.005 else None


def _differing(answer: ShownAnswer, known: Subject, sources: dict[int, Source]) -> Iterator[Statement]:
    """Where the decoder alone, or most entries, or the nearest, say something else than the answer."""
    name, task = answer.answers[0][0], answer.task
    kind = _CLASSES.get(task, f"answer to task {quoted(task)}")
    alone = known.alone.get(task, "") if task == known.task and known.base == USED else ""
    if alone and alone != name:
        yield Statement(
            (f"The decoder alone says the {kind} ", Quote(alone, (DECODER,)), ", and the entries of the base another, ",
             Quote(name, _who_said(name, task, known, sources)), "."), task,
        )  # fmt: skip
        return
    if task in _NOT_COMPARED:
        return
    said = [
        (place, near.entry.answers[task])
        for place, near in enumerate(known.entries, start=1)
        if near.entry is not None and near.entry.answers.get(task)
    ]
    others = [(place, other) for place, other in said if other != name]
    if not others or (said[0][1] == name and 2 * len(others) <= len(said)):
        return
    first = others[0][1]
    who = tuple(sources[place] for place, other in others if other == first)[:MOST_NAMED]
    some = f"{len(others)} of the" if len(others) < len(said) else "all"
    among = "the one entry" if len(said) == 1 else f"{some} {len(said)} entries looked up"
    yield Statement((f"The decoder and {among} disagree on the {kind}: nearest is ", Quote(first, who), "."), task)


def _nearest(known: Subject, sources: dict[int, Source]) -> Iterator[Statement]:
    if known.base != USED:
        return
    if not known.entries:
        yield Statement(
            ("Of this item the base has ", Quote("no entry", (base_source(known),), bare=True), "."), "base"
        )
        return
    near = [(place, one.entry) for place, one in enumerate(known.entries, start=1) if one.entry is not None]
    if not near:
        unread = Quote("cannot be read", (base_source(known),), quoted(known.entries[0].fault), bare=True)
        yield Statement(("The nearest entry ", unread, "."), "entries")
        return
    titles: dict[str, list[int]] = {}
    for place, entry in near:
        titles.setdefault(entry.title, []).append(place)
    parts: list[str | Quote] = ["The nearest entry is " if len(near) == 1 else "The nearest entries are "]
    for count, (title, places) in enumerate(list(titles.items())[:MOST_NAMED]):
        score = sources[places[0]].similarity
        detail = "" if score is None else f"{'similarity ' if not count else ''}{score:.2f}"
        parts += [", " if count else "", Quote(title, tuple(sources[place] for place in places[:MOST_NAMED]), detail)]
    yield Statement((*parts, "."), "entries")
    place, first = near[0]
    if first.text.strip() and quoted(first.text, _LONGEST_TEXT) != quoted(first.title, _LONGEST_TEXT):
        said = Quote(quoted(first.text, _LONGEST_TEXT), (sources[place],), longest=_LONGEST_TEXT)
        yield Statement(("The first says ", said, "."), "entries")


def _without(answers: Sequence[ShownAnswer]) -> Iterator[Statement]:
    """Of an item without answers."""
    reasons = {answer.without for answer in answers}
    if not answers:
        parts: tuple[str | Quote, ...] = ("Nothing certain can be said: ", _bare("nothing was asked"), ".")
    elif "no number" in reasons:
        parts = ("Nothing certain can be said: of this item the model gave ", _bare("no number"), ".")
    elif "not sure" in reasons:
        parts = ("Nothing certain can be said: the decoder is ", _bare("not sure"), ".")
    elif reasons == {"none"}:
        parts = ("Nothing certain can be said: for such an item there is ", _bare("no answer"), ".")
    else:
        parts = ("Nothing certain can be said: of this item ", _bare("nothing arrived"), ".")
    yield Statement(parts, answers[0].task if answers else "item", OPEN)


def _bare(words: str) -> Quote:
    return Quote(words, (DECODER,), bare=True)


def _base_aside(known: Subject) -> Iterator[Statement]:
    """Of a base that had no part."""
    if known.base and known.base != USED:
        off = Quote("was not asked", (base_source(known),), quoted(known.base), bare=True)
        yield Statement(("The knowledge base ", off, "."), "base")
