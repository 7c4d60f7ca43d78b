# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing the state of a training run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from sdr_sc.files import write_whole


def write_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a state; a kill while writing leaves the last whole file.

    Raises:
        SdrScError: the file cannot be written.
    """
    content = io.BytesIO()
    torch.save(state, content)
    write_whole({path: content.getvalue()}, "make room there, or choose another --checkpoint")
