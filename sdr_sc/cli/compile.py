# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc compile``."""

from __future__ import annotations

from pathlib import Path

import click

from sdr_sc.flowgraph.compile import compile_flowgraph
from sdr_sc.shown import shown


@click.command()
@click.argument("flowgraphs", metavar="FLOWGRAPH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), default=".", help="Folder for the Python files."
)
def command(flowgraphs: tuple[Path, ...], folder: Path) -> None:
    """Compile GRC flowgraphs to Python, with our blocks known.

    A .grc file is code: GRC evaluates its values to compile it, so compile only those you trust.
    """
    for flowgraph in flowgraphs:
        click.echo(shown(compile_flowgraph(flowgraph, folder)))
