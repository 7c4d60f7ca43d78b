# SPDX-License-Identifier: GPL-3.0-or-later
"""PDUs: a dictionary of metadata with a vector of data; and the blocks that take them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pmt

from sdr_sc.blocks.runtime.vectors import from_vector, read_pair, to_pair
from sdr_sc.errors import BlockError


def make_pdu(meta: dict[str, Any], data: np.ndarray) -> pmt.pmt_base:
    """A PDU.

    Args:
        meta: snake_case keys with the unit in the name; numpy scalars are turned into Python's, which PMT needs.
        data: one-dimensional array of a type that PMT knows.
    """
    return to_pair(meta, data)


def read_pdu(message: pmt.pmt_base, port: str) -> tuple[dict[str, Any], np.ndarray]:
    """Metadata and data of a PDU.

    Raises:
        BlockError: the message is no PDU.
    """
    quick = read_pair(message)
    if quick is not None:
        return quick
    if not (pmt.is_pair(message) and pmt.is_dict(pmt.car(message)) and pmt.is_uniform_vector(pmt.cdr(message))):
        raise BlockError(f"port {port!r} got a message that is not a PDU; connect it to a port that sends PDUs.")
    meta, items = {}, pmt.dict_items(pmt.car(message))
    while not pmt.is_null(items):
        pair, items = pmt.car(items), pmt.cdr(items)
        value = pmt.cdr(pair)
        plain = from_vector(value) if pmt.is_uniform_vector(value) else pmt.to_python(value)
        meta[pmt.to_python(pmt.car(pair))] = plain
    return meta, from_vector(pmt.cdr(message))


def has_listener(block: Any, port: str) -> bool:
    """Whether a message output is connected: what nobody takes need not be made."""
    return not pmt.is_null(block.message_subscribers(pmt.intern(port)))


def leave_listeners(block: Any, port: str) -> None:
    """Disconnect a message output from blocks of ours: the end of this block does not end them, but that of others.

    Blocks of other packages, such as GNU Radio's message debug, may have no other way to end.
    """
    name = pmt.intern(port)
    listeners = block.message_subscribers(name)
    while not pmt.is_null(listeners):
        listener, listeners = pmt.car(listeners), pmt.cdr(listeners)
        if pmt.symbol_to_string(pmt.car(listener)).startswith("sdr_sc_"):
            block.gateway.message_port_unsub(name, listener)
