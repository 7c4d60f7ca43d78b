# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc calibrate``: a finished model with a finer list of k, a true confidence, and rounds of refinement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import nn

from sdr_sc.data.dataset import Dataset
from sdr_sc.distill.export.model_card import model_card
from sdr_sc.distill.measured.fit_calibration import fit_calibration
from sdr_sc.distill.measured.fit_own_share import fit_own_share
from sdr_sc.distill.measured.held_out import Model, load, snr_grid
from sdr_sc.distill.measured.plan_refinement import SYMBOL_PRICE, plan_refinement
from sdr_sc.errors import ContractError
from sdr_sc.files import write_whole
from sdr_sc.semantic import weights
from sdr_sc.semantic.cam import choose_k
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.onnx_file import PARTS
from sdr_sc.semantic.runtime_torch import TorchNetwork
from sdr_sc.semantic.specs import CamTable
from sdr_sc.shown import utf8

FINE_K = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_BELOW_DB = 2


class _Networks(NamedTuple):
    encoder: nn.Module
    decoder: nn.Module


def measured_contract(
    model: Model,
    k_list: Sequence[int],
    seed: int = 1,
    symbol_price: float = SYMBOL_PRICE,
    on_snr: Callable[[], None] = lambda: None,
    keep_table: bool = False,
) -> ModelContract:
    """The model's contract with what its held-out items say of each SNR and k.

    Args:
        k_list: feature symbols per item, rising to the model's largest.
        seed: of the noise.
        symbol_price: see `RefinementPlan`.
        on_snr: called twice for each SNR.
        keep_table: leave the CAM's accuracies and choices as they are.

    Raises:
        ContractError: the list does not end at the model's largest k, or does not rise; or it is another one than that
            of the table to be kept.
    """
    contract, rng = model.encoder.contract, np.random.default_rng(seed)
    if not k_list or k_list[-1] != contract.k_max or sorted({*k_list}) != list(k_list) or k_list[0] < 1:
        raise ContractError(
            f"a list of k {', '.join(map(str, k_list))} was asked for; give numbers that rise from 1 or more to "
            f"{contract.k_max}, the largest that model {contract.name!r} was trained for."
        )
    if keep_table and tuple(k_list) != contract.k_list:
        raise ContractError(
            f"the table of model {contract.name!r} is for k in {', '.join(map(str, contract.k_list))}; keep it with "
            "these k alone."
        )
    grid = snr_grid(contract.training_snr_db, _BELOW_DB)
    where = f"{len(model.targets)} held-out training {contract.modality.name}s, AWGN, estimated channel"
    calibration, accuracy = fit_calibration(model, k_list, grid, rng, where, on_snr)
    plan = plan_refinement(model, k_list, grid, accuracy, calibration, seed, where, symbol_price, on_snr)
    calibration = fit_own_share(model, k_list, calibration, seed)
    inside = accuracy[_BELOW_DB:]
    cam = CamTable(
        snr_db=grid[_BELOW_DB:],
        k=choose_k(inside, k_list, contract.cam.max_loss_points),
        accuracy=tuple(tuple(round(float(one), 4) for one in row) for row in inside),
        max_loss_points=contract.cam.max_loss_points,
        measured_on=where,
    )
    table = contract.cam if keep_table else cam
    return replace(contract, k_list=tuple(k_list), cam=table, calibration=calibration, refinement=plan)


def calibrate(
    model: str,
    data: Dataset,
    out: Path,
    k_list: Sequence[int] | None = None,
    seed: int = 1,
    threads: int = 1,
    symbol_price: float = SYMBOL_PRICE,
    on_snr: Callable[[], None] = lambda: None,
    keep_table: bool = False,
) -> ModelContract:
    """Measure a model, and write it with the new contract; beside it that as JSON, and the model card.

    Args:
        model: weights file or name of a shipped model.
        data: the training set.
        out: weights file to write; may be the same.
        k_list: None for the model's own.
        keep_table: see `measured_contract`.

    Returns:
        The contract as written.

    Raises:
        SdrScError: see `load` and `measured_contract`; or a file cannot be written.
    """
    tensors = weights.read_tensors(model)
    found = load(model, data, threads)
    k_list = k_list or found.encoder.contract.k_list
    contract = measured_contract(found, k_list, seed, symbol_price, on_snr, keep_table)
    contract = weights.save(out, tensors, replace(contract, name=out.stem))
    networks = (TorchNetwork(weights.resolve(model), part, found.encoder.contract, threads) for part in PARTS)
    student = _Networks(*(network.module for network in networks))
    beside = {".contract.json": contract.to_json() + "\n", ".md": model_card(student, contract, out)}
    write_whole({out.with_suffix(suffix): utf8(text) for suffix, text in beside.items()})
    return contract
