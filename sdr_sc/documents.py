# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON, YAML and CSV that somebody else may have written: read within bounds, or refused in one sentence.

For every layer. Python's parsers raise many kinds of exception at bad text (``RecursionError`` at deep nesting,
``ValueError`` at numbers of thousands of digits, ``UnicodeDecodeError``), and YAML's needs minutes for some of it. All
reading of such files goes through here, so that each of them is one sentence. What the values mean is for the caller to
check; `whole_number` and `real_number` are for that.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sdr_sc.errors import SdrScError
from sdr_sc.shown import shown

JSON_LIMIT_BYTES = 64 << 20
YAML_LIMIT_BYTES = 4 << 20
DEPTH_LIMIT = 64
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
        allow_nan: whether ``NaN`` and ``Infinity`` are numbers.

    Raises:
        SdrScError: of class ``kind``: it cannot be read, or is not JSON within these bounds.
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

    try:
        plain = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
        value = json.loads(plain, parse_constant=constant)
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
        if _brackets_deeper_than(plain, DEPTH_LIMIT):
            raise RecursionError
        value = yaml.load(plain, Loader=_strict_loader())
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


_loader: Any = None


def _strict_loader() -> Any:
    """PyYAML's safe loader, made here since the import takes a moment."""
    global _loader
    if _loader is not None:
        return _loader
    import yaml

    class Strict(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> dict:
            seen = set()
            for key_node, _ in node.value:
                if key_node.tag == "tag:yaml.org,2002:merge":
                    continue
                key = self.construct_object(key_node, deep=True)
                try:
                    stands_twice = key in seen
                    seen.add(key)
                except TypeError:
                    raise yaml.constructor.ConstructorError(
                        None, None, "a key is a list or a mapping", key_node.start_mark
                    ) from None
                if stands_twice:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key!r} stands twice", key_node.start_mark
                    )
            return super().construct_mapping(node, deep)

    # YAML 1.1 takes 2e6 and 2.0e6, without a sign in the exponent, for text; YAML 1.2 takes them for numbers.
    Strict.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
    )
    _loader = Strict
    return Strict


def read_csv(
    path: str | Path,
    columns: Sequence[str],
    what: str,
    fix: str,
    kind: Kind = SdrScError,
    others: bool = True,
    torn: bool = False,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with a header, one by one: line number, and text by column without spaces around it.

    Args:
        columns: that it has to have.
        others: whether columns beside these are given as well.
        torn: leave out a last line that has no end: of a program that was killed, or that still writes it.
        path, what, fix, kind: as for `read_json`.

    Raises:
        SdrScError: of class ``kind``: it cannot be read, is not CSV, lacks a column, or a row has more or fewer cells
            than the header, as the last one of a run that was killed.
    """
    name = f"{what} {shown(path)}"
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader((line for line in stream if line.endswith("\n")) if torn else stream)
            header = [cell.strip() for cell in next(reader, [])]
            missing = [column for column in columns if column not in header]
            if missing:
                raise kind(f"{name} has no column {missing[0]!r}, and needs {', '.join(columns)}; {fix}.")
            kept = [(i, column) for i, column in enumerate(header) if others or column in columns]
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
        with open(path, "rb") as file:
            content = file.read(limit_bytes + 1)
    except OSError as error:
        raise kind(f"{what} {shown(path)} cannot be read ({error.strerror or error}); {fix}.") from None
    except ValueError:
        raise kind(f"{what} {shown(path)} cannot be read (the name holds a zero byte); {fix}.") from None
    if len(content) > limit_bytes:
        raise kind(f"{what} {shown(path)} is larger than {limit_bytes >> 20} MiB, which none of its kind is; {fix}.")
    return content


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


def _brackets_deeper_than(text: str, limit: int) -> bool:
    """Whether so many brackets are open at once; those within quoted text count, too, which no file of ours has."""
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth += 1 if bracket in "[{" else -1
        if depth > limit:
            return True
        depth = max(depth, 0)
    return False
