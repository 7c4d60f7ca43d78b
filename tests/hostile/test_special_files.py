# SPDX-License-Identifier: GPL-3.0-or-later
"""Pipes, sockets, devices, folders and links given where a file belongs: one sentence, and no wait."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sdr_sc.capture.recording import Recording
from sdr_sc.distill import checkpoint
from sdr_sc.distill.targets import prestored_manifest
from sdr_sc.distill.teachers import efficientnet
from sdr_sc.distill.teachers.onnx import OnnxTeacher
from sdr_sc.documents import read_csv, read_json, read_yaml
from sdr_sc.errors import ChannelError, SdrScError
from sdr_sc.files import write_whole
from sdr_sc.flowgraph.compile import load_flowgraph
from sdr_sc.phy.channels.measured_file import read_measured
from sdr_sc.report.run.files import load_run
from sdr_sc.results.rows import check_writable
from sdr_sc.semantic import onnx_file, weights
from sdr_sc.simusrp.taps import read_taps
from sdr_sc.sweep.journal import Journal
from sdr_sc.sweep.results import read_results

READERS: dict[str, Callable[[Path], Any]] = {
    "JSON": lambda path: read_json(path, "summary", "give a file"),
    "YAML": lambda path: read_yaml(path, "sweep", "give a file"),
    "CSV": lambda path: list(read_csv(path, ("a",), "table", "give a file")),
    "flowgraph": load_flowgraph,
    "results": read_results,
    "run": load_run,
    "weights": weights.read_tensors,
    "ONNX model": onnx_file.read,
    "teacher": efficientnet.load,
    "ONNX teacher": lambda path: OnnxTeacher(path, "cpu", (28, 28)),
    "checkpoint": checkpoint.read_checkpoint,
    "pretrained weights": efficientnet.pretrained_weights,
    "taps": read_taps,
    "recording": Recording,
    "measured channels": read_measured,
}


def special(folder: Path, kind: str) -> Path:
    """Something that is no file."""
    path = folder / "x"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to("y")
        (folder / "y").symlink_to("x")
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    elif kind == "nowhere":
        path.symlink_to("not there")
    elif kind == "long":
        path = folder / "x/" / ("y" * 5000)
    elif kind == "zero byte":
        path = folder / "x\0y"
    return path


@pytest.fixture(autouse=True)
def no_wait() -> Iterator[None]:
    """A reader that waits at a pipe would wait for ever."""

    def end(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "loop", "endless", "nowhere", "long", "zero byte"])
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_one_sentence(reader: str, kind: str, tmp_path: Path) -> None:
    path = special(tmp_path, kind)
    with pytest.raises(SdrScError) as error:
        READERS[reader](path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [prestored_manifest.MANIFEST_FILE])
def test_a_pipe_in_a_folder_of_knowledge_is_one_sentence(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(SdrScError, match="no regular file"):
        prestored_manifest.read_manifest(tmp_path)


def test_a_pipe_in_place_of_a_journal_is_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.parquet.journal")
    with pytest.raises(SdrScError, match="x.parquet.journal is no regular file"):
        Journal(tmp_path / "x.parquet", {})


def test_what_is_written_to_a_pipe_or_device_does_not_take_its_place(tmp_path: Path) -> None:
    pipe, null = tmp_path / "pipe", tmp_path / "null"
    os.mkfifo(pipe)
    null.symlink_to("/dev/null")
    with pytest.raises(SdrScError, match="let a program read that pipe first"):
        write_whole({pipe: b"figures"})
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole({pipe: b"figures", null: b"nothing", tmp_path / "file": b"more"})
        assert os.read(reader, 100) == b"figures" and (tmp_path / "file").read_bytes() == b"more"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode) and null.is_symlink()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "null", "pipe"]


def test_a_folder_as_the_file_of_a_long_measurement_is_refused_before_it(tmp_path: Path) -> None:
    with pytest.raises(SdrScError, match="cannot be written .it is a folder.; choose another place"):
        check_writable(tmp_path)
    with pytest.raises(SdrScError, match="cannot be written"):
        check_writable(tmp_path / ("y" * 300) / "x.json")
    check_writable(tmp_path / "new" / "x.json")


def test_a_full_device_is_one_sentence_and_stays_a_device(tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(SdrScError, match="full cannot be written .No space left on device"):
        write_whole({tmp_path / "full": b"figures"})
    assert (tmp_path / "full").is_char_device()


def test_the_name_of_an_open_file_is_written_through(tmp_path: Path) -> None:
    with open(tmp_path / "out", "wb") as out:
        write_whole({Path(f"/proc/self/fd/{out.fileno()}"): b"figures"})
    assert (tmp_path / "out").read_bytes() == b"figures"


@pytest.mark.parametrize("name", [".", "..", "", "/", "x\0y", "y" * 5000, "/dev/zero"])
def test_names_of_data_that_name_nothing_are_harmless(name: str, tmp_path: Path) -> None:
    (tmp_path / "r.sigmf-data").write_bytes(bytes(80))
    meta = {"global": {"core:datatype": "cf32_le", "core:sample_rate": 1e6, "core:version": "1.0.0"}, "captures": []}
    meta["global"]["core:dataset"] = name  # type: ignore[call-overload]
    (tmp_path / "r.sigmf-meta").write_text(json.dumps(meta))
    assert Recording(tmp_path / "r").sample_count == 10


def test_measured_channels_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("H", "t_s", "subcarrier", "subcarrier_spacing_hz"):
            archive.writestr(f"{name}.npy", bytes(200 << 20))
    with pytest.raises(ChannelError, match="holds more than 512 MiB"):
        read_measured(tmp_path / "x.npz")
