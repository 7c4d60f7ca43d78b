# SPDX-License-Identifier: GPL-3.0-or-later
"""Caches and settings: folders of this user alone, also where HOME cannot be written."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

import pytest
from command import ROOT, sdr_sc
from second_user import OTHER, as_root, call_as_other

from sdr_sc import places
from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph import compile as grc_compile
from sdr_sc.simusrp import build


@pytest.fixture
def shared():
    """A folder that every user may look into, as /tmp is."""
    folder = Path(tempfile.mkdtemp(prefix="places-"))
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def without_home(shared, monkeypatch):
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    places._cache_folder.cache_clear()
    yield shared
    places._cache_folder.cache_clear()


def is_private(folder: Path) -> bool:
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def squatted(folder: Path, kind: str) -> None:
    if kind == "foreign":
        folder.mkdir()
        os.chown(folder, OTHER, OTHER)
    elif kind == "open to all":
        folder.mkdir()
        folder.chmod(0o777)
    elif kind == "a link":
        (folder.parent / "elsewhere").mkdir()
        folder.symlink_to(folder.parent / "elsewhere")
    elif kind == "a file":
        folder.touch()


KINDS = [pytest.param("foreign", marks=as_root), "open to all", "a link", "a file"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_that_is_not_ours_alone_is_refused(shared, kind) -> None:
    squatted(shared / "cache", kind)
    with pytest.raises(SdrScError, match="remove it"):
        places.own_folder(shared / "cache")


@pytest.mark.parametrize("kind", ["nobody was there", *KINDS])
def test_the_temporary_cache_is_ours_whoever_was_there_before(without_home, monkeypatch, kind) -> None:
    usual = without_home / f"{places.TEMPORARY_CACHE}{os.geteuid()}"
    squatted(usual, kind)
    folder = places.cache_folder()
    assert is_private(folder) and folder.parent == without_home
    assert (folder == usual) == (kind == "nobody was there")
    assert is_private(grc_compile._cache_file().parent)
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert is_private(build.MODULE.cache_folder()) and build.MODULE.cache_folder().is_relative_to(folder)
    assert list((without_home / "elsewhere").glob("*")) == []


def test_a_home_that_can_be_written_stays(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    places.use_writable_home()
    assert os.environ["HOME"] == str(tmp_path)


@pytest.mark.parametrize("home", ["/nonexistent", "", "relative", "/dev/null"])
def test_another_home_is_replaced(without_home, monkeypatch, home) -> None:
    monkeypatch.setenv("HOME", home)
    places.use_writable_home()
    assert is_private(Path(os.environ["HOME"])) and Path(os.environ["HOME"]).is_relative_to(without_home)


def test_settings_of_a_home_that_can_be_read_are_still_found(without_home, monkeypatch, tmp_path) -> None:
    (tmp_path / ".config").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(places, "has_writable_home", lambda: False)
    places.use_writable_home()
    assert os.environ["XDG_CONFIG_HOME"] == str(tmp_path / ".config")
    monkeypatch.delenv("XDG_CONFIG_HOME")


@pytest.mark.timeout(600)
def test_a_flowgraph_runs_without_a_home(shared) -> None:
    process = sdr_sc(
        "run",
        ROOT / "flowgraphs" / "sim_loopback.grc",
        "--images",
        4,
        "--k",
        4,
        timeout_s=580,
        HOME="/nonexistent",
        XDG_CACHE_HOME=None,
        TMPDIR=str(shared),
    )
    assert process.returncode == 0, process.stderr
    assert "1 frames sent" in process.stdout + process.stderr
    assert [entry.name for entry in shared.iterdir()] == [f"{places.TEMPORARY_CACHE}{os.geteuid()}"]


@as_root
def test_another_user_finds_a_folder_of_their_own(without_home) -> None:
    ours = places.cache_folder()
    places._cache_folder.cache_clear()
    theirs = call_as_other(lambda: (places.cache_folder(), places.cache_folder().lstat().st_uid))
    assert theirs == (without_home / f"{places.TEMPORARY_CACHE}{OTHER}", OTHER) and theirs[0] != ours
