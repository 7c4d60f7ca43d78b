# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from sdr_sc.cli.shared.options import data_set_option, gallery_option, model_option, question_option, tasks_option

_REFRESH_HZ = 4
_SEVERAL = {"model": "wordnet_student", "data_set": "wordnet"}
"""With --multitask, where nothing else is asked for; the data set is that of the model, where it is known."""
_WITH_BASE = {"model": "multitask_student", "data_set": "noto_emoji+things"}
"""With --base, likewise."""


@click.command()
@click.option("--images", "--items", default=1100, show_default=True, type=click.IntRange(22), help="Items to send.")
@click.option("--items-per-frame", default=4, show_default=True, type=click.IntRange(1, 255), help="Items in a frame.")
@click.option("--multitask", is_flag=True,
              help="Answer several tasks of each item; sends texts (model wordnet_student, data set wordnet) unless "
              "--model and --data-set name others.")
@click.option("--base", default="",
              help="Knowledge base of the receiver; sends emoji, and things that the base alone may know (model "
              "multitask_student, data set noto_emoji+things), unless --model and --data-set name others.  [none]")
@click.option("--rules", default="", help="Of 'sdr-sc kb fit'  [beside the base]")
@click.option("--local-base", default="", help="What the receiver was sure of, kept in this file  [none]")
@tasks_option("With --multitask: tasks beside the model's first one", "all that model and data set have")  # fmt: skip
@gallery_option
@question_option
@model_option
@data_set_option
@click.option(
    "--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of the items' order and of the noise."
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder for runs."
)
@click.option(
    "--timeout",
    default=300.0,
    type=click.FloatRange(0, min_open=True),
    show_default=True,
    help="Give up after this many seconds.",
)
@click.option("--open", "opens", is_flag=True, help="Open the report in a browser at the end.")
def command(out: Path, timeout: float, opens: bool, **settings: Any) -> None:
    """Send items through GNU Radio while the SNR goes 25 -> 0 -> 25 dB, and write a report.

    Images, answered for one task; with --multitask texts, each sent once and answered for every task.
    Status 0 only if every frame is accounted for: answered, or reported as lost.
    """
    _settle(settings)
    from rich.live import Live

    from sdr_sc.cli.shared.demo_tables import levels_table, live_table
    from sdr_sc.cli.shared.usrp import kept_if_used, new_folder
    from sdr_sc.demo.run import DemoConfig, answer_names, run_demo
    from sdr_sc.errors import SdrScError
    from sdr_sc.results.rows import print_rows
    from sdr_sc.shown import terminal

    console = terminal()
    folder = new_folder(out, "demo")
    config = DemoConfig(deadline_s=timeout, **settings)
    console.print(f"compiling flowgraphs/{config.flowgraph.name} and loading the model ...")
    names = answer_names(config)
    with kept_if_used(folder), Live(console=console, refresh_per_second=_REFRESH_HZ, transient=True) as live:
        result = run_demo(config, folder, lambda tb: live.update(live_table(tb, config.images, names)))
    a = result.accounting
    console.print(levels_table(result.folder, tuple(a.tasks)))
    print_rows(result.rows, console=console)
    console.print(
        f"{a.frames_sent} frames sent: {a.frames_answered} answered, {a.frames_lost} lost"
        + "".join(f" ({count} {cause})" for cause, count in a.lost_causes.items() if count)
    )
    if a.hint:
        console.print(f"[yellow]warning:[/] no frame was received: {a.hint}", soft_wrap=True)
    console.print(f"report: {result.report}", soft_wrap=True)
    if opens and click.launch(str(result.report)):
        console.print("[yellow]warning:[/] no browser could be started; open the report yourself.")
    if a.discrepancies:
        raise SdrScError(f"not every frame is accounted for: {'; '.join(a.discrepancies)}.")
    a.raise_if_faulty()


def _settle(settings: dict[str, Any]) -> None:
    """Put in what --multitask sends where nothing else is asked for; refuse options that mean nothing without it."""
    context = click.get_current_context()
    if not settings["base"]:
        for name in ("rules", "local_base"):
            if settings[name]:
                raise click.UsageError(f"--{name.replace('_', '-')} is for a knowledge base; give --base, too.")
    if settings["base"]:
        for name, value in _WITH_BASE.items():
            if context.get_parameter_source(name) is ParameterSource.DEFAULT:
                settings[name] = value
        if settings["multitask"]:
            return
    elif settings["multitask"]:
        for name, value in _SEVERAL.items():
            if context.get_parameter_source(name) is ParameterSource.DEFAULT:
                settings[name] = value if name == "model" else _data_set_of(settings["model"]) or value
        return
    for name in ("tasks", "gallery", "question"):
        if settings[name]:
            raise click.UsageError(f"--{name} is for several tasks; give --multitask, too.")


def _data_set_of(model: str) -> str:
    """What a model was trained on, '' where it is no data set that is known by name."""
    from sdr_sc.data.overview import set_titled
    from sdr_sc.semantic.weights import read_contract

    return set_titled(read_contract(model).data_set)
