# SPDX-License-Identifier: GPL-3.0-or-later
"""Numpy arrays to and from PMT uniform vectors, fast.

``pmt.to_pmt`` and ``pmt.to_python`` go through a Python list, 0.1 us a value; PMT's own serialised form is a header
and the values in big-endian order, which numpy writes and reads at memory speed. It is what GNU Radio sends over ZMQ
and writes to files, and has been the same since 3.7.
"""

from __future__ import annotations

import struct

import numpy as np
import pmt

_UNIFORM_VECTOR = 0x0A
_HEADER = struct.Struct(">BBIBB")  # tag, type, length, padding bytes, one byte of padding
_TYPES = {np.dtype(np.uint8): 0x00, np.dtype(np.float32): 0x08, np.dtype(np.complex64): 0x0A}
_READERS = ((pmt.is_c32vector, np.complex64), (pmt.is_f32vector, np.float32), (pmt.is_u8vector, np.uint8))


def to_vector(values: np.ndarray) -> pmt.pmt_base:
    """A uniform vector of one-dimensional values; complex64, float32 and uint8 take the fast way."""
    kind = _TYPES.get(values.dtype)
    if kind is None:
        return pmt.to_pmt(values)
    header = _HEADER.pack(_UNIFORM_VECTOR, kind, len(values), 1, 0)
    return pmt.deserialize_str(header + _big_endian(np.ascontiguousarray(values)).tobytes())


def from_vector(vector: pmt.pmt_base) -> np.ndarray:
    """The values of a uniform vector, in an array of its own."""
    for is_kind, kind in _READERS:
        if is_kind(vector):
            raw = pmt.serialize_str(vector)
            count = pmt.length(vector)
            size = np.dtype(kind).itemsize * count
            # Behind the header comes padding of a length that the header tells; the values are the rest.
            return _big_endian(np.frombuffer(raw, np.uint8)[len(raw) - size :].view(kind)).copy()
    return pmt.to_python(vector)


def _big_endian(values: np.ndarray) -> np.ndarray:
    """The same values with the bytes of each real number in the other order (its own inverse)."""
    return values if values.itemsize == 1 else values.view(np.float32).byteswap().view(values.dtype)
