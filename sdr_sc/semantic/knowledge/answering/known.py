# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame as a decoder answered it, and the same with what knowledge bases add."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

USED = "used"
"""State of bases that were asked; any other one says why they were not."""
LISTED = 5
"""Entries of an item that are given beside its answer."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """A frame's items as the decoder had and answered them.

    Attributes:
        features: complex64 (n, k), LMMSE estimates; not finite where erased.
        noise_variance: float32 (n, k), of the unbiased estimates of unit-power symbols; infinite where erased.
        logits: float32 (n, classes), of the task; not finite for a lost item.
        snr_db: the receiver's estimate.
        ids: int (n,), the decoder's answers, below 0 where there is none.
        confidence: float32 (n,).
        note: of the frame, for entries of a local base: where they come from.
    """

    features: np.ndarray
    noise_variance: np.ndarray
    logits: np.ndarray
    snr_db: float
    ids: np.ndarray
    confidence: np.ndarray
    note: str = ""


@dataclass(frozen=True, eq=False)
class KnownAnswers:
    """Answers to a frame's items.

    Attributes:
        ids: int32 (n,), fused; as the decoder's below 0.
        decoder_ids: int32 (n,), what the decoder says alone; both are numbers of ``KnowledgeAnswers.names``.
        confidence: float32 (n,), of ``ids``: the fused probability, or the decoder's own where no base was used.
        weight: float32 (n,), of the bases together, 0 to 1.
        entries: int32 (n, `LISTED`), ids of the entries that are nearest to what was received, nearest first, among
            them the two that the answer comes from most; `NO_ENTRY` where there is none.
        is_local: uint8 (n, `LISTED`), 1 where an entry is the local base's.
        similarity: float32 (n, `LISTED`), cosine of item and entry; `NO_ENTRY` where there is none.
        shares: float32 (n, `LISTED`), of the answer's probability that comes from the entry, 0 to 1.
        names: of the answers ``ids``; '' where there is none.
        base_id, base_version: of the global base; '' and 0 where none could be read.
        state: ``used``, or why the bases were not.
    """

    ids: np.ndarray
    decoder_ids: np.ndarray
    confidence: np.ndarray
    weight: np.ndarray
    entries: np.ndarray
    is_local: np.ndarray
    similarity: np.ndarray
    shares: np.ndarray
    names: tuple[str, ...]
    base_id: str
    base_version: int
    state: str
