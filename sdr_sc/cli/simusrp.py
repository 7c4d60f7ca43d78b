# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc simusrp``: build the simulated USRP, look at it, change it while it runs."""

from __future__ import annotations

import os
import shutil
import sys
import time

import click

from sdr_sc.shown import shown, terminal


@click.group("simusrp")
def command() -> None:
    """The simulated USRP: a device of type=simusrp for every program that uses libuhd."""


@command.command("build")
@click.option("--force", is_flag=True, help="Compile even if there is nothing new.")
@click.option("--quiet", is_flag=True, help="Print nothing unless it fails.")
def build_command(force: bool, quiet: bool) -> None:
    """Compile the module for the libuhd that is installed; nothing to do if it is there."""
    from sdr_sc.simusrp import build

    start = time.perf_counter()
    if not quiet and (force or not build.is_built()):
        click.echo("compiling the simulated USRP (up to a minute) ...")
    is_new = build.build(force)
    if not quiet:
        took = f"built in {time.perf_counter() - start:.0f} s" if is_new else "up to date"
        click.echo(f"{took}: {shown(build.module_path())}")


@command.command("info")
def info_command() -> None:
    """Show the module, what it was built for, and how programs find it."""
    from rich.table import Table
    from rich.text import Text

    from sdr_sc.simusrp import build

    record = build.build_record()
    table = Table(title="simulated USRP", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for what, found in {
        "module": str(build.module_path()),
        "libuhd": f"{record['uhd_version']} ({record['libuhd']})",
        "compiler": record["compiler"],
        "in the environment": f"{build.VARIABLE}={build.environment()[build.VARIABLE]}",
        "try": "sdr-sc simusrp exec -- uhd_usrp_probe --args type=simusrp",
    }.items():
        table.add_row(what, Text(found))
    terminal(soft_wrap=False).print(table)


@command.command("list")
def list_command() -> None:
    """Show the airs and the devices on them."""
    from rich.table import Table
    from rich.text import Text

    from sdr_sc.errors import SdrScError
    from sdr_sc.simusrp import airs

    console = terminal()
    names = airs.air_names()
    if not names:
        console.print("no program has a simulated USRP open")
    for name in names:
        try:
            air = airs.read_air(name)
        except SdrScError as error:
            console.print(Text(str(error)))
            continue
        if not air.devices:
            console.print(f"air {name}: nobody is left on it; 'sdr-sc simusrp clean' removes it")
            continue
        title = f"air {name}: pace={air.pace}, {air.now_s:.3f} s, {air.bytes / 2**20:.1f} MiB"
        table = Table(title=title, title_justify="left")
        for heading in ("device", "process", "values", "streams"):
            table.add_column(heading, overflow="fold")
        for device in air.devices:
            values = [f"{key}={value:g}" for key, value in device.values.items()] + [f"ppm={device.ppm:g}"]
            streams = [
                f"{stream.direction} {stream.state}: {stream.rate_hz * 1e-6:g} MS/s at {stream.freq_hz * 1e-6:g} MHz, "
                f"gain {stream.gain_db:g} dB, sample {stream.index:,}"
                for stream in device.streams
            ]
            table.add_row(device.name, str(device.pid), "\n".join(values), "\n".join(streams) or "none")
        console.print(table)


@command.command("set")
@click.argument("name")
@click.argument("assignments", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.option("--air", default="default", show_default=True, help="Air that the device is on.")
@click.option("--at-s", type=float, help="Moment of the air from which it holds [now].")
def set_command(name: str, assignments: tuple[str, ...], air: str, at_s: float | None) -> None:
    """Change values of the running device NAME: path_loss_db, cfo_hz, noise_figure_db."""
    from sdr_sc.errors import SdrScError
    from sdr_sc.simusrp.control import set_value

    pairs = []
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        try:
            pairs.append((key, float(text)))
        except ValueError:
            raise SdrScError(
                f"'{assignment}' is no {'number' if equals else 'assignment'}; write it as path_loss_db=80."
            ) from None
    for key, value in pairs:
        set_value(name, key, value, air, at_s)


@command.command("clean")
def clean_command() -> None:
    """Remove from shared memory what killed programs left."""
    from sdr_sc.simusrp import airs

    removed = airs.clean()
    click.echo(f"removed: {shown(', '.join(removed))}" if removed else "nothing to remove")


@command.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
def exec_command(program: tuple[str, ...]) -> None:
    """Run a program that is to find the simulated USRP, such as uhd_find_devices --args type=simusrp.

    Status: the program's own.
    """
    from sdr_sc.errors import MissingDependencyError
    from sdr_sc.simusrp import build

    environment = build.environment()
    found = shutil.which(program[0])
    if found is None:
        package = "; run 'sudo apt-get install uhd-host'" if program[0].startswith("uhd_") else "; check its name"
        raise MissingDependencyError(f"there is no program {program[0]} on the PATH{package}.")
    sys.stdout.flush()
    os.execve(found, list(program), environment)
