# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights files: safetensors with the model contract in the metadata. Reading one never executes code from it.

A model may be given as an ONNX file or pair, too (see `sdr_sc.semantic.onnx_file`).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sdr_sc.errors import ContractError, ModelFaultError
from sdr_sc.files import is_file, open_plain, write_whole
from sdr_sc.semantic import onnx_file
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.contract_reading import read_contract_text
from sdr_sc.semantic.onnx_file import CONTRACT_KEY, Part
from sdr_sc.shown import reason_of, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

MODELS_FOLDER = Path(__file__).resolve().parents[2] / "models"
DEFAULT_MODEL = "fashion_mnist_student"


def resolve(model: str | Path, part: Part | None = None) -> Path:
    """File of a model: of a file's path, of the pair ``NAME.onnx``, or of a model that comes with the project.

    Args:
        part: which file of a pair is needed; None for either.

    Raises:
        ContractError: there is no such file or model.
    """
    if onnx_file.is_onnx(model):
        found = onnx_file.find(model, MODELS_FOLDER, part)
        if found is not None:
            return found
    path = Path(model)
    if is_file(path):
        return path
    shipped = MODELS_FOLDER / f"{model}.safetensors"
    if is_file(shipped):
        return shipped
    names = ", ".join(sorted(p.stem for p in MODELS_FOLDER.glob("*.safetensors")))
    if not names:
        raise ContractError(
            f"model {str(model)!r} is no file, and {MODELS_FOLDER} has no shipped models: they are in the repository, "
            "not in an installed package; run from a clone ('make setup'), or give a model's file."
        )
    raise ContractError(f"model {str(model)!r} is neither a file nor a shipped model (there are: {names}).")


def read_contract(model: str | Path, part: Part | None = None) -> ModelContract:
    """Contract of a model; needs no torch.

    Args:
        part: the part that will be used; None for either, or for both.

    Raises:
        ContractError: the file is damaged, holds no contract, or is the other part.
    """
    path = resolve(model, part)
    if onnx_file.is_onnx(path):
        onnx_file.check_pair(model, MODELS_FOLDER)
        return read_contract_text(onnx_file.read(path, part).contract_json, str(path))
    from safetensors import SafetensorError, safe_open

    try:
        check_opens(path)
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, UnicodeDecodeError) as error:
        raise ContractError(
            f"{path} is not a safetensors file that can be read ({reason_of(error)}); get it again."
        ) from error
    if CONTRACT_KEY not in metadata:
        raise ContractError(f"{path} carries no model contract; use weights made by 'sdr-sc distill'.")
    return read_contract_text(metadata[CONTRACT_KEY], str(path))


def read_tensors(model: str | Path) -> dict[str, np.ndarray]:
    """Tensors of a weights file by name, checked against the id in its contract.

    Raises:
        ContractError: the file is damaged, or its weights are not those that the contract was written for.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = resolve(model)
    if onnx_file.is_onnx(path):
        raise ContractError(f"{path} is an exported model; give the weights file that it was made from.")
    contract = read_contract(path)
    try:
        check_opens(path)
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ContractError(f"{path} holds tensors that cannot be read ({reason_of(error)}); get it again.") from error
    if model_id(tensors) != contract.model_id:
        raise ContractError(f"{path} holds other weights than its contract was written for; get it again.")
    check_finite(tensors, path)
    return tensors


def check_opens(path: str | Path) -> None:
    """Raise the `OSError` that opening a file gives: safetensors says "no such file" whatever the cause, and would wait
    at a pipe."""
    open_plain(path).close()


def check_finite(tensors: Mapping[str, np.ndarray], path: Path) -> None:
    """Raise `ModelFaultError` if a weight is no finite number, as of a training that diverged.

    Args:
        path: of the file, for the sentence.
    """
    for name, values in tensors.items():
        if values.dtype.kind not in "biu" and not np.isfinite(values).all():
            raise ModelFaultError(
                f"model {path}: tensor {shown(name, 80)!r} holds values that are no finite numbers; train the model "
                "again, or get it again."
            )


def model_id(tensors: Mapping[str, np.ndarray]) -> str:
    """First 16 hexadecimal digits of the SHA-256 over names, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name}{tensors[name].shape}{tensors[name].dtype}".encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()[:16]


def save(path: Path, tensors: dict[str, np.ndarray], contract: ModelContract) -> ModelContract:
    """Write weights and contract, whole or not at all, with the contract's ``model_id`` set from the weights.

    Returns:
        The contract as written.

    Raises:
        SdrScError: the file cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    contract = replace(contract, model_id=model_id(tensors))
    contiguous = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    write_whole({path: to_bytes(contiguous, metadata={CONTRACT_KEY: contract.to_json()})})
    return contract
