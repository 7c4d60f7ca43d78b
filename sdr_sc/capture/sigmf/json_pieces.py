# SPDX-License-Identifier: GPL-3.0-or-later
"""A SigMF metadata file piece by piece: an hour of frames is a gigabyte of JSON, which must not fill the memory."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from typing import Any

from sdr_sc.documents import DEPTH_LIMIT, nested_deeper, unique_keys
from sdr_sc.shown import shown

LISTS = ("captures", "annotations")
"""The members of the file's object that are given element by element."""

BEGIN = object()
"""Given in place of an element where one of these lists begins."""

_SPACE = " \t\r\n"
_OPEN = ("expecting value", "unterminated string starting at")  # what a cut within a value looks like
_FAR = 1 << 16  # characters before the end of what was read, beyond which a fault is no matter of the end
_LONGEST = 1 << 28  # characters of one value


class BrokenJson(Exception):  # noqa: N818
    """The text is not JSON, or not an object; the message says where."""


def pieces(chunks: Iterable[bytes], not_json: list[str] | None = None) -> Iterator[tuple[str, Any]]:
    """Members of the object that a UTF-8 text holds, in their order.

    Args:
        chunks: the text's bytes, cut anywhere.
        not_json: gets the words ``NaN``, ``Infinity``, ``-Infinity``, which Python reads and JSON does not know.

    Yields:
        Key and value; of the lists in `LISTS`, key and `BEGIN`, then key and element for each element.

    Raises:
        BrokenJson: after all that came before the fault.

    >>> [(key, piece) for key, piece in pieces([b'{"global": {"a": 1}, "captu', b'res": [{"b": 2}, {}]}'])
    ...  if piece is not BEGIN]
    [('global', {'a': 1}), ('captures', {'b': 2}), ('captures', {})]
    """
    return _Text(chunks, not_json)._members()


class _Text:
    """Text that arrives in chunks; what has been used is dropped."""

    def __init__(self, chunks: Iterable[bytes], not_json: list[str] | None) -> None:
        self._chunks = iter(chunks)
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._text, self._at, self._line, self._ended = "", 0, 1, False
        self._decoder = json.JSONDecoder(parse_constant=self._constant, object_pairs_hook=unique_keys)
        self._not_json = not_json

    def _constant(self, word: str) -> float:
        if self._not_json is not None and word not in self._not_json:
            self._not_json.append(word)
        return float(word)

    def _more(self) -> bool:
        """Read as much again as is held, so that a long value is not parsed over and over; False at the end."""
        wanted, read = len(self._text) - self._at, []
        while wanted >= 0 and not self._ended:
            chunk = next(self._chunks, None)
            self._ended = chunk is None
            try:
                read.append(self._utf8.decode(chunk or b"", final=self._ended))
            except UnicodeDecodeError as error:
                raise BrokenJson(f"it is not UTF-8 text ({error.reason})") from None
            wanted -= max(len(read[-1]), 1)
        self._line += self._text.count("\n", 0, self._at)
        self._text, self._at = self._text[self._at :] + "".join(read), 0
        return any(read) or not self._ended

    def _fail(self, what: str, at: int | None = None) -> BrokenJson:
        place = self._at if at is None else at
        line = self._line + self._text.count("\n", 0, place)
        rest = self._text[place:].rstrip()
        cut = "; the file is cut off" if self._ended and (not rest or what in _OPEN and rest[-1] != "}") else ""
        return BrokenJson(f"it is not JSON: {what} in line {line}{cut}")

    def _peek(self) -> str:
        """The next character that is no space; ``""`` at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _expect(self, allowed: str) -> str:
        found = self._peek()
        if not found or found not in allowed:
            raise self._fail(f"{' or '.join(allowed)} is missing")
        self._at += 1
        return found

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, stop = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                # A string without an end is reported at its beginning, all else where it is.
                near = error.pos >= len(self._text) - _FAR or error.msg.startswith("Unterminated")
                further = error.pos - self._at
                if not near or len(self._text) > _LONGEST or not self._more():
                    raise self._fail(error.msg.lower(), self._at + further) from None
            except RecursionError:
                raise self._fail("it is nested too deeply") from None
            except ValueError as error:
                text = str(error)
                raise self._fail("a number of thousands of digits" if "digits" in text else text) from None
            else:
                length = stop - self._at
                # Counting brackets is quick; only what has many of them is looked at closely.
                brackets = self._text.count("[", self._at, stop) + self._text.count("{", self._at, stop)
                if brackets > DEPTH_LIMIT and nested_deeper(value, DEPTH_LIMIT):
                    raise self._fail("it is nested too deeply")
                if stop < len(self._text) or not self._more():  # a number may go on in the next chunk
                    self._at += length
                    return value

    def _members(self) -> Iterator[tuple[str, Any]]:
        if self._peek() != "{":
            raise BrokenJson("it is empty" if not self._peek() else "it is not JSON: it does not begin with {")
        self._at += 1
        if self._peek() == "}":
            return
        seen = set()
        while True:
            if self._peek() != '"':
                raise self._fail("a key is missing")
            key = self._value()
            if key in seen:
                raise self._fail(f"key {shown(key, 80)!r} stands twice")
            seen.add(key)
            self._expect(":")
            if key in LISTS and self._peek() == "[":
                yield key, BEGIN
                yield from ((key, element) for element in self._elements())
            else:
                yield key, self._value()
            if self._expect(",}") == "}":
                break
        if self._peek():
            raise self._fail("there is more after its end")

    def _elements(self) -> Iterator[Any]:
        self._at += 1
        if self._peek() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            if self._expect(",]") == "]":
                return
