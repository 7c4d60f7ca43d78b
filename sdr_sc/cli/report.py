# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc report``."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from sdr_sc.errors import SdrScError
from sdr_sc.shown import shown


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The page  [RESULTS with the ending .html]")
@click.option("--figures", type=click.Path(path_type=Path), help="Write each figure as PNG and PDF into this folder.")
@click.option(
    "--target", default=90.0, show_default=True, type=click.FloatRange(0, 100, min_open=True),
    help="Accuracy in percent for which channel uses are given.",
)  # fmt: skip
@click.option(
    "--base", type=click.Path(path_type=Path),
    help="Of a run with a knowledge base: its file, for titles and pictures of entries.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def command(
    results: tuple[Path, ...], out: Path | None, figures: Path | None, target: float, base: Path | None, force: bool
) -> None:
    """Make one HTML page of a sweep's results (.parquet), or of a run's folder.

    Several results files of one sweep, such as parts of its grid that were measured on different machines, make one
    page. The page needs no other file and no network.
    """
    folders = [path for path in results if path.is_dir()]
    if folders:
        targeted = click.get_current_context().get_parameter_source("target") is not ParameterSource.DEFAULT
        if len(results) > 1 or figures is not None or targeted:
            raise click.UsageError("a run's folder is reported on alone, without --figures and --target.")
        click.echo(f"wrote {shown(_of_a_run(folders[0], out, force, base))}")
        return
    if base is not None:
        raise click.UsageError("--base is for the report of a run's folder.")
    from sdr_sc.report.sweep.write import write_sweep_report

    written = write_sweep_report(results, out or results[0].with_suffix(".html"), figures, target, force)
    for line in written.warnings:
        click.echo(f"sdr-sc: warning: {shown(line)}", err=True)
    click.echo(f"wrote {shown(written.page)}")
    if written.figures:
        click.echo(f"wrote {len(written.figures)} pictures into {shown(figures)}")


def _of_a_run(folder: Path, out: Path | None, force: bool, base: Path | None) -> Path:
    """The report of a run, made again from what it left."""
    from sdr_sc.report.run.write import REPORT_NAME, write_report
    from sdr_sc.report.sweep.write import refuse_existing

    there = sorted(folder.glob("*.parquet"))
    if there and not (folder / "summary.json").exists():
        raise SdrScError(f"{folder} is no run's folder, but has results of sweeps; give them, such as {there[0]}.")
    page = out or folder / REPORT_NAME
    refuse_existing([page], force)
    return write_report(folder, page, base)
