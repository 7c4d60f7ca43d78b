# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and output that the verbs of ``sdr-sc kb`` share."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdr_sc.cli.shared.options import MODEL
from sdr_sc.cli.shared.progress import progress_bar
from sdr_sc.semantic.weights import DEFAULT_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

file_type = click.Path(path_type=Path)
model_option = click.option(
    "--model",
    type=MODEL,
    default=DEFAULT_MODEL,
    show_default=True,
    help="That the base is for: weights file or shipped model.",
)
signature_option = click.option(
    "--require-signature",
    "required",
    default="",
    metavar="KEY",
    help="Public key (or its file) that has to have signed the base  [any, or none]",
)
sign_option = click.option("--sign", "secret", type=file_type, help="Sign with this secret key, NAME.sign_secret.")


def console() -> Console:
    """Where the verbs print."""
    from sdr_sc.shown import terminal

    return terminal(width=None if sys.stdout.isatty() else 120, highlight=False)


@contextlib.contextmanager
def progress(out: Console, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar that is set to a number of steps done."""
    with progress_bar(out) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.update(task, completed=done)
