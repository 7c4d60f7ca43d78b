# SPDX-License-Identifier: GPL-3.0-or-later
"""How good thumbnails of received pictures are, beside those of another picture and of nothing."""

from __future__ import annotations

import numpy as np

from sdr_sc.evidence.multitask.rows import share_row
from sdr_sc.evidence.tables import APART
from sdr_sc.results.picture_rows import score_row
from sdr_sc.results.rows import Row
from sdr_sc.semantic.inference import SemanticDecoder
from sdr_sc.semantic.modalities.base import display_of
from sdr_sc.semantic.tasks.reconstruction import RECONSTRUCTION, Reconstruction

OTHER, UNSEEN = "of another picture", "of nothing received"
INVENTED = "texts that got a thumbnail"


def thumbnail_rows(
    column: str, decoder: SemanticDecoder, outputs: np.ndarray, snr_db: float, k: int, items: np.ndarray, seed: int
) -> list[Row]:
    """Rows of the PSNR; a lost picture counts as one of medium grey. Of texts, which have no thumbnails, the share that
    got one.

    Args:
        outputs: float32 (items, outputs of all tasks); NaN of a lost item.
        snr_db, k: of what was sent.
        items: uint8 (items, ...), of the model's modality.
        seed: of which other picture is taken.
    """
    task, spec, part = Reconstruction(), decoder.contract.task(RECONSTRUCTION), decoder.parts[RECONSTRUCTION]
    which, pictures = display_of(decoder.contract.modality.name).pictures(items)
    rows = []
    if not which.all():
        given = task.answer(outputs[~which][:, part], spec).best >= 0
        rows.append(share_row(f"{column}{APART}{INVENTED}", given))
    if pictures is None:
        return rows
    received = outputs[which][:, part]
    nothing = np.broadcast_to(decoder.blank(snr_db, k)[part], received.shape)
    others = received[displaced(len(received), seed)]
    for name, values in (("", received), (f", {OTHER}", others), (f", {UNSEEN}", nothing)):
        score = task.score_pictures(task.answer(values, spec), pictures).astype(np.float64)
        each = np.stack([np.ones(len(score)), score], axis=1)
        rows.append(score_row(f"{column}{APART}{task.name}{name}", task, each))
    return rows


def displaced(count: int, seed: int) -> np.ndarray:
    """An order in which nothing is in its own place: int64 (count,).

    >>> order = displaced(50, 1)
    >>> sorted(order.tolist()) == list(range(50)), bool((order == np.arange(50)).any())
    (True, False)
    """
    around = np.random.default_rng(seed).permutation(count)
    found = np.empty(count, np.int64)
    found[around] = np.roll(around, 1)
    return found
