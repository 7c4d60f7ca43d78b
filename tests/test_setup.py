# SPDX-License-Identifier: GPL-3.0-or-later
"""scripts/setup where it must refuse, and where it has nothing to do. The rest is what ``make test`` starts with."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from command import ROOT

STAMP = ROOT / ".venv" / ".sdr_sc-setup"
TOOLS = "bash cat dirname dpkg-query env flock grep head mktemp python3 rm sed sha256sum tail tr".split()


def setup(root: Path, **environment: str):
    return subprocess.run(
        ["/bin/bash", str(root / "scripts" / "setup")],
        env=dict(os.environ) | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def assert_refused(process, *parts: str) -> None:
    assert process.returncode == 1
    assert process.stdout == ""
    assert process.stderr.startswith("setup: ") and process.stderr.count("\n") == 1
    for part in parts:
        assert part in process.stderr


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ('ID=fedora\nVERSION_ID=43\nPRETTY_NAME="Fedora Linux 43"\n', "Fedora Linux 43"),
        ('ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n', "Debian GNU/Linux 13"),
        ("ID=arch\n", "an unnamed system"),
        (None, "an unknown system"),
    ],
)
def test_unsupported_system_is_one_line(tmp_path, release, name):
    file = tmp_path / "os-release"
    if release is not None:
        file.write_text(release)
    assert_refused(setup(ROOT, SDR_SC_OS_RELEASE=str(file)), name, "Debian 12")


def fresh_checkout(tmp_path: Path, extra_package: str) -> tuple[Path, Path]:
    """A checkout that needs one more apt package, and a PATH folder with no sudo and an ``id`` that is not root's."""
    root, tools = tmp_path / "checkout", tmp_path / "bin"
    (root / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "setup", root / "scripts" / "setup")
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, root)
    (root / "apt-packages.txt").write_text(f"{extra_package}  # comment\n")
    tools.mkdir()
    for name in TOOLS:
        (tools / name).symlink_to(shutil.which(name))
    for name, script in {"id": "echo 1000", "apt-get": "echo E: no network; exit 100"}.items():
        (tools / name).write_text(f"#!/bin/bash\n{script}\n")
        (tools / name).chmod(0o755)
    return root, tools


def supported_release(tmp_path: Path) -> str:
    file = tmp_path / "os-release"
    file.write_text("ID=debian\nVERSION_ID=12\n")
    return str(file)


def test_without_root_and_sudo_it_says_what_to_install(tmp_path):
    root, tools = fresh_checkout(tmp_path, "sdr-sc-no-such-package")
    process = setup(root, PATH=str(tools), SDR_SC_OS_RELEASE=supported_release(tmp_path))
    assert_refused(process, "sudo is missing", "apt-get install --no-install-recommends sdr-sc-no-such-package")


def test_apt_failure_shows_the_end_of_its_output(tmp_path):
    root, tools = fresh_checkout(tmp_path, "sdr-sc-no-such-package")
    (tools / "id").write_text("#!/bin/bash\necho 0\n")
    process = setup(root, PATH=str(tools), SDR_SC_OS_RELEASE=supported_release(tmp_path))
    assert process.returncode == 1
    assert "E: no network" in process.stderr and "apt-get update failed" in process.stderr


@pytest.mark.skipif(not STAMP.is_file(), reason="this checkout was not set up by scripts/setup")
def test_a_repeat_is_quick_and_silent():
    start = time.perf_counter()
    process = setup(ROOT)
    assert process.returncode == 0, process.stderr
    assert process.stdout == ""
    assert time.perf_counter() - start < 2.0
