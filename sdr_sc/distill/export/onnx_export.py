# SPDX-License-Identifier: GPL-3.0-or-later
"""A student as a pair of ONNX files, for a transmitter and a receiver without torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from sdr_sc.distill.channel import lmmse_channel
from sdr_sc.distill.export.onnx_write import quantise, trace, with_metadata
from sdr_sc.errors import ContractError
from sdr_sc.semantic import onnx_file, weights
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.modalities.base import blank_input, modality_of
from sdr_sc.semantic.networks.base import Encoder
from sdr_sc.semantic.networks.symbols import normalise_prefix, pad_symbols
from sdr_sc.semantic.onnx_file import Part, part_path
from sdr_sc.semantic.runtime_onnx import INPUTS, OUTPUT
from sdr_sc.semantic.runtime_torch import TorchNetwork

Precision = Literal["float32", "int8"]
_BATCH = 32
_SEED = 1


class StudentExporter:
    """Makes the pair of a weights file.

    Args:
        model: weights file or name of a shipped model.

    Attributes:
        path: of the weights file.
        contract: of the model.

    Raises:
        ContractError: the model cannot be used.
    """

    def __init__(self, model: str | Path) -> None:
        self.path = weights.resolve(model)
        if onnx_file.is_onnx(self.path):
            raise ContractError(f"{self.path} is an exported model already; give the weights file it was made from.")
        self.contract: ModelContract = weights.read_contract(self.path)
        threads = torch.get_num_threads()
        encoder, decoder = (TorchNetwork(self.path, part, self.contract, threads).module for part in onnx_file.PARTS)
        assert isinstance(encoder, Encoder)
        self._modules: dict[Part, nn.Module] = {"encoder": encoder.for_inference(), "decoder": decoder}

    def float32(self, pair: Path) -> dict[Path, bytes]:
        """The two files' contents by path, as exact as the weights."""
        images = blank_input(self.contract, 2)
        symbols = torch.zeros(2, self.contract.k_max, 2)
        snr_db, fraction = torch.zeros(2), torch.ones(2)
        examples: dict[Part, tuple[Tensor, ...]] = {"encoder": (images, snr_db), "decoder": (symbols, snr_db, fraction)}
        return {
            part_path(pair, part): self._seal(
                trace(module, dict(zip(INPUTS[part], examples[part], strict=True)), [OUTPUT[part]]), part, "float32"
            )
            for part, module in self._modules.items()
        }

    def int8(self, pair: Path, images: np.ndarray) -> dict[Path, bytes]:
        """The two files' contents by path, quantised with ranges from images, which have to be of the training data.

        Args:
            images: uint8 (n, *item_shape).
        """
        self.contract.check_item(images.shape[1:])
        batches = list(self._calibration(images))
        return {
            part_path(pair, part): self._seal(
                quantise(content, (batch[part] for batch in batches), INPUTS[part][0]), part, "int8"
            )
            for part, content in zip(onnx_file.PARTS, self.float32(pair).values(), strict=True)
        }

    def _seal(self, content: bytes, part: Part, precision: Precision) -> bytes:
        metadata = {
            onnx_file.CONTRACT_KEY: self.contract.to_json(),
            onnx_file.PART_KEY: part,
            onnx_file.PRECISION_KEY: precision,
        }
        return onnx_file.seal(with_metadata(content, metadata))

    def _calibration(self, images: np.ndarray) -> Iterator[dict[Part, dict[str, np.ndarray]]]:
        """Both networks' inputs for images sent over the training range of SNR, every k in turn."""
        generator = torch.Generator().manual_seed(_SEED)
        modality = modality_of(self.contract.modality)
        low, high = self.contract.training_snr_db
        for i, batch in enumerate(torch.tensor(images).split(_BATCH)):
            k = self.contract.k_list[i % len(self.contract.k_list)]
            pixels = modality.training_input(batch)
            snr_db = low + (high - low) * torch.rand(len(batch), generator=generator)
            with torch.inference_mode():
                sent = normalise_prefix(self._modules["encoder"](pixels, snr_db), k)
                received, received_snr_db, _ = lmmse_channel(sent, snr_db, generator)
                padded, fraction = pad_symbols(received, self.contract.k_max)
            values: dict[Part, tuple[Tensor, ...]] = {
                "encoder": (pixels, snr_db),
                "decoder": (padded, received_snr_db.clamp(low, high), fraction),
            }
            yield {
                part: {name: value.numpy() for name, value in zip(INPUTS[part], values[part], strict=True)}
                for part in onnx_file.PARTS
            }
