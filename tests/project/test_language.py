# SPDX-License-Identifier: GPL-3.0-or-later
"""Comments, docstrings, messages and pages use the field's words: odd ones are found, with what to write instead."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import ROOT

INSTEAD = {
    "anew": "again, restart",
    "mend": "fix, correct",
    "mends": "fixes, corrects",
    "mended": "fixed, corrected",
    "oftener": "more often",
    "rightly": "correctly",
    "so-manieth": "every M-th",
    "told": "reported, given, stated",
    "tells": "reports, says, shows, announces",
    "whence": "from which",
    "whilst": "while",
}
"""Word -> what to write instead."""
ALLOWED = re.compile(r"\b[Tt](old|ells)(\s+\w+){0,3}\s+apart\b|id: told$|^\s*told:|, told,|, or told of the SigMF")
"""What stays: to tell one thing from another, and the port `told` of the SigMF source."""
FOLDERS = ("sdr_sc", "docs", "tests", "captures", "flowgraphs", "benchmarks", "examples")
SUFFIXES = {".py", ".md", ".yml", ".yaml", ".j2", ".grc", ".cpp", ".hpp"}
ODD = re.compile(rf"(?<![\w`\"'.])({'|'.join((*INSTEAD, *map(str.capitalize, INSTEAD)))})(?![\w`\"'=(])")
PARAMETER = re.compile(r"^\s*(\w+, )*(told|mend)(, \w+)*:", re.MULTILINE)
"""A parameter's entry in a docstring."""


def prose(text: str, suffix: str) -> Iterator[tuple[int, str]]:
    """First line's number and text of what is prose in a file: all of a page, comments and strings of Python."""
    if suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        # A string of words and commas, or with code in braces, may be names: parameters of a test.
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
        elif token.type == tokenize.STRING and not re.fullmatch(r"[bfr]*[\"'](\w+, )*\w+[\"']", token.string):
            yield token.start[0], re.sub(r"\{[^{}]*\}|``[^`]*``|>>>.*", "", PARAMETER.sub("", token.string))


def odd_words(path: Path) -> list[str]:
    """Places of odd words in a file."""
    text, found = path.read_text(encoding="utf-8"), []
    if not ODD.search(text):
        return []
    for number, piece in prose(text, path.suffix):
        for match in ODD.finditer(ALLOWED.sub("", re.sub(r"`[^`\n]*`", "", piece))):
            line = number + piece[: match.start()].count("\n")
            found.append(f"{path.name}:{line}: {match[0]!r}, write {INSTEAD[match[0].lower()]}")
    return found


def test_the_words_of_the_field_are_used() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    ours = [path for path in (*files, *ROOT.glob("*.md")) if path.name != Path(__file__).name]
    assert len(ours) > 500
    assert not (places := [place for path in ours for place in odd_words(path)]), "\n".join(places)


@pytest.mark.parametrize("line, is_odd", [
    ("x = 1  # what mends it", True), ('"""The page tells more."""', True), ("told = tells(told)", False),
    ('"""Twins cannot be told apart."""', False), ('x = f"{told} items"', False), ('ids = "text, told"', False),
])  # fmt: skip
def test_names_of_variables_are_left_alone(line: str, is_odd: bool, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(line + "\n")
    assert bool(odd_words(tmp_path / "a.py")) is is_odd
