# SPDX-License-Identifier: GPL-3.0-or-later
"""UHD's C interface by ctypes: every time stamp, flag and error code of a stream, and no package but libuhd itself.

A process that uses it needs the simulated USRP in its environment before (`sdr_sc.simusrp.build.environment`).
"""

from __future__ import annotations

import ctypes
import ctypes.util
from ctypes import POINTER, Structure, byref, c_bool, c_char_p, c_double, c_int, c_int64, c_size_t, c_void_p
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

OVERFLOW, TIMEOUT, LATE_COMMAND, BROKEN_CHAIN = 0x8, 0x1, 0x2, 0x4
BURST_ACK, UNDERFLOW, TIME_ERROR = 0x1, 0x2, 0x8
CONTINUOUS, STOP, SAMPLES, SAMPLES_AND_MORE = 97, 111, 100, 109


class StreamArgs(Structure):
    _fields_ = [
        ("cpu_format", c_char_p),
        ("otw_format", c_char_p),
        ("args", c_char_p),
        ("channel_list", POINTER(c_size_t)),
        ("n_channels", c_int),
    ]


class StreamCommand(Structure):
    _fields_ = [
        ("stream_mode", c_int),
        ("num_samps", c_size_t),
        ("stream_now", c_bool),
        ("full_s", c_int64),
        ("fraction_s", c_double),
    ]


class TuneRequest(Structure):
    _fields_ = [
        ("target_freq", c_double),
        ("rf_policy", c_int),
        ("rf_freq", c_double),
        ("dsp_policy", c_int),
        ("dsp_freq", c_double),
        ("args", c_char_p),
    ]


@cache
def library() -> ctypes.CDLL:
    return ctypes.CDLL(ctypes.util.find_library("uhd"))


class UhdError(Exception):
    """What a call to libuhd failed with."""


def call(name: str, *arguments: Any) -> None:
    if getattr(library(), "uhd_" + name)(*arguments) != 0:
        text = ctypes.create_string_buffer(2000)
        library().uhd_get_last_error(text, c_size_t(2000))
        raise UhdError(text.value.decode())


@dataclass(frozen=True)
class Received:
    """What one recv() gave."""

    samples: np.ndarray
    error: int
    time_s: float | None
    end_of_burst: bool


