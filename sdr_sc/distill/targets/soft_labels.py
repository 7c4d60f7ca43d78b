# SPDX-License-Identifier: GPL-3.0-or-later
"""Codecs of a teacher's soft labels: logits in, a few bytes a view, log-probabilities out."""

from __future__ import annotations

import re
from typing import Protocol

import numpy as np
from scipy.special import log_softmax

from sdr_sc.errors import SdrScError

FLOOR_NATS = 12.0
"""An 8-bit code c is the log-probability -c / 255 of this."""

_STEP = FLOOR_NATS / 255
_LOG_OF_CODE = (-_STEP * np.arange(256)).astype(np.float32)
_PROBABILITY_OF_CODE = np.exp(-_STEP * np.arange(256)).astype(np.float32)
_NIBBLES = np.stack([np.arange(256) & 15, np.arange(256) >> 4], axis=1).astype(np.uint8)


class LabelCodec(Protocol):
    """How soft labels are stored.

    Attributes:
        name: the text that `parse_label_codec` reads.
        bytes: size of one view's record.
    """

    name: str
    bytes: int

    def encode(self, logits: np.ndarray) -> np.ndarray:
        """Records, uint8 (n, bytes), of finite logits, float32 (n, classes)."""
        ...

    def decode(self, records: np.ndarray) -> np.ndarray:
        """Log-probabilities, float32 (n, classes), of records, uint8 (n, bytes); a row's probabilities sum to one."""
        ...


def parse_label_codec(text: str, classes: int) -> LabelCodec:
    """The codec of a name.

    Args:
        text: ``float32`` or ``float16`` (the log-probability of each class as a float), ``full8`` (of each class in
            8 bits), or ``top1``, ``top2``, ... (the most probable classes alone; the others share what is left).
        classes: number of logits, 2..65536.

    Raises:
        SdrScError: there is no such codec for so many classes.

    >>> parse_label_codec("top4", 10).bytes, parse_label_codec("float16", 10).bytes
    (6, 20)
    """
    top = re.fullmatch(r"top([1-9]\d{0,4})", text)
    if 2 <= classes <= 65536:
        if text in ("float32", "float16"):
            return FloatLabels(text, classes)
        if text == "full8":
            return FullLabels(classes)
        if top and int(top[1]) < classes:
            return TopLabels(int(top[1]), classes)
    raise SdrScError(
        f"there is no label codec {text!r} for {classes} classes; "
        f"give float32, float16, full8, or top1 to top{classes - 1}."
    )


class FloatLabels:
    """Log-probabilities of all classes as little-endian floats. They are the logits less one number for each view."""

    def __init__(self, name: str, classes: int) -> None:
        self.name, self._dtype = name, np.dtype(name).newbyteorder("<")
        self.bytes = classes * self._dtype.itemsize

    def encode(self, logits: np.ndarray) -> np.ndarray:
        """See `LabelCodec.encode`."""
        values = np.maximum(_log_probabilities(logits), np.finfo(self._dtype).min)
        return np.ascontiguousarray(values, self._dtype).view(np.uint8)

    def decode(self, records: np.ndarray) -> np.ndarray:
        """See `LabelCodec.decode`; float32 is given back bit by bit."""
        values = np.ascontiguousarray(records).view(self._dtype).astype(np.float32)
        return values if self.name == "float32" else _normalised(values)


class FullLabels:
    """Log-probabilities of all classes, one byte each, nearest; below `FLOOR_NATS` there is no less."""

    name = "full8"

    def __init__(self, classes: int) -> None:
        self.bytes = classes

    def encode(self, logits: np.ndarray) -> np.ndarray:
        """See `LabelCodec.encode`."""
        return _nearest_code(_log_probabilities(logits))

    def decode(self, records: np.ndarray) -> np.ndarray:
        """See `LabelCodec.decode`."""
        return _normalised(_LOG_OF_CODE[records])


