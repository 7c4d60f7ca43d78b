# SPDX-License-Identifier: GPL-3.0-or-later
"""Building the simulated USRP, its commands, and the files it reads."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command import assert_one_line_error, sdr_sc
from simusrp_children import Children, new_air
from simusrp_device import Usrp

from sdr_sc import native
from sdr_sc.errors import MissingDependencyError, SdrScError
from sdr_sc.phy.channels import Awgn, Multipath, Tdl, parse_chain
from sdr_sc.phy.numerology import Numerology
from sdr_sc.simusrp import airs, build, control, layout, levels
from sdr_sc.simusrp.taps import read_taps, write_taps


@pytest.fixture(scope="module")
def children():
    found = Children()
    yield found
    found.kill()


@pytest.fixture
def other_folder(children, tmp_path, monkeypatch):
    """A copy of the module in a folder of our own."""
    folder = tmp_path / "modules"
    shutil.copytree(build.module_path().parent, folder / build.source_hash())
    monkeypatch.setattr(build.MODULE, "cache_folder", lambda: folder)
    return folder / build.source_hash()


def test_a_repeat_builds_nothing(children) -> None:
    assert build.is_built() and build.build() is False
    process = sdr_sc("simusrp", "build")
    assert process.returncode == 0 and "up to date" in process.stdout
    assert str(build.module_path()) in sdr_sc("simusrp", "info", COLUMNS="400").stdout


def test_a_module_for_another_libuhd_is_reported_and_built_again(other_folder, monkeypatch) -> None:
    record = json.loads((other_folder / native.RECORD_NAME).read_text())
    record["libuhd"] = "/usr/lib/libuhd.so.3.9.9"
    (other_folder / native.RECORD_NAME).write_text(json.dumps(record))
    for call in (build.module_path, build.environment, build.enable):
        with pytest.raises(SdrScError, match="built for libuhd.so.3.9.9, .* run 'sdr-sc simusrp build'"):
            call()

    def compile_quickly(scratch: Path, module: Path) -> dict[str, str]:
        module.write_bytes(b"new")
        return record | {"libuhd": "/bin/sh"}

    monkeypatch.setattr(build.MODULE, "compile", compile_quickly)
    assert build.build() is True and build.module_path().read_bytes() == b"new"
    (other_folder / native.RECORD_NAME).write_text("{")
    with pytest.raises(SdrScError, match="is damaged; run"):
        build.module_path()
    shutil.rmtree(other_folder)
    with pytest.raises(SdrScError, match="is not built; run 'sdr-sc simusrp build'"):
        build.module_path()


def test_modules_of_other_checkouts_stay_for_weeks(other_folder, monkeypatch) -> None:
    def compile_quickly(scratch: Path, module: Path) -> dict[str, str]:
        module.write_bytes(b"new")
        return json.loads((other_folder / native.RECORD_NAME).read_text())

    monkeypatch.setattr(build.MODULE, "compile", compile_quickly)
    now = time.time()
    for name, age_days in (("young", 20), ("old", 40), ("loaded", 40)):
        copy = Path(shutil.copytree(other_folder, other_folder.with_name(name)))
        for path in (copy / native.RECORD_NAME, copy):
            os.utime(path, (now, now - age_days * 86400))
    loaded = str(other_folder.with_name("loaded") / build.MODULE_NAME)
    with open(loaded, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ):
        build.build(force=True)
    names = {other_folder.name, "young", "loaded", native.LOCK_NAME}
    assert {path.name for path in other_folder.parent.iterdir()} == names


def test_a_module_in_use_stays_young(other_folder) -> None:
    record = other_folder / native.RECORD_NAME
    os.utime(record, (0, 0))
    build.module_path()
    assert time.time() - record.stat().st_mtime < 1000


def test_what_is_missing_to_build_is_reported(other_folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(MissingDependencyError, match="no-such-compiler is missing.*apt-get install g.. libuhd-dev"):
        build.build(force=True)
    compiler = tmp_path / "no-headers"
    compiler.write_text("#!/bin/sh\necho 'uhd/version.hpp: No such file' >&2; exit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(MissingDependencyError, match="headers of libuhd or boost are missing.*libuhd-dev libboost-dev"):
        build.build(force=True)
    compiler.write_text("#!/bin/sh\ncase \"$*\" in *-E*) exit 0;; esac\necho 'x.cpp:1: error: no good' >&2; exit 1\n")
    with pytest.raises(SdrScError, match="does not compile: no good"):
        build.build(force=True)
    assert build.is_built()  # what was there stays


def test_enable_comes_before_libuhd(children) -> None:
    code = (
        "import ctypes, ctypes.util; from sdr_sc.simusrp import build; {first}build.enable(); "
        "ctypes.CDLL(ctypes.util.find_library('uhd')); build.enable(); print('fine')"
    )
    done = {}
    for first in ("", "ctypes.CDLL(ctypes.util.find_library('uhd')); "):
        command = [sys.executable, "-c", code.format(first=first)]
        done[first] = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done[""].stdout == "fine\n"
    assert "before importing gnuradio.uhd" in done[first].stderr


def test_numbers_of_both_languages_agree() -> None:
    header = (build.SOURCES / "dsp" / "levels.hpp").read_text()
    mirrored = re.findall(r"constexpr (?:double|int) (\w+) = ([-\d.]+);", header)
    assert len(mirrored) == 12
    for name, text in mirrored:
        if hasattr(levels, name):
            assert getattr(levels, name) == float(text)
    header = (build.SOURCES / "air" / "air_layout.hpp").read_text()
    assert f"LAYOUT_VERSION = {layout.LAYOUT_VERSION};" in header and f"{layout.MAGIC:#x}ull" in header


_open = []


def open_device(air: str) -> None:
    device = Usrp(f"air={air},name=left,pace=step,step_peers=0,ppm=2,path_loss_db=44", tx=True, rx=True)
    device.gain("tx", 33)
    device.tune("tx", 2.4e9)
    device.send(np.zeros(100, np.complex64))
    _open.append(device)


def close_device() -> None:
    _open.pop().close()


def test_list_set_and_clean(children) -> None:
    air = new_air()
    assert_one_line_error(sdr_sc("simusrp", "set", "left", "path_loss_db=50", "--air", air), f"no air '{air}'")
    children.run(open_device, air)
    state = airs.read_air(air)
    (device,) = state.devices
    assert (state.pace, device.name, device.ppm, device.channels) == ("step", "left", 2.0, 1)
    assert device.values == {"path_loss_db": 44.0, "cfo_hz": 0.0, "noise_figure_db": levels.NOISE_FIGURE_DB}
    (stream,) = device.streams
    assert (stream.direction, stream.rate_hz, stream.freq_hz, stream.gain_db) == ("tx", 1e6, 2.4e9, 33.0)
    done = sdr_sc("simusrp", "set", "left", "path_loss_db=50", "cfo_hz=-7", "--air", air)
    assert done.returncode == 0, done.stderr
    said = sdr_sc("simusrp", "list", COLUMNS="200").stdout
    assert air in said and "path_loss_db=50" in said and "cfo_hz=-7" in said and "pace=step" in said
    for arguments, part in (
        (("right", "path_loss_db=50"), "there are: left"),
        (("left", "gain=50"), "no value 'gain'"),
        (("left", "path_loss_db=-1"), "use 0 to 300"),
        (("left", "path_loss_db=loud"), "is no number"),
        (("left", "path_loss_db"), "is no assignment"),
    ):
        assert_one_line_error(sdr_sc("simusrp", "set", *arguments, "--air", air), part)
    for number in range(200):  # more than the memory holds
        control.set_value("left", "noise_figure_db", float(number % 90), air)
    control.set_value("left", "noise_figure_db", 99.0, air, at_s=1e6)
    values = airs.read_air(air).devices[0].values
    assert values == {"path_loss_db": 50.0, "cfo_hz": -7.0, "noise_figure_db": 199 % 90}
    assert air not in airs.clean()
    children.run(close_device)
    assert air not in airs.air_names()


def test_exec(children) -> None:
    code = "import os; print(os.environ['UHD_MODULE_PATH']); exit(3)"
    done = sdr_sc("simusrp", "exec", "--", sys.executable, "-c", code)
    assert done.returncode == 3 and str(build.module_path()) in done.stdout
    assert_one_line_error(sdr_sc("simusrp", "exec", "uhd_nothing"), "no program uhd_nothing", "uhd-host")


def test_taps_of_models(tmp_path) -> None:
    file = tmp_path / "taps"
    write_taps(file, [0.5, 1j], 1e6)
    taps, rate_hz, _ = read_taps(file)
    assert taps.tolist() == [[0.5, 1j]] and rate_hz == 1e6
    chain = parse_chain("multipath(taps=[0, 1]), tdl_c(delay_spread_ns=300, doppler_hz=20)", 1e6, 1, Numerology())
    write_taps(file, chain, 1e6, duration_s=0.05, interval_s=1e-3)
    taps, _, interval_s = read_taps(file)
    assert taps.shape[0] == 51 and interval_s == 1e-3 and np.all(taps[:, 0] == 0)
    assert ctypes.sizeof(layout.AirHeader) < 1 << 20
    for channel, options, part in (
        (Awgn(10.0), {}, "Awgn cannot be written as taps"),
        (Tdl("A", 300.0, 0.0, 2e6), {}, "made for 2e.06 Hz"),
        (Multipath([1] + [0] * 2000 + [1]), {}, "echoes last"),
        ([np.nan], {}, "finite"),
        ([1.0], {"interval_s": 1e9}, "interval_s"),
        (Tdl("A", 300.0, 5.0, 1e6), {"duration_s": 1e9}, "shorter duration_s"),
    ):
        with pytest.raises(SdrScError, match=part):
            write_taps(tmp_path / "bad", channel, 1e6, **options)
    assert not (tmp_path / "bad").exists()
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(SdrScError, match="damaged"):
        read_taps(file)


def test_a_program_that_just_ends_leaves_nothing(children) -> None:
    air = new_air()
    code = (
        f"from simusrp_device import *; from sdr_sc.simusrp import airs; d = Usrp('air={air}', tx=True, rx=True); "
        f"d.send(np.zeros(9)); d.command(CONTINUOUS); print('{air}' in airs.air_names())"
    )
    command = [sys.executable, "-c", code]
    environment = build.environment() | {"PYTHONPATH": str(Path(__file__).parents[1] / "helpers")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert done.stdout == "True\n" and air not in airs.air_names(), done.stderr


def open_with_taps(file: str, rate_hz: float) -> str:
    try:
        with Usrp(f"taps={file},air={new_air()}", rate_hz, rx=True) as device:
            device.command(97)
    except Exception as error:
        return str(error)
    return ""


def test_bad_files_of_taps_are_refused(children, tmp_path) -> None:
    good = tmp_path / "good"
    write_taps(good, [1.0, 0.5], 1e6)
    assert children.run(open_with_taps, str(good), 1e6) == ""
    assert "write taps for that rate" in children.run(open_with_taps, str(good), 2e6)
    data = good.read_bytes()
    for name, content, part in (
        ("text", b"hello", "is no file of taps"),
        ("short", data[:-1], "is damaged"),
        ("long", data + b"x" * 8, "is damaged"),
        ("nan", data[:-8] + np.array([np.nan], np.complex64).tobytes(), "not finite"),
    ):
        (tmp_path / name).write_bytes(content)
        assert part in children.run(open_with_taps, str(tmp_path / name), 1e6)
