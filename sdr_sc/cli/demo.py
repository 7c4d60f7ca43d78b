# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdr_sc.cli.shared.options import data_set_option, model_option

if TYPE_CHECKING:
    from rich.table import Table

_REFRESH_HZ = 4
_ROWS_SHOWN = 12


@click.command()
@click.option("--images", default=1100, show_default=True, type=click.IntRange(22), help="Images to send.")
@click.option("--items-per-frame", default=4, show_default=True, type=click.IntRange(1, 255), help="Images in a frame.")
@model_option
@data_set_option
@click.option(
    "--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of the images' order and of the noise."
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
def command(images: int, items_per_frame: int, model: str, data_set: str, seed: int, out: Path, timeout: float) -> None:
    """Send images through GNU Radio while the SNR goes 25 -> 0 -> 25 dB, and write a report.

    Status 0 only if every frame is accounted for: answered, or reported as lost.
    """
    from rich.live import Live

    from sdr_sc.cli.shared.usrp import kept_if_used, new_folder
    from sdr_sc.demo.run import DemoConfig, run_demo
    from sdr_sc.errors import SdrScError
    from sdr_sc.results.rows import print_rows
    from sdr_sc.shown import terminal

    console = terminal()
    folder = new_folder(out, "demo")
    config = DemoConfig(images, items_per_frame, model, seed, deadline_s=timeout, data_set=data_set)
    console.print("compiling flowgraphs/sim_loopback.grc and loading the model ...")
    with kept_if_used(folder), Live(console=console, refresh_per_second=_REFRESH_HZ, transient=True) as live:
        result = run_demo(config, folder, lambda tb: live.update(_table(tb, images)))
    console.print(_levels(result.folder))
    print_rows(result.rows, console=console)
    a = result.accounting
    console.print(
        f"{a.frames_sent} frames sent: {a.frames_answered} answered, {a.frames_lost} lost"
        + "".join(f" ({count} {cause})" for cause, count in a.lost_causes.items() if count)
    )
    if a.hint:
        console.print(f"[yellow]warning:[/] no frame was received: {a.hint}", soft_wrap=True)
    console.print(f"report: {result.report}", soft_wrap=True)
    if a.discrepancies:
        raise SdrScError(f"not every frame is accounted for: {'; '.join(a.discrepancies)}.")
    a.raise_if_faulty()


def _table(tb: Any, images: int) -> Table:
    """The latest frames of a running flowgraph."""
    from rich.table import Table

    record = tb.results.record
    names = tb.encoder.contract.class_names
    right, sent = record.items_correct, record.items_sent
    accuracy = f"{100 * right / record.items_labelled:.1f} %" if record.items_labelled else "-"
    table = Table(title=f"{sent} of {images} images sent, accuracy {accuracy}, {record.frames_lost} frames lost")
    for heading in ("frame", "SNR set (dB)", "estimated (dB)", "k", "latency (ms)"):
        table.add_column(heading, justify="right")
    table.add_column("sent")
    table.add_column("answered")
    for frame in record.recent()[-_ROWS_SHOWN:]:
        label, answer = int(frame.label[0]), int(frame.answers[0])
        colour = "dim" if label < 0 else "green" if answer == label else "red"
        table.add_row(
            str(frame.frame_index),
            "-" if frame.snr_set_db is None else f"{frame.snr_set_db:.0f}",
            f"{frame.snr_est_db:.1f}",
            str(frame.k),
            f"{frame.latency_ms:.1f}",
            names[label] if label >= 0 else "unlabelled",
            f"[{colour}]{names[answer] if answer >= 0 else 'no answer'}[/]",
        )
    return table


def _levels(folder: Path) -> Table:
    """Accuracy and k at each level of the schedule, in its order."""
    import numpy as np
    from rich.table import Table

    from sdr_sc.demo.run import read_sent

    table = Table(title="the run, level by level")
    for heading in ("SNR set (dB)", "estimated (dB)", "mean k", "accuracy", "frames", "lost"):
        table.add_column(heading, justify="right")
    frames = read_sent(folder)
    known = np.flatnonzero(~np.isnan(frames["snr_set_db"]))
    steps = 1 + np.flatnonzero(np.diff(frames["snr_set_db"][known]))
    for level in np.split(known, steps) if len(known) else []:
        same = {name: values[level] for name, values in frames.items()}
        estimates = same["snr_est_db"][~np.isnan(same["snr_est_db"])]
        table.add_row(
            f"{same['snr_set_db'][0]:.0f}",
            f"{estimates.mean():.1f}" if len(estimates) else "-",
            f"{same['k'].mean():.1f}",
            f"{100 * same['correct'].sum() / same['n_items'].sum():.1f} %",
            str(len(level)),
            str(np.count_nonzero(~same["status"])),
        )
    return table
