# SPDX-License-Identifier: GPL-3.0-or-later
"""Compile the UHD module, find it, and register it with libuhd.

The module has to be compiled on the machine that uses it, as it shares C++ classes with libuhd. It lives in the
virtual environment, or in the user's cache where there is none, in a folder named after its sources.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sdr_sc import places
from sdr_sc.documents import read_json
from sdr_sc.errors import MissingDependencyError, SdrScError
from sdr_sc.places import own_folder

SOURCES = Path(__file__).resolve().parent / "src"
MODULE_NAME = "libsimusrp.so"
RECORD_NAME = "build.json"
VARIABLE = "UHD_MODULE_PATH"
APT_LINE = "sudo apt-get install g++ libuhd-dev libboost-dev"
# No contraction to fused operations: the same samples on every machine. No -march=native: the sources ask for vector
# clones of the hot loops, which the loader picks. The other two let the compiler make vectors at all.
FLAGS = (
    *("-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"),
    *("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"),
)
COMPILE_LIMIT_S = 600
LOCK_NAME = ".lock"
UNUSED_S = 28 * 86400.0
"""A module of other sources that nobody has used for so long is removed by a build."""
NOTE_EVERY_S = 86400.0


class SimusrpError(SdrScError):
    """The simulated USRP cannot be built, found, or controlled."""


def source_hash() -> str:
    """Twelve digits that change with the module's sources and how they are compiled."""
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for file in sorted(SOURCES.glob("*/*.[ch]pp")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def cache_folder() -> Path:
    """Where modules are made and kept: ``lib/sdr_sc/simusrp`` of the virtual environment, or the user's cache."""
    if sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK):
        return _of_environment()
    return own_folder(places.cache_folder() / "simusrp")


def _of_environment() -> Path:
    return Path(sys.prefix) / "lib" / "sdr_sc" / "simusrp"


def _module_folder() -> Path:
    """The folder of the module to use: that of the virtual environment may be another user's, and have a good one."""
    installed = _of_environment() / source_hash()
    if not os.access(sys.prefix, os.W_OK) and _problem(installed) is None:
        return installed
    return cache_folder() / source_hash()


def build(force: bool = False) -> bool:
    """Compile the module if there is none for these sources and this libuhd; takes about 20 seconds.

    Args:
        force: compile in any case.

    Returns:
        False if there was nothing to do.

    Raises:
        MissingDependencyError: the compiler or libuhd's headers are missing.
        SimusrpError: it does not compile, or the folder cannot be written.
    """
    folder = cache_folder() / source_hash()
    with _locked(cache_folder()):
        if not force and _problem(folder) is None:
            return False
        with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=".build-") as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            record = _compile(Path(scratch), made / MODULE_NAME)
            (made / RECORD_NAME).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
            if folder.exists():
                os.replace(folder, Path(scratch) / "old")
            os.replace(made, folder)
        _remove_unused(folder)
    return True


def _remove_unused(current: Path) -> None:
    """Remove modules of other sources that nobody has used for weeks; other checkouts may share the folder."""
    used = _loaded_files()
    for other in current.parent.iterdir():
        if other in (current, current.parent / LOCK_NAME):
            continue
        try:
            age_s = time.time() - max(file.stat().st_mtime for file in (other, *other.glob(RECORD_NAME)))
        except OSError:
            continue
        if age_s > UNUSED_S and str(other / MODULE_NAME) not in used:
            shutil.rmtree(other, ignore_errors=True)


def _note_use(folder: Path) -> None:
    """Keep the module's folder young, by which `_remove_unused` knows that it is in use."""
    try:
        record = folder / RECORD_NAME
        if time.time() - record.stat().st_mtime > NOTE_EVERY_S:
            os.utime(record)
    except OSError:
        pass  # another user's: it is theirs to remove, too


def is_built() -> bool:
    """Whether there is a module for these sources and this libuhd."""
    return _problem(_module_folder()) is None


def module_path() -> Path:
    """The module for libuhd.

    Raises:
        SimusrpError: it is not built, or was built for another libuhd.
    """
    folder = _module_folder()
    problem = _problem(folder)
    if problem:
        raise SimusrpError(f"the simulated USRP {problem}; run 'sdr-sc simusrp build'.")
    _note_use(folder)
    return folder / MODULE_NAME


def build_record() -> dict[str, str]:
    """What the module was built with: ``libuhd`` (file), ``uhd_version``, ``compiler``, ``source_hash``.

    Raises:
        SimusrpError: as `module_path`.
    """
    return _record(module_path().parent)


