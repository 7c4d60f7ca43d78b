# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from files and networks as a terminal may see it; for every layer."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Iterable

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that are escaped: control, format (which turns the direction of text), surrogates, unassigned."""


def shown(text: object, longest: int | None = None) -> str:
    """Text in which nothing can move a cursor, set a title or hide what follows.

    Args:
        text: anything; ``str`` is applied to it.
        longest: characters; longer texts lose their middle, since the cause most often stands at an end.

    >>> shown("a\\x1b[2Jb\\nc")
    'a\\\\x1b[2Jb\\\\nc'
    >>> shown("0123456789", longest=7)
    '012…789'
    """
    plain = str(text)
    if longest is not None and len(plain) > longest:
        half = (longest - 1) // 2
        plain = f"{plain[: longest - 1 - half]}…{plain[len(plain) - half :]}"
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(_escaped(one) for one in plain)


def reason_of(error: BaseException, longest: int = 240) -> str:
    """What an exception says, on one line; its kind where it says nothing.

    Long texts of other libraries lose their middle: the kind stands at the start, and the cause at the end.

    >>> reason_of(ValueError("bad\\n  file")), reason_of(KeyError())
    ('bad file', 'KeyError')
    """
    return shown(" ".join(str(error).split()) or type(error).__name__, longest)


def _escaped(one: str) -> str:
    if unicodedata.category(one) not in _HIDDEN:
        return one
    return one.encode("unicode_escape", "surrogatepass").decode("ascii")


def command_line(words: Iterable[object]) -> str:
    """A command to copy into a shell, whatever the names in it hold.

    >>> command_line(["gunzip", "-c", "a b;rm"])
    "gunzip -c 'a b;rm'"
    """
    return shown(shlex.join(str(word) for word in words))
