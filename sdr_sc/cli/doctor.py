# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc doctor``."""

from __future__ import annotations

import json
import sys

import click

from sdr_sc.experiments.diagnosis import Finding, diagnose


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(as_json: bool) -> None:
    """Show what sdr_sc needs, what of it is here, and the command that gets what is missing.

    Status: 0 all that is required is here, 1 something is missing.
    """
    findings = diagnose()
    if as_json:
        click.echo(json.dumps([finding.__dict__ for finding in findings], indent=2))
    else:
        _print_table(findings)
    sys.exit(any(finding.required and not finding.ok for finding in findings))


def _print_table(findings: list[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    from sdr_sc.shown import terminal

    table = Table(title="sdr_sc doctor", title_justify="left")
    for heading in ("what", "state", "found", "to mend it"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        if finding.ok:
            state = Text("ok", "green")
        elif finding.required:
            state = Text("missing", "bold red")
        else:
            state = Text("optional", "yellow")
        table.add_row(finding.what, state, Text(finding.found), Text("" if finding.ok else finding.remedy))
    console = terminal()
    console.print(table)
    missing = sum(finding.required and not finding.ok for finding in findings)
    console.print("All that is required is here." if missing == 0 else f"Missing, and required: {missing}.")
