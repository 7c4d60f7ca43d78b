# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc run``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sdr_sc.errors import FlowgraphError
from sdr_sc.flowgraph.compile import compile_flowgraph
from sdr_sc.flowgraph.run_child import run_in_child
from sdr_sc.places import scratch_folder


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("flowgraph", type=click.Path(path_type=Path))
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0, min_open=True), metavar="S",
              help="Stop with status 124 after S seconds.")  # fmt: skip
@click.option("--close", is_flag=True, help="Close a Qt flowgraph's window when its work is done.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(flowgraph: Path, timeout_s: float | None, close: bool, options: tuple[str, ...]) -> None:
    """Run FLOWGRAPH, a .grc file or the .py file that it was compiled to.

    Further options go to the flowgraph, which has one for each of its parameter blocks;
    'sdr-sc run FLOWGRAPH -- --help' lists them.

    A .grc file is code, as a .py file is: GRC evaluates its values already to compile it, so use only those you trust.

    Status: 0 it ended, 1 an error, 124 the time-out, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.
    """
    if flowgraph.suffix == ".py":
        if not flowgraph.is_file():
            raise FlowgraphError(f"flowgraph {flowgraph} does not exist; check its path.")
        sys.exit(run_in_child(flowgraph, list(options), timeout_s, close))
    with scratch_folder() as scratch:
        generated = compile_flowgraph(flowgraph, Path(scratch))
        status = run_in_child(generated, list(options), timeout_s, close)
    sys.exit(status)
