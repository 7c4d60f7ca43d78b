# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc data``: which data sets there are, fetch them, look at them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from sdr_sc.data.packages.package import Package


def _console() -> Console:
    from sdr_sc.shown import terminal

    return terminal(width=None if sys.stdout.isatty() else 120, highlight=False)


@click.group("data")
def command() -> None:
    """Data sets with one or more tasks: list them, fetch them, look at them.

    NAME is one of 'sdr-sc data list'. Images of your own need no fetching: every verb takes their path as --data-set.
    """


@command.command("list", short_help="Which there are, and what of them is here.")
def listed() -> None:
    """List the data sets: their items, their tasks, and whether they are here."""
    from rich.table import Table

    from sdr_sc.data.overview import info_of, known_sets, state_of

    table = Table("name", "items", "tasks", "packages", "state")
    for name in known_sets():
        info = info_of(name)
        packages = "\n".join(package.name for package in info.packages) or "-"
        states = "\n".join(map(state_of, info.packages)) or "-"
        table.add_row(name, f"{info.title} ({info.modality})", "\n".join(info.tasks), packages, states)
    _console().print(table)


@command.command(short_help="What one holds.")
@click.argument("name")
def info(name: str) -> None:
    """Report a data set's sources, parts and tasks; it has to be here. Of joined ones (A+B) each by itself."""
    from sdr_sc.data.overview import members_of

    for member in members_of(name):
        _report(member)


def _report(name: str) -> None:
    from rich.table import Table

    from sdr_sc.data.overview import info_of, parts_of, state_of

    known, console = info_of(name), _console()
    console.print(f"{name}: {known.title}, {known.modality}")
    for package in known.packages:
        console.print(f"  {package.title} {package.version}, {package.licence}: {state_of(package)}", soft_wrap=True)
        console.print(f"  SHA-256 {package.sha256}", soft_wrap=True)
    table = Table("part", "items", "groups", "task", "answers", "most frequent", "SHA-256")
    for part in parts_of(name):
        head = [part.split, f"{part.items:,}", f"{part.groups:,}"]
        for task, (answers, share) in part.tasks.items():
            table.add_row(*head, task, f"{answers:,}", f"{100 * share:.1f} %", part.sha256[:16] if head[0] else "")
            head = ["", "", ""]
    console.print(table)
    for task, asks in known.tasks.items():
        console.print(f"  {task}: {asks}", soft_wrap=True)
    console.print("  groups: items of one origin, which lie in one part", soft_wrap=True)


@command.command(short_help="Fetch them and make them ready.")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def get(names: tuple[str, ...]) -> None:
    """Fetch the packages of data sets with the machine's own apt or pip, check them, and compile the data sets.

    What is installed or fetched already is not fetched again. A name may join several (A+B).
    """
    from sdr_sc.data.catalogue import load_dataset
    from sdr_sc.data.overview import members_of

    members = [member for name in names for member in members_of(name)]  # all are known before anything is fetched
    console = _console()
    for name in dict.fromkeys(members):
        _get(console, name)
        console.print(f"{name}: making it ready, which takes up to some minutes the first time")
        load_dataset(name, "test")
        console.print(f"{name}: ready")


def _get(console: Console, name: str) -> None:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from sdr_sc.data.overview import get as get_set

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=console) as bars:
        tasks = {}

        def show(one: Package, count: int) -> None:
            if one.name not in tasks:
                tasks[one.name] = bars.add_task(one.name, total=one.size_bytes)
            bars.update(tasks[one.name], completed=min(count, one.size_bytes))

        get_set(name, show)
