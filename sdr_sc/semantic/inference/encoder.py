# SPDX-License-Identifier: GPL-3.0-or-later
"""Items to feature symbols, of unit mean power over the item."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sdr_sc.errors import ContractError, ModelFaultError
from sdr_sc.semantic import weights
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.inference.network import WARM_UP_RUNS, load_network
from sdr_sc.semantic.modalities.base import modality_of
from sdr_sc.shown import shown

_LEAST_POWER = 1e-9  # as in training, see `sdr_sc.semantic.networks.symbols.normalise_prefix`


class SemanticEncoder:
    """Items to feature symbols.

    Args:
        model: weights file, ONNX file or pair, or name of a shipped model.
        threads: CPU threads; torch takes the number for the whole process, onnxruntime for this coder.

    Raises:
        ContractError, MissingDependencyError: the model or its runtime cannot be used; the message says why.
    """

    def __init__(self, model: str | Path = weights.DEFAULT_MODEL, threads: int = 1) -> None:
        self._model = str(model)
        self.contract, self.network = load_network(model, "encoder", threads)
        self.modality = modality_of(self.contract.modality)
        for _ in range(WARM_UP_RUNS):
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
            ContractError: an item's shape or type, or k, is not the model's.
            ModelFaultError: the model gives features that are no numbers.
        """
        return self.first(self.symbols(items, snr_db), k)

    def first(self, symbols: np.ndarray, k: int) -> np.ndarray:
        """The first k of an item's `symbols`, as `encode` gives them; errors as there."""
        self.contract.check_k(k)
        scaled, power = unit_power(symbols[:, : 2 * k])
        if not np.isfinite(power).all():
            raise ModelFaultError(
                f"the encoder of model {shown(self._model)!r} gives features that are no finite numbers; "
                "train it again."
            )
        return scaled.view(np.complex64)

    def symbols(self, items: np.ndarray, snr_db: float) -> np.ndarray:
        """All symbols of each item, as the network gives them: any part of them is sent after `unit_power`.

        Args:
            items, snr_db: as for `encode`.

        Returns:
            float32 (n_items, 2 k_max), real and imaginary parts in turn; not finite where the model is faulty.

        Raises:
            ContractError: an item's shape or type is not the model's.
        """
        self.contract.check_item(items.shape[1:])
        if items.dtype != np.uint8:
            raise ContractError(f"items are {items.dtype}; they have to be uint8, 0 to 255.")
        symbols = self.network.run(self.modality.network_input(items), _snr(snr_db, self.contract, len(items)))
        return symbols.reshape(len(items), -1)


def unit_power(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Feature symbols of items scaled to mean power 1 over the item, and their mean power before.

    Args:
        features: float32 (n_items, 2 k), real and imaginary parts in turn.

    Returns:
        float32 (n_items, 2 k), and (n_items, 1).
    """
    # In one order on every machine, unlike a BLAS.
    power = np.square(features).sum(axis=1, keepdims=True) / (features.shape[1] // 2)
    with np.errstate(invalid="ignore"):  # of a model that gives no numbers, which its caller refuses
        return features / np.sqrt(power + _LEAST_POWER), power


def _snr(snr_db: float, contract: ModelContract, items: int) -> np.ndarray:
    low, high = contract.training_snr_db
    told = np.empty(items, np.float32)
    told.fill(min(max(snr_db, low), high))
    return told
