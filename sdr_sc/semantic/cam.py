# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the channel-adaptive module (CAM): how many feature symbols an item needs at which SNR.

`sdr_sc.link.adaptation` follows the measured SNR with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sdr_sc.errors import ContractError
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.specs import CamTable
from sdr_sc.semantic.tasks.base import task_of


def choose_k(accuracy: np.ndarray, k_list: Sequence[int], max_loss_points: float) -> tuple[int, ...]:
    """The smallest k that gives away at most ``max_loss_points`` of accuracy, for each SNR.

    Args:
        accuracy: (snr, k) task accuracy 0..1, SNR rising, k in the order of ``k_list``.
        k_list: feature symbols per item, rising.
        max_loss_points: accuracy points (hundredths) below the largest k at the same SNR.

    Returns:
        k for each SNR, made never to rise with the SNR.

    >>> choose_k(np.array([[0.50, 0.80], [0.899, 0.90]]), (4, 8), max_loss_points=0.5)
    (8, 4)
    """
    enough = accuracy >= accuracy[:, -1:] - max_loss_points / 100.0
    chosen = np.asarray(k_list)[np.argmax(enough, axis=1)]
    never_rising = np.maximum.accumulate(chosen[::-1])[::-1]
    return tuple(int(k) for k in never_rising)


def look_up(table: CamTable, snr_db: float) -> int:
    """k of the table's grid point at or below ``snr_db``; below the grid, that of its lowest point."""
    place = int(np.searchsorted(table.snr_db, snr_db, side="right")) - 1
    return table.k[max(place, 0)]


@dataclass(frozen=True)
class CamTarget:
    """What the CAM aims at.

    Attributes:
        max_loss_points: accuracy points that it may give away against the largest k that it may send, dB of a task
            whose metric is in dB; None for those that the model's table was made for.
        max_k: symbol budget, the most feature symbols of an item; None for no limit.
        tasks: that are asked for; none for the model's first one. Each of them gives away at most the points.
    """

    max_loss_points: float | None = None
    max_k: int | None = None
    tasks: tuple[str, ...] = ()


def table_for(contract: ModelContract, target: CamTarget) -> CamTable:
    """The model's table with k chosen for another target, from the accuracies that it holds.

    Raises:
        ContractError: no k of the model fits the budget, the loss is negative, or a task is unknown or was not
            measured.
    """
    cam, k_list = contract.cam, contract.k_list
    loss = cam.max_loss_points if target.max_loss_points is None else target.max_loss_points
    if not loss >= 0:
        raise ContractError(f"a loss of {loss:g} accuracy points was asked for; give 0 or more.")
    first = contract.tasks[0].name
    tasks = target.tasks or (first,)
    if target.max_loss_points is None and target.max_k is None and tasks == (first,):
        return cam
    try:
        tables = [_in_points(name, np.array(cam.quality(contract.task(name).name, first))) for name in tasks]
    except ContractError as error:
        raise ContractError(f"model {contract.name!r}: {str(error).rstrip('.')}; ask for tasks that it has.") from None
    allowed = [k for k in k_list if target.max_k is None or k <= target.max_k]
    if not allowed:
        raise ContractError(
            f"no k of model {contract.name!r} fits a budget of {target.max_k} symbols an item; "
            f"give {k_list[0]} or more."
        )
    chosen = [choose_k(table[:, : len(allowed)], allowed, loss) for table in tables]
    return replace(cam, k=tuple(map(max, *chosen)) if len(chosen) > 1 else chosen[0], max_loss_points=loss)


def _in_points(name: str, scores: np.ndarray) -> np.ndarray:
    """A task's mean scores so that a hundredth is a point of its metric: 1 dB where that is in dB."""
    task = task_of(name)
    return scores if task.unit == "%" else task.figure(scores) / 100.0


def first_rounds(contract: ModelContract, table: CamTable) -> CamTable:
    """A table with k of the first round of refinement, where that is less than the table's, at the nearest SNR.

    Raises:
        ContractError: the model has no refinement plan.
    """
    plan = contract.refinement
    if plan is None:
        raise ContractError(
            f"model {contract.name!r} has no rounds of refinement; run 'sdr-sc calibrate' on it, or leave refinement "
            "out."
        )
    first = np.array([plan.first(snr_db) for snr_db in plan.snr_db])
    never_rising = np.maximum.accumulate(first[::-1])[::-1]
    between = [(a + b) / 2 for a, b in zip(plan.snr_db, plan.snr_db[1:], strict=False)]  # `look_up` looks downwards
    # What the target allows at most, at these SNRs.
    most = [look_up(table, snr_db) for snr_db in plan.snr_db]
    return CamTable(
        snr_db=(plan.snr_db[0], *between),
        k=tuple(int(k) for k in np.minimum(never_rising, most)),
        accuracy=(),
        max_loss_points=table.max_loss_points,
        measured_on=plan.measured_on,
    )
