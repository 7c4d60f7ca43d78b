# SPDX-License-Identifier: GPL-3.0-or-later
"""What sdr_sc needs from the machine, and what of it is there."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sdr_sc.doctor import machine
from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph.compile import GRC_FOLDER, known_block_ids

_SETUP = "make setup"
_PACKAGES = ("scipy", "numba", "torch", "safetensors", "onnxruntime", "onnx", "tensorboard", "matplotlib")


@dataclass(frozen=True)
class Finding:
    """One row: what was looked for, whether it is fine, what was found, and the command that gets it."""

    what: str
    ok: bool
    found: str
    remedy: str
    required: bool = True


def diagnose() -> list[Finding]:
    """Look at everything; takes about two seconds, and never raises for what it finds."""
    rows: list[tuple[str, Callable[[], tuple[bool, str]], str, bool]] = [
        ("Python", _python, _SETUP, True),
        ("numpy below 2", _numpy, _SETUP, True),
        *((name, _package(name), _SETUP, True) for name in _PACKAGES),
        ("GNU Radio 3.10", _gnuradio, "sudo apt-get install gnuradio", True),
        ("GRC compiler", _program("grcc"), "sudo apt-get install gnuradio", True),
        ("our blocks in GRC", _blocks, _SETUP, True),
        ("Fashion-MNIST", _fashion_mnist, "sudo apt-get install dataset-fashion-mnist", True),
        ("WordNet and emoji", _several_tasks, "sdr-sc data get wordnet noto_emoji", False),
        ("model weights", _weights, "sdr-sc distill, or git checkout models", True),
        ("fitted teacher, for distillation", _teacher, "sdr-sc teacher fit", False),
        ("Gtk for the companion", _gtk, "sudo apt-get install gir1.2-gtk-3.0", False),
        ("Qt flowgraphs without a display", _program("xvfb-run"), "sudo apt-get install xvfb xauth", False),
        ("faiss, for large knowledge bases", _package("faiss", "faiss-cpu"), _SETUP, False),
        ("signatures of knowledge bases", _package("cryptography"), "sudo apt-get install python3-cryptography", False),
        ("UHD in GNU Radio", _uhd, "sudo apt-get install gnuradio", False),
        ("UHD tools for USRP hardware", _program("uhd_find_devices"), "sudo apt-get install uhd-host", False),
        *machine.ROWS,
    ]
    findings = []
    for what, look, remedy, required in rows:
        try:
            ok, found = look()
        except SdrScError as error:
            ok, found = False, str(error)
        except ImportError as error:
            ok, found = False, f"not importable: {error}"
        except Exception as error:
            # A broken package may raise anything on import.
            ok, found = False, f"{type(error).__name__}: {error}"
        findings.append(Finding(what, ok, " ".join(found.split()), remedy, required))
    return findings


def _python() -> tuple[bool, str]:
    where = f"{platform.python_version()} in {sys.prefix}"
    return sys.version_info >= (3, 10), where


def _numpy() -> tuple[bool, str]:
    version = importlib.metadata.version("numpy")
    importlib.import_module("numpy")
    return int(version.split(".")[0]) < 2, version


def _package(name: str, distribution: str = "") -> Callable[[], tuple[bool, str]]:
    def look() -> tuple[bool, str]:
        # Importing torch takes seconds; that it is installed is enough here.
        if name != "torch":
            importlib.import_module(name)
        if importlib.util.find_spec(name) is None:
            return False, "not installed"
        return True, importlib.metadata.version(distribution or name)

    return look


def _program(name: str) -> Callable[[], tuple[bool, str]]:
    def look() -> tuple[bool, str]:
        path = shutil.which(name)
        return path is not None, path or f"no {name} on the PATH"

    return look


def _gnuradio() -> tuple[bool, str]:
    from gnuradio import gr

    return gr.version().lstrip("v").startswith("3.10."), gr.version()


def _blocks() -> tuple[bool, str]:
    ours = set()
    for file in sorted(GRC_FOLDER.glob("*.block.yml")):
        match = re.search(r"^id:\s*(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE)
        ours.add(match.group(1) if match else file.name)
    if not ours:
        return False, f"no .block.yml in {GRC_FOLDER}"
    unseen = sorted(ours - known_block_ids())
    if unseen:
        return False, f"GRC does not load {', '.join(unseen)}"
    return True, f"{len(ours)} blocks in {GRC_FOLDER}"


def _fashion_mnist() -> tuple[bool, str]:
    from sdr_sc.data import fashion_mnist

    folder = fashion_mnist.folder()
    names = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    missing = [name for name in names if not (folder / name).is_file()]
    return not missing, f"{folder}" if not missing else f"{folder} lacks {', '.join(missing)}"


def _several_tasks() -> tuple[bool, str]:
    from sdr_sc.data.overview import info_of, missing_packages, state_of

    names = ("wordnet", "noto_emoji")
    missing = [package.name for name in names for package in missing_packages(name)]
    states = {package.name: state_of(package) for name in names for package in info_of(name).packages}
    return not missing, ", ".join(f"{name} {state}" for name, state in states.items())


def _weights() -> tuple[bool, str]:
    from sdr_sc.semantic.weights import MODELS_FOLDER

    files = sorted(MODELS_FOLDER.glob("**/*.safetensors"))
    return bool(files), ", ".join(file.name for file in files) or f"no .safetensors in {MODELS_FOLDER}"


def _teacher() -> tuple[bool, str]:
    folder = Path("checkpoints")
    files = sorted(file.name for file in folder.glob("*_teacher.safetensors"))
    return bool(files), ", ".join(files) or f"no *_teacher.safetensors in {folder.resolve()}"


def _gtk() -> tuple[bool, str]:
    from sdr_sc.flowgraph.companion import gtk_problem

    problem = gtk_problem()
    return problem is None, problem or "Gtk 3"


def _uhd() -> tuple[bool, str]:
    from gnuradio import uhd

    return True, uhd.get_version_string()
