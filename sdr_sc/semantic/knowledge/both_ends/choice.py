# SPDX-License-Identifier: GPL-3.0-or-later
"""Which items of a frame are sent by their entry: what costs the fewest channel uses for the same expected quality.

What quality features have at an SNR is in the model's table of its channel-adaptive module. An item that is known with
an error counts like one whose symbols were all received at the SNR with that error
(`sdr_sc.semantic.knowledge.both_ends.split`). What an entry differs by is no noise: it points where the answers change,
and costs as much as noise of `UNLIKE` times its power (`sdr-sc bench evidence both-ends` measures both side by side).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.knowledge.both_ends.message import ENTRY, PLAIN, RESIDUAL, message_bits
from sdr_sc.semantic.specs import CamTable
from sdr_sc.semantic.tasks.base import task_of

UNLIKE = 2.0


@dataclass(frozen=True)
class Need:
    """What a frame's items need.

    Attributes:
        k: feature symbols of an item that is sent without an entry.
        error: of a symbol of an item that is sent by its entry, at most; 0 where no entry will do.
        symbol_error: of a symbol that is received, by the SNR.
    """

    k: int
    error: float
    symbol_error: float


def error_at(snr_db: float) -> float:
    """Mean square error of the LMMSE estimate of a symbol of unit power.

    >>> error_at(0.0)
    0.5
    """
    return float(1.0 / (1.0 + 10.0 ** (snr_db / 10.0)))


def least_snr_db(table: CamTable, first: str, tasks: Sequence[str], snr_db: float, loss_points: float) -> float:
    """SNR at which all symbols give, in every task, what the best k gives at ``snr_db`` but for the loss that is
    allowed.

    Args:
        table: of the model, with a quality for each SNR and k.
        first: name of the model's first task.
        tasks: names of those that are asked for.
        snr_db: of the link, dB.
        loss_points: points, or dB of tasks whose metric is in dB.

    Returns:
        dB; infinity where the table's SNRs have no such quality.
    """
    grid, least = np.array(table.snr_db), -np.inf
    for name in tasks:
        quality = np.array(table.quality(name, first))
        if task_of(name).unit != "%":
            quality = task_of(name).figure(quality) / 100.0
        wanted = np.interp(snr_db, grid, quality.max(axis=1)) - loss_points / 100.0
        whole = np.maximum.accumulate(quality[:, -1])
        if whole[-1] < wanted:
            return float("inf")
        place = int(np.argmax(whole >= wanted))
        if place:
            low, high = whole[place - 1 : place + 1]
            share = (wanted - low) / (high - low)
            least = max(least, grid[place - 1] + share * (grid[place] - grid[place - 1]))
        else:
            least = max(least, grid[0])
    return float(least)


def need_of(contract: ModelContract, tasks: Sequence[str], k: int, snr_db: float, loss_points: float) -> Need:
    """What the items of a frame need.

    Args:
        tasks: names of those that are asked for.
        k: that plain items are sent with.
        snr_db: of the link, dB.
        loss_points: that may be given away.

    Raises:
        ContractError: the quality of a task was not measured.
    """
    least = least_snr_db(contract.cam, contract.tasks[0].name, tasks, snr_db, loss_points)
    return Need(k, error_at(least) if np.isfinite(least) else 0.0, error_at(snr_db))


@dataclass(frozen=True, eq=False)
class Choice:
    """How the items of a frame are sent.

    Attributes:
        kinds: uint8 (items,), see `sdr_sc.semantic.knowledge.both_ends.message`.
        residual_k: symbols of a residual; 0 where there is none.
        symbols: channel uses that are expected.
        plain_symbols: the same without entries.
    """

    kinds: np.ndarray
    residual_k: int
    symbols: float
    plain_symbols: float

    @property
    def is_plain(self) -> bool:
        """Whether no item is sent by its entry."""
        return not self.kinds.any()


def choose(
    cosine: np.ndarray,
    need: Need,
    k_list: Sequence[int],
    entries: int,
    code_symbols: Callable[[int], float],
    with_residuals: bool = True,
) -> Choice:
    """The cheapest way.

    Args:
        cosine: float (items,), between items and their entries.
        need: of the items.
        k_list: of the model, the last one that of an entry.
        entries: how many the base has.
        code_symbols: symbols of the codeword for so many bits; infinite where there is none.
        with_residuals: False allows no residuals.

    >>> choice = choose(np.array([1.0, 0.9, 0.2]), Need(32, 0.15, 0.3), (4, 8, 24, 32), 1000, lambda bits: bits / 8)
    >>> choice.kinds.tolist(), choice.residual_k, choice.symbols, choice.plain_symbols
    ([1, 2, 0], 24, 61.125, 96)
    """
    items, width = len(cosine), k_list[-1]
    left = 1.0 - np.square(np.clip(cosine, 0.0, 1.0))
    plain = Choice(np.full(items, PLAIN, np.uint8), 0, need.k * items, need.k * items)
    best, alone = plain, UNLIKE * left <= need.error
    for residual_k in (0, *k_list) if with_residuals else (0,):
        share = residual_k / width
        error = left * (UNLIKE * (1.0 - share) + share * need.symbol_error)
        helped = ~alone & (error <= need.error) & (residual_k > 0) & (residual_k < need.k)
        kinds = np.where(alone, ENTRY, np.where(helped, RESIDUAL, PLAIN)).astype(np.uint8)
        indexed, residuals = int(np.count_nonzero(kinds)), int(np.count_nonzero(helped))
        if not indexed or (residual_k and not residuals):
            continue
        bits = message_bits(items, indexed, residuals, entries, len(k_list))
        symbols = code_symbols(bits) + need.k * (items - indexed) + residual_k * residuals
        if symbols < best.symbols:
            best = Choice(kinds, residual_k if residuals else 0, symbols, plain.symbols)
    return best
