# SPDX-License-Identifier: GPL-3.0-or-later
"""Small ONNX files made byte by byte."""

from __future__ import annotations

import struct


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def _message(*fields: tuple[int, int | str | bytes]) -> bytes:
    out = b""
    for tag, value in fields:
        if isinstance(value, int):
            out += _varint(tag << 3) + _varint(value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            out += _varint(tag << 3 | 2) + _varint(len(raw)) + raw
    return out


def _value(name: str, *shape: int | str) -> bytes:
    dims = [(1, _message((1, size) if isinstance(size, int) else (2, size))) for size in shape]
    return _message((1, name), (2, _message((1, _message((1, 1), (2, _message(*dims)))))))


def onnx_model(
    channels: int,
    size: int | str,
    batch: int | str = "n",
    logits: str = "logits",
    features: bool = True,
    second: tuple[bytes, ...] = (),
    **metadata: str,
) -> bytes:
    """Mean over the map as features, then logits 1, 2, 3 ... times the sum of the features.

    ``second`` is an output after the logits, and the node that makes it.
    """
    axes = _message((1, "axes"), (8, 2), (8, 3), (20, 7))
    keep = _message((1, "keepdims"), (3, 0), (20, 2))
    nodes = [
        _message((1, "image"), (2, "features"), (4, "ReduceMean"), (5, axes), (5, keep)),
        _message((1, "features"), (1, "weight"), (2, logits), (4, "MatMul")),
    ]
    values = struct.pack(f"<{4 * channels}f", *[1.0, 2.0, 3.0, 4.0] * channels)
    weight = _message((1, channels), (1, 4), (2, 1), (8, "weight"), (9, values))
    outputs = [(12, _value("features", batch, channels))] if features else []
    graph = _message(
        *((1, node) for node in (*nodes, *second[1:])),
        (2, "tiny"),
        (5, weight),
        (11, _value("image", batch, channels, size, size)),
        *outputs,
        (12, _value(logits, batch, 4)),
        *((12, output) for output in second[:1]),
    )
    properties = [(14, _message((1, key), (2, value))) for key, value in metadata.items()]
    return _message((1, 8), (7, graph), (8, _message((1, ""), (2, 13))), *properties)
