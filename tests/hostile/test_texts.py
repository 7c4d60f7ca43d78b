# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON and YAML made to end the process, to take its memory or time, or to say two things at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sdr_sc.capture.sigmf.json_pieces import BrokenJson, pieces
from sdr_sc.documents import parse_json, parse_yaml
from sdr_sc.errors import SdrScError

MERGES = "a: &x0 {a: 1}\n" + "".join(
    f"x{i}: &x{i} {{<<: [{', '.join([f'*x{i - 1}'] * 60)}], k{i}: 1}}\n" for i in range(1, 9)
)
WIDE_MERGES = (
    "b: &b {" + ", ".join(f"k{i}: 1" for i in range(9000)) + "}\n"
    + "".join(f"x{i}: {{<<: [{', '.join(['*b'] * 64)}]}}\n" for i in range(100))
)  # fmt: skip
ALIASES = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))

HARMFUL_YAML = {
    "block lists in one line": ("- " * 2_000_000 + "1", "nested too deeply"),
    "keys of keys": ("? " * 100_000 + "1", "nested too deeply"),
    "block mappings": ("\n".join(" " * i + "a:" for i in range(500)), "nested too deeply"),
    "brackets": ("[" * 1_000_000, "nested too deeply"),
    "a list that holds itself": ("a: &a [*a]", "nested too deeply"),
    "a mapping that holds itself": ("a: &a {b: *a}", "nested too deeply"),
    "aliases of aliases": (ALIASES, "aliases stand for more than"),
    "merges of merges": (MERGES, "merges stand for more than"),
    "wide merges": (WIDE_MERGES, "merges stand for more than"),
    "many values": ("-\n" * 2_000_000, "more than 300,000 values"),
    "base 60": ("a: " + ":".join(["1"] * 60_000), "base 60"),
    "a time of day": ("a: 1:30", "base 60"),
    "a binary number": ("a: 0b" + "1" * 100_000, "thousands of digits"),
    "a hexadecimal number": ("a: 0x" + "f" * 100_000, "thousands of digits"),
    "a date": ("a: 2001-01-01", "holds a date"),
    "a time": ("a: 2001-01-01 12:00:00", "holds a time"),
    "a date as a key": ("2001-01-01: a", "holds a date"),
    "bytes": ("a: !!binary aGVsbG8=", "holds a binary value"),
    "a set": ("!!set {a, b}", "holds a set or pair"),
    "pairs": ("!!pairs [a: 1]", "holds a set or pair"),
    "no time": ("!!timestamp x", "does not fit its tag"),
    "no truth": ("!!bool x", "does not fit its tag"),
    "no digits": ('!!int ""', "does not fit its tag"),
    "no set": ("a: !!set [1]", "does not fit its tag"),
    "no mapping": ("!!map [1]", "does not fit its tag"),
}


def refusal(read: Any, text: str | bytes) -> str:
    with pytest.raises(SdrScError) as error:
        read(text, "sweep 'x.yaml'", "correct it")
    sentence = str(error.value)
    assert "\n" not in sentence and len(sentence) < 400 and sentence.endswith("; correct it.")
    return sentence


def test_no_yaml_ends_the_process_or_its_memory() -> None:
    """In a process of its own, which a stack that overflows would end, with 1.5 GB of memory."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29))\n"
        "import test_texts as t\n"
        "for name, (text, reported) in t.HARMFUL_YAML.items():\n"
        "    sentence = t.refusal(t.parse_yaml, text)\n"
        "    assert reported in sentence, (name, sentence)\n"
        "print(len(t.HARMFUL_YAML))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, cwd=Path(__file__).parent
    )
    assert done.returncode == 0 and done.stdout == f"{len(HARMFUL_YAML)}\n", done.stderr[-2000:]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &a [1]\nb: *a", {"a": [1], "b": [1]}),
        ("a: &a {k: 1}\nb: {<<: *a, l: 2}", {"a": {"k": 1}, "b": {"k": 1, "l": 2}}),
        ("a: 0x10\nb: 1_000\nc: 2.0e6\nd: .inf", {"a": 16, "b": 1000, "c": 2e6, "d": float("inf")}),
        ("a: '2001-01-01'\nb: '1:30'", {"a": "2001-01-01", "b": "1:30"}),
        (" [" * 64 + "]" * 64, None),
    ],
)
def test_what_is_plain_is_read(text: str, value: Any) -> None:
    found = parse_yaml(text, "sweep", "correct it")
    assert value is None or found == value


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '[{"b": {"a": 1, "c": 0, "\\u0061": 1}}]'])
def test_a_key_that_stands_twice_in_json_is_refused(text: str) -> None:
    assert "key 'a' stands twice" in refusal(parse_json, text)


@pytest.mark.parametrize(
    "text",
    [
        '{"global": {"core:datatype": "cf32_le"}, "global": {"core:datatype": "ci8"}}',
        '{"captures": [{"core:sample_start": 0}], "captures": []}',
        '{"global": {"core:datatype": "cf32_le", "core:datatype": "ci8"}}',
        '{"annotations": [{"core:label": "a", "core:label": "b"}]}',
    ],
)
def test_a_key_that_stands_twice_in_metadata_of_a_recording_is_refused(text: str) -> None:
    with pytest.raises(BrokenJson, match="stands twice in line 1"):
        list(pieces([text.encode()]))


@pytest.mark.parametrize("text", ["[1e400]", "-1e99999", "NaN", "[Infinity]"])
def test_infinity_in_any_spelling_is_refused_where_it_is_no_number(text: str) -> None:
    with pytest.raises(SdrScError, match="is not JSON"):
        parse_json(text, "summary", "correct it", allow_nan=False)
