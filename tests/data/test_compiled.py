# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiled data sets: made once, mapped, checked, and made again where they are damaged."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from sdr_sc.data.compiled import Compiled, compiled, compiled_folder
from sdr_sc.errors import SdrScError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Maker:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> tuple:
        self.calls += 1
        arrays = {"big": np.arange(5000, dtype=np.int32).reshape(50, 100), "none": np.empty((0, 3), np.uint8)}
        return arrays, {"names": ("a", "\u00e9"), "left_out": np.int64(3)}


def check(found: Compiled) -> None:
    assert found.arrays["big"].sum() == sum(range(5000)) and found.arrays["none"].shape == (0, 3)
    assert found.about == {"names": ["a", "\u00e9"], "left_out": 3}


def folder_of(name: str) -> Path:
    (folder,) = compiled_folder().glob(f"{name}-*")
    return folder


def test_it_is_made_once_and_mapped() -> None:
    make = Maker()
    for _ in range(3):
        found = compiled("toys", {"version": 1}, make)
        check(found)
    assert make.calls == 1 and isinstance(found.arrays["big"].base, np.memmap)
    assert (folder_of("toys").stat().st_mode & 0o077, len(found.sha256)) == (0, 64)
    found.arrays["big"][0, 0] = 9  # changes this process's memory alone
    check(compiled("toys", {"version": 1}, make))


def test_another_source_is_another_data_set() -> None:
    make = Maker()
    first, second = (compiled("toys", {"version": version}, make) for version in (1, 2))
    assert make.calls == 2 and first.sha256 != second.sha256
    assert compiled("toys", {"version": 1}, make).sha256 == first.sha256 and make.calls == 2


def pickled(path: Path) -> None:
    raw = io.BytesIO()
    np.lib.format.write_array(raw, np.array([{"a": 1}], object), allow_pickle=True)
    path.write_bytes(raw.getvalue())


DAMAGE = {
    "a changed bit": lambda folder: flip(folder / "big.npy", 3000),
    "a cut file": lambda folder: (folder / "big.npy").write_bytes((folder / "big.npy").read_bytes()[:100]),
    "a missing file": lambda folder: (folder / "big.npy").unlink(),
    "a pickle": lambda folder: pickled(folder / "big.npy"),
    "another pickle": lambda folder: (folder / "big.npy").write_bytes(pickle.dumps({})),
    "a damaged list": lambda folder: flip(folder / "about.json", 30),
    "no list": lambda folder: (folder / "about.json").write_text("[]"),
    "no JSON": lambda folder: (folder / "about.json").write_text("{"),
    "no checksum": lambda folder: unseal(folder / "about.json"),
}


def flip(path: Path, place: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(bytes(raw))


def unseal(path: Path) -> None:
    content = json.loads(path.read_bytes())
    del content["sha256"]
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_made_again_and_said(damage: str, caplog: pytest.LogCaptureFixture) -> None:
    make = Maker()
    check(compiled("toys", {"version": 1}, make))
    DAMAGE[damage](folder_of("toys"))
    check(compiled("toys", {"version": 1}, make))
    assert make.calls == 2 and len(caplog.records) == 1
    check(compiled("toys", {"version": 1}, make))
    assert make.calls == 2 and len(caplog.records) == 1


def test_objects_are_never_written() -> None:
    with pytest.raises(ValueError, match="[Oo]bject"):
        compiled("toys", {}, lambda: ({"a": np.array([{}], object)}, {}))


def test_a_maker_that_fails_leaves_nothing() -> None:
    def fail() -> tuple:
        raise SdrScError("the package is not here; fetch it.")

    with pytest.raises(SdrScError, match="fetch it"):
        compiled("toys", {}, fail)
    assert list(compiled_folder().iterdir()) == []
