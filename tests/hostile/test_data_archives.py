# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of data that are damaged, or made to fill the memory or to write elsewhere: one sentence each."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import tarfile
import zlib
from pathlib import Path

import pytest
from data_packages import ar_of, deb_of, tar_of, wheel_of
from fuzzing import FUZZ
from hypothesis import given
from hypothesis import strategies as st

from sdr_sc.data.packages import archive
from sdr_sc.data.packages.archive import read_package
from sdr_sc.errors import DataSetError

FILES = {"a": b"1234567890"}


def write(tmp_path: Path, raw: bytes) -> Path:
    path = tmp_path / "package"
    path.write_bytes(raw)
    return path


def refused(path: Path, limit: int = 1000) -> str:
    with pytest.raises(DataSetError) as error:
        list(read_package(path, lambda name: limit))
    sentence = str(error.value)
    assert sentence.startswith(f"package {path} cannot be read (") and "\n" not in sentence
    return sentence


def one_tar(**changes: object) -> bytes:
    info = tarfile.TarInfo("a")
    for name, value in changes.items():
        setattr(info, name, value)
    return info.tobuf() + bytes(1024)


BAD = {
    "empty": b"",
    "text": b"hello",
    "ar without parts": b"!<arch>\n",
    "ar cut": ar_of([("data.tar", tar_of(FILES))])[:300],
    "ar of a wrong size": b"!<arch>\n" + f"{'data.tar':<16}{0:<12}{0:<6}{0:<6}{0:<8}{'-5':<10}`\n".encode(),
    "ar without numbers": b"!<arch>\n" + f"{'data.tar':<16}{0:<12}{0:<6}{0:<6}{0:<8}{'many':<10}`\n".encode(),
    "ar of many parts": ar_of([(f"part{number}", b"") for number in range(100)]),
    "zstd": ar_of([("data.tar.zst", b"\x28\xb5\x2f\xfd")]),
    "no xz": ar_of([("data.tar.xz", b"no xz at all")]),
    "xz cut": ar_of([("data.tar.xz", lzma.compress(tar_of(FILES))[:-40])]),
    "no gzip": ar_of([("data.tar.gz", b"no gzip")]),
    "tar cut": ar_of([("data.tar", tar_of(FILES)[:515])]),
    "tar of a wrong size": ar_of([("data.tar", one_tar(size=1 << 40))]),
    "zip cut": wheel_of(FILES)[:-10],
    "zip with another sum": wheel_of(FILES).replace(zlib.crc32(FILES["a"]).to_bytes(4, "little"), b"1234"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_damaged_package_is_one_sentence(name: str, tmp_path: Path) -> None:
    refused(write(tmp_path, BAD[name]))


def test_compressions_of_a_deb(tmp_path: Path) -> None:
    for name, raw in {"data.tar": tar_of(FILES), "data.tar.gz": gzip.compress(tar_of(FILES))}.items():
        path = write(tmp_path, ar_of([("debian-binary", b"2.0\n"), (f"{name}/", raw)]))
        assert dict(read_package(path, lambda name: 10)) == FILES


@pytest.mark.parametrize("make", [deb_of, wheel_of], ids=["deb", "wheel"])
def test_a_file_beyond_its_bound_is_refused(make, tmp_path: Path) -> None:
    path = write(tmp_path, make(FILES))
    assert "its file a has more than 9 bytes" in refused(path, 9)
    assert dict(read_package(path, lambda name: 10)) == FILES


@pytest.mark.parametrize("make", [deb_of, wheel_of], ids=["deb", "wheel"])
def test_a_bomb_is_not_unpacked(make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LIMIT_BYTES", 3 << 20)
    path = write(tmp_path, make({"a": bytes(2 << 20), "b": bytes(2 << 20)}))
    assert path.stat().st_size < 100_000
    assert "it holds more than 3 MiB" in refused(path, 2 << 20)


def test_unwanted_files_of_a_bomb_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LIMIT_BYTES", 1 << 20)
    path = write(tmp_path, deb_of({"unwanted": bytes(2 << 20), "a": b"1"}))
    with pytest.raises(DataSetError, match="it holds more than 1 MiB"):
        list(read_package(path, lambda name: 10 if name == "a" else 0))


@pytest.mark.parametrize("make", [deb_of, wheel_of], ids=["deb", "wheel"])
def test_a_package_of_too_many_files_is_refused(make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_FILES", 5)
    assert "it has more than 5 files" in refused(write(tmp_path, make({str(number): b"" for number in range(6)})))


@pytest.mark.parametrize("make", [deb_of, wheel_of], ids=["deb", "wheel"])
def test_names_that_lead_elsewhere_write_nothing(make, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    files = {"../out": b"x", f"{tmp_path}/absolute": b"x", "a\x1b[2J": b"x"}
    found = dict(read_package(write(inner, make(files)), lambda name: 10))
    assert sorted(found.values()) == [b"x"] * 3
    assert os.listdir(tmp_path) == ["inner"] and os.listdir(inner) == ["package"]


def test_links_devices_and_folders_are_left_out(tmp_path: Path) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as made:
        kinds = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE
        for number, kind in enumerate(kinds):
            info = tarfile.TarInfo(f"odd{number}")
            info.type, info.linkname = kind, "/etc/passwd"
            made.addfile(info)
    assert list(read_package(write(tmp_path, ar_of([("data.tar", raw.getvalue())])), lambda name: 1000)) == []


def test_what_is_no_file_is_one_sentence(tmp_path: Path) -> None:
    refused(tmp_path)
    refused(tmp_path / "missing")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe")


@FUZZ
@given(st.sampled_from([deb_of(FILES), ar_of([("data.tar", tar_of(FILES))]), wheel_of(FILES)]), st.data())
def test_changed_bytes_never_make_another_error(tmp_path: Path, raw: bytes, data: st.DataObject) -> None:
    changed = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        for _, content in read_package(write(tmp_path, bytes(changed)), lambda name: 100):
            assert len(content) <= 100
    except DataSetError as error:
        assert "\n" not in str(error)
