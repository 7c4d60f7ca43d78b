# SPDX-License-Identifier: GPL-3.0-or-later
"""The weights in an ONNX file, without the package onnx, which takes half a second and is not needed to run a model.

Only what this takes of the protocol buffers: https://protobuf.dev/programming-guides/encoding/ and ``onnx.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sdr_sc.errors import ContractError

# Field numbers of onnx.proto.
_MODEL_GRAPH, _GRAPH_INITIALIZER = 7, 5
_TENSOR_TYPE, _TENSOR_FLOATS, _TENSOR_NAME, _TENSOR_RAW, _TENSOR_DOUBLES = 2, 4, 8, 9, 10
_TENSOR_EXTERNAL = 13
_FLOAT, _FLOAT16, _DOUBLE, _BFLOAT16 = 1, 10, 11, 16
_KINDS = {_FLOAT: "<f4", _FLOAT16: "<f2", _DOUBLE: "<f8"}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def real_weights(content: bytes) -> dict[str, np.ndarray]:
    """Values of a model's real-valued initializers by name, each in one dimension; integers are left out.

    Args:
        content: of a file that onnxruntime has read.

    Raises:
        ContractError: it is cut short.
    """
    found = {}
    for graph in _parts(memoryview(content), _MODEL_GRAPH):
        for tensor in _parts(graph, _GRAPH_INITIALIZER):
            name, values = _tensor(tensor)
            if values is not None:
                found[name] = values
    return found


def external_files(content: bytes) -> list[str]:
    """Names of the files beside a model that hold weights of its own, sorted; most models hold all themselves.

    Args:
        content: of a file that onnxruntime has read.

    Raises:
        ContractError: it is cut short.
    """
    found = set()
    for graph in _parts(memoryview(content), _MODEL_GRAPH):
        for tensor in _parts(graph, _GRAPH_INITIALIZER):
            for entry in _parts(tensor, _TENSOR_EXTERNAL):
                pair = {number: bytes(value) for number, value in _fields(entry) if isinstance(value, memoryview)}
                if pair.get(1) == b"location":
                    found.add(pair.get(2, b"").decode(errors="surrogateescape"))
    return sorted(found)


def _tensor(tensor: memoryview) -> tuple[str, np.ndarray | None]:
    name, kind, raw = "", 0, b""
    for number, value in _fields(tensor):
        if number == _TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == _TENSOR_NAME and isinstance(value, memoryview):
            name = bytes(value).decode(errors="replace")
        elif number in (_TENSOR_RAW, _TENSOR_FLOATS, _TENSOR_DOUBLES) and isinstance(value, memoryview):
            raw += bytes(value)  # packed, or, of one value, not
    if kind == _BFLOAT16:
        return name, (np.frombuffer(raw, "<u2", len(raw) // 2).astype(np.uint32) << 16).view(np.float32)
    if kind not in _KINDS:
        return name, None
    values = np.dtype(_KINDS[kind])
    return name, np.frombuffer(raw, values, len(raw) // values.itemsize)


def _parts(message: memoryview, wanted: int) -> Iterator[memoryview]:
    for number, value in _fields(message):
        if number == wanted and isinstance(value, memoryview):
            yield value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message: an integer, or bytes."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            length, place = _varint(message, place)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ContractError("an ONNX file holds a field of an unknown kind; get it again.")
        if place + length > len(message):
            raise ContractError("an ONNX file is cut short; get it again.")
        yield key >> 3, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    for octet in message[place : place + 10]:
        value |= (octet & 0x7F) << shift
        shift += 7
        if octet < 0x80:
            return value, place + shift // 7
    raise ContractError("an ONNX file is cut short; get it again.")
