# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of a sweep's file, checked one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from sdr_sc.errors import SdrScError

_WAYS = "give a list of numbers, or from, to and step"


class ValueReader:
    """Checks values; every failure is one sentence with the file and the key in it.

    Args:
        source: the file's name, for errors.
        none_is: what a value of None is called in the file.
    """

    def __init__(self, source: str, none_is: str = "none") -> None:
        self._source, self._none_is = source, none_is

    def fail(self, key: str, what: str) -> Any:
        """Raise `SdrScError`."""
        raise SdrScError(f"{self._source}: {key + ' ' if key else ''}{what}.")

    def mapping(self, key: str, value: Any, known: tuple[str, ...], required: tuple[str, ...] = ()) -> dict[str, Any]:
        """Keys with values, of which only ``known`` ones may be there, and ``required`` ones have to be."""
        if not isinstance(value, Mapping):
            self.fail(key, f"has to be keys with values; they are {', '.join(known)}")
        unknown = [name for name in value if name not in known]
        if unknown:
            where = f"in {key} the" if key else "the"
            self.fail("", f"{where} key {unknown[0]!r} is unknown; use {', '.join(known)}")
        for name in required:
            if name not in value:
                self.fail(key, f"needs the key {name!r}")
        return dict(value)

    def number(self, key: str, value: Any, low: float, high: float) -> float:
        """A real number within bounds."""
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
        if not fits:
            self.fail(key, f"is {value!r}; use a number from {low:g} to {high:g}")
        return float(value)

    def whole(self, key: str, value: Any, low: int, high: int) -> int:
        """A whole number within bounds."""
        fits = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        if not fits:
            self.fail(key, f"is {value!r}; use a whole number from {low} to {high}")
        return int(value)

    def entries(self, key: str, value: Any, read: Callable[[str, Any], Any]) -> tuple:
        """A list with one entry or more, each read by ``read``, no two alike."""
        if not isinstance(value, list):
            self.fail(key, f"is {value!r}; give a list")
        if not value:
            self.fail(key, "is empty, so that there is nothing to measure; list at least one")
        found = tuple(read(key, one) for one in value)
        names, fix = [getattr(one, "label", one) for one in found], "leave one"
        if names != list(found):
            fix = "give each a name of its own with 'name'"
        seen = set()
        for name in names:
            if name in seen:
                self.fail(key, f"has {self._none_is if name is None else name!r} twice; {fix}")
            seen.add(name)
        return found

    def range(self, key: str, value: Any) -> tuple[float, ...]:
        """Numbers from a list, or from ``from``, ``to`` and ``step``."""
        if not isinstance(value, Mapping):
            if not isinstance(value, list):
                self.fail(key, f"is {value!r}; {_WAYS}")
            return self.entries(key, value, lambda name, one: self.number(name, one, -100, 100))
        spec = self.mapping(key, value, ("from", "to", "step"), ("from", "to", "step"))
        low, high = (self.number(f"{key}.{name}", spec[name], -100, 100) for name in ("from", "to"))
        step = self.number(f"{key}.step", spec["step"], 0.01, 200)
        if high < low:
            self.fail(key, f"from {low:g} to {high:g} is an empty grid; let 'to' be the larger")
        return tuple(round(low + i * step, 9) for i in range(math.floor((high - low) / step + 1e-9) + 1))
