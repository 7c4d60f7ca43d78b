# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiled way between arrays and PMT: where the module is, and what it takes to make it.

Without it everything works, and a frame's PDU costs up to ten times as much: see `sdr_sc.blocks.runtime.vectors`.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import sysconfig
from functools import cache
from pathlib import Path
from types import ModuleType

import pmt

from sdr_sc.errors import MissingDependencyError, SdrScError
from sdr_sc.native import NativeModule

_MODULE_NAME = "pmt_arrays"


class PmtArrays(NativeModule):
    """A module for this Python; it shares classes with GNU Radio's bindings of PMT."""

    name, what, built_for = "pmt_arrays", "the compiled part of the blocks", "libgnuradio_pmt"
    file_name = f"{_MODULE_NAME}.so"
    sources = Path(__file__).resolve().parent / "src"
    flags = ("-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra")
    command, packages = "sdr-sc doctor --compile", "g++ gnuradio-dev pybind11-dev python3-dev"

    def source_hash(self) -> str:
        return f"{super().source_hash()}-{sys.implementation.cache_tag}"

    def compile(self, scratch: Path, module: Path) -> dict[str, str]:
        include = sysconfig.get_paths()["include"]
        missing = [
            name
            for name, file in {
                "Python": f"{include}/Python.h",
                "GNU Radio": "/usr/include/pmt/pmt.h",
                "pybind11": "/usr/include/pybind11/pybind11.h",
            }.items()
            if not Path(file).is_file()
        ]
        if missing:
            raise MissingDependencyError(
                f"the headers of {' and '.join(missing)} are missing, which {self.what} is compiled with; "
                f"{self.remedy()}."
            )
        self.make(scratch, module, [f"-I{include}"], ["-lgnuradio-pmt"])
        return {
            "libgnuradio_pmt": str(self.shared_file("libgnuradio-pmt.so")),
            "compiler": self.compiler_version(),
        }


MODULE = PmtArrays()


@cache
def compiled() -> ModuleType | None:
    """The module; None where it is not built, or does not fit GNU Radio's bindings."""
    return None if why_not() else _loaded()


@cache
def why_not() -> str:
    """Why the module is not used, as a sentence; '' if it is."""
    try:
        found = _loaded()
        # Bindings of another pybind11 do not know each other's objects.
        found.from_vector(pmt.init_u8vector(1, [1]))
    except SdrScError as error:
        return str(error)
    except (ImportError, TypeError, RuntimeError) as error:
        return f"{MODULE.what} does not fit GNU Radio's bindings ({type(error).__name__}); run '{MODULE.command}'."
    return ""


@cache
def _loaded() -> ModuleType:
    loader = importlib.machinery.ExtensionFileLoader(_MODULE_NAME, str(MODULE.path()))
    spec = importlib.util.spec_from_loader(_MODULE_NAME, loader)
    assert spec is not None
    found = importlib.util.module_from_spec(spec)
    loader.exec_module(found)
    return found
