# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring, printing and writing rows, for the verbs that do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdr_sc.results.rows import Row


def summary(rows: list[Row]) -> list[str]:
    """Lines on what was not measured and why, and on how many goals are met."""
    from sdr_sc.results.rows import NOT_MEASURED

    missing = [row.name for row in rows if NOT_MEASURED in row.name]
    goals = [row for row in rows if row.goal is not None]
    met = sum(row.ok is True for row in goals)
    return [*missing, f"{met} of {len(goals)} goals met"]


def measure_and_print(
    measure: Callable[[Callable[[str], None]], list[Row]],
    json_path: Path | None,
    config: dict,
    goals_first: bool = False,
) -> None:
    """Measure, print, and write; with ``goals_first`` the printed rows with a goal come first, and a summary last."""
    from sdr_sc.results.rows import check_writable, print_rows, write_json
    from sdr_sc.shown import terminal

    if json_path is not None:
        check_writable(json_path)
    console = terminal(width=None if sys.stdout.isatty() else 120)
    rows = measure(lambda what: console.print(f"measuring: {what} ..."))
    print_rows(sorted(rows, key=lambda row: row.goal is None) if goals_first else rows, console=console)
    if goals_first:
        for line in summary(rows):
            console.print(line)
    if json_path is not None:
        write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows, {"config": config})
        console.print(f"wrote {json_path}")
    if any(row.ok is False for row in rows):
        raise SystemExit(1)
