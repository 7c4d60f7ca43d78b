# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of measured channels: read, checked, aligned, and turned into taps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from sdr_sc.errors import ChannelError
from sdr_sc.files import open_plain
from sdr_sc.phy.linear import inner, matmul, solve_positive

TAPS = 16
FFT_SIZE = 64
_DELAY_RANGE = 8.0  # samples of the measurement that a snapshot may be off its predecessor
_DELAY_STEP = 0.02
_LEAST_CORRELATION = 0.9
_LONGEST_BAD_RUN = 8
_RIDGE = 3e-3  # keeps the taps small between and beyond the tones, where nothing was measured
_LIMIT_BYTES = 512 << 20
"""Of a file's arrays, decompressed."""
_KEYS = ("H", "t_s", "subcarrier", "subcarrier_spacing_hz")


@dataclass(frozen=True)
class MeasuredTaps:
    """A measured channel as a tapped delay line that changes over time.

    Attributes:
        t_s: float64 (snapshots,), rising from 0.
        taps: complex128 (snapshots, 16), the fit to ``tones``.
        tap_spacing_s: delay from tap to tap: 1 / (64 subcarrier spacings).
        subcarrier: int64 (tones,), their numbers.
        tones: complex128 (snapshots, tones), aligned, each snapshot of unit mean power; they have the taps' delays.
        fit_error_db: power of what the taps miss over the power of the tones.
    """

    t_s: np.ndarray
    taps: np.ndarray
    tap_spacing_s: float
    subcarrier: np.ndarray
    tones: np.ndarray
    fit_error_db: float


def read_measured(file: str | Path) -> MeasuredTaps:
    """Read an ``.npz`` file of measured channels.

    It holds ``H`` complex (snapshots, tones), ``t_s`` float (snapshots,) rising, ``subcarrier`` int (tones,) within
    -32..32, and ``subcarrier_spacing_hz``. The receiver that measured set delay, phase and gain of each snapshot at
    random, so each is turned to match its predecessor best, and scaled to unit mean power. That removes whatever
    delay, phase and power all tones have in common, also the part that was real: what stays is how the tones differ
    from one another and how this changes. Snapshots that match their predecessor badly are left out.

    Raises:
        ChannelError: the file is missing, is not such a file, or its content makes no sense.
    """
    path = Path(file).expanduser()
    try:
        stamp = path.stat().st_mtime_ns
    except (OSError, ValueError):
        raise ChannelError(
            f"channel: file of measured channels {str(file)!r} cannot be found; check the path."
        ) from None
    return _read(path, stamp)


@lru_cache(maxsize=8)
def _read(path: Path, _stamp: int) -> MeasuredTaps:
    response, t_s, subcarrier, spacing_hz = _load(path)
    aligned, good = _align(response, subcarrier)
    if good.sum() < 2:
        raise ChannelError(f"channel: no two neighbouring snapshots of {path} resemble each other; use another file.")
    tones, t_s = aligned[good], t_s[good] - t_s[good][0]
    taps, tones, error_db = _fit(tones, subcarrier)
    return MeasuredTaps(t_s, taps, 1.0 / (FFT_SIZE * spacing_hz), subcarrier, tones, error_db)