def _record(folder: Path) -> dict[str, str]:
    found = read_json(folder / RECORD_NAME, "the simulated USRP's record", "run 'sdr-sc simusrp build'", SimusrpError)
    names = ("libuhd", "uhd_version", "compiler", "source_hash")
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in names):
        raise SimusrpError(f"the simulated USRP's record in {folder} is damaged; run 'sdr-sc simusrp build'.")
    return found


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a program that is to find the simulated USRP.

    Args:
        base: environment to add to; this process's if left out.

    Raises:
        SimusrpError: as `module_path`.
    """
    result = dict(os.environ if base is None else base)
    ours = str(module_path())
    others = [part for part in result.get(VARIABLE, "").split(":") if part and Path(part).name != MODULE_NAME]
    result[VARIABLE] = ":".join([ours, *others])
    return result


def enable() -> Path:
    """Make this process find the simulated USRP. Call it before anything loads libuhd, such as ``gnuradio.uhd``.

    Returns:
        The module's file.

    Raises:
        SimusrpError: as `module_path`; or libuhd is loaded already, and without the module.
    """
    path = module_path()
    loaded = _loaded_libraries()
    if any(name.startswith("libuhd.so") for name in loaded) and MODULE_NAME not in loaded:
        raise SimusrpError(
            "libuhd was loaded before the simulated USRP was enabled, and looks for devices only once; "
            "call sdr_sc.simusrp.build.enable() before importing gnuradio.uhd."
        )
    os.environ[VARIABLE] = environment()[VARIABLE]
    return path


def _loaded_files() -> set[str]:
    """Files that processes have mapped, of those that this user may look at."""
    found: set[str] = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            text = maps.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found.update(f"/{line.partition('/')[2]}" for line in text.splitlines() if line.endswith(MODULE_NAME))
    return found


def _loaded_libraries() -> set[str]:
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return {line.rpartition("/")[2] for line in lines if "/" in line}


def _problem(folder: Path) -> str | None:
    """Why the module in a folder cannot be used, or None."""
    if not (folder / MODULE_NAME).is_file():
        return "is not built"
    try:
        library = Path(_record(folder)["libuhd"])
    except SimusrpError:
        return "is damaged"
    if not library.is_file():
        return f"was built for {library.name}, which is not installed any more"
    return None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK_NAME).open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise SimusrpError(
            f"the simulated USRP cannot be written to {folder}: {error.strerror or error}; make it writable."
        ) from error


def _compile(scratch: Path, module: Path) -> dict[str, str]:
    compiler = os.environ.get("CXX") or "g++"
    if shutil.which(compiler) is None:
        raise MissingDependencyError(f"the compiler {compiler} is missing, which the simulated USRP needs; {_fix()}.")
    cflags, libs = _pkg_config("--cflags"), [part for part in _pkg_config("--libs") if part != "-lboost_system"]
    version = _macro(compiler, cflags, "UHD_VERSION_ABI_STRING")
    files = sorted(SOURCES.glob("*/*.cpp"))
    includes = [f"-I{folder}" for folder in sorted(SOURCES.iterdir()) if folder.is_dir()]

    def compile_one(file: Path) -> subprocess.CompletedProcess[str]:
        return _run([compiler, *FLAGS, *includes, *cflags, "-c", str(file), "-o", str(scratch / f"{file.stem}.o")])

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for file, process in zip(files, pool.map(compile_one, files), strict=True):
            if process.returncode != 0:
                raise SimusrpError(f"{file.name} of the simulated USRP does not compile: {_first_error(process)}.")
    objects = [str(scratch / f"{file.stem}.o") for file in files]
    linked = _run([compiler, "-shared", "-Wl,--no-undefined", *objects, "-o", str(module), *(libs or ["-luhd"])])
    if linked.returncode != 0:
        raise SimusrpError(f"the simulated USRP cannot be linked with libuhd: {_first_error(linked)}; {_fix()}.")
    return {
        "libuhd": str(_libuhd(compiler)),
        "uhd_version": version,
        "compiler": _run([compiler, "--version"]).stdout.partition("\n")[0],
        "source_hash": source_hash(),
    }


def _fix() -> str:
    return f"run '{APT_LINE}'"


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=COMPILE_LIMIT_S, env=dict(os.environ, LC_ALL="C")
        )
    except subprocess.TimeoutExpired:
        raise SimusrpError(
            f"the compiler took more than {COMPILE_LIMIT_S} s for the simulated USRP; try again on an idle machine."
        ) from None


def _first_error(process: subprocess.CompletedProcess[str]) -> str:
    lines = process.stderr.splitlines()
    return next((line.partition("error:")[2].strip() for line in lines if "error:" in line), " ".join(lines[-1:]))


def _pkg_config(option: str) -> list[str]:
    if shutil.which("pkg-config") is None:
        return []
    process = _run(["pkg-config", option, "uhd"])
    return process.stdout.split() if process.returncode == 0 else []


def _macro(compiler: str, cflags: list[str], name: str) -> str:
    """A macro of libuhd's headers; fails where they, or those of boost, are missing."""
    with tempfile.NamedTemporaryFile("w", suffix=".cpp") as file:
        file.write(f"#include <uhd/version.hpp>\n#include <boost/optional.hpp>\nsimusrp_marker {name}\n")
        file.flush()
        process = _run([compiler, "-E", "-P", *cflags, file.name])
    if process.returncode != 0:
        raise MissingDependencyError(
            f"the headers of libuhd or boost are missing, which the simulated USRP is compiled with; {_fix()}."
        )
    return process.stdout.rpartition("simusrp_marker")[2].strip().strip('"')


def _libuhd(compiler: str) -> Path:
    """The library's file with its version, such as ``libuhd.so.4.3.0``."""
    process = _run([compiler, "-print-file-name=libuhd.so"])
    return Path(process.stdout.strip()).resolve()
