# SPDX-License-Identifier: GPL-3.0-or-later
"""Files appear whole or not at all, and a disk that is full is reported in one sentence."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from sdr_sc.distill.checkpoint import write_checkpoint
from sdr_sc.distill.teachers.efficientnet import EfficientNetLite2, TeacherCard, save
from sdr_sc.errors import SdrScError
from sdr_sc.files import write_whole
from sdr_sc.results.rows import Row, write_json
from sdr_sc.semantic import weights

CONTRACT = weights.read_contract(weights.DEFAULT_MODEL)
LIMIT_BYTES = 64
TEACHER = EfficientNetLite2(32, 2, 3, pretrained=False)
CARD = TeacherCard(32, 2, ("a", "b", "c"), "none", "0" * 64)
WRITERS: dict[str, Callable[[Path], object]] = {
    "any": lambda path: write_whole({path: bytes(1000)}),
    "weights": lambda path: weights.save(path, {"a": np.zeros(1000)}, CONTRACT),
    "checkpoint": lambda path: write_checkpoint(path, {"a": np.full(1000, 0.5)}, {}),
    "teacher": lambda path: save(path, TEACHER, CARD),
    "figures": lambda path: write_json(path, "x", [Row("a", 1.0, "s")]),
}


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow beyond a few bytes, whatever library writes it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_is_reported_in_a_sentence_and_leaves_what_was_there(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"as it was")
    with full_disk(), pytest.raises(SdrScError) as error:
        WRITERS[kind](path)
    assert str(error.value).startswith(f"{path} cannot be written (File too large); make room there, or choose another")
    assert path.read_bytes() == b"as it was" and os.listdir(tmp_path) == ["file"]
    WRITERS[kind](path)
    assert path.stat().st_size > LIMIT_BYTES and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_folder_that_cannot_be_made_is_reported_in_a_sentence(kind: str, tmp_path: Path) -> None:
    (tmp_path / "folder").write_bytes(b"")
    path = tmp_path / "folder" / "file"
    with pytest.raises(SdrScError, match=f"{path} cannot be written") as error:
        WRITERS[kind](path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_kill_before_the_end_leaves_what_was_there(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_arguments: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "new" / "file"
    WRITERS[kind](path)
    path.write_bytes(b"as it was")
    monkeypatch.setattr(os, "replace", kill)
    with pytest.raises(KeyboardInterrupt):
        WRITERS[kind](path)
    assert path.read_bytes() == b"as it was" and os.listdir(path.parent) == ["file"]


def test_of_several_files_all_appear_or_none(tmp_path: Path) -> None:
    with pytest.raises(SdrScError, match="/proc/none/b.onnx cannot be written .*; choose another --out"):
        write_whole({tmp_path / "a.onnx": b"a", Path("/proc/none/b.onnx"): b"b"}, "choose another --out")
    assert os.listdir(tmp_path) == []
    write_whole({tmp_path / "x" / "a": b"a", tmp_path / "b": b"b"})
    assert (tmp_path / "x" / "a").read_bytes() == b"a" and (tmp_path / "b").read_bytes() == b"b"


def test_weights_can_be_read_by_others(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        weights.save(tmp_path / "w", {"a": np.zeros(3)}, CONTRACT)
    finally:
        os.umask(before)
    assert (tmp_path / "w").stat().st_mode & 0o777 == 0o644
