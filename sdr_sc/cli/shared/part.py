# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that name a part of a recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


class RangeType(click.ParamType):
    """``A:B``, from A on, without B; either may be left out.

    Args:
        kind: of the two numbers: int or float.
    """

    name = "A:B"

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A pair of numbers; None where one is left out."""
        if isinstance(value, tuple):
            return value
        first, colon, last = value.partition(":")
        try:
            ends = tuple(self._kind(end) if end else None for end in (first, last))
        except ValueError:
            ends = ()
        if not colon or len(ends) != 2 or not (first or last):
            self.fail(f"{value!r} is no range; write A:B, such as 10:20, or 10: for all from 10 on.", param, ctx)
        return ends


def part_options(function: Callable) -> Callable:
    """``--samples``, ``--seconds`` and ``--frames``; the names of `sdr_sc.capture.span.span`."""
    for name, kind, text in (
        ("frames", int, "The same in frames, by place, counted from 0."),
        ("seconds", float, "The same in seconds from the first sample."),
        ("samples", int, "Only this part, from sample A on, without B."),
    ):
        function = click.option(f"--{name}", type=RangeType(kind), help=text)(function)
    return function
