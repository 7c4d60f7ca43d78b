# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc clean``."""

from __future__ import annotations

import click

from sdr_sc.doctor.leftovers import find_leftovers, remove_leftovers
from sdr_sc.shown import shown


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
def command(dry_run: bool) -> None:
    """Remove what killed programs of yours left in shared memory and in the folder for temporary files.

    What running programs use, and what other users have, is left alone.
    """
    found = find_leftovers() if dry_run else remove_leftovers()
    for leftover in found:
        done = "would remove" if dry_run else "removed"
        click.echo(f"{done} {shown(leftover.path)} ({leftover.size_bytes / 2**20:.1f} MiB)")
    if not found:
        click.echo("nothing to remove")
