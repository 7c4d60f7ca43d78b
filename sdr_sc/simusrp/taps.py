# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of multipath for the device argument ``taps=``.

Little endian: the eight bytes ``SIMTAPS1``, float64 sample rate in Hz, uint32 lags, uint32 snapshots, uint64 samples
between snapshots, then complex64 taps, snapshot by snapshot, lag 0 first. The receiver interpolates linearly between
snapshots, and plays them forwards and backwards in turn; snapshot 0 is at the beginning of the air.
"""

from __future__ import annotations

import copy
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.files import read_plain, write_whole
from sdr_sc.phy.channels import Chain, ChannelModel, Multipath, ParsedChain, PathChannel
from sdr_sc.simusrp.build import SimusrpError

MAGIC = b"SIMTAPS1"
_HEADER = struct.Struct("<8sdIIQ")
_MAX_LAGS = 4096
_MAX_TAPS = 2**27
_MAX_INTERVAL = 2**24 - 1
_PROBE = 2**16
_NEGLIGIBLE = 1e-4
"""Taps this much weaker than the strongest one are not written at the end of a response (-80 dB)."""


def write_taps(
    path: str | Path,
    channel: ChannelModel | ParsedChain | Sequence[complex] | np.ndarray,
    sample_rate_hz: float,
    duration_s: float = 1.0,
    interval_s: float = 1e-3,
) -> None:
    """Write a channel as a file of taps.

    Args:
        path: file to write.
        channel: taps one sample apart, as complex (lags,) or (snapshots, lags); or a model of `sdr_sc.phy.channels`:
            `Multipath`, `Rayleigh`, `Rician`, `Tdl`, `Measured`, a `Chain` of them, or what `parse_chain` returns.
            A model is asked for its impulse response every ``interval_s``, so its state goes on.
        sample_rate_hz: of the receiver; a model has to be made for the same.
        duration_s: of the time series; ignored for taps that are given, and for channels that do not change.
        interval_s: between snapshots: far less than the channel needs to change, and longer than its echoes.

    Raises:
        SimusrpError: the channel is not linear, adds noise, changes the sample rate, has echoes longer than the
            interval, or the file cannot be written.
    """
    interval = max(1, round(interval_s * sample_rate_hz))
    if not (np.isfinite(sample_rate_hz) and sample_rate_hz > 0):
        raise SimusrpError(f"taps for a sample rate of {sample_rate_hz} Hz make no sense; use a number above 0.")
    if interval > _MAX_INTERVAL:
        raise SimusrpError(f"interval_s={interval_s:g} is too long; use {_MAX_INTERVAL / sample_rate_hz:g} s at most.")
    if isinstance(channel, ParsedChain) or hasattr(channel, "process"):
        snapshots = max(1, round(duration_s / interval_s)) + 1
        taps = _impulse_responses(_linear_models(channel), snapshots, interval, sample_rate_hz)
    else:
        taps = np.atleast_2d(np.asarray(channel, np.complex64))
    if taps.ndim != 2 or taps.size == 0 or not np.isfinite(taps).all():
        raise SimusrpError("taps have to be one or more finite complex numbers, as (lags,) or (snapshots, lags).")
    if taps.shape[1] > _MAX_LAGS or taps.size > _MAX_TAPS:
        raise SimusrpError(
            f"{taps.shape[0]} snapshots of {taps.shape[1]} taps are too many; use up to {_MAX_LAGS} taps, and a "
            "shorter duration_s or a longer interval_s."
        )
    header = _HEADER.pack(MAGIC, sample_rate_hz, taps.shape[1], taps.shape[0], interval)
    write_whole({Path(path): header + np.ascontiguousarray(taps, "<c8").tobytes()})


def read_taps(path: str | Path) -> tuple[np.ndarray, float, float]:
    """Taps as complex64 (snapshots, lags), sample rate in Hz, seconds between snapshots.

    Raises:
        SimusrpError: the file cannot be read, or is no file of taps.
    """
    try:
        data = read_plain(path)
    except OSError as error:
        raise SimusrpError(f"the taps {path} cannot be read: {error.strerror}; write them with write_taps.") from error
    if len(data) < _HEADER.size or not data.startswith(MAGIC):
        raise SimusrpError(f"{path} is no file of taps; write it with write_taps.")
    _, rate_hz, lags, snapshots, interval = _HEADER.unpack_from(data)
    if len(data) != _HEADER.size + 8 * lags * snapshots or not rate_hz > 0:
        raise SimusrpError(f"the taps {path} are damaged; write them with write_taps.")
    taps = np.frombuffer(data, "<c8", offset=_HEADER.size).reshape(snapshots, lags)
    return taps.copy(), rate_hz, interval / rate_hz


def _linear_models(channel: Any) -> list[ChannelModel]:
    models = list(channel.models) if isinstance(channel, (Chain, ParsedChain)) else [channel]
    for model in models:
        if not isinstance(model, (Multipath, PathChannel)):
            raise SimusrpError(
                f"a {type(model).__name__} cannot be written as taps; use multipath, Rayleigh, Rician, TDL or measured "
                "channels, and the device's arguments for noise and offsets."
            )
    return models


def _impulse_responses(models: list[ChannelModel], snapshots: int, interval: int, sample_rate_hz: float) -> np.ndarray:
    """complex64 (snapshots, lags): what becomes of impulses that follow one another at the interval."""
    for model in models:
        if isinstance(model, PathChannel) and abs(model.sample_rate_hz - sample_rate_hz) > 1e-6 * sample_rate_hz:
            raise SimusrpError(
                f"the {type(model).__name__} was made for {model.sample_rate_hz:g} Hz and the taps are for "
                f"{sample_rate_hz:g} Hz; make both the same."
            )
    if snapshots * interval > 2**33:
        raise SimusrpError("the time series is too long; use a shorter duration_s.")
    # On copies, as the models' own time should begin with the first snapshot.
    response = np.zeros(_PROBE, np.complex64)
    response[0] = 1.0
    for model in copy.deepcopy(models):
        response = model.process(response)
    reach = np.flatnonzero(np.abs(response) > _NEGLIGIBLE * np.abs(response).max())
    if len(reach) and reach[-1] >= min(interval, _MAX_LAGS):
        raise SimusrpError(
            f"the channel's echoes last {reach[-1]} samples, and snapshots are {interval} samples apart; use a longer "
            f"interval_s, and a channel of up to {_MAX_LAGS} samples."
        )
    window = min(interval, _MAX_LAGS + 1)
    responses = np.zeros((snapshots, window), np.complex64)
    last_of_all = np.zeros(interval, np.float32)
    impulse = np.zeros(interval, np.complex64)
    impulse[0] = 1.0
    for number in range(snapshots):
        response = impulse
        for model in models:
            response = model.process(response)
        responses[number] = response[:window]
        np.maximum(last_of_all, np.abs(response), out=last_of_all)
    heard = np.flatnonzero(last_of_all > _NEGLIGIBLE * last_of_all.max())
    if len(heard) == 0:
        raise SimusrpError("the channel passes nothing, so that there are no taps to write.")
    lags = min(int(heard[-1]) + 1, window)
    # A channel that stands still is one snapshot.
    taps = responses[:, :lags]
    return taps[:1] if np.array_equal(taps, np.broadcast_to(taps[0], taps.shape)) else taps