def _load(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """The arrays of a file, checked."""

    def demand(condition: bool, sentence: str) -> None:
        if not condition:
            raise ChannelError(f"channel: {path} is no file of measured channels: {sentence}.")

    try:
        with open_plain(path) as file, np.load(file, allow_pickle=False) as archive:
            demand(isinstance(archive, np.lib.npyio.NpzFile), "it is not an .npz archive; use one")
            size = sum(one.file_size for one in archive.zip.infolist())
            demand(size <= _LIMIT_BYTES, f"it holds more than {_LIMIT_BYTES >> 20} MiB; use fewer snapshots")
            missing = [key for key in _KEYS if key not in archive.files]
            demand(not missing, f"it has no {missing[0] if missing else ''!r}; it needs {', '.join(_KEYS)}")
            response, t_s, subcarrier, spacing = (np.asarray(archive[key]) for key in _KEYS)
    except ChannelError:
        raise
    except Exception:  # zipfile, zlib, struct and numpy all have errors of their own for damaged bytes
        demand(False, "it cannot be read as an .npz archive of plain numbers; use one")
    numbers = all(np.issubdtype(a.dtype, np.number) for a in (response, t_s, subcarrier, spacing))
    demand(numbers and not np.iscomplexobj(t_s), "its arrays have to hold numbers, real ones in t_s")
    demand(response.ndim == 2 and t_s.shape == response.shape[:1], "H has to be (snapshots, tones), t_s (snapshots,)")
    demand(subcarrier.shape == response.shape[1:], "subcarrier has to name each tone of H")
    demand(spacing.size == 1, "subcarrier_spacing_hz has to be one number")
    demand(len(t_s) >= 2 and response.shape[1] >= TAPS, f"it needs 2 snapshots and {TAPS} tones, or more")
    demand(bool(np.issubdtype(subcarrier.dtype, np.integer)), "subcarrier has to hold whole numbers")
    subcarrier = subcarrier.astype(np.int64)
    distinct = len(np.unique(subcarrier)) == len(subcarrier) and np.abs(subcarrier).max() <= FFT_SIZE // 2
    demand(distinct, "subcarrier has to hold different numbers from -32 to 32")
    demand(bool(np.isfinite(response).all() and np.isfinite(t_s).all()), "H and t_s have to be finite")
    demand(bool((np.diff(t_s) > 0).all()), "t_s has to rise from snapshot to snapshot")
    spacing_hz = float(np.real(spacing.ravel()[0]))
    demand(np.isfinite(spacing_hz) and spacing_hz > 0, "subcarrier_spacing_hz has to be above 0")
    alive = np.abs(response).max(axis=1) > 0
    demand(int(alive.sum()) >= 2, "H is zero")
    return response[alive].astype(complex), t_s[alive].astype(float), subcarrier, spacing_hz


def _align(response: np.ndarray, subcarrier: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each snapshot with its delay and phase turned to those of the one before, and bool: does it match that one."""
    response = response / np.abs(response).max(axis=1, keepdims=True)  # squares of tiny and huge numbers would not do
    response = response / np.sqrt(np.mean(np.abs(response) ** 2, axis=1, keepdims=True))
    delays = np.arange(-_DELAY_RANGE, _DELAY_RANGE, _DELAY_STEP)
    ramps = np.exp(2j * np.pi * np.outer(delays, subcarrier) / FFT_SIZE)
    aligned, good = response.copy(), np.ones(len(response), bool)
    reference, bad_run = aligned[0], 0
    for i in range(1, len(response)):
        match = np.abs(matmul(ramps, (response[i] * reference.conj())[:, np.newaxis])[:, 0])
        best = min(max(int(match.argmax()), 1), len(delays) - 2)
        before, here, after = match[best - 1 : best + 2]
        bend = before - 2 * here + after
        offset = 0.5 * (before - after) / bend if bend < 0 else 0.0
        delay = delays[best] + _DELAY_STEP * min(max(offset, -1.0), 1.0)
        turned = response[i] * np.exp(2j * np.pi * delay * subcarrier / FFT_SIZE)
        product = inner(turned, reference)
        aligned[i] = turned * np.exp(1j * np.angle(product))
        good[i] = abs(product) >= _LEAST_CORRELATION * len(subcarrier)
        bad_run = 0 if good[i] else bad_run + 1
        if good[i] or bad_run > _LONGEST_BAD_RUN:  # so long a run is a jump of the channel itself
            reference, bad_run = aligned[i], 0
    return aligned, good


def _fit(tones: np.ndarray, subcarrier: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Least-squares taps, with the first delay that fits best; the tones with that delay; the error in dB."""
    best: tuple[float, int, np.ndarray] | None = None
    for first in range(-TAPS, TAPS // 2):
        model = np.exp(-2j * np.pi * np.outer(subcarrier, first + np.arange(TAPS)) / FFT_SIZE)
        adjoint = np.ascontiguousarray(model.conj().T)
        gram = matmul(adjoint, model) + _RIDGE * len(subcarrier) * np.eye(TAPS)
        taps = matmul(tones, np.ascontiguousarray(solve_positive(gram, adjoint).T))
        error = float(np.mean(np.abs(tones - matmul(taps, np.ascontiguousarray(model.T))) ** 2))
        if best is None or error < best[0]:
            best = (error, first, taps)
    assert best is not None
    error, first, taps = best
    shifted = tones * np.exp(2j * np.pi * subcarrier * first / FFT_SIZE)
    return taps, shifted, 10 * float(np.log10(max(error, 1e-30)))
