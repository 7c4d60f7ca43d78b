# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc doctor``."""

from __future__ import annotations

import json
import sys

import click

from sdr_sc.doctor.checks import Finding, diagnose
from sdr_sc.doctor.machine import compile_modules
from sdr_sc.shown import shown


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--compile", "compiles", is_flag=True, help="Only compile what is to be compiled on this machine.")
def command(as_json: bool, compiles: bool) -> None:
    """Show what sdr_sc needs, what of it is here, and the command that gets what is missing.

    Status: 0 all that is required is here, 1 something is missing.
    """
    if compiles:
        for what, is_new, path in compile_modules():
            click.echo(f"{what}: {'compiled' if is_new else 'up to date'}, {shown(path)}")
        return
    findings = diagnose()
    if as_json:
        click.echo(json.dumps([finding.__dict__ for finding in findings], indent=2))
    else:
        _print(findings)
    sys.exit(any(finding.required and not finding.ok for finding in findings))


def _print(findings: list[Finding]) -> None:
    """A line for each finding, and one with the remedy; no table, whose columns would break paths in two."""
    from rich.text import Text

    from sdr_sc.shown import terminal

    console = terminal()
    widest = max(len(finding.what) for finding in findings)
    for finding in findings:
        if finding.ok:
            state, style = "ok", "green"
        elif finding.required:
            state, style = "missing", "bold red"
        else:
            state, style = "optional", "yellow"
        line = Text.assemble((f"{state:<8}", style), f"  {finding.what:<{widest}}  {shown(finding.found)}")
        console.print(line, soft_wrap=True)
        if not finding.ok:
            console.print(Text(f"{'':8}  {'':{widest}}  to fix it: {finding.remedy}"), soft_wrap=True)
    missing = sum(finding.required and not finding.ok for finding in findings)
    console.print("All that is required is here." if missing == 0 else f"Missing, and required: {missing}.")