class Usrp:
    """A device with one streamer each way."""

    def __init__(
        self,
        args: str,
        rate_hz: float = 1e6,
        tx: bool = False,
        rx: bool = False,
        channels: int = 1,
        cpu_format: str = "fc32",
        stream_args: str = "",
    ) -> None:
        self.handle = c_void_p()
        self.rate_hz, self.channels = rate_hz, channels
        self._tx, self._rx = c_void_p(), c_void_p()
        self._rx_meta, self._async_meta = c_void_p(), c_void_p()
        self.dtype = {"fc32": np.complex64, "fc64": np.complex128, "sc16": "<i4", "sc8": "<i2"}[cpu_format]
        call("usrp_make", byref(self.handle), f"type=simusrp,{args}".encode())
        numbers = (c_size_t * channels)(*range(channels))
        wanted = StreamArgs(cpu_format.encode(), b"sc16", stream_args.encode(), numbers, channels)
        for channel in range(channels):
            if tx:
                call("usrp_set_tx_rate", self.handle, c_double(rate_hz), c_size_t(channel))
            if rx:
                call("usrp_set_rx_rate", self.handle, c_double(rate_hz), c_size_t(channel))
        if tx:
            call("tx_streamer_make", byref(self._tx))
            call("usrp_get_tx_stream", self.handle, byref(wanted), self._tx)
            call("async_metadata_make", byref(self._async_meta))
        if rx:
            call("rx_streamer_make", byref(self._rx))
            call("usrp_get_rx_stream", self.handle, byref(wanted), self._rx)
            call("rx_metadata_make", byref(self._rx_meta))

    def close(self) -> None:
        for kind, handle in (("tx_streamer", self._tx), ("rx_streamer", self._rx), ("usrp", self.handle)):
            if handle:
                call(kind + "_free", byref(handle))

    def __enter__(self) -> Usrp:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def tune(self, direction: str, freq_hz: float, channel: int = 0) -> None:
        request = TuneRequest(freq_hz, 65, 0.0, 65, 0.0, b"")
        result = (c_double * 5)()
        call(f"usrp_set_{direction}_freq", self.handle, byref(request), c_size_t(channel), byref(result))

    def gain(self, direction: str, gain_db: float, channel: int = 0) -> None:
        call(f"usrp_set_{direction}_gain", self.handle, c_double(gain_db), c_size_t(channel), b"")

    def get(self, what: str, channel: int = 0) -> float:
        value = c_double()
        call(f"usrp_get_{what}", self.handle, c_size_t(channel), byref(value))
        return value.value

    def now_s(self) -> float:
        full, fraction = c_int64(), c_double()
        call("usrp_get_time_now", self.handle, c_size_t(0), byref(full), byref(fraction))
        return full.value + fraction.value

    def set_now(self, time_s: float) -> None:
        call("usrp_set_time_now", self.handle, c_int64(int(time_s)), c_double(time_s % 1), c_size_t(0))

    def send(
        self,
        samples: np.ndarray,
        time_s: float | None = None,
        start: bool = False,
        end: bool = False,
        timeout_s: float = 1.0,
    ) -> int:
        """Samples (n,) or (channels, n); returns how many were sent."""
        lines = np.ascontiguousarray(np.atleast_2d(samples), self.dtype)
        pointers = (c_void_p * len(lines))(*(line.ctypes.data for line in lines))
        meta, sent = c_void_p(), c_size_t()
        full = int(time_s or 0)
        timed = c_bool(time_s is not None), c_int64(full), c_double((time_s or 0) - full)
        call("tx_metadata_make", byref(meta), *timed, c_bool(start), c_bool(end))
        try:
            count = c_size_t(lines.shape[1])
            call("tx_streamer_send", self._tx, pointers, count, byref(meta), c_double(timeout_s), byref(sent))
        finally:
            call("tx_metadata_free", byref(meta))
        return sent.value

    def message(self, timeout_s: float = 0.5) -> tuple[int, float] | None:
        """Event code and time of the next asynchronous message."""
        valid, code, full, fraction = c_bool(), c_int(), c_int64(), c_double()
        call("tx_streamer_recv_async_msg", self._tx, byref(self._async_meta), c_double(timeout_s), byref(valid))
        if not valid.value:
            return None
        call("async_metadata_event_code", self._async_meta, byref(code))
        call("async_metadata_time_spec", self._async_meta, byref(full), byref(fraction))
        return code.value, full.value + fraction.value

    def command(self, mode: int, samples: int = 0, time_s: float | None = None) -> None:
        full = int(time_s or 0)
        command = StreamCommand(mode, samples, time_s is None, full, (time_s or 0) - full)
        call("rx_streamer_issue_stream_cmd", self._rx, byref(command))

    def receive(self, count: int, timeout_s: float = 1.0, one_packet: bool = False) -> Received:
        """One recv(); samples are (n,), or (channels, n) with several channels."""
        lines = np.zeros((self.channels, count), self.dtype)
        pointers = (c_void_p * len(lines))(*(line.ctypes.data for line in lines))
        got, code, timed, ended = c_size_t(), c_int(), c_bool(), c_bool()
        meta = self._rx_meta
        limits = c_double(timeout_s), c_bool(one_packet)
        call("rx_streamer_recv", self._rx, pointers, c_size_t(count), byref(meta), *limits, byref(got))
        call("rx_metadata_error_code", meta, byref(code))
        call("rx_metadata_has_time_spec", meta, byref(timed))
        call("rx_metadata_end_of_burst", meta, byref(ended))
        full, fraction = c_int64(), c_double()
        call("rx_metadata_time_spec", meta, byref(full), byref(fraction))
        time_s = full.value + fraction.value if timed.value else None
        samples = lines[0, : got.value] if self.channels == 1 else lines[:, : got.value]
        return Received(samples, code.value, time_s, ended.value)

    def collect(self, count: int, timeout_s: float = 2.0, chunk: int = 100_000) -> np.ndarray:
        """Samples until there are enough; raises at any error."""
        parts, missing = [], count
        while missing:
            got = self.receive(min(missing, chunk), timeout_s)
            if got.error:
                raise UhdError(f"error {got.error:#x} after {count - missing} of {count} samples")
            parts.append(got.samples)
            missing -= got.samples.shape[-1]
        return np.concatenate(parts, axis=-1)
