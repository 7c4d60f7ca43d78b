# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF's sample formats to complex64 and back.

An integer of n bits stands for itself over 2^(n-1), less 1 if it has no sign, as the SigMF library scales it: in
``ci16_le`` 32768 is 1.0, and complex64 keeps each value exactly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdr_sc.errors import CaptureError
from sdr_sc.shown import shown


@dataclass(frozen=True)
class SampleFormat:
    """How a complex sample lies in a file.

    Attributes:
        name: SigMF's name, such as ``ci16_le``.
        dtype: of one of its two components.
        scale: the integer that stands for 1.0; 1 for floating point.
        middle: the integer that stands for 0.
    """

    name: str
    dtype: np.dtype
    scale: float = 1.0
    middle: int = 0

    @property
    def sample_bytes(self) -> int:
        """Bytes of one complex sample."""
        return 2 * self.dtype.itemsize


def _formats() -> dict[str, SampleFormat]:
    found = {}
    for kind in ("f4", "f8", "i4", "i2", "i1", "u4", "u2", "u1"):
        bits = 8 * int(kind[1])
        for order, suffix in (("<", "_le"), (">", "_be")):
            name = f"c{kind[0]}{bits}" + (suffix if bits > 8 else "")
            scale = 1.0 if kind[0] == "f" else 2.0 ** (bits - 1)
            found[name] = SampleFormat(name, np.dtype(order + kind), scale, int(scale) if kind[0] == "u" else 0)
    return found


FORMATS = _formats()
"""The formats that can be read and written, by their SigMF names."""


def sample_format(datatype: Any) -> SampleFormat:
    """The format of a SigMF datatype.

    Raises:
        CaptureError: it is unknown, real, or has no byte order. The sentence does not name the file.

    >>> sample_format("ci16_le").sample_bytes
    4
    >>> sample_format("ci16")
    Traceback (most recent call last):
    sdr_sc.errors.CaptureError: datatype 'ci16' says no byte order; write ci16_le or ci16_be.
    """
    known = FORMATS.get(datatype) if isinstance(datatype, str) else None
    if known is not None:
        return known
    if isinstance(datatype, str) and f"{datatype}_le" in FORMATS:
        raise CaptureError(f"datatype {datatype!r} says no byte order; write {datatype}_le or {datatype}_be.")
    if isinstance(datatype, str) and re.fullmatch(r"r[fiu]\d+(_[lb]e)?", datatype):
        raise CaptureError(f"datatype {datatype!r} is of real samples; only complex ones can be received.")
    raise CaptureError(f"datatype {shown(repr(datatype), 60)} is unknown; known are {', '.join(sorted(FORMATS))}.")


def to_complex64(raw: Any, datatype: str) -> np.ndarray:
    """Samples of a file as complex64.

    Args:
        raw: bytes of whole samples, anything with the buffer protocol.
        datatype: a key of `FORMATS`.

    Returns:
        complex64 (n,); for ``cf32_le`` on a little-endian machine a view of ``raw``.

    Raises:
        CaptureError: an unknown datatype, or bytes that are not whole samples.

    >>> to_complex64(np.array([16384, -32768], "<i2"), "ci16_le")
    array([0.5-1.j], dtype=complex64)
    """
    form = sample_format(datatype)
    octets = memoryview(raw).nbytes
    if octets % form.sample_bytes:
        raise CaptureError(f"{octets} bytes are not whole samples of {form.sample_bytes} bytes each ({datatype}).")
    values = np.frombuffer(raw, form.dtype)
    if values.dtype == np.float32 and values.dtype.isnative:
        return values.view(np.complex64)
    if form.scale == 1.0:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which the receiver counts
            return values.astype(np.float32).view(np.complex64)
    # 32-bit integers go through float64, so that they are rounded once, after the subtraction.
    wide: np.ndarray = values.astype(np.float64 if form.dtype.itemsize == 4 else np.float32)
    # In place: fresh memory for each step would cost a replay more than the arithmetic.
    if form.middle:
        wide -= form.middle
    wide *= 1.0 / form.scale  # a power of two, and so exact
    return wide.astype(np.float32, copy=False).view(np.complex64)


def warm_up(datatype: str) -> None:
    """Compile what `from_complex64` needs for a datatype, which takes a moment: before samples wait for it.

    Raises:
        CaptureError: an unknown datatype.
    """
    from_complex64(np.zeros(1, np.complex64), datatype)


def from_complex64(samples: np.ndarray, datatype: str) -> tuple[np.ndarray, int]:
    """Samples as a file holds them.

    Args:
        samples: complex64 (n,).
        datatype: a key of `FORMATS`.

    Returns:
        Array (2n,) of the format's components, and how many samples were beyond its range, infinite or NaN: these
        have the nearest value, NaN the middle.

    Raises:
        CaptureError: an unknown datatype.

    >>> values, clipped = from_complex64(np.array([0.5 - 1j, 1.5]), "ci16_le")
    >>> values.tolist(), clipped
    ([16384, -32768, 32767, 0], 1)
    """
    form = sample_format(datatype)
    parts = np.ascontiguousarray(samples, np.complex64).view(np.float32)
    if form.scale == 1.0:
        return parts.astype(form.dtype, copy=False), 0
    if form.dtype == np.int16:
        from sdr_sc.capture.quantise import to_int16  # numba takes a while, and only writers need it

        out = np.empty(len(parts), np.int16)
        return out, to_int16(parts, out)
    # To 16 bits, float32 is exact: the scale is a power of two.
    wide: np.ndarray = parts.astype(np.float64 if form.dtype.itemsize == 4 else np.float32, copy=True)
    wide *= form.scale
    np.rint(wide, out=wide)
    if form.middle:
        wide += form.middle
    limits = np.iinfo(form.dtype)
    if not wide.size or (wide.min() >= limits.min and wide.max() <= limits.max):
        return wide.astype(form.dtype), 0
    outside = ~((wide >= limits.min) & (wide <= limits.max))
    wide = np.clip(np.where(np.isnan(wide), form.middle, wide), limits.min, limits.max)
    return wide.astype(form.dtype), int(np.count_nonzero(outside[0::2] | outside[1::2]))
