# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of the published pages, and the stored results that they have to agree with."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from command import ROOT

BENCHMARKS = ROOT / "benchmarks"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def rows_of(text: str, first: str) -> list[list[str]]:
    """Cells of the table whose head begins with ``| FIRST |``, without head and rule."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} |"))
    table = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    assert table
    return table


@lru_cache
def stored(name: str) -> dict[str, Any]:
    """Values of a results file's rows by name."""
    return {row["name"]: row["value"] for row in json.loads((BENCHMARKS / f"{name}.json").read_text())["rows"]}
