# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver without a base can make of classes that its decoder lacks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdr_sc.data.joint.slots import side_of, text_slots
from sdr_sc.data.texts import text_items
from sdr_sc.evidence.heads import predict
from sdr_sc.evidence.knowledge.received import Air, Received
from sdr_sc.semantic.gallery import unit_rows

RETRIEVAL = "retrieval"
_LONGEST_NAME = 64
_RECEPTIONS = 4000
"""Of all entries together, that a head is fitted on."""


def by_name(air: Air, received: Received, names: Sequence[str], k: int) -> np.ndarray | None:
    """The class whose name is the nearest, by the vector that the decoder makes for a gallery: int64 (n,), -1 for lost
    items. Names become vectors as texts that the student encodes itself.

    Returns:
        None where the model makes no such vectors, or takes no texts.
    """
    contract = air.encoder.contract
    if RETRIEVAL not in air.decoder.parts or contract.modality.name not in ("text", "image_text"):
        return None
    slots = text_items(names, _LONGEST_NAME).batch.slots(_LONGEST_NAME)
    if contract.modality.name == "image_text":
        items = text_slots(slots, side_of(contract.item_shape[0]))
    else:
        items = np.zeros((len(slots), *contract.item_shape), np.uint8)
        items[:, : slots.shape[1]] = slots
    best_db, part = contract.training_snr_db[1], air.decoder.parts[RETRIEVAL]
    of_names = unit_rows(air.decoder.outputs(air.encoder.encode(items, best_db, k), best_db)[:, part])
    seen = received.outputs[:, part]
    lost = ~np.isfinite(seen).all(axis=1)
    return np.where(lost, -1, (np.where(lost[:, None], 0.0, seen) @ of_names.T).argmax(axis=1))


def by_fitted_head(
    vectors: np.ndarray, classes: np.ndarray, received: Received, snr_db: float, seed: int
) -> np.ndarray:  # fmt: skip
    """Classes by a network that is fitted on entries as they would be received: int64 (n,), among the entries' classes.

    This is a decoder that was trained again, for these entries, this SNR and this k: a rival where there is time for a
    training after every change. Each entry is received many times, with noise of its own.

    Args:
        vectors: float32 (entries, 2 k_max), of the new classes alone.
        classes: int64 (entries,), from 0 on.
    """
    k = received.features.shape[1]
    rng, noise = np.random.default_rng(seed), 10.0 ** (-snr_db / 10)
    sent = unit_rows(vectors[:, : 2 * k]) * np.sqrt(k)
    times = max(1, _RECEPTIONS // len(sent))
    heard = np.concatenate([sent + rng.normal(size=sent.shape) * np.sqrt(noise / 2) for _ in range(times)])
    new = np.ascontiguousarray(received.features).view(np.float32) * (1 + noise)
    return predict(heard, np.tile(classes, times), new, int(classes.max()) + 1, seed)
