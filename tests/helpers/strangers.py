# SPDX-License-Identifier: GPL-3.0-or-later
"""Strangers on a network port: sockets, raw peers, and blocks that run against them."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import zmq
from gnuradio import blocks, gr
from usrp_ends import free_ports

from sdr_sc.blocks.zmq_pdu_source import zmq_pdu_source

ZMTP_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)


def until(condition: Callable[[], object], limit_s: float = 120.0) -> bool:
    over = time.monotonic() + limit_s
    while not condition() and time.monotonic() < over:
        time.sleep(0.01)
    return bool(condition())


def new_address() -> str:
    return f"tcp://127.0.0.1:{free_ports(1)[0]}"


@contextmanager
def running(source: zmq_pdu_source) -> Iterator[Any]:
    """A flowgraph that stores what the source passes on."""
    tb, got = gr.top_block(), blocks.message_debug()
    tb.msg_connect((source, "pdus"), (got, "store"))
    tb.start()
    try:
        yield got
    finally:
        tb.stop()
        tb.wait()


@contextmanager
def stranger(kind: int, address: str, bind: bool = False, **options: Any) -> Iterator[Any]:
    """A plain ZMQ socket."""
    other = zmq.Context.instance().socket(kind)
    other.linger = 0
    for name, value in options.items():
        setattr(other, name, value)
    (other.bind if bind else other.connect)(address)
    try:
        yield other
    finally:
        other.close()


def raw_peer(address: str, *commands: bytes) -> socket.socket:
    """A TCP connection that says these bytes."""
    host, port = address.removeprefix("tcp://").split(":")
    peer = socket.create_connection((host, int(port)))
    with suppress(OSError):  # it may be let go before it has said all
        for command in commands:
            peer.sendall(command)
    return peer


def memory_mib() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20
