# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs of ONNX files for tests."""

from __future__ import annotations

from pathlib import Path

from sdr_sc.experiments.onnx_check import Coder
from sdr_sc.semantic import onnx_file
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder


def coder(model: str | Path) -> Coder:
    """Both halves of a model."""
    return Coder(str(model), SemanticEncoder(model), SemanticDecoder(model))


def copied(pair: Path, folder: Path, *parts: onnx_file.Part) -> Path:
    """Some parts of a pair under another name."""
    target = folder / "copy.onnx"
    for part in parts:
        onnx_file.part_path(target, part).write_bytes(onnx_file.part_path(pair, part).read_bytes())
    return target
