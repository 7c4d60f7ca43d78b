# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers to a model's first task from its logits, with a calibrated confidence where the model knows one."""

from __future__ import annotations

import numpy as np

from sdr_sc.semantic.calibration import channel_snr_db, with_confidence
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.tasks.base import Task, TaskAnswer


def judged(
    contract: ModelContract,
    task: Task,
    logits: np.ndarray,
    snr_db: np.ndarray | float,
    k: np.ndarray,
    noise_variance: np.ndarray,
) -> TaskAnswer:
    """Answers to the first task.

    Args:
        contract, task: of the model, and its first task.
        logits: float32 (n_items, n_classes).
        snr_db: that the decoder was given, dB; float (n_items,) or one number.
        k: int (n_items,), from the model's list.
        noise_variance: float (n_items, k or more), see `channel_snr_db`.
    """
    found = task.answer(logits, contract.tasks[0])
    calibration = contract.calibration
    if calibration is None:
        return found
    known = found.best >= 0
    columns = np.searchsorted(contract.k_list, k)
    own_snr_db = channel_snr_db(noise_variance, k)
    true = calibration.confidence(np.where(known[:, None], logits, 0.0), columns, snr_db, own_snr_db)
    return TaskAnswer(found.ids, np.where(known, true, np.float32(0.0)))


def probabilities(
    contract: ModelContract, task: Task, logits: np.ndarray, snr_db: float, k: int, noise_variance: np.ndarray
) -> np.ndarray:
    """Probability of every output of the first task.

    Args:
        contract, task, logits: as for `judged`.
        snr_db: that the decoder was given, dB.
        k: from the model's list.
        noise_variance: float (n_items, k), see `channel_snr_db`.

    Returns:
        float64 (n_items, n_classes), of sum 1; NaN for items that are lost or that the model gives no number for.
    """
    known = np.isfinite(logits).all(axis=1)
    finite = np.where(known[:, None], logits, 0.0)
    calibration = contract.calibration
    if calibration is None:
        found = with_confidence(finite, task.answer(finite, contract.tasks[0]).confidence)
    else:
        column = int(np.searchsorted(contract.k_list, k))
        found = calibration.probabilities(finite, column, snr_db, channel_snr_db(noise_variance, k))
    found[~known] = np.nan
    return found
