# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON, YAML and CSV that somebody else may have written: read within bounds, or refused in one sentence.

For every layer. Python's parsers raise many kinds of exception at bad text (``RecursionError`` at deep nesting,
``ValueError`` at numbers of thousands of digits, ``UnicodeDecodeError``), and YAML's needs minutes for some of it. All
reading of such files goes through here, so that each of them is one sentence. What the values mean is for the caller to
check; `whole_number` and `real_number` are for that.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sdr_sc import yaml_values
from sdr_sc.errors import SdrScError
from sdr_sc.files import open_plain
from sdr_sc.shown import shown

JSON_LIMIT_BYTES = 64 << 20
YAML_LIMIT_BYTES = 4 << 20
DEPTH_LIMIT = yaml_values.DEPTH_LIMIT
"""Lists and objects within one another; files of ours have 8 at most."""

Kind = type[SdrScError]


def read_json(
    path: str | Path,
    what: str,
    fix: str,
    kind: Kind = SdrScError,
    limit_bytes: int = JSON_LIMIT_BYTES,
    allow_nan: bool = True,
) -> Any:
    """What a JSON file holds.

    Args:
        path: UTF-8 text, with a byte order mark or without.
        what: the file's role, the sentence's subject: ``model contract``.
        fix: the end of the sentence: ``export the model again``.
        kind: the error's class.
        limit_bytes: larger files are refused.
        allow_nan: whether ``NaN`` and ``Infinity`` are numbers, and ``1e400``, which is infinity to Python.

    Raises:
        SdrScError: of class ``kind``: it cannot be read, is not JSON within these bounds, or a key stands twice in an
            object.
    """
    return parse_json(read_bytes(path, what, fix, kind, limit_bytes), f"{what} {shown(path)}", fix, kind, allow_nan)


def parse_json(text: str | bytes, what: str, fix: str, kind: Kind = SdrScError, allow_nan: bool = True) -> Any:
    """What a JSON text holds; see `read_json`. Here ``what`` is the sentence's whole subject.

    >>> parse_json('{"a": [1, 2]}', "summary", "write it again")
    {'a': [1, 2]}
    >>> parse_json("[" * 100 + "]" * 100, "summary", "write it again")
    Traceback (most recent call last):
    sdr_sc.errors.SdrScError: summary is not JSON that can be read (it is nested too deeply); write it again.
    """

    def constant(word: str) -> float:
        if not allow_nan:
            raise ValueError(f"{word} is no number of JSON")
        return float(word)

    def finite(word: str) -> float:
        number = float(word)
        if not math.isfinite(number):
            raise ValueError(f"{shown(word, 20)} is too large a number")
        return number

    try:
        plain = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
        value = json.loads(
            plain, parse_constant=constant, parse_float=None if allow_nan else finite, object_pairs_hook=unique_keys
        )
        if nested_deeper(value, DEPTH_LIMIT):
            raise RecursionError
    except RecursionError:
        reason = "it is nested too deeply"
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8 text: {error.reason}"
    except json.JSONDecodeError as error:
        reason = f"{error.msg.lower()} in line {error.lineno}"
    except ValueError as error:
        reason = "it holds a number of thousands of digits" if "digits" in str(error) else str(error)
    else:
        return value
    raise kind(f"{what} is not JSON that can be read ({shown(reason, 200)}); {fix}.") from None


def read_yaml(
    path: str | Path, what: str, fix: str, kind: Kind = SdrScError, limit_bytes: int = YAML_LIMIT_BYTES
) -> Any:
    """What a YAML file holds; plain data alone, keys that stand twice are refused, ``2e6`` is a number.

    Args, Raises: as for `read_json`.
    """
    return parse_yaml(read_bytes(path, what, fix, kind, limit_bytes), f"{what} {shown(path)}", fix, kind)


