# SPDX-License-Identifier: GPL-3.0-or-later
"""What `sdr-sc doctor` looks for around the packages: folders, rights, other programs, what killed programs left."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from sdr_sc.doctor.leftovers import find_leftovers
from sdr_sc.errors import SdrScError
from sdr_sc.places import cache_folder, own_folder, replaced_home
from sdr_sc.simusrp import build as simusrp

_TERMINALS = ("x-terminal-emulator", "xterm", "gnome-terminal", "konsole", "xfce4-terminal")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_IMAGES = ("*.bin", "*.bit", "*.ihx", "*.rbf")


def _caches() -> tuple[bool, str]:
    return True, str(own_folder(cache_folder()))


def _home() -> tuple[bool, str]:
    replaced = replaced_home()
    if replaced is None:
        return True, os.environ.get("HOME", "")
    return False, f"HOME={replaced!r} cannot be written; {os.environ.get('HOME')} is used in its place"


def _simulated_usrp() -> tuple[bool, str]:
    return True, str(simusrp.module_path())


def _compiled_blocks() -> tuple[bool, str]:
    from sdr_sc.blocks.runtime import pmt_arrays  # needs GNU Radio, which may be what is missing

    problem = pmt_arrays.why_not()
    return not problem, problem or str(pmt_arrays.MODULE.path())


def compile_modules() -> Iterator[tuple[str, bool, Path]]:
    """Compile what is not compiled for this machine's libraries.

    Yields:
        What it is, whether it is new, and the module's file.

    Raises:
        SdrScError: it cannot be compiled, or does not fit what it was compiled for.
    """
    from sdr_sc.blocks.runtime import pmt_arrays

    for module in (simusrp.MODULE, pmt_arrays.MODULE):
        yield module.what, module.build(), module.path()
    problem = pmt_arrays.why_not()
    if problem:
        raise SdrScError(problem)


def _one_of(names: tuple[str, ...]) -> Callable[[], tuple[bool, str]]:
    def look() -> tuple[bool, str]:
        found = next((path for name in names if (path := shutil.which(name))), None)
        return found is not None, found or f"none of {', '.join(names)} is on the PATH"

    return look


def _firmware() -> tuple[bool, str]:
    """libuhd's folder of images; the simulated device needs none."""
    named = os.environ.get("UHD_IMAGES_DIR", "")
    folders = [Path(folder) for folder in (*named.split(os.pathsep), "/usr/share/uhd/images") if folder]
    for folder in folders:
        if any(True for kind in _IMAGES for _ in folder.glob(kind)):
            return True, str(folder)
    return False, f"no images in {', '.join(map(str, folders))}; a B2x0, N2x0 or X3x0 needs them"


def _priority() -> tuple[bool, str]:
    """Whether threads may run with real-time priority, which libuhd asks for."""
    limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[1]
    if os.geteuid() == 0 or limit != 0:
        return True, "root" if os.geteuid() == 0 else f"up to {limit if limit > 0 else 99}"
    return False, "not allowed; libuhd warns, and a loaded machine loses samples sooner"


def _leftovers() -> tuple[bool, str]:
    found = find_leftovers()
    if not found:
        return True, "nothing"
    size = sum(leftover.size_bytes for leftover in found) / 2**20
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return False, f"{', '.join(str(leftover.path) for leftover in found[:3])}{more} ({size:.1f} MiB)"


ROWS: list[tuple[str, Callable[[], tuple[bool, str]], str, bool]] = [
    ("simulated USRP", _simulated_usrp, "sdr-sc simusrp build", False),
    ("the blocks' compiled part", _compiled_blocks, "sdr-sc doctor --compile", False),
    ("images for USRP hardware", _firmware, "sudo uhd_images_downloader", False),
    (
        "real-time priority",
        _priority,
        "put '@usrp - rtprio 99' into /etc/security/limits.conf, see docs/usrp.md",
        False,
    ),
    ("terminal for GRC's F6", _one_of(_TERMINALS), "sudo apt-get install xterm", False),
    ("browser for the tests", _one_of(_BROWSERS), "sudo apt-get install chromium", False),
    ("folder for caches", _caches, "set XDG_CACHE_HOME or TMPDIR to a folder that can be written", True),
    ("HOME that can be written", _home, "set HOME to a folder that can be written", False),
    ("left by killed programs", _leftovers, "sdr-sc clean", False),
]
"""What, how to look for it, the command that gets it, and whether it is required."""
