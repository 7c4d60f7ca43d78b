# SPDX-License-Identifier: GPL-3.0-or-later
"""Run our commands as a user does: in a process of their own, with a deadline."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def environment(**changes: str | None) -> dict[str, str]:
    """The environment with changes; None removes a variable."""
    result = dict(os.environ) | {"PYTHONPATH": str(ROOT)} | {k: v for k, v in changes.items() if v is not None}
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
    return result


def sdr_sc(*arguments: object, timeout_s: float = 300, cwd: Path | None = None, **changes: str | None):
    """Run ``sdr-sc`` and return the completed process, with text output."""
    return subprocess.run(
        [sys.executable, "-m", "sdr_sc.cli.main", *map(str, arguments)],
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        cwd=cwd,
    )


def assert_one_line_error(process: subprocess.CompletedProcess, *parts: str, status: int = 1) -> None:
    """The process failed with one line for the user that holds all parts, and no traceback."""
    lines = [line for line in process.stderr.splitlines() if line.startswith("sdr-sc: error: ")]
    assert process.returncode == status, process.stderr
    assert len(lines) == 1, process.stderr
    assert "Traceback" not in process.stdout + process.stderr
    for part in parts:
        assert part in lines[0]
