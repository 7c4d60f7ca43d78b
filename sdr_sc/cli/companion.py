# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc companion``."""

from __future__ import annotations

import os
import shutil
import sys

import click

from sdr_sc.errors import MissingDependencyError
from sdr_sc.flowgraph.companion import gtk_problem
from sdr_sc.flowgraph.compile import grc_environment


@click.command()
@click.argument("files", nargs=-1, type=click.Path())
def command(files: tuple[str, ...]) -> None:
    """Open GNU Radio Companion with our blocks, run by this Python so that flowgraphs find torch and sdr_sc.

    A .grc file is code: GRC evaluates its values already to show it, so open only those you trust.
    """
    program = shutil.which("gnuradio-companion")
    if program is None:
        raise MissingDependencyError("gnuradio-companion is not installed: run 'sudo apt-get install gnuradio'.")
    problem = gtk_problem()
    if problem:
        raise MissingDependencyError(problem)
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise MissingDependencyError(
            "the companion opens a window, but there is no display (DISPLAY is not set); "
            "log in with 'ssh -X', or use 'sdr-sc run' and 'sdr-sc compile', which need none."
        )
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, program, *files], grc_environment())
