# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress bar of the verbs that take long."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


def progress_bar(console: Console, *extra: str) -> Progress:
    """Description, bar, steps done, the ``extra`` columns in rich's format, time elapsed and time remaining."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *map(TextColumn, extra))
    return Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console)
