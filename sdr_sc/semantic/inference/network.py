# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of a model in its runtime, which is imported with it: torch for weights files, onnxruntime for ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from sdr_sc.semantic import onnx_file, weights
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.onnx_file import Part

WARM_UP_RUNS = 3
"""Of a coder when it is made: the first runs of a runtime are slow."""


class Network(Protocol):
    """A part of a model in its runtime; ``precision`` is that of its weights."""

    precision: str

    def run(self, *inputs: np.ndarray) -> np.ndarray:
        """Encoder: float32 images (n, channels, height, width) and SNRs (n,) to symbols (n, k_max, 2). Decoder: symbols
        (n, k_max, 2), SNRs (n,) and fractions k / k_max (n,) to logits (n, classes)."""
        ...


def load_network(model: str | Path, part: Part, threads: int) -> tuple[ModelContract, Network]:
    """A part of a model, with the model's contract.

    Args:
        model, threads: as for `sdr_sc.semantic.inference.SemanticEncoder`.

    Raises:
        ContractError, MissingDependencyError: the model or its runtime cannot be used; the message says why.
    """
    path = weights.resolve(model, part)
    contract = weights.read_contract(model, part)  # of what was named, not of its file: a pair has to be one
    if onnx_file.is_onnx(path):
        from sdr_sc.semantic.runtime_onnx import OnnxNetwork

        return contract, OnnxNetwork(path, part, contract, threads)
    from sdr_sc.semantic.runtime_torch import TorchNetwork

    return contract, TorchNetwork(path, part, contract, threads)
