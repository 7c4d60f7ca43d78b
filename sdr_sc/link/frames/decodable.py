# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a received frame can be answered: by the models that are here, from the data that it has, and in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sdr_sc.errors import BlockError
from sdr_sc.link.frames.ledger import LATE_ITEMS
from sdr_sc.link.network.pdu_schema import INDEXED, SNR_DB
from sdr_sc.phy.frame.indexed import Indexed
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.tasks.base import task_of

MOST_WAITING = 1024
"""Frames that may wait for a decoder, and `MOST_WAITING_ITEMS` items: half of what the ledgers wait for."""
MOST_WAITING_ITEMS = LATE_ITEMS // 2


def too_far_behind(waiting: int, n_items: int) -> bool:
    """Whether a frame, behind which so many others wait already, is not to be answered any more.

    A decoder that is slower than the frames come would fall behind without an end, and the ledgers would count the
    latest frames as lost; so it leaves out the oldest ones, and says so.

    Args:
        waiting: frames that wait.
        n_items: of this frame, for which those that wait are taken as well.

    >>> too_far_behind(1000, 4), too_far_behind(1025, 1), too_far_behind(200, 50)
    (False, True, True)
    """
    return waiting > MOST_WAITING or waiting * n_items > MOST_WAITING_ITEMS


def refusal(
    meta: dict[str, Any], data: np.ndarray, contracts: Mapping[int, ModelContract], has_base: bool = False
) -> str:
    """Why a frame cannot be answered; '' if it can.

    Args:
        meta, data: of the receiver's PDU.
        contracts: of the models that are here, by their ids in the header.
        has_base: whether there is a knowledge base, in which frames may name entries.
    """
    if INDEXED in meta and not has_base:
        return (
            f"frame {meta['frame_num']} names entries of a knowledge base by their numbers, and this decoder has no "
            "base to look them up in"
        )
    contract = contracts.get(meta["model_id"])
    plain = INDEXED not in meta
    if contract is None or (plain and meta["n_items"] and meta["k"] not in contract.k_list):
        here = " or ".join(f"{c.wire_id:04x} with k in {list(c.k_list)}" for c in contracts.values())
        return (
            f"frame {meta['frame_num']} was made for model {meta['model_id']:04x} with k={meta['k']}, this decoder "
            f"has {here}"
        )
    task = task_of(contract.tasks[0].name)
    if meta.get("task", task.wire_id) != task.wire_id:
        return (
            f"frame {meta['frame_num']} asks for task {meta['task']}, model {contract.name!r} answers "
            f"{task.name}, which is task {task.wire_id}"
        )
    refined = meta.get("refined_symbols", 0)
    symbols = meta["n_items"] * meta["k"] + refined if plain else indexed_of(meta).payload_symbols
    told = {len(data), len(meta.get("erased", data)), len(meta.get("noise_variance", data))}
    if told != {symbols} or not symbols:
        more = f" and {refined} of refinements" if refined else ""
        return f"a frame has {len(data)} features where its header says {meta['n_items']} items of {meta['k']}{more}"
    return ""


def indexed_of(meta: dict[str, Any]) -> Indexed:
    """Of a frame with indices, what its header says of them.

    Raises:
        BlockError: the PDU holds something else.
    """
    values = meta[INDEXED]
    try:
        if not isinstance(values, np.ndarray) or values.dtype != np.int32 or values.shape != (4,):
            raise ValueError
        return Indexed(*values.tolist())
    except ValueError:
        raise BlockError(
            f"port 'frames' got a PDU with {INDEXED!r} that is none; connect it to the block that sets it."
        ) from None


def noise_variances(meta: dict[str, Any], features: np.ndarray) -> np.ndarray:
    """Noise variance of each feature of a frame: float32, infinite where it is erased; by the SNR where there is no
    other."""
    plain = np.full(len(features), 10.0 ** (-float(np.clip(meta["snr_db"], *SNR_DB)) / 10.0), np.float32)
    variance = np.asarray(meta.get("noise_variance", plain), np.float32)
    erased = np.asarray(meta["erased"], bool) if "erased" in meta else ~np.isfinite(features)
    return np.where(erased, np.float32(np.inf), variance)
