# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that appear whole or not at all; for every layer."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from sdr_sc.errors import SdrScError


def write_whole(files: Mapping[Path, bytes], mend: str = "make room there, or choose another place") -> None:
    """Write files, none of them in part, and none of them if one cannot be written.

    A kill leaves what was there before, and perhaps a hidden file beside it whose name ends in ``.partial``.

    Args:
        files: content by path; missing folders are made.
        mend: what mends it if it fails, for the error's sentence.

    Raises:
        SdrScError: a folder or file cannot be written.
    """
    # The process' number: two that write the same file at once must not mix their bytes.
    partials = {path: path.with_name(f".{path.name}.{os.getpid()}.partial") for path in files}
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(partials[path], "wb") as target:
                target.write(content)
                target.flush()
                os.fsync(target.fileno())
        for path, partial in partials.items():
            os.replace(partial, path)
    except OSError as error:
        raise SdrScError(f"{path} cannot be written ({error.strerror or error}); {mend}.") from error
    finally:
        for partial in partials.values():
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
