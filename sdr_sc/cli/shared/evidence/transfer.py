# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc bench evidence transfer``."""

from __future__ import annotations

import sys
from pathlib import Path

import click


def _of_tasks(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for value in values:
        task, between, path = value.partition("=")
        if not (task and between and path):
            raise click.BadParameter("give TASK=FILE, for example retrieval=retrieval_seed1.json")
        found.setdefault(task, []).append(Path(path))
    return found


@click.command("transfer")
@click.argument("ours", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--single", multiple=True, metavar="TASK=FILE", callback=_of_tasks,
    help="Of a student of one task, of each seed one, in the order of OURS; repeatable.",
)  # fmt: skip
@click.option(
    "--baseline", multiple=True, metavar="TASK=FILE", callback=_of_tasks,
    help="Of a student of one task and a fixed rate, the same; repeatable.",
)  # fmt: skip
@click.option("--k", default=16, show_default=True, type=click.IntRange(1), help="At which the baseline is compared.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
def transfer(
    ours: tuple[Path, ...], single: dict[str, list[Path]], baseline: dict[str, list[Path]], k: int,
    json_path: Path | None,
) -> None:  # fmt: skip
    """What one student for all tasks loses or gains against a student for each: OURS are files of 'multitask --json'.

    Points over --single by task, k and SNR, paired over items, noise and seeds; and over --baseline the mean relative
    gain in each band of SNR. All files have to be of the same data set, channel and seed of noise. Nothing is measured.
    """
    from sdr_sc.errors import SdrScError
    from sdr_sc.evidence.multitask.transfer import paired, relative_rows, transfer_rows
    from sdr_sc.evidence.tables import pivot
    from sdr_sc.results.rows import check_writable, write_json
    from sdr_sc.sealed import file_digest

    if not single and not baseline:
        raise SdrScError("there is nothing to compare with; give --single, --baseline, or both.")
    if json_path is not None:
        check_writable(json_path)
    rows = []
    if single:
        rows += transfer_rows(paired(ours, single, "students of one task"))
        click.echo("points over students of one task\n\n" + pivot(rows, "figure", 2, intervals=True))
    if baseline:
        relative = relative_rows(paired(ours, baseline, "baseline"), k)
        click.echo("\nrelative gain over the baseline, %\n\n" + pivot(relative, "figure", 1, intervals=True))
        rows += relative
    if json_path is not None:
        paths = [*ours, *(path for group in (single, baseline) for paths in group.values() for path in paths)]
        config = {"results": {str(path): file_digest(path) for path in paths}, "k": k}
        write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows, {"config": config})
        click.echo(f"wrote {json_path}")
    if any(row.ok is False for row in rows):
        raise SystemExit(1)
