# SPDX-License-Identifier: GPL-3.0-or-later
"""What a figure was measured with: the commit of the code, and the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import sdr_sc

UNKNOWN = "unknown"
_TOOL_TIMEOUT_S = 10.0


def _output(*command: str) -> str | None:
    """What a command prints, stripped; None where it is missing, fails, or takes too long."""
    # Inside a git hook, GIT_DIR and its kin would point git at another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_TOOL_TIMEOUT_S, env=environment
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def git_commit() -> str:
    """Commit of the repository that the package stands in; ``+dirty`` is added when a tracked file differs from it.

    Returns ``unknown`` outside a checkout, also for a package that is installed in an ignored folder of one (a
    ``.venv``): that repository's commit says nothing about the installed code. Never raises.
    """
    package = Path(sdr_sc.__file__).resolve().parent
    git = ("git", "--no-optional-locks", "-C", str(package))
    commit = _output(*git, "rev-parse", "--verify", "HEAD")
    if not commit or _output(*git, "ls-files", "--error-unmatch", "__init__.py") is None:
        return UNKNOWN
    changes = _output(*git, "status", "--porcelain", "--untracked-files=no")
    return commit if changes == "" else f"{commit}+dirty"


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or UNKNOWN


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (OSError, ValueError, AttributeError):
        return None


@lru_cache(maxsize=1)
def _gnuradio_version() -> str | None:
    return _output("gnuradio-config-info", "--version")


def machine() -> dict[str, Any]:
    """What a figure was measured on: processor, cores this process may use, memory, system, and versions.

    A value that cannot be found out is None. Nothing in it names the host or its user.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": _cpu_model(),
        "cores": cores,
        "memory_gib": _memory_gib(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "gnuradio": _gnuradio_version(),
    }
