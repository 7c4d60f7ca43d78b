# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of a machine, of a folder and of a model that are put upon a running program."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.data import fashion_mnist
from sdr_sc.errors import SdrScError
from sdr_sc.semantic import weights
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.simusrp import airs

_DISK_KIB = 16_384
_LARGEST_FLOAT = 3.4028e38
_NOBODY = 65534


@dataclass
class SmallDisk:
    """A folder that can be filled up.

    Attributes:
        folder: where to write.
        mounted: whether it is a file system of its own; otherwise file sizes of a process are limited.
    """

    folder: Path
    mounted: bool

    def fill(self, pid: int) -> None:
        """Leave no room, for a process where there is no file system of its own."""
        if not self.mounted:
            largest = max((path.stat().st_size for path in self.folder.rglob("*") if path.is_file()), default=0)
            limit(pid, resource.RLIMIT_FSIZE, largest)
            return
        with contextlib.suppress(OSError), open(self.folder / "filler", "wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))


@contextlib.contextmanager
def small_disk(folder: Path, size_kib: int = _DISK_KIB) -> Iterator[SmallDisk]:
    """A small file system where this user may mount one, which is root; else a plain folder."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and not subprocess.run(["mount", *options], capture_output=True).returncode
    try:
        yield SmallDisk(folder, mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True)


def limit(pid: int, kind: int, value: int) -> None:
    """Lower a limit of a running process, which may have ended."""
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, kind, (value, resource.prlimit(pid, kind)[1]))


def take_files(pid: int) -> None:
    """Let a running process open no further file, whatever it closes: its standard streams stay open."""
    limit(pid, resource.RLIMIT_NOFILE, 3)


def remove_folder(folder: Path) -> None:
    """Remove a folder in which somebody writes."""
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def nan_in_a_file(path: Path, rng: np.random.Generator) -> None:
    """Write the shipped model with a NaN among its weights, at a place by chance; contract and id fit."""
    tensors, contract = _shipped()
    name = sorted(name for name, values in tensors.items() if values.dtype.kind == "f")[rng.integers(8)]
    values = tensors[name].copy()
    values.ravel()[rng.integers(values.size)] = np.nan
    weights.save(path, {**tensors, name: values}, contract)


def nan_in_some_answers(path: Path, rng: np.random.Generator) -> None:
    """Write the shipped model with a decoder whose last layer overflows for some images; the first comes by chance."""
    tensors, contract = _shipped()
    encoder, decoder = SemanticEncoder(weights.DEFAULT_MODEL), SemanticDecoder(weights.DEFAULT_MODEL)
    items = fashion_mnist.load("test").images[:500]
    k = contract.k_list[0]
    largest = np.abs(decoder.decode(encoder.encode(items, 20.0, k), 20.0)).max(axis=1)
    idle = float(np.abs(decoder.decode(np.zeros((1, k), np.complex64), 0.0)).max())
    threshold = max(float(np.quantile(largest, rng.uniform(0.9, 0.995))), 1.2 * idle)
    scale = np.float32(_LARGEST_FLOAT / threshold)
    last = {name: values * scale for name, values in tensors.items() if name.startswith("decoder.logits.")}
    weights.save(path, {**tensors, **last}, contract)


def foreign_air(air: str) -> Path:
    """Make a file of another user where an air of ours would be.

    Raises:
        SdrScError: this user may not, since it is not root.
    """
    if os.geteuid() != 0:
        raise SdrScError("another user's file can be made by root alone; run it as root.")
    path = airs.FOLDER / f"{airs.prefix()}{air}"
    path.write_bytes(bytes(1 << 16))
    os.chmod(path, 0o666)
    os.chown(path, _NOBODY, _NOBODY)
    return path


def _shipped() -> tuple[dict[str, np.ndarray], weights.ModelContract]:
    return weights.read_tensors(weights.DEFAULT_MODEL), weights.read_contract(weights.DEFAULT_MODEL)
