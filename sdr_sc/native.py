# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules of C++ that are compiled on the machine that uses them, as they share classes with a library there.

A module lies in the virtual environment, or in the user's cache where there is none, in a folder named after its
sources: checkouts of different commits may share the place.
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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sdr_sc import places
from sdr_sc.documents import read_json
from sdr_sc.errors import MissingDependencyError, SdrScError
from sdr_sc.places import own_folder

RECORD_NAME = "build.json"
LOCK_NAME = ".lock"
COMPILE_LIMIT_S = 600
UNUSED_S = 28 * 86400.0
"""A module of other sources that nobody has used for so long is removed by a build."""
NOTE_EVERY_S = 86400.0


class NativeModule:
    """A module; a subclass says how it is compiled.

    Attributes:
        name: of its folder.
        what: what users call it.
        file_name: of the compiled module.
        sources: folder of its ``.cpp`` and ``.hpp`` files, with folders one level below it, or none.
        flags: of the compiler.
        built_for: which entry of its record is the library's file that it was built for.
        entries: further entries of the record.
        command, packages: what compiles it, and installs what that needs.
        error: raised with one sentence.
    """

    name: str
    what: str
    file_name: str
    sources: Path
    flags: tuple[str, ...]
    built_for: str
    entries: tuple[str, ...] = ()
    command: str
    packages: str
    error: type[SdrScError] = SdrScError

    def compile(self, scratch: Path, module: Path) -> dict[str, str]:
        """Compile to ``module``, with objects in ``scratch``; returns the record's entries, such as ``compiler``.

        Raises:
            MissingDependencyError: the compiler or headers are missing.
            SdrScError: it does not compile.
        """
        raise NotImplementedError

    def source_files(self) -> list[Path]:
        """The sources, sorted by path."""
        return sorted((*self.sources.glob("*.[ch]pp"), *self.sources.glob("*/*.[ch]pp")))

    def source_hash(self) -> str:
        """Twelve digits that change with the sources and how they are compiled."""
        digest = hashlib.sha256(" ".join(self.flags).encode())
        for file in self.source_files():
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
        return digest.hexdigest()[:12]

    def cache_folder(self) -> Path:
        """Where modules are made and kept: ``lib/sdr_sc/NAME`` of the virtual environment, or the user's cache."""
        if sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK):
            return self._of_environment()
        return own_folder(places.cache_folder() / self.name)

    def build(self, force: bool = False) -> bool:
        """Compile the module if there is none for these sources and this library.

        Args:
            force: compile in any case.

        Returns:
            False if there was nothing to do.

        Raises:
            MissingDependencyError: the compiler or headers are missing.
            SdrScError: it does not compile, or the folder cannot be written.
        """
        folder = self.cache_folder() / self.source_hash()
        with self._locked(self.cache_folder()):
            if not force and self._problem(folder) is None:
                return False
            with tempfile.TemporaryDirectory(dir=self.cache_folder(), prefix=".build-") as scratch:
                made = Path(scratch) / "made"
                made.mkdir()
                record = self.compile(Path(scratch), made / self.file_name) | {"source_hash": self.source_hash()}
                (made / RECORD_NAME).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
                if folder.exists():
                    os.replace(folder, Path(scratch) / "old")
                os.replace(made, folder)
            self._remove_unused(folder)
        return True

    def is_built(self) -> bool:
        """Whether there is a module for these sources and this library."""
        return self._problem(self._folder()) is None

    def path(self) -> Path:
        """The module's file.

        Raises:
            SdrScError: it is not built, or was built for another library.
        """
        folder = self._folder()
        problem = self._problem(folder)
        if problem:
            raise self.error(f"{self.what} {problem}; run '{self.command}'.")
        _note_use(folder)
        return folder / self.file_name

    def record(self) -> dict[str, str]:
        """What the module was built with: the library's file, ``compiler``, ``source_hash``; errors as for `path`."""
        return self._record(self.path().parent)

    def _of_environment(self) -> Path:
        return Path(sys.prefix) / "lib" / "sdr_sc" / self.name

    def _folder(self) -> Path:
        """The folder of the module to use: that of the virtual environment may be another user's, and have a good
        one."""
        installed = self._of_environment() / self.source_hash()
        if not os.access(sys.prefix, os.W_OK) and self._problem(installed) is None:
            return installed
        return self.cache_folder() / self.source_hash()

    def _record(self, folder: Path) -> dict[str, str]:
        found = read_json(folder / RECORD_NAME, f"the record of {self.what}", f"run '{self.command}'", self.error)
        names = (self.built_for, "compiler", "source_hash", *self.entries)
        if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in names):
            raise self.error(f"the record of {self.what} in {folder} is damaged; run '{self.command}'.")
        return found

    def _problem(self, folder: Path) -> str | None:
        """Why the module in a folder cannot be used, or None."""
        if not (folder / self.file_name).is_file():
            return "is not built"
        try:
            library = Path(self._record(folder)[self.built_for])
        except SdrScError:
            return "is damaged"
        if not library.is_file():
            return f"was built for {library.name}, which is not installed any more"
        return None

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / LOCK_NAME).open("w", encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise self.error(
                f"{self.what} cannot be written to {folder}: {error.strerror or error}; make it writable."
            ) from error

    def _remove_unused(self, current: Path) -> None:
        """Remove modules of other sources that nobody has used for weeks; other checkouts may share the folder."""
        used = _loaded_files(self.file_name)
        for other in current.parent.iterdir():
            if other in (current, current.parent / LOCK_NAME):
                continue
            try:
                age_s = time.time() - max(file.stat().st_mtime for file in (other, *other.glob(RECORD_NAME)))
            except OSError:
                continue
            if age_s > UNUSED_S and str(other / self.file_name) not in used:
                shutil.rmtree(other, ignore_errors=True)

    def compiler(self) -> str:
        """The C++ compiler's name, by the variable CXX where it is set.

        Raises:
            MissingDependencyError: it is not there.
        """
        found = os.environ.get("CXX") or "g++"
        if shutil.which(found) is None:
            raise MissingDependencyError(f"the compiler {found} is missing, which {self.what} needs; {self.remedy()}.")
        return found

    def remedy(self) -> str:
        """How what is missing is installed, as the end of a sentence."""
        return f"run 'sudo apt-get install {self.packages}'"

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """A step of compiling, with the messages in English.

        Raises:
            SdrScError: it takes more than `COMPILE_LIMIT_S`.
        """
        try:
            return subprocess.run(
                command, capture_output=True, text=True, timeout=COMPILE_LIMIT_S, env=dict(os.environ, LC_ALL="C")
            )
        except subprocess.TimeoutExpired:
            raise self.error(
                f"the compiler took more than {COMPILE_LIMIT_S} s for {self.what}; try again on an idle machine."
            ) from None

    def make(self, scratch: Path, module: Path, options: list[str], libraries: list[str]) -> None:
        """Compile all sources at once and link them.

        Raises:
            SdrScError: one of them does not compile, or they cannot be linked.
        """
        compiler = self.compiler()
        files = [file for file in self.source_files() if file.suffix == ".cpp"]

        def compile_one(file: Path) -> subprocess.CompletedProcess[str]:
            target = str(scratch / f"{file.stem}.o")
            return self.run([compiler, *self.flags, *options, "-c", str(file), "-o", target])

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for file, process in zip(files, pool.map(compile_one, files), strict=True):
                if process.returncode != 0:
                    raise self.error(f"{file.name} of {self.what} does not compile: {_first_error(process)}.")
        objects = [str(scratch / f"{file.stem}.o") for file in files]
        linked = self.run([compiler, "-shared", *objects, "-o", str(module), *libraries])
        if linked.returncode != 0:
            raise self.error(f"{self.what} cannot be linked: {_first_error(linked)}; {self.remedy()}.")

    def compiler_version(self) -> str:
        """Its first line."""
        return self.run([self.compiler(), "--version"]).stdout.partition("\n")[0]

    def shared_file(self, name: str) -> Path:
        """A shared library's file with its version, such as ``libuhd.so.4.3.0``, by ``libuhd.so``."""
        process = self.run([self.compiler(), f"-print-file-name={name}"])
        return Path(process.stdout.strip()).resolve()


def _first_error(process: subprocess.CompletedProcess[str]) -> str:
    lines = process.stderr.splitlines()
    return next((line.partition("error:")[2].strip() for line in lines if "error:" in line), " ".join(lines[-1:]))


def _note_use(folder: Path) -> None:
    """Keep the module's folder young, by which builds know that it is in use."""
    try:
        record = folder / RECORD_NAME
        if time.time() - record.stat().st_mtime > NOTE_EVERY_S:
            os.utime(record)
    except OSError:
        pass  # another user's: it is theirs to remove, too


def _loaded_files(name: str) -> set[str]:
    """Files of this name that processes have mapped, of those that this user may look at."""
    found: set[str] = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            text = maps.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found.update(f"/{line.partition('/')[2]}" for line in text.splitlines() if line.endswith(name))
    return found
