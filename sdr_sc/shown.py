# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from files and networks as a terminal may see it; for every layer."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import shlex
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

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

    >>> reason_of(ValueError("bad\\n  file")), reason_of(KeyError()), reason_of(OSError(21, "Is a directory", "x"))
    ('bad file', 'KeyError', 'Is a directory')
    """
    plain = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return shown(" ".join(str(plain).split()) or type(error).__name__, longest)


def shown_lines(text: object) -> str:
    """The same for text of several lines, which stay lines.

    >>> shown_lines("a\\x1b[2J\\nb")
    'a\\\\x1b[2J\\nb'
    """
    return "\n".join(map(shown, str(text).split("\n")))


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


def utf8(text: str) -> bytes:
    """Text for a file, also where a path in it holds bytes that are no UTF-8: their stand-ins become escapes.

    >>> utf8("a\\udcefb")
    b'a\\\\udcefb'
    """
    return text.encode("utf-8", "backslashreplace")


def forgiving_streams() -> None:
    """Let standard output and error take any text, at the start of a program.

    What their encoding lacks, such as a name that is not UTF-8, is written as an escape instead of ending the program.
    Where one of them is closed, its number goes to nowhere, so that no file that is opened later gets it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - open until the end
        elif isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError, ValueError):
                stream.reconfigure(errors="backslashreplace")


def leave_terminal() -> None:
    """Write no more to a terminal that has gone (SIGHUP): that would fail, and the results be lost."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if os.isatty(stream):
            os.dup2(nowhere, stream)
    os.close(nowhere)


def terminal(**options: Any) -> Any:
    """A ``rich.console.Console`` whose texts, wherever they come from, cannot control the terminal.

    Args:
        options: of the console.
    """
    return _console_class()(**options)


@functools.cache
def _console_class() -> Any:
    """Made here, since importing rich takes a moment."""
    from rich.console import Console
    from rich.segment import Segment

    class SafeConsole(Console):
        def render_str(self, text: str, **options: Any) -> Any:
            return super().render_str(shown_lines(text), **options)

        def render(self, renderable: Any, options: Any = None) -> Iterator[Segment]:
            # What did not come by as plain text, such as a rich Text.
            for segment in super().render(renderable, options):
                text = segment.text
                if segment.control or text.isprintable() or (safe := shown_lines(text)) == text:
                    yield segment
                else:
                    yield Segment(safe, segment.style)

    return SafeConsole
