# SPDX-License-Identifier: GPL-3.0-or-later
"""A student network run by torch, from a weights file."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from sdr_sc.documents import whole_number
from sdr_sc.errors import ContractError, MissingDependencyError
from sdr_sc.semantic import weights
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.onnx_file import Part

try:
    import torch
    from torch import nn
except ImportError as error:
    raise MissingDependencyError(f"torch cannot be imported ({error}); run 'make setup'.") from error

from sdr_sc.semantic.networks.base import Encoder
from sdr_sc.semantic.networks.dense import StudentDecoder
from sdr_sc.semantic.networks.registry import check_items, make_decoder, make_encoder
from sdr_sc.semantic.tasks.base import output_slices

LARGEST_WIDTH = 4096
"""Of a decoder's layers: more would only take memory before the weights turn out not to fit."""


class TorchNetwork:
    """One part of a model.

    Args:
        path: weights file.
        part: which part to take of it.
        contract: of the model.
        threads: CPU threads for torch, in the whole process: more of them fight GNU Radio's scheduler for the cores.

    Attributes:
        module: the network, in evaluation mode.

    Raises:
        ContractError: the weights are damaged, or weights or items do not fit the network.
    """

    precision = "float32"

    def __init__(self, path: Path, part: Part, contract: ModelContract, threads: int) -> None:
        self._threads, self._own = threads, threading.local()
        self._limit_threads()
        self.module: nn.Module
        try:
            if part == "encoder":
                self.module = self._encoder(contract)
            else:
                self.module = self._decoder(contract)
        except (KeyError, TypeError, RuntimeError) as error:
            raise ContractError(
                f"model {contract.name!r} has an architecture that this program does not know "
                f"({contract.architecture}); use another model."
            ) from error
        self._load(path, f"{part}.")

    @staticmethod
    def _encoder(contract: ModelContract) -> Encoder:
        kind = contract.architecture["encoder"]
        wanted = check_items(kind, contract.item_shape)
        if wanted:
            raise ContractError(
                f"model {contract.name!r} is for items of shape {contract.item_shape} where its encoder takes "
                f"{wanted}; use another model."
            )
        return make_encoder(kind, contract.k_max, contract.item_shape, contract.modality.parameters)

    @staticmethod
    def _decoder(contract: ModelContract) -> nn.Module:
        width = contract.architecture["decoder_width"]
        if whole_number(width, 1, LARGEST_WIDTH) is None:
            raise TypeError("no width")
        kind = contract.architecture.get("decoder", StudentDecoder.kind)
        return make_decoder(kind, [part.stop - part.start for part in output_slices(contract)], contract.k_max, width)

    def _load(self, path: Path, prefix: str) -> None:
        tensors = {
            name[len(prefix) :]: torch.from_numpy(value)
            for name, value in weights.read_tensors(path).items()
            if name.startswith(prefix)
        }
        try:
            missing, unknown = self.module.load_state_dict(tensors, strict=False)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise ContractError(f"the weights in {path} do not fit the student network: {reason}") from error
        misfits = [name for name in missing if not name.endswith("num_batches_tracked")] + unknown
        if misfits:
            raise ContractError(f"the weights in {path} do not fit the student network: {misfits[0]} is amiss.")
        self.module.eval()

    def _limit_threads(self) -> None:
        """Set the number of threads where it is not set yet: OpenMP and MKL keep it for each calling thread, and in one
        of GNU Radio's a product of small matrices would else wake a second thread, which waits at full speed."""
        if getattr(self._own, "threads", 0) != self._threads:
            torch.set_num_threads(self._threads)
            self._own.threads = self._threads

    def run(self, *inputs: np.ndarray) -> np.ndarray:
        """The output of float32 inputs in the order of the network's ``forward``, each with the items along its first
        axis."""
        self._limit_threads()
        with torch.inference_mode():
            return self.module(*map(torch.from_numpy, inputs)).numpy()