class TopLabels:
    """The K most probable classes: K indices, then K bytes.

    The first byte is the log-probability of all other classes together, the others those of the second to the K-th
    class; the first class has what is missing from one. So every small probability, and with it the doubt about the
    first, is kept to 2.4 %, where a code for the first itself would round 0.97 to 0.95 or 1.

    The most probable class stays so: where rounding would put another before it, that view's codes are rounded towards
    smaller probabilities instead.
    """

    def __init__(self, k: int, classes: int) -> None:
        self.name, self._k, self._classes = f"top{k}", k, classes
        self._index_bytes = (k + 1) // 2 if classes <= 16 else k if classes <= 256 else 2 * k
        self.bytes = self._index_bytes + k

    def encode(self, logits: np.ndarray) -> np.ndarray:
        """See `LabelCodec.encode`."""
        order = np.argsort(-logits, axis=1, kind="stable")
        log_probabilities = np.take_along_axis(_log_probabilities(logits), order, axis=1).astype(np.float64)
        tail = np.logaddexp.reduce(log_probabilities[:, self._k :], axis=1, keepdims=True)
        values = np.concatenate([tail, log_probabilities[:, 1 : self._k]], axis=1)
        codes = _nearest_code(values)
        probabilities = _PROBABILITY_OF_CODE[codes]
        first = 1.0 - probabilities.sum(axis=1)
        rivals = np.concatenate([probabilities[:, :1] / (self._classes - self._k), probabilities[:, 1:]], axis=1)
        turned = first <= rivals.max(axis=1)
        codes[turned] = np.clip(np.ceil(-values[turned] / _STEP), 0, 255).astype(np.uint8)
        return np.concatenate([self._packed(order[:, : self._k]), codes], axis=1)

    def decode(self, records: np.ndarray) -> np.ndarray:
        """See `LabelCodec.decode`."""
        indices, codes = self._indices(records[:, : self._index_bytes]), records[:, self._index_bytes :]
        probabilities = _PROBABILITY_OF_CODE[codes]
        rest = probabilities[:, 0] / (self._classes - self._k)
        out = np.empty((len(records), self._classes), np.float32)
        out[:] = rest[:, None]
        # Rounding of float32 may take a tie's first below the others.
        rivals = np.maximum(rest, probabilities[:, 1:].max(axis=1, initial=0.0))
        probabilities[:, 0] = np.maximum(1.0 - probabilities.sum(axis=1), rivals)
        np.put_along_axis(out, indices, probabilities, axis=1)
        out /= out.sum(axis=1, keepdims=True)
        return np.log(out, out=out)

    def _packed(self, indices: np.ndarray) -> np.ndarray:
        if self._classes <= 16:
            return pack_nibbles(indices.astype(np.uint8))
        return np.ascontiguousarray(indices, np.uint8 if self._classes <= 256 else "<u2").view(np.uint8)

    def _indices(self, records: np.ndarray) -> np.ndarray:
        if self._classes <= 16:
            return unpack_nibbles(records, self._k).astype(np.intp)
        return np.ascontiguousarray(records).view(np.uint8 if self._classes <= 256 else "<u2").astype(np.intp)


def pack_nibbles(codes: np.ndarray) -> np.ndarray:
    """Two 4-bit codes to a byte, the first in the low half: uint8 (n, count) to uint8 (n, ceil(count / 2)).

    >>> pack_nibbles(np.array([[1, 2, 3]], np.uint8)).tolist()
    [[33, 3]]
    """
    if codes.shape[1] % 2:
        codes = np.pad(codes, ((0, 0), (0, 1)))
    return codes[:, ::2] | codes[:, 1::2] << 4


def unpack_nibbles(packed: np.ndarray, count: int) -> np.ndarray:
    """The first ``count`` 4-bit codes of each row, uint8 (n, count)."""
    return _NIBBLES[packed].reshape(len(packed), 2 * packed.shape[1])[:, :count]


def _nearest_code(log_probabilities: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(-log_probabilities / _STEP), 0, 255).astype(np.uint8)


def _log_probabilities(logits: np.ndarray) -> np.ndarray:
    return log_softmax(logits.astype(np.float64), axis=1).astype(np.float32)


def _normalised(values: np.ndarray) -> np.ndarray:
    """Log-probabilities whose probabilities sum to one; none is far above 0, so that no sum overflows."""
    return values - np.log(np.exp(values).sum(axis=1, keepdims=True))
