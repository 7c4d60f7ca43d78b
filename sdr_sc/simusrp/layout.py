# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared memory of an air as ctypes structures: a mirror of ``src/air_layout.hpp``, which explains the fields."""

from __future__ import annotations

import ctypes
from ctypes import c_char, c_double, c_int64, c_uint32, c_uint64

MAGIC = 0x3152494150525553
LAYOUT_VERSION = 2
NAME_BYTES = 64
MAX_DEVICES = 32
MAX_STREAMS = 64
MAX_CHANGES = 64
PACES = ("rt", "step")
LIVE_KEYS = ("path_loss_db", "cfo_hz", "noise_figure_db")
TX_STATES = ("free", "active", "idle", "left")
RX_STATES = ("free", "stopped", "streaming")


class Owner(ctypes.Structure):
    _fields_ = [("pid", c_uint32), ("pid_namespace", c_uint32), ("start_ticks", c_uint64)]


class Change(ctypes.Structure):
    _fields_ = [("at_ps", c_int64), ("value", c_double), ("key", c_uint32), ("unused", c_uint32)]


class DeviceSlot(ctypes.Structure):
    _fields_ = [
        ("used", c_uint32),
        ("channels", c_uint32),
        ("owner", Owner),
        ("name", c_char * NAME_BYTES),
        ("ppm", c_double),
        ("initial", c_double * len(LIVE_KEYS)),
        ("change_count", c_uint32),
        ("unused", c_uint32),
        ("changes", Change * MAX_CHANGES),
    ]


class TxSlot(ctypes.Structure):
    _fields_ = [
        ("state", c_uint32),
        ("channel", c_uint32),
        ("device", c_uint32),
        ("is_first", c_uint32),
        ("owner", Owner),
        ("name", c_char * NAME_BYTES),
        ("serial", c_uint64),
        ("rate_hz", c_double),
        ("ppm", c_double),
        ("idle_samples", c_int64),
        ("declared", c_int64),
        ("freq_hz", c_double),
        ("gain_db", c_double),
    ]


class RxSlot(ctypes.Structure):
    _fields_ = [
        ("state", c_uint32),
        ("device", c_uint32),
        ("owner", Owner),
        ("name", c_char * NAME_BYTES),
        ("rate_hz", c_double),
        ("ppm", c_double),
        ("claimed", c_int64),
        ("freq_hz", c_double),
        ("gain_db", c_double),
    ]


class AirHeader(ctypes.Structure):
    _fields_ = [
        ("magic", c_uint64),
        ("layout_version", c_uint32),
        ("header_bytes", c_uint32),
        ("device_slot_bytes", c_uint32),
        ("tx_slot_bytes", c_uint32),
        ("rx_slot_bytes", c_uint32),
        ("pace", c_uint32),
        ("epoch_ns", c_uint64),
        ("now_ps", c_int64),
        ("next_serial", c_uint64),
        ("event", c_uint32),
        ("waiters", c_uint32),
        ("devices", DeviceSlot * MAX_DEVICES),
        ("tx", TxSlot * MAX_STREAMS),
        ("rx", RxSlot * MAX_STREAMS),
    ]


def fits(header: AirHeader) -> bool:
    """Whether the header was made by a module of this layout."""
    return (
        header.magic == MAGIC
        and header.layout_version == LAYOUT_VERSION
        and header.header_bytes == ctypes.sizeof(AirHeader)
        and header.device_slot_bytes == ctypes.sizeof(DeviceSlot)
        and header.tx_slot_bytes == ctypes.sizeof(TxSlot)
        and header.rx_slot_bytes == ctypes.sizeof(RxSlot)
    )
