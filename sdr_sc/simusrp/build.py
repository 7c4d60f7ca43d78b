# SPDX-License-Identifier: GPL-3.0-or-later
"""Compile the UHD module, find it, and register it with libuhd."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sdr_sc.errors import MissingDependencyError, SdrScError
from sdr_sc.native import NativeModule

MODULE_NAME = "libsimusrp.so"
VARIABLE = "UHD_MODULE_PATH"


class SimusrpError(SdrScError):
    """The simulated USRP cannot be built, found, or controlled."""


class SimulatedUsrp(NativeModule):
    """The module that libuhd loads; it shares C++ classes with it."""

    name, what, file_name, built_for = "simusrp", "the simulated USRP", MODULE_NAME, "libuhd"
    sources = Path(__file__).resolve().parent / "src"
    # No contraction to fused operations: the same samples on every machine. No -march=native: the sources ask for
    # vector clones of the hot loops, which the loader picks. The other two let the compiler make vectors at all.
    flags = (
        *("-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"),
        *("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"),
    )
    entries = ("uhd_version",)
    command, packages = "sdr-sc simusrp build", "g++ libuhd-dev libboost-dev"
    error = SimusrpError

    def compile(self, scratch: Path, module: Path) -> dict[str, str]:
        compiler, cflags = self.compiler(), self._pkg_config("--cflags")
        libraries = [part for part in self._pkg_config("--libs") if part != "-lboost_system"] or ["-luhd"]
        version = self._uhd_version(compiler, cflags)
        includes = [f"-I{folder}" for folder in sorted(self.sources.iterdir()) if folder.is_dir()]
        self.make(scratch, module, [*includes, *cflags], ["-Wl,--no-undefined", *libraries])
        return {
            "libuhd": str(self.shared_file("libuhd.so")),
            "uhd_version": version,
            "compiler": self.compiler_version(),
        }

    def _pkg_config(self, option: str) -> list[str]:
        if shutil.which("pkg-config") is None:
            return []
        process = self.run(["pkg-config", option, "uhd"])
        return process.stdout.split() if process.returncode == 0 else []

    def _uhd_version(self, compiler: str, cflags: list[str]) -> str:
        """By a macro of libuhd's headers; fails where they, or those of boost, are missing."""
        with tempfile.NamedTemporaryFile("w", suffix=".cpp") as file:
            file.write("#include <uhd/version.hpp>\n#include <boost/optional.hpp>\nsimusrp_marker ")
            file.write("UHD_VERSION_ABI_STRING\n")
            file.flush()
            process = self.run([compiler, "-E", "-P", *cflags, file.name])
        if process.returncode != 0:
            raise MissingDependencyError(
                f"the headers of libuhd or boost are missing, which the simulated USRP is compiled with; "
                f"{self.remedy()}."
            )
        return process.stdout.rpartition("simusrp_marker")[2].strip().strip('"')


MODULE = SimulatedUsrp()
SOURCES = MODULE.sources
build, is_built, source_hash = MODULE.build, MODULE.is_built, MODULE.source_hash
module_path, build_record = MODULE.path, MODULE.record


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a program that is to find the simulated USRP.

    Args:
        base: environment to add to; this process's if left out.

    Raises:
        SimusrpError: the module is not built, or was built for another libuhd.
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
        SimusrpError: as `environment`; or libuhd is loaded already, and without the module.
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


def _loaded_libraries() -> set[str]:
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return {line.rpartition("/")[2] for line in lines if "/" in line}
