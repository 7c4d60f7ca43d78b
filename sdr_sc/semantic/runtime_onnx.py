# SPDX-License-Identifier: GPL-3.0-or-later
"""A student network run by onnxruntime, without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sdr_sc.errors import ContractError
from sdr_sc.semantic import onnx_file, weights
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.onnx_file import Part
from sdr_sc.semantic.onnx_weights import real_weights
from sdr_sc.semantic.tasks.base import output_slices

INPUTS: dict[Part, tuple[str, ...]] = {
    "encoder": ("images", "snr_db"),
    "decoder": ("symbols", "snr_db", "fraction"),
}
OUTPUT: dict[Part, str] = {"encoder": "symbols", "decoder": "logits"}


class OnnxNetwork:
    """One part of an exported model.

    Args:
        path: its file.
        part: which part it has to be.
        contract: of the model.
        threads: CPU threads of this network.

    Raises:
        ContractError: the file is damaged, the other part, or its graph does not fit the contract.
    """

    def __init__(self, path: Path, part: Part, contract: ModelContract, threads: int) -> None:
        file = onnx_file.read(path, part)
        self.precision = file.precision
        weights.check_finite(real_weights(file.content), path)
        self._session = onnx_file.make_session(path, file.content, threads)
        self._inputs, self._outputs = INPUTS[part], [OUTPUT[part]]
        names = tuple(one.name for one in self._session.get_inputs())
        found = {one.name: tuple(one.shape[1:]) for one in self._session.get_outputs()}
        wanted = (contract.k_max, 2) if part == "encoder" else (output_slices(contract)[-1].stop,)
        if names != self._inputs or found != {OUTPUT[part]: wanted}:
            raise ContractError(
                f"{path} maps {', '.join(names)} to {found} where its contract needs {', '.join(self._inputs)} to "
                f"{ {OUTPUT[part]: wanted} }; make it again with 'sdr-sc export'."
            )

    def run(self, *inputs: np.ndarray) -> np.ndarray:
        """The output of float32 inputs in the order of `INPUTS`, each with the items along its first axis."""
        return self._session.run(self._outputs, dict(zip(self._inputs, inputs, strict=True)))[0]