def parse_yaml(text: str | bytes, what: str, fix: str, kind: Kind = SdrScError) -> Any:
    """What a YAML text holds; see `read_yaml`. Here ``what`` is the sentence's whole subject.

    >>> parse_yaml("rate: 2.0e6\\nk: [1, 2]", "sweep", "correct it")
    {'rate': 2000000.0, 'k': [1, 2]}
    """
    import yaml

    try:
        plain = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
        value = yaml_values.load(plain)
    except RecursionError:
        where, reason = "", "it is nested too deeply"
    except UnicodeDecodeError as error:
        where, reason = "", f"it is not UTF-8 text: {error.reason}"
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
    except (ValueError, OverflowError) as error:
        where = ""
        reason = "it holds a number of thousands of digits" if "digits" in str(error) else str(error)
    else:
        return value
    raise kind(f"{what} is not YAML that can be read{where} ({shown(reason, 200)}); {fix}.") from None


def read_csv(
    path: str | Path,
    columns: Sequence[str],
    what: str,
    fix: str,
    kind: Kind = SdrScError,
    others: bool = True,
    torn: bool = False,
    optional: Sequence[str] = (),
) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with a header, one by one: line number, and text by column without spaces around it.

    Args:
        columns: that it has to have.
        others: whether columns beside these are given as well.
        torn: leave out a last line that has no end: of a program that was killed, or that still writes it.
        optional: columns that are given where it has them.
        path, what, fix, kind: as for `read_json`.

    Raises:
        SdrScError: of class ``kind``: it cannot be read, is not CSV, lacks a column, has two of one name, or a row has
            more or fewer cells than the header, as the last one of a run that was killed.
    """
    name = f"{what} {shown(path)}"
    try:
        with io.TextIOWrapper(open_plain(path), encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader((line for line in stream if line.endswith("\n")) if torn else stream)
            header = [cell.strip() for cell in next(reader, [])]
            if len(set(header)) < len(header):
                [(twice, _)] = Counter(header).most_common(1)
                raise kind(f"{name} has two columns {shown(twice, 80)!r}; {fix}.")
            missing = [column for column in columns if column not in header]
            if missing:
                raise kind(f"{name} has no column {missing[0]!r}, and needs {', '.join(columns)}; {fix}.")
            kept = [(i, column) for i, column in enumerate(header) if others or column in columns or column in optional]
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise kind(
                        f"{name}, line {reader.line_num}: {len(cells)} cells where the header has {len(header)}; {fix}."
                    )
                yield reader.line_num, {column: cells[i].strip() for i, column in kept}
    except OSError as error:
        raise kind(f"{name} cannot be read ({error.strerror or error}); {fix}.") from None
    except UnicodeDecodeError as error:
        raise kind(f"{name} is not UTF-8 text ({error.reason}); {fix}.") from None
    except csv.Error as error:
        raise kind(f"{name} is not CSV that can be read ({error}); {fix}.") from None


def whole_number(value: Any, low: float = -math.inf, high: float = math.inf) -> int | None:
    """A value as an integer, if it is one: ``2.0`` is, as in JSON Schema; ``True``, ``"2"`` and ``2.5`` are not.

    >>> whole_number(2.0), whole_number("2"), whole_number(True), whole_number(5, high=4)
    (2, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, float) and not value.is_integer():  # also of NaN and infinity
        return None
    return int(value) if low <= value <= high else None


def real_number(value: Any, low: float = -math.inf, high: float = math.inf) -> float | None:
    """A value as a finite float, if it is a number between two bounds; ``True`` and ``"2"`` are none.

    >>> real_number(3), real_number(float("nan")), real_number("3"), real_number(200, high=80)
    (3.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and low <= number <= high else None


def read_bytes(path: str | Path, what: str, fix: str, kind: Kind, limit_bytes: int) -> bytes:
    """A whole file, if it is no larger than a bound; arguments and errors as for `read_json`."""
    try:
        with open_plain(path) as file:
            content = file.read(limit_bytes + 1)
    except OSError as error:
        raise kind(f"{what} {shown(path)} cannot be read ({error.strerror or error}); {fix}.") from None
    if len(content) > limit_bytes:
        raise kind(f"{what} {shown(path)} is larger than {limit_bytes >> 20} MiB, which none of its kind is; {fix}.")
    return content


def unique_keys(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object from its members; of two under one name, readers would not agree which one holds.

    Raises:
        ValueError: a key stands twice.
    """
    found = dict(members)
    if len(found) != len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {shown(twice, 80)!r} stands twice")
    return found


def nested_deeper(value: Any, limit: int) -> bool:
    """Whether lists and objects lie within one another deeper than so many levels."""
    level = [value]
    for _ in range(limit + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True
