# SPDX-License-Identifier: GPL-3.0-or-later
"""What results report of the files that a scheme uses: which they are, and how large what they hold is.

A size is a dict of ``parameters``, trained values without batch-norm statistics, and ``bytes``, as they are stored;
what is not known is left out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

from sdr_sc.semantic import onnx_file, weights

Size = dict[str, int]
NOTHING: Size = {"parameters": 0, "bytes": 0}
"""The size of an end that has nothing to learn."""
_HEX = 16
_NO_PARAMETERS = ("running_mean", "running_var", "num_batches_tracked")


def sha256_of(path: Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()[:_HEX]


def size_of_tensors(path: Path, is_wanted: Callable[[str], bool] = lambda name: True) -> Size:
    """The size of those tensors of a safetensors file whose names are wanted; only the file's header is read.

    Raises:
        SafetensorError, OSError: the file cannot be read.
    """
    from safetensors import safe_open

    parameters = bits = 0
    with safe_open(path, framework="numpy") as file:
        for name in filter(is_wanted, file.keys()):
            part = file.get_slice(name)
            values = math.prod(part.get_shape())
            bits += values * int("".join(filter(str.isdigit, part.get_dtype().split("_")[0])) or 8)  # F16, BF16, I64
            parameters += 0 if name.endswith(_NO_PARAMETERS) else values
    return {"parameters": parameters, "bytes": bits // 8}


def size_of_onnx(path: Path) -> Size:
    """The size of an ONNX file: values of its initialisers that are no indices or shapes, and the file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    try:
        import onnx
    except ImportError:  # it is needed to write models only
        return {"bytes": path.stat().st_size}
    stored = onnx.load(str(path), load_external_data=False).graph.initializer
    whole_numbers = {onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.BOOL}
    size = {"parameters": sum(math.prod(one.dims) for one in stored if one.data_type not in whole_numbers)}
    if not any(one.data_location == onnx.TensorProto.EXTERNAL for one in stored):
        size["bytes"] = path.stat().st_size
    return size


def size_of_model(model: str | Path, part: onnx_file.Part) -> Size:
    """The size of one part of a student; of a file that holds both, its tensors alone.

    Raises:
        ContractError: there is no such model.
    """
    path = weights.resolve(model, part)
    if onnx_file.is_onnx(path):
        return size_of_onnx(path)
    return size_of_tensors(path, lambda name: name.startswith(f"{part}."))


def sizes_of_model(model: str | Path) -> dict[str, Size]:
    """The sizes of a student's two parts, by the ends that they stand at.

    Raises:
        ContractError: there is no such model.
    """
    return {"transmitter": size_of_model(model, "encoder"), "receiver": size_of_model(model, "decoder")}


def size_of_teacher(spec: str) -> Size:
    """The size of a teacher's file; nothing is known of one that is imported."""
    path = Path(spec)
    if not path.is_file():
        return {}
    return size_of_onnx(path) if onnx_file.is_onnx(path) else size_of_tensors(path)


def together(*sizes: Size) -> Size:
    """The size of several that stand at one place, as far as all of them have it.

    >>> together({"parameters": 2, "bytes": 8}, {"bytes": 4})
    {'bytes': 12}
    """
    return {key: sum(size[key] for size in sizes) for key in NOTHING if all(key in size for size in sizes)}
