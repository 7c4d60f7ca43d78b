# SPDX-License-Identifier: GPL-3.0-or-later
"""What killed programs leave is found, named and removed, and nothing else is."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import ROOT, environment, sdr_sc
from second_user import OTHER, as_root

from sdr_sc import processes
from sdr_sc.doctor import machine
from sdr_sc.errors import SdrScError
from sdr_sc.places import dead_scratch_folders, scratch_folder
from sdr_sc.processes import process_mark, start_ticks

HOLDING = """
import sys
from sdr_sc.places import scratch_folder
with scratch_folder() as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def holder() -> tuple[subprocess.Popen, Path]:
    """A process with a temporary folder."""
    command = [sys.executable, "-c", HOLDING]
    process = subprocess.Popen(command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def kill(process: subprocess.Popen) -> None:
    process.kill()
    process.wait(20)


def test_a_folder_is_private_and_gone_afterwards(temporary) -> None:
    with scratch_folder() as folder:
        assert folder.parent == temporary and folder.stat().st_mode & 0o777 == 0o700
        assert dead_scratch_folders() == []
    assert not folder.exists()


def test_no_place_for_a_folder_is_one_sentence(temporary, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc")
    with pytest.raises(SdrScError, match="set TMPDIR"), scratch_folder():
        pass


def test_clean_takes_what_the_dead_left_and_leaves_the_living_alone(temporary) -> None:
    living, kept = holder()
    killed, litter = holder()
    (litter / "generated.py").write_text("left")
    kill(killed)
    here = "-".join(process_mark().split("-")[2:])  # this boot and pid namespace
    # Another process with the same pid:
    reused = temporary / f"sdr_sc-scratch-{living.pid}-{start_ticks(living.pid) - 1}-{here}-abc"
    reused.mkdir()
    boot, space = here.split("-")
    foreign = [f"sdr_sc-scratch-{living.pid}-5-{of}-abc" for of in (f"00000000-{space}", f"{boot}-1")]
    for name in ("sdr_sc-scratch-1-2", "sdr_sc-other", "sdr_sc-scratch-x-y-z", *foreign):
        (temporary / name).mkdir()
    (temporary / "sdr_sc-scratch-1-2-link").symlink_to(kept)
    try:
        look, remedy = {row[0]: row[1:3] for row in machine.ROWS}["left by killed programs"]
        is_ok, found = look()
        assert not is_ok and str(litter) in found and remedy == "sdr-sc clean"
        would = sdr_sc("clean", "--dry-run").stdout
        assert str(litter) in would and str(reused) in would and str(kept) not in would and litter.exists()
        done = sdr_sc("clean")
        assert done.returncode == 0 and str(litter) in done.stdout
        assert not litter.exists() and not reused.exists() and kept.exists()
        assert {entry.name for entry in temporary.iterdir()} == {
            kept.name, "sdr_sc-scratch-1-2", "sdr_sc-other", "sdr_sc-scratch-x-y-z", "sdr_sc-scratch-1-2-link",
            *foreign,
        }  # fmt: skip
        assert "nothing to remove" in sdr_sc("clean").stdout
    finally:
        kill(living)


@as_root
def test_what_a_killed_bench_has_mounted_is_taken_away(temporary) -> None:
    living, kept = holder()
    killed, litter = holder()
    disks = [folder / "small disk" for folder in (kept, litter)]
    try:
        for disk in disks:
            disk.mkdir()
            command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
            if subprocess.run(command, capture_output=True).returncode:
                pytest.skip("a small file system cannot be mounted here")
        (disks[1] / "recording").write_bytes(bytes(4096))
        kill(killed)
        done = sdr_sc("clean")
        assert done.returncode == 0 and str(litter) in done.stdout and not litter.exists()
        assert os.path.ismount(disks[0]) and not os.path.ismount(disks[1])
        assert str(disks[1]).replace(" ", "\\040") not in Path("/proc/mounts").read_text()
    finally:
        for disk in disks:
            if os.path.ismount(disk):
                subprocess.run(["umount", str(disk)], check=True)
        kill(living)
        kill(killed)


@as_root
def test_another_user_s_folder_stays(temporary) -> None:
    theirs = temporary / f"sdr_sc-scratch-1-2-{'-'.join(process_mark().split('-')[2:])}-abc"
    theirs.mkdir()
    os.chown(theirs, OTHER, OTHER)
    assert dead_scratch_folders() == [] and str(theirs) not in sdr_sc("clean").stdout and theirs.exists()


def test_want_of_file_handles_makes_nobody_dead(temporary) -> None:
    living, kept = holder()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    mark = process_mark()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        processes._mark_of.cache_clear()
        processes._boot.cache_clear()
        unknown = process_mark(), processes.is_of_here(mark), processes.has_ended(mark)
        alive = processes.lives(living.pid, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        kill(living)
    assert unknown == (f"{os.getpid()}-0--0", False, False) and alive
    assert process_mark() == mark and dead_scratch_folders() == [kept]


def in_a_container(command: list[str], **options) -> subprocess.Popen:
    """Start a command in a pid namespace of its own, where it is process 1 or 2, on the same files."""
    return subprocess.Popen(["unshare", "--pid", "--fork", "--mount-proc", *command], **options)


@as_root
def test_what_a_container_uses_or_left_is_not_taken_for_dead(temporary) -> None:
    inside = in_a_container(
        [sys.executable, "-c", HOLDING], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert inside.stdin is not None and inside.stdout is not None
        folder = Path(inside.stdout.readline().strip())
        assert folder.is_dir() and folder.parent == temporary
        killed, litter = holder()
        kill(killed)
        assert sdr_sc("clean").returncode == 0
        assert folder.is_dir() and not litter.exists()
        (temporary / "mine").mkdir()
        with scratch_folder() as mine:
            clean = [sys.executable, "-m", "sdr_sc.cli.main", "clean"]
            assert in_a_container(clean, env=environment()).wait(60) == 0
            assert mine.is_dir() and folder.is_dir()
    finally:
        inside.communicate("", timeout=200)
    assert not folder.exists()


def test_a_killed_run_leaves_nothing_that_clean_does_not_find(temporary) -> None:
    command = [sys.executable, "-m", "sdr_sc.cli.main", "run", str(ROOT / "flowgraphs" / "sim_loopback.grc"), "--"]
    process = subprocess.Popen([*command, "--images", "100000"], env=environment(), start_new_session=True)
    end = time.monotonic() + 100
    while not list(temporary.glob("*/sim_loopback.py")) and time.monotonic() < end:
        time.sleep(0.05)
    assert list(temporary.glob("*/sim_loopback.py"))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)
    assert sdr_sc("clean").returncode == 0
    assert list(temporary.iterdir()) == []


def test_every_temporary_folder_of_ours_can_be_found() -> None:
    made_elsewhere = [
        str(file.relative_to(ROOT))
        for file in sorted((ROOT / "sdr_sc").rglob("*.py"))
        if re.search(r"^[^>]*(?:mkdtemp|TemporaryDirectory)\(", file.read_text(), re.MULTILINE)
    ]
    assert made_elsewhere == ["sdr_sc/native.py", "sdr_sc/places.py"]
