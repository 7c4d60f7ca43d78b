# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of ``sdr-sc tx`` and ``sdr-sc rx``: keys, and what is said of strangers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table


def key_options(function: Callable) -> Callable:
    """``--curve-key`` and ``--allow-key``."""
    for option in (
        click.option("--allow-key", "allow_keys", multiple=True, metavar="KEY",
                     help="Public key of the other end, or its file; no other may connect. Repeatable at tx."),
        click.option("--curve-key", default="", metavar="FILE",
                     help="Secret key of this end, see 'sdr-sc keys': what crosses the network is encrypted."),
    ):  # fmt: skip
        function = option(function)
    return function


def take_keys(parameters: dict[str, Any], bind: bool) -> None:
    """Check the keys before anything is compiled, and give them the form that the flowgraphs take.

    Raises:
        SdrScError: one of them cannot be used.
    """
    from sdr_sc.link.network.curve_keys import load_keys

    keys = load_keys(parameters["curve_key"], parameters["allow_keys"], one_peer=not bind)
    parameters["allow_keys"] = ",".join(key.decode() for key in keys.allowed) if keys is not None else ""


def open_address_warning(parameters: dict[str, Any]) -> str:
    """One sentence if anybody on another host may connect; '' if not."""
    from sdr_sc.link.network.zmq_sockets import is_local

    options = (("--feedback", parameters["feedback_address"]), ("--sent", parameters["sent_address"]))
    opened = [option for option, address in options if not is_local(address)]
    if not opened or parameters["curve_key"]:
        return ""
    return (
        f"{' and '.join(opened)} can be reached from other hosts, and everybody there may read what is sent, set the "
        "SNR that is sent for, or disturb the run; use keys (--curve-key, see 'sdr-sc keys')."
    )


def add_strangers(table: Table, block: Any) -> None:
    """A row with the messages that a ``zmq_pdu_source`` refused, if any."""
    from sdr_sc.link.network.intake import most_common

    if block.messages_refused:
        table.add_row("messages that are not ours", f"[red]{most_common(block.messages_refused_by_kind)}[/]")


def connection_warnings(tb: Any) -> list[str]:
    """A sentence for each kind of connection that an end cut off or refused; the same as long as it runs."""
    from sdr_sc.flowgraph.usrp import connections_refused
    from sdr_sc.link.network.connections import NO_KEY, OTHER_KEY, WRONG_KEY

    do = {
        OTHER_KEY: "; compare --allow-key at the transmitter with the receiver's public key",
        NO_KEY: "; give --curve-key and --allow-key at both ends, or at none",
        WRONG_KEY: "; compare --allow-key at the receiver with the transmitter's public key",
    }
    found = [
        f"at {option}, {kind}{do.get(kind, '; somebody tries the address')}."
        for option, kinds in connections_refused(tb).items()
        for kind in kinds
    ]
    if getattr(tb.sent, "listeners_turned_away", 0):
        found.append("at --sent, more receivers ask for news than can be served, and some get none; use keys.")
    return found


def stranger_warnings(*blocks: Any) -> list[str]:
    """A sentence for each ``zmq_pdu_source`` that got messages which are not ours; the same as long as it runs."""
    from rich.markup import escape

    from sdr_sc.shown import shown

    return [
        f"messages that are not ours arrive at {escape(shown(block.address))} (the first: "
        f"{next(iter(block.messages_refused_by_kind))}); they are refused and counted. Another program uses the "
        "address, or somebody tries it."
        for block in blocks
        if block.messages_refused
    ]
