# SPDX-License-Identifier: GPL-3.0-or-later
"""CIFAR-10 and CIFAR-100 as their authors give them (Krizhevsky, 2009): an archive, or its folder, of Python pickles.

A pickle can call any function of any module. These files need five names alone, so the reader knows these five, each
replaced by a stand-in that only keeps what it is given; any other name ends it. The pixels are then taken from bytes.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import pickletools
import tarfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.data.dataset import ImageSet, Split
from sdr_sc.errors import DataSetError
from sdr_sc.files import open_plain, read_plain
from sdr_sc.shown import reason_of, shown

LARGEST_FILE = 512 << 20
"""Of one batch; CIFAR-100's training batch has 155 MB."""
_LARGEST_MEMO = 1 << 20
"""Places that a pickle may number: the reader makes a table of as many, whatever the file's size."""
_SIDE = 32
_VALUES = 3 * _SIDE * _SIDE
_TEN_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))


class _Type:
    """In place of `numpy.dtype`."""

    def __init__(self, *arguments: Any) -> None:
        self.name = arguments[0] if arguments else ""

    def __setstate__(self, state: Any) -> None:
        pass


class _Array:
    """In place of `numpy.ndarray`: what its pickled state holds."""

    def __init__(self, *arguments: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def values(self) -> np.ndarray:
        """uint8 (n, 3072).

        Raises:
            ValueError: it is another array.
        """
        _, shape, kind, is_fortran, raw = self.state
        name = kind.name.decode() if isinstance(kind.name, bytes) else kind.name
        if name not in ("u1", "|u1") or len(shape) != 2 or shape[1] != _VALUES or is_fortran:
            raise ValueError(f"its data are {name} {shape}")
        if not isinstance(raw, bytes) or len(raw) != shape[0] * shape[1]:
            raise ValueError("its data have another length than their shape")
        return np.frombuffer(raw, np.uint8).reshape(shape)


def _reconstruct(*arguments: Any) -> _Array:
    return _Array()


def _encode(text: Any, coding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or coding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError("odd text")
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("_codecs", "encode"): _encode,
}


class _Reader(pickle.Unpickler):
    """Reads numbers, texts, lists and dictionaries, and arrays as `_Array`; no name leads to a real function."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no CIFAR file does")
        return _STAND_INS[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to something outside")


def _check_places(raw: bytes) -> None:
    for opcode, argument, _ in pickletools.genops(raw):
        if "PUT" in opcode.name and argument is not None and int(argument) > _LARGEST_MEMO:
            raise pickle.UnpicklingError("it numbers more places than any CIFAR file")


def read_batch(raw: bytes, source: str) -> dict[str, Any]:
    """The dictionary of a batch, with names as text.

    Raises:
        DataSetError: it is no such batch.
    """
    try:
        _check_places(raw)
        content = _Reader(io.BytesIO(raw), encoding="bytes").load()
        if not isinstance(content, dict):
            raise ValueError("it is no dictionary")
        return {key.decode() if isinstance(key, bytes) else str(key): value for key, value in content.items()}
    except Exception as error:  # whatever a damaged pickle makes of the machine that reads it
        raise DataSetError(
            f"{shown(source)} is no batch of CIFAR ({reason_of(error, 120)}); get the archive again from its authors."
        ) from None


def load_cifar(path: Path, split: Split) -> ImageSet:
    """CIFAR-10 or CIFAR-100 (its 100 fine classes), whichever lies there.

    Raises:
        DataSetError: a batch is missing or damaged.
    """
    try:
        files = _files(path)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataSetError(f"{shown(path)} cannot be read ({reason_of(error)}); get it again.") from error
    is_ten = "data_batch_1" in files
    parts = {"train": _TEN_TRAIN if is_ten else ("train",), "test": ("test_batch" if is_ten else "test",)}
    meta_name = "batches.meta" if is_ten else "meta"
    for name in (*parts["train"], *parts["test"], meta_name):
        if name not in files:
            raise DataSetError(f"{shown(path)} has no file {name!r}, which belongs to CIFAR; get it again.")
    batches = [(name, read_batch(files[name], f"{path}: {name}")) for name in parts[split]]
    meta = read_batch(files[meta_name], f"{path}: {meta_name}")
    label_key, names_key = ("labels", "label_names") if is_ten else ("fine_labels", "fine_label_names")
    names = _class_names(meta.get(names_key), path)
    images, labels = [], []
    for name, batch in batches:
        images.append(_pictures(batch.get("data"), f"{path}: {name}"))
        labels.append(_labels(batch.get(label_key), len(images[-1]), len(names), f"{path}: {name}"))
    digests = {part: _digest(files, parts[part]) for part in parts}  # type: ignore[index]
    return ImageSet(
        np.concatenate(images), np.concatenate(labels), names, digests[split],
        "CIFAR-10" if is_ten and len(names) == 10 else "CIFAR-100" if len(names) == 100 else path.name.split(".")[0],
        split, digests["train"],
    )  # fmt: skip


def _files(path: Path) -> dict[str, bytes]:
    """The batches and the names, by file name."""
    wanted = {*_TEN_TRAIN, "test_batch", "batches.meta", "train", "test", "meta"}
    if path.is_dir():
        return {name: _bounded((path / name).stat().st_size, path, name) or read_plain(path / name)
                for name in sorted(wanted) if (path / name).is_file()}  # fmt: skip
    found = {}
    with open_plain(path) as file, tarfile.open(fileobj=file) as archive:
        for member in archive:
            name = Path(member.name).name
            if member.isfile() and name in wanted:
                _bounded(member.size, path, name)
                content = archive.extractfile(member)
                found[name] = b"" if content is None else content.read()
    return found


def _bounded(size: int, path: Path, name: str) -> bytes:
    if size > LARGEST_FILE:
        raise DataSetError(f"{shown(path)} has a file {shown(name)} of {size >> 20} MiB, which no CIFAR has.")
    return b""


def _class_names(value: Any, path: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, (bytes, str)) for name in value):
        raise DataSetError(f"{shown(path)} has no list of class names; get it again.")
    names = tuple(name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in value)
    if len(set(names)) != len(names):
        raise DataSetError(f"{shown(path)} names a class twice; get it again.")
    return names


def _pictures(value: Any, source: str) -> np.ndarray:
    """uint8 (n, 32, 32, 3)."""
    try:
        values = value.values() if isinstance(value, _Array) else None
    except (ValueError, TypeError, AttributeError) as error:
        raise DataSetError(f"{shown(source)} has no pictures ({reason_of(error, 120)}); get it again.") from None
    if values is None:
        raise DataSetError(f"{shown(source)} has no pictures; get it again.")
    return np.ascontiguousarray(values.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1))


def _labels(value: Any, count: int, classes: int, source: str) -> np.ndarray:
    right = isinstance(value, list) and len(value) == count
    if not right or not all(type(label) is int and 0 <= label < classes for label in value):
        raise DataSetError(f"{shown(source)} has not one label from 0 to {classes - 1} for each picture; get it again.")
    return np.array(value, np.int64)


def _digest(files: Mapping[str, bytes], names: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for name in names:
        digest.update(hashlib.sha256(files[name]).digest())
    return digest.hexdigest()
