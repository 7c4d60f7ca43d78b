# SPDX-License-Identifier: GPL-3.0-or-later
"""Thumbnails of several items to one string of bits and back, by the range coder of the library ``constriction``."""

from __future__ import annotations

import constriction
import numpy as np

from sdr_sc.schemes.digital.entropy import from_words, words_of
from sdr_sc.schemes.thumbnail.context import ContextModel, padded

_Model = constriction.stream.model.Categorical


def encode(index: np.ndarray, model: ContextModel) -> np.ndarray:
    """uint8 (bits,) of 0 and 1 for the levels uint8 (n, side, side), pixel by pixel of all items."""
    n, pixels = len(index), model.side**2
    chances = model.chances(padded(index, model.levels), np.arange(pixels)).reshape(n, pixels, -1)
    encoder = constriction.stream.queue.RangeEncoder()
    message = index.reshape(n, pixels).T.ravel().astype(np.int32)
    by_pixel = np.ascontiguousarray(chances.transpose(1, 0, 2)).reshape(n * pixels, -1)
    encoder.encode(message, _Model(perfect=False), by_pixel)
    return words_of(encoder)


def decode(bits: np.ndarray, items: int, model: ContextModel) -> np.ndarray | None:
    """uint8 (items, side, side): what `encode` was given, whatever follows the bits; None where they are not its."""
    decoder = from_words(bits)
    index = np.zeros((items, model.side, model.side), np.uint8)
    known = padded(index, model.levels)
    scale = np.float32(model.levels - 1)
    margin = known.shape[1] - model.side
    for place in range(model.side**2):
        row, column = divmod(place, model.side)
        try:
            found = decoder.decode(_Model(perfect=False), model.chances(known, np.array([place])))
        except AssertionError:  # the library's word for bits that no message has
            return None
        index[:, row, column] = found
        known[:, margin + row, margin + column] = found / scale
    return index
