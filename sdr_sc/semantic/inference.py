# SPDX-License-Identifier: GPL-3.0-or-later
"""Inference with the student networks: numpy in, numpy out. Torch is imported when a coder is loaded, not before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sdr_sc.errors import ContractError, MissingDependencyError
from sdr_sc.semantic import weights
from sdr_sc.semantic.contract import ModelContract

if TYPE_CHECKING:
    import torch
    from torch import nn

_WARM_UP_RUNS = 3


def _torch(threads: int):
    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError(f"torch cannot be imported ({error}); run 'make setup'.") from error
    torch.set_num_threads(threads)  # more threads fight GNU Radio's scheduler for the cores
    return torch


def _load(module: nn.Module, prefix: str, model: Path) -> None:
    import torch

    tensors = {
        name[len(prefix) :]: torch.from_numpy(value)
        for name, value in weights.read_tensors(model).items()
        if name.startswith(prefix)
    }
    try:
        missing, unknown = module.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise ContractError(f"the weights in {model} do not fit the student network: {reason}") from error
    misfits = [name for name in missing if not name.endswith("num_batches_tracked")] + unknown
    if misfits:
        raise ContractError(f"the weights in {model} do not fit the student network: {misfits[0]} is amiss.")
    module.eval()


def check_features(features: np.ndarray) -> None:
    """Raise `ContractError` unless features are (items, k)."""
    if features.ndim != 2:
        raise ContractError(f"features have shape {features.shape}; they have to be (items, k).")


class SemanticEncoder:
    """Items to feature symbols.

    Args:
        model: weights file or name of a shipped model.
        threads: CPU threads for torch, in the whole process.

    Raises:
        ContractError, MissingDependencyError: the model or torch cannot be used; the message says why.
    """

    def __init__(self, model: str | Path = weights.DEFAULT_MODEL, threads: int = 1) -> None:
        path = weights.resolve(model)
        self.contract: ModelContract = weights.read_contract(path)
        torch = _torch(threads)
        from sdr_sc.semantic.student import StudentEncoder

        self._net = StudentEncoder(self.contract.k_max, self.contract.architecture["encoder_width"])
        _load(self._net, "encoder.", path)
        self._torch = torch
        for _ in range(_WARM_UP_RUNS):
            self.encode(np.zeros((1, *self.contract.item_shape), np.uint8), 0.0, self.contract.k_max)

    def encode(self, items: np.ndarray, snr_db: float, k: int) -> np.ndarray:
        """The first k feature symbols of each item, at unit mean power over the item.

        Args:
            items: uint8 (n_items, *item_shape).
            snr_db: the SNR to prepare for, dB; clipped to the training range.
            k: from the model's list.

        Returns:
            complex64 (n_items, k).

        Raises:
            ContractError: an item's shape or k is not the model's.
        """
        from sdr_sc.semantic.student import normalise_prefix

        self.contract.check_k(k)
        self.contract.check_item(items.shape[1:])
        torch = self._torch
        with torch.inference_mode():
            mean, std = self.contract.normalisation
            x = (torch.from_numpy(items.astype(np.float32) / 255.0).unsqueeze(1) - mean) / std
            symbols = normalise_prefix(self._net(x, _snr(torch, snr_db, self.contract, len(items))), k)
            return torch.view_as_complex(symbols.contiguous()).numpy()


class SemanticDecoder:
    """Received feature symbols to task logits. Arguments and errors as for `SemanticEncoder`."""

    def __init__(self, model: str | Path = weights.DEFAULT_MODEL, threads: int = 1) -> None:
        path = weights.resolve(model)
        self.contract: ModelContract = weights.read_contract(path)
        torch = _torch(threads)
        from sdr_sc.semantic.student import StudentDecoder

        self._net = StudentDecoder(
            len(self.contract.class_names), self.contract.k_max, self.contract.architecture["decoder_width"]
        )
        _load(self._net, "decoder.", path)
        self._torch = torch
        for _ in range(_WARM_UP_RUNS):
            self.decode(np.zeros((1, self.contract.k_list[0]), np.complex64), 0.0)

    def decode(self, features: np.ndarray, snr_db: float, erased: np.ndarray | None = None) -> np.ndarray:
        """Task logits of each item.

        Args:
            features: complex64 (n_items, k), LMMSE estimates.
            snr_db: the receiver's estimate, dB; clipped to the training range.
            erased: bool (n_items, k); erased symbols count as LMMSE does for infinite noise: 0.

        Returns:
            float32 (n_items, n_classes); NaN for an item of which every symbol is erased.

        Raises:
            ContractError: k is not in the model's list.
        """
        from sdr_sc.semantic.student import pad_symbols

        check_features(features)
        self.contract.check_k(features.shape[1])
        torch = self._torch
        if erased is None:
            erased = ~np.isfinite(features)
        features = np.where(erased, np.complex64(0), features).astype(np.complex64)
        with torch.inference_mode():
            padded, fraction = pad_symbols(torch.view_as_real(torch.from_numpy(features)), self.contract.k_max)
            logits = self._net(padded, _snr(torch, snr_db, self.contract, len(features)), fraction).numpy()
        logits[erased.all(axis=1)] = np.nan
        return logits


def _snr(torch_module, snr_db: float, contract: ModelContract, items: int) -> torch.Tensor:
    low, high = contract.training_snr_db
    return torch_module.full((items,), float(np.clip(snr_db, low, high)))


def answers(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class and its probability; class -1 and probability 0 where the logits are NaN (the item was lost).

    >>> answers(np.array([[0.0, 2.0], [np.nan, np.nan]]))[0].tolist()
    [1, -1]
    """
    lost = np.isnan(logits).any(axis=1)
    shifted = np.exp(logits - np.where(lost, 0.0, np.max(np.where(lost[:, None], 0.0, logits), axis=1))[:, None])
    probability = shifted.max(axis=1, initial=0.0, where=~np.isnan(shifted)) / np.where(lost, 1.0, shifted.sum(axis=1))
    labels = np.where(lost, -1, np.argmax(np.where(lost[:, None], 0.0, logits), axis=1))
    return labels.astype(np.int64), np.where(lost, 0.0, probability).astype(np.float32)
