# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc teacher``: make the large network that students are distilled from."""

from __future__ import annotations

import click

from sdr_sc.cli.shared.teacher_bridge import bridge
from sdr_sc.cli.shared.teacher_export import export
from sdr_sc.cli.shared.teacher_fit import fit
from sdr_sc.cli.shared.teacher_probe import probe
from sdr_sc.cli.shared.teacher_vectors import vectors


@click.group("teacher")
def command() -> None:
    """Make the large network that students are distilled from, or ask one that is there."""


command.add_command(fit)
command.add_command(export)
command.add_command(vectors)
command.add_command(bridge)
command.add_command(probe)
