# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc grc-path``."""

from __future__ import annotations

import click

from sdr_sc.flowgraph.compile import GRC_FOLDER


@click.command()
def command() -> None:
    """Print the folder of our GRC block descriptions.

    For those who start GRC themselves: add it to GRC_BLOCKS_PATH, or to local_blocks_path in GNU Radio's configuration.
    """
    click.echo(GRC_FOLDER)
