# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs of ONNX files for tests: copies of exported ones, and models for other items and classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from sdr_sc.bench.export import Coder
from sdr_sc.distill.export.onnx_write import trace, with_metadata
from sdr_sc.files import write_whole
from sdr_sc.semantic import onnx_file, weights
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.runtime_onnx import INPUTS, OUTPUT
from sdr_sc.semantic.specs import CamTable, ModalitySpec, TaskSpec


def coder(model: str | Path) -> Coder:
    """Both halves of a model."""
    return Coder(str(model), SemanticEncoder(model), SemanticDecoder(model))


def copied(pair: Path, folder: Path, *parts: onnx_file.Part) -> Path:
    """Some parts of a pair under another name."""
    target = folder / "copy.onnx"
    for part in parts:
        onnx_file.part_path(target, part).write_bytes(onnx_file.part_path(pair, part).read_bytes())
    return target


class _Encoder(nn.Module):
    """Any item to features that depend on it and on the SNR; not trained."""

    def __init__(self, shape: Sequence[int], k_max: int) -> None:
        super().__init__()
        self.k_max = k_max
        self.linear = nn.Linear(int(torch.tensor(shape).prod()), 2 * k_max)

    def forward(self, images: Tensor, snr_db: Tensor) -> Tensor:
        return (self.linear(images.flatten(1)) + 0.01 * snr_db.unsqueeze(1)).view(-1, self.k_max, 2)


class _Decoder(nn.Module):
    def __init__(self, classes: int, k_max: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * k_max, classes)

    def forward(self, symbols: Tensor, snr_db: Tensor, fraction: Tensor) -> Tensor:
        return self.linear(symbols.flatten(1)) + 0.01 * (snr_db + fraction).unsqueeze(1)


def other_model(
    folder: Path, shape: tuple[int, ...] = (64, 64), classes: int = 2, k_list: tuple[int, ...] = (4, 8)
) -> Path:
    """A pair of a model that is not trained, for items of any shape, any number of classes and any list of k."""
    folder.mkdir(parents=True, exist_ok=True)
    pair, k_max = folder / f"other{'x'.join(map(str, shape))}.onnx", k_list[-1]
    contract = replace(
        weights.read_contract(weights.DEFAULT_MODEL),
        name=pair.stem,
        model_id="0123456789abcdef",
        modality=ModalitySpec("image", shape, {"mean": 0.3, "std": 0.3}),
        k_list=k_list,
        calibration=None,
        refinement=None,
        tasks=(TaskSpec("classification", tuple(f"class {number}" for number in range(classes))),),
        architecture={"encoder": "of a test"},
        cam=CamTable((0.0, 10.0), (k_max, k_list[0]), ((0.5,) * len(k_list),) * 2, 0.5, "nothing"),
    )
    modules = {"encoder": _Encoder(shape, k_max), "decoder": _Decoder(classes, k_max)}
    symbols, snr_db, fraction = torch.zeros(2, k_max, 2), torch.zeros(2), torch.ones(2)
    examples = {"encoder": (torch.zeros(2, 1, *shape), snr_db), "decoder": (symbols, snr_db, fraction)}
    for part in onnx_file.PARTS:
        content = trace(modules[part].eval(), dict(zip(INPUTS[part], examples[part], strict=True)), [OUTPUT[part]])
        metadata = {
            onnx_file.CONTRACT_KEY: contract.to_json(),
            onnx_file.PART_KEY: part,
            onnx_file.PRECISION_KEY: "float32",
        }
        write_whole({onnx_file.part_path(pair, part): onnx_file.seal(with_metadata(content, metadata))})
    return pair
