# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests continuous integration may leave out, and why: any other one that is skipped there counts as failed."""

from __future__ import annotations

import os
import re
from pathlib import Path

ALLOWED = {
    r"measured channels|the foreign recording is not here|is absent$": "data that is handed out apart from the project",
    r"a second user needs root": "only root can become another user",
    r"a small file system cannot be mounted": "needs root and the right to mount",
    r"git is not installed": "the project can be unpacked from an archive",
}
"""What a reason to skip holds, as a regular expression: why there is nothing to fix."""

if "\nID=ubuntu\n" in "\n" + (Path("/etc/os-release").read_text() if Path("/etc/os-release").is_file() else ""):
    ALLOWED[r"Chromium is not installed"] = "Ubuntu has Chromium as a snap alone"
    ALLOWED[r"the data package \S+ is installed in another version"] = "the checksums are of Debian 12's"


def refusal(reason: str) -> str | None:
    """What to say of a skipped test, or None if it may be left out: with CI unset, and for the reasons above."""
    if not os.environ.get("CI") or any(re.search(pattern, reason) for pattern in ALLOWED):
        return None
    return (
        f"skipped, which continuous integration does not allow unless tests/helpers/skips.py lists the reason: {reason}"
    )
