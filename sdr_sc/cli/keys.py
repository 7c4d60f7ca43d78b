# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc keys``."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def command() -> None:
    """Keys for the network between 'sdr-sc tx' and 'sdr-sc rx' (ZMQ CURVE): encryption, and no strangers.

    \b
    at the transmitter:  sdr-sc keys make left       gives left.key and left.key_secret
    at the receiver:     sdr-sc keys make right
    Exchange the two .key files, which are public; the .key_secret files stay where they are.
    sdr-sc tx --curve-key left.key_secret  --allow-key right.key ...
    sdr-sc rx --curve-key right.key_secret --allow-key left.key ...
    """


@command.command("make")
@click.argument("name", type=click.Path(path_type=Path))
def make(name: Path) -> None:
    """Make a pair: NAME.key to hand out, and NAME.key_secret, which only you can read."""
    from sdr_sc.link.network.curve_keys import make_pair
    from sdr_sc.shown import shown

    public, secret = make_pair(name)
    click.echo(f"public key, for the other end (--allow-key): {shown(public)}")
    click.echo(f"secret key, for this end (--curve-key):      {shown(secret)}")


@command.command("show")
@click.argument("file")
def show(file: str) -> None:
    """Print the public key of a file of either kind; --allow-key takes it as well."""
    from sdr_sc.link.network.curve_keys import public_key

    click.echo(public_key(file).decode())


@command.command("list")
@click.argument("folder", type=click.Path(path_type=Path), default=".")
def listed(folder: Path) -> None:
    """List the keys in a folder, and what is wrong with them."""
    from sdr_sc.errors import SdrScError
    from sdr_sc.link.network.curve_keys import PUBLIC, SECRET, public_key
    from sdr_sc.shown import shown

    files = sorted(path for ending in (PUBLIC, SECRET) for path in folder.glob(f"*{ending}"))
    for file in files:
        kind = "public" if file.suffix == PUBLIC else "secret"
        try:
            click.echo(f"{kind}  {public_key(str(file)).decode()}  {shown(file.name)}")
        except SdrScError as error:
            click.echo(f"{kind}  {shown(error)}")
    if not files:
        click.echo(f"no keys in {shown(folder)}; make a pair with 'sdr-sc keys make NAME'")
