# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiving end that holds a knowledge base whose entries frames may name: what a frame with indices brought."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.link.base_agreement import announcement
from sdr_sc.link.frames.decodable import indexed_of, noise_variances
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.knowledge.both_ends.entries import SharedEntries
from sdr_sc.semantic.knowledge.both_ends.payload import Unread, read_payload
from sdr_sc.semantic.knowledge.both_ends.split import Joined


class EntryFrames:
    """Reads frames with indices.

    Args:
        path: file of the global base.
        contract: of the model that it is for.

    Attributes:
        frames_read: so far.
        unread: frames that could not be read, by the reason; their items are lost.

    Raises:
        KnowledgeError: the base cannot be used.
    """

    def __init__(self, path: Path | str, contract: ModelContract) -> None:
        self._shared, self._contract = SharedEntries.of_file(path, contract), contract
        self.frames_read = 0
        self.unread: Counter[str] = Counter()

    def read(self, meta: dict[str, Any], features: np.ndarray) -> tuple[Joined, bool]:
        """Items of a frame that `sdr_sc.link.frames.decodable.refusal` finds nothing wrong with, and whether it could
        be read: otherwise nothing is known of them.

        Args:
            meta: of the receiver's PDU.
            features: complex64, its data.
        """
        items, k_list = meta["n_items"], self._contract.k_list
        found = read_payload(indexed_of(meta), items, features, noise_variances(meta, features), self._shared, k_list)
        if isinstance(found, Unread):
            self.unread[found.value] += 1
            shape = (items, k_list[-1])
            nothing = np.zeros(shape, np.complex64), np.full(shape, np.inf, np.float32)
            return Joined(*nothing, np.full(items, k_list[-1]), np.full(items, -np.inf)), False
        self.frames_read += 1
        return found[0], True

    def announcement(self, frame_num: int, is_read: bool | None) -> dict[str, Any]:
        """Of the base, to the transmitter of a frame; see `sdr_sc.link.base_agreement.announcement`."""
        return announcement(self._shared.tag, frame_num, is_read)

    def counts(self) -> dict[str, Any]:
        """What became of frames with indices, by name."""
        return {"frames_indexed_read": self.frames_read, "frames_indexed_unread": dict(self.unread)}
