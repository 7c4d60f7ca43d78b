# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared memory of the simulated USRP: what is not this user's own is refused, and what killed programs left goes."""

from __future__ import annotations

import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import second_user
from command import assert_one_line_error, sdr_sc
from second_user import OTHER, as_root, call_as_other
from simusrp_children import Children, new_air
from simusrp_device import CONTINUOUS, UhdError, Usrp

from sdr_sc.simusrp import airs, build, control, layout
from sdr_sc.simusrp.build import SimusrpError

DEADLINE_S = 200.0


@pytest.fixture(scope="module")
def children():
    found = Children()
    yield found
    found.kill()


@pytest.fixture
def air():
    name = new_air()
    yield name
    for file in airs.FOLDER.glob(f"sdr_sc-simusrp-*-{name}*"):
        file.rmdir() if file.is_dir() else file.unlink()


def main_file(air: str) -> Path:
    return airs.FOLDER / (airs.prefix() + air)


def rings(air: str) -> list[Path]:
    return sorted(airs.FOLDER.glob(main_file(air).name + ".ring-*"))


def wait_until(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + DEADLINE_S
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


def what_opening_says(air: str) -> str:
    try:
        Usrp(f"air={air}").close()
    except UhdError as error:
        return str(error)
    return ""


def regular(path: Path, mode: int = 0o600, uid: int | None = None) -> None:
    path.write_bytes(bytes(layout.ctypes.sizeof(layout.AirHeader)))
    path.chmod(mode)
    if uid is not None:
        os.chown(path, uid, uid)


FILES = {
    "open to others": (lambda path: regular(path, 0o666), "other"),
    "readable by a group": (lambda path: regular(path, 0o640), "other"),
    "a link": (lambda path: path.symlink_to("/dev/null"), "link"),
    "a pipe": (lambda path: os.mkfifo(path, 0o600), "regular file"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_not_ours_alone_is_refused(children, air, kind) -> None:
    make, word = FILES[kind]
    make(main_file(air))
    before = os.lstat(main_file(air))
    said = children.run(what_opening_says, air)
    assert word in said and str(main_file(air)) in said and "\n" not in said.strip()
    with pytest.raises(SimusrpError, match=r"remove|look at"):
        airs.read_air(air)
    after = os.lstat(main_file(air))
    assert (after.st_size, after.st_mode, after.st_mtime_ns) == (before.st_size, before.st_mode, before.st_mtime_ns)


@as_root
@pytest.mark.parametrize("mode", [0o666, 0o600])
def test_a_file_of_another_user_is_refused_and_left_alone(children, air, mode) -> None:
    regular(main_file(air), mode, OTHER)
    assert f"belongs to user {OTHER}" in children.run(what_opening_says, air)
    process = sdr_sc("simusrp", "set", "left", "path_loss_db=50", "--air", air)
    assert_one_line_error(process, f"belongs to user {OTHER}", "remove it")
    assert air not in airs.air_names() and air not in airs.clean()
    assert main_file(air).stat().st_uid == OTHER


@pytest.mark.parametrize("size", [1, 100, 10_000_000])
def test_a_file_of_another_size_is_refused(children, air, size) -> None:
    main_file(air).touch(0o600)
    os.truncate(main_file(air), size)
    assert "another version" in children.run(what_opening_says, air)
    with pytest.raises(SimusrpError, match="another version"):
        control.set_value("x", "cfo_hz", 1.0, air)
    assert air in airs.clean() and not main_file(air).exists()


_held: list[Usrp] = []


def transmit(air: str) -> None:
    device = Usrp(f"air={air},name=tx,pace=rt,tx_buffer_ms=500", rate_hz=250e3, tx=True)
    device.send(np.full(20_000, 0.5, np.complex64), end=True)
    _held.append(device)


def listen(air: str, name: str = "rx") -> tuple[int, bool]:
    """Samples received, and whether all are numbers."""
    with Usrp(f"air={air},name={name},pace=rt,rx_buffer_ms=500", rate_hz=250e3, rx=True) as device:
        device.command(CONTINUOUS)
        got = device.receive(20_000, 20.0)
        return len(got.samples), bool(np.isfinite(got.samples).all())


RING_DAMAGE = {
    "no samples": (8, struct.pack("<q", 0)),
    "less than none": (8, struct.pack("<q", -5)),
    "more than there is": (8, struct.pack("<q", 1 << 40)),
    "so many that bytes wrap around": (8, struct.pack("<q", 1 << 62)),
    "other magic": (0, b"\0" * 8),
    "a place before the tape": (48, struct.pack("<q", -(1 << 40))),
}


@pytest.mark.parametrize("kind", RING_DAMAGE)
def test_a_damaged_ring_is_silence_and_no_crash(children, air, kind) -> None:
    children.run(transmit, air)
    place, content = RING_DAMAGE[kind]
    (ring,) = rings(air)
    with ring.open("r+b") as file:
        file.seek(place)
        file.write(content)
    try:
        assert children.wait(children.start(1, listen, air)) == (20_000, True)
    finally:
        children.end(0)


def listen_until(air: str, file: str) -> int:
    """Receive until a file is there; returns errors."""
    errors = 0
    with Usrp(f"air={air},name=rx,pace=rt,rx_buffer_ms=500", rate_hz=250e3, rx=True) as device:
        device.command(CONTINUOUS)
        while not os.path.exists(file):
            errors += device.receive(5_000, 20.0).error not in (0, 8)
    return errors


def test_rings_of_killed_transmitters_go_while_the_receiver_lives(children, air, tmp_path) -> None:
    end = tmp_path / "end"
    children.run(os.getpid)
    listening = children.start(2, listen_until, air, str(end))
    try:
        for _ in range(10):
            children.run(transmit, air)
            assert rings(air)
            children.end(0)
        assert wait_until(lambda: not rings(air)), rings(air)
        assert not listening.done()
    finally:
        end.touch()
    assert children.wait(listening) == 0


def test_clean_takes_a_ring_without_a_transmitter_from_an_air_in_use(children, air) -> None:
    children.run(transmit, air)
    litter = Path(f"{main_file(air)}.ring-12345")
    litter.write_bytes(b"left")
    (used,) = [ring for ring in rings(air) if ring != litter]
    assert litter.name not in airs.clean()  # somebody may be about to use it
    os.utime(litter, (0, 0))
    os.utime(used, (0, 0))
    assert litter.name in airs.clean() and rings(air) == [used]
    assert air not in airs.clean()
    children.end(0)
    assert air in airs.clean() and not main_file(air).exists()


def transmit_until(air: str, file: str) -> None:
    with Usrp(f"air={air},name=tx,pace=rt,tx_buffer_ms=500", rate_hz=250e3, tx=True) as device:
        while not os.path.exists(file):
            device.send(np.full(20_000, 0.5, np.complex64))


SECOND = """
import sys, time
sys.path.insert(0, {folder!r})
from simusrp_device import CONTINUOUS, Usrp
with Usrp("air={air},name=same,pace=rt,rx_buffer_ms=500", rate_hz=250e3, rx=True) as device:
    device.command(CONTINUOUS)
    print("open", flush=True)
    for line in sys.stdin:
        got = device.receive(5_000, 20.0)
        while got.error or len(got.samples) < 5_000:  # what came while nobody asked has overflown
            got = device.receive(5_000, 20.0)
        print(len(got.samples), float(abs(got.samples).max()), flush=True)
"""


@as_root
def test_two_users_on_one_air_name_neither_hear_stop_nor_remove_each_other(children, air) -> None:
    folder = Path(tempfile.mkdtemp(prefix="second-user-"))
    children.run(os.getpid)
    try:
        folder.chmod(0o755)
        for source in (build.module_path(), Path(second_user.__file__).with_name("simusrp_device.py")):
            os.chmod(shutil.copy(source, folder), 0o644)
        other = subprocess.Popen(
            ["/usr/bin/python3", "-c", SECOND.format(folder=str(folder), air=air)],
            user=OTHER,
            group=OTHER,
            extra_groups=[],
            cwd="/",
            env={build.VARIABLE: str(folder / build.MODULE_NAME), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert other.stdin is not None and other.stdout is not None

        def heard() -> tuple[int, float]:
            print("go", file=other.stdin, flush=True)
            count, level = other.stdout.readline().split()
            return int(count), float(level)

        assert other.stdout.readline().strip() == "open"
        theirs = airs.FOLDER / f"sdr_sc-simusrp-{OTHER}-{air}"
        assert theirs.stat().st_uid == OTHER and theirs.stat().st_mode & 0o777 == 0o600
        silent = heard()
        assert silent[0] == 5_000

        # Ours has the same name, and sends: they do not hear it.
        sending = children.start(0, transmit_until, air, str(folder / "end"))
        assert wait_until(lambda: air in airs.air_names() and len(rings(air)) == 1)
        assert [device.name for device in airs.read_air(air).devices] == ["tx"]
        assert max(heard()[1] for _ in range(20)) < 10 * silent[1]
        assert not sending.done()

        # Neither finds, opens, shortens or removes the other's files.
        assert call_as_other(lambda: airs.air_names()).count(air) == 1
        assert [device.name for device in call_as_other(lambda: airs.read_air(air)).devices] == ["same"]
        assert air not in call_as_other(airs.clean) and air not in airs.clean()
        for file in (main_file(air), *rings(air)):
            assert "PermissionError" in call_as_other(lambda file=file: os.truncate(file, 0))
            assert "PermissionError" in call_as_other(lambda file=file: file.read_bytes())
        assert main_file(air).exists() and theirs.exists() and rings(air)

        # The end of one is not the other's, nor is its litter.
        children.end(0)
        assert air not in call_as_other(airs.clean) and main_file(air).exists()
        assert heard()[0] == 5_000
        other.kill()
        other.wait(20)
        assert air in airs.clean() and theirs.exists()
        assert air in call_as_other(airs.clean) and not theirs.exists()
    finally:
        if "other" in locals():
            other.kill()
            other.wait(20)
        shutil.rmtree(folder)


INSIDE = """
import sys
from simusrp_device import Usrp
device = Usrp(f"air={sys.argv[1]},name=inside")
print("open", flush=True)
sys.stdin.read()
device.close()
"""


@as_root
def test_a_device_in_a_container_that_shares_the_memory_counts_as_used(children, air) -> None:
    path = os.pathsep.join(
        (str(Path(second_user.__file__).resolve().parent), str(Path(build.__file__).resolve().parents[2]))
    )
    inside = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", INSIDE, air],
        env=build.environment() | {"PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert inside.stdout is not None and inside.stdout.readline() == "open\n"
        assert [device.name for device in airs.read_air(air).devices] == ["inside"]
        assert airs.left_over(remove=True) == {} and main_file(air).exists()
        assert children.run(names_beside, air) == ["inside", "outside"]
        assert airs.left_over(remove=True) == {}
    finally:
        inside.communicate("", timeout=DEADLINE_S)
    assert wait_until(lambda: not main_file(air).exists())


def names_beside(air: str) -> list[str]:
    device = Usrp(f"air={air},name=outside")
    names = sorted(one.name for one in airs.read_air(air).devices)
    device.close()
    return names


def test_want_of_file_handles_makes_no_other_device_dead(children, air) -> None:
    first = children.start(1, transmit, air)
    children.wait(first)
    assert children.run(names_without_handles, air) == ["tx"]
    assert [device.name for device in airs.read_air(air).devices] == ["tx"]


def names_without_handles(air: str) -> list[str]:
    """Names that are on the air after a device was opened and closed with fewer and fewer file handles."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    Usrp(f"air={air},name=short").close()  # loads what it needs
    for limit in range(3, max(map(int, os.listdir("/proc/self/fd"))) + 8):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        try:
            Usrp(f"air={air},name=short").close()
        except (UhdError, OSError):
            pass
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return sorted(one.name for one in airs.read_air(air).devices)
