# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements that cannot be without a source, and the description that they make.

What a statement says of an item is quoted from somebody: a name, with the sources that said it. A statement is made of
such quotes and of plain words between them, at least one quote, and its sources are those of its quotes; so there is no
way to make one without a source. Quoted text is foreign: it gets short and plain, and cannot leave its quotation marks
or look like the mark of a source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sdr_sc.shown import shown

LONGEST_QUOTE = 60
"""Characters of a quoted name or text."""
LONGEST_STATEMENT = 600
"""Characters of a statement with its marks: more than the template's longest."""
_LOOKED_AT = 400  # characters of foreign text, of which the quote is the beginning
_UNLIKE_MARKS = str.maketrans({'"': "'", "[": "(", "]": ")"})
_FIRST, _END = "\u2068", "\u2069"  # isolates: what is between them does not turn the text around it

SourceKind = Literal["decoder", "base", "entry"]


def quoted(text: object, longest: int = LONGEST_QUOTE) -> str:
    """Foreign text as a part of a statement: one short line without control characters, quotation marks or brackets.

    >>> quoted('a "red"\\n  apple [d]\\x1b[2J'), quoted("x" * 10_000, 8)
    ("a 'red' apple (d)\\\\x1b(2J", 'xxxxxxx…')
    """
    plain = shown(" ".join(str(text)[:_LOOKED_AT].split())).translate(_UNLIKE_MARKS)
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


@dataclass(frozen=True)
class Source:
    """Who said something: the decoder ``[d]``, the base as a whole ``[b]``, or an entry, by its place ``[1]``.

    Attributes:
        kind: which of these.
        place: of an entry among the nearest, from 1 on; 0 otherwise.
        title: what it is called, plain text.
        origin: where it comes from, plain text; '' where that is not known.
        similarity: of an entry to what was received, cosine; None otherwise.
        entry_id: of an entry in its base; -1 otherwise.
        share: of the answer's probability, 0 to 1, that an entry gave.

    Raises:
        ValueError: an entry without a place, or something else with one.
    """

    kind: SourceKind
    title: str
    place: int = 0
    origin: str = ""
    similarity: float | None = None
    entry_id: int = -1
    share: float = 0.0

    def __post_init__(self) -> None:
        if (self.kind == "entry") is not (self.place >= 1):
            raise ValueError(f"a source of kind {self.kind!r} in place {self.place}")

    @property
    def mark(self) -> str:
        """In a statement.

        >>> Source("entry", "red apple", 2).mark, Source("decoder", "decoder").mark
        ('[2]', '[d]')
        """
        return f"[{self.place or self.kind[0]}]"

    def line(self) -> str:
        """In the list below a description.

        >>> Source("entry", "red apple", 1, "noto_emoji train 7", 0.934, share=0.5).line()
        '[1] red apple (noto_emoji train 7), similarity 0.93, 50 % of the answer'
        """
        origin = f" ({self.origin})" if self.origin else ""
        near = "" if self.similarity is None else f", similarity {self.similarity:.2f}"
        part = f", {100 * self.share:.0f} % of the answer" if self.share >= 0.005 else ""
        return f"{self.mark} {self.title}{origin}{near}{part}"


@dataclass(frozen=True)
class Quote:
    """Something that sources said.

    Attributes:
        name: what they said, foreign or not; the statement shows it as `quoted`.
        sources: who said it, at least one.
        detail: of it, such as a probability, in brackets behind it; '' for none.
        bare: leave the quotation marks out, for words of our own such as "nothing arrived".
        longest: characters of the name that are shown.

    Raises:
        ValueError: it has no source; or is bare, and foreign.
    """

    name: str
    sources: tuple[Source, ...]
    detail: str = ""
    bare: bool = False
    longest: int = LONGEST_QUOTE

    def __post_init__(self) -> None:
        if self.bare and quoted(self.name) != self.name:
            raise ValueError(f"{self.name[:80]!r} without quotation marks")
        if not self.sources or not all(isinstance(one, Source) for one in self.sources):
            raise ValueError(f"nobody said {self.name[:80]!r}")

    def text(self, isolated: bool = False) -> str:
        """With its marks.

        Args:
            isolated: put the name between characters that keep its direction of writing to itself, for a window or a
                page; a terminal does not know them.
        """
        name = quoted(self.name, self.longest)
        kept = f"{_FIRST}{name}{_END}" if isolated and not self.bare else name
        whole = kept if self.bare else f'"{kept}"'
        detail = f" ({self.detail})" if self.detail else ""
        return f"{whole}{detail} {''.join(source.mark for source in self.sources)}"


@dataclass(frozen=True)
class Statement:
    """One thing that is said of an item.

    Attributes:
        parts: quotes, and plain words between them.
        topic: what it is about: a task's name, ``entries`` or ``base``.
        certainty: how sure, from 3 (is) to 0 (nothing certain); see `sdr_sc.semantic.knowledge.description.certainty`.

    Raises:
        ValueError: nothing in it is quoted, or it is too long.
    """

    parts: tuple[str | Quote, ...]
    topic: str
    certainty: int = 3

    def __post_init__(self) -> None:
        if not any(isinstance(part, Quote) for part in self.parts):
            raise ValueError(f"a statement on {self.topic!r} without a source")
        if len(self.text()) > LONGEST_STATEMENT:
            raise ValueError(f"a statement on {self.topic!r} of {len(self.text())} characters")

    @property
    def quotes(self) -> tuple[Quote, ...]:
        """What is quoted, in its order."""
        return tuple(part for part in self.parts if isinstance(part, Quote))

    @property
    def sources(self) -> tuple[Source, ...]:
        """Who said it, each once, in the order of the text: at least one."""
        return tuple(dict.fromkeys(source for quote in self.quotes for source in quote.sources))

    def text(self, isolated: bool = False) -> str:
        """As a sentence with marks.

        Args:
            isolated: see `Quote.text`.
        """
        return "".join(part if isinstance(part, str) else part.text(isolated) for part in self.parts)


@dataclass(frozen=True)
class Description:
    """What is said of an item.

    Attributes:
        statements: the most important first, at least one.
        reworded: the same in other words, with every quote of the statements as it is there
            (`sdr_sc.semantic.knowledge.description.rewording`); '' for the statements' own.

    Raises:
        ValueError: there is no statement.
    """

    statements: tuple[Statement, ...]
    reworded: str = ""

    def __post_init__(self) -> None:
        if not self.statements:
            raise ValueError("a description without a statement")

    @property
    def sources(self) -> tuple[Source, ...]:
        """Of all statements, each once: the decoder, the base, and the entries by their place."""
        found = dict.fromkeys(source for statement in self.statements for source in statement.sources)
        return tuple(sorted(found, key=lambda source: (source.kind != "decoder", source.place)))

    def text(self, isolated: bool = False) -> str:
        """All sentences in a row, with marks.

        Args:
            isolated: see `Quote.text`.
        """
        if not self.reworded:
            return " ".join(statement.text(isolated) for statement in self.statements)
        text, start = self.reworded, 0
        for quote in (quote for statement in self.statements for quote in statement.quotes) if isolated else ():
            place = text.index(quote.text(), start)
            text = text[:place] + quote.text(True) + text[place + len(quote.text()) :]
            start = place + len(quote.text(True))
        return text

    def lines(self) -> list[str]:
        """The list of sources, a line each."""
        return [source.line() for source in self.sources]
