# SPDX-License-Identifier: GPL-3.0-or-later
"""scripts/setup where it must refuse, and where it has nothing to do. The rest is what ``make test`` starts with."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tomllib
from command import ROOT, environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

STAMP = ROOT / ".venv" / ".sdr_sc-setup"
TOOLS = "bash cat dirname dpkg-query env flock grep head mktemp python3 readlink rm sed sha256sum tail tr".split()


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


def test_an_environment_that_is_a_link_is_left_alone(tmp_path):
    root, tools = fresh_checkout(tmp_path, "")
    (tmp_path / "other" / "bin").mkdir(parents=True)
    (tmp_path / "other" / "bin" / "python").write_text("kept")
    (root / ".venv").symlink_to(tmp_path / "other")
    process = setup(root, PATH=str(tools), SDR_SC_OS_RELEASE=supported_release(tmp_path))
    assert_refused(process, ".venv is a link to", "remove the link")
    assert (tmp_path / "other" / "bin" / "python").read_text() == "kept"


def test_apt_failure_shows_the_end_of_its_output(tmp_path):
    root, tools = fresh_checkout(tmp_path, "sdr-sc-no-such-package")
    (tools / "id").write_text("#!/bin/bash\necho 0\n")
    process = setup(root, PATH=str(tools), SDR_SC_OS_RELEASE=supported_release(tmp_path))
    assert process.returncode == 1
    assert "E: no network" in process.stderr and "apt-get update failed" in process.stderr


@pytest.mark.skipif(
    not STAMP.is_file() or STAMP.parent.is_symlink(), reason="this checkout was not set up by scripts/setup"
)
def test_a_repeat_is_quick_and_silent():
    start = time.perf_counter()
    process = setup(ROOT)
    assert process.returncode == 0, process.stderr
    assert process.stdout == ""
    assert time.perf_counter() - start < 2.0


def test_what_is_declared_and_what_is_locked_agree():
    """Each dependency is locked at a version that fits, or comes from apt; and what is installed is what is locked."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = declared["dependencies"] + declared["optional-dependencies"]["dev"]
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\$", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert len(locked) > 50
    left_out = set()
    for requirement in map(Requirement, needed):
        name = canonicalize_name(requirement.name)
        if name in locked:
            assert requirement.specifier.contains(locked[name]), name
        else:
            left_out.add(name)
            assert requirement.specifier.contains(importlib.metadata.version(name), prereleases=True), name
    assert left_out == {
        "click",
        "cryptography",
        "fonttools",
        "matplotlib",
        "numpy",
        "pillow",
        "pyyaml",
        "scipy",
        "torch",
    }  # apt's, and the exempt one
    other = {name: importlib.metadata.version(name) for name in locked}
    assert other == locked, "run 'make setup', or scripts/lock if the installed versions are to be locked"


def test_every_locked_package_has_hashes():
    blocks = re.split(r"\n(?=[a-z])", (ROOT / "requirements.lock").read_text())[1:]
    for block in blocks:
        first, *hashes = block.rstrip().split(" \\\n    ")
        assert re.fullmatch(r"[a-z0-9-]+==\S+", first), first
        assert hashes and all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line) for line in hashes), first


def browser_setup(tmp_path: Path, apt_cache: str, apt_get: str, **environment: str):
    """scripts/setup-browser where there is no browser, and these are the programs of apt."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in "bash cat env grep sed tail".split():
        (tools / name).symlink_to(shutil.which(name))
    for name, script in {"id": "echo 0", "apt-cache": apt_cache, "apt-get": apt_get}.items():
        (tools / name).write_text(f"#!/bin/bash\n{script}\n")
        (tools / name).chmod(0o755)
    command = ["/bin/bash", str(ROOT / "scripts" / "setup-browser")]
    base = {"PATH": str(tools)}
    return subprocess.run(command, env=base | environment, capture_output=True, text=True, timeout=60)


# More than a pipe holds, so that a reader that ends early is noticed.
LONG_POLICY = "echo '  Candidate: 150.0'; for i in {1..20000}; do echo 'a line of the version table'; done"


def test_the_browser_is_installed_though_apt_says_much(tmp_path):
    process = browser_setup(tmp_path, LONG_POLICY, f'echo "$@" >> {tmp_path}/called')
    assert process.returncode == 0 and "installing Chromium" in process.stdout
    assert "install --no-install-recommends chromium" in (tmp_path / "called").read_text()


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
def test_a_browser_that_cannot_be_installed_fails_in_ci_alone(tmp_path, ci, status):
    process = browser_setup(tmp_path, LONG_POLICY, "echo E: no network; exit 100", CI=ci)
    assert process.returncode == status and "E: no network" in process.stderr and "could not be" in process.stdout


def test_a_system_without_the_package_says_so(tmp_path):
    process = browser_setup(tmp_path, "echo '  Candidate: (none)'", "true", CI="true")
    assert process.returncode == 0 and "no Debian package" in process.stdout


SKIPPING = """
import pytest

@pytest.mark.skip(reason="{reason}")
def test_left_out(): pass

def test_that_runs(): pass
"""


@pytest.mark.parametrize(
    ("reason", "ci", "failed"),
    [("no fun", "true", 1), ("no fun", "", 0), ("a second user needs root", "true", 0)],
)
def test_a_skip_fails_in_ci_unless_it_is_listed(tmp_path, reason, ci, failed):
    for name in ("conftest.py", "helpers/skips.py", "helpers/causes.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path)
    (tmp_path / "test_some.py").write_text(SKIPPING.format(reason=reason))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    process = subprocess.run(command, env=environment(CI=ci), capture_output=True, text=True, timeout=100, cwd=tmp_path)
    assert process.returncode == failed, process.stdout
    assert ("tests/helpers/skips.py lists the reason: no fun" in process.stdout) == bool(failed)
