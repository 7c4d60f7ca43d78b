# SPDX-License-Identifier: GPL-3.0-or-later
"""How good each task's answers are over AWGN with an estimated channel, as in training; without the physical layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sdr_sc.distill.channel import lmmse_channel
from sdr_sc.distill.multitask.objective import RETRIEVAL, MultiTaskStudent
from sdr_sc.distill.multitask.picture_tasks import PictureTargets, picture_scores
from sdr_sc.semantic.gallery import Gallery
from sdr_sc.semantic.networks.heads import TaskOutputs
from sdr_sc.semantic.networks.symbols import normalise_prefix, pad_symbols
from sdr_sc.semantic.specs import TaskSpec
from sdr_sc.semantic.tasks.base import task_of

RECALL_FIRST = 5
_BATCH = 500


@torch.inference_mode()
def scores(
    student: MultiTaskStudent,
    inputs: Tensor,
    targets: dict[str, np.ndarray],
    specs: Sequence[TaskSpec],
    gallery: Gallery | None,
    k_list: Sequence[int],
    snrs_db: Sequence[float],
    estimate_noise: float,
    seed: int,
    weight: np.ndarray | None = None,
    pictures: PictureTargets = PictureTargets(),  # noqa: B008  # frozen
) -> dict[str, np.ndarray]:
    """Mean score of each task for each SNR and k, float64 (len(snrs_db), len(k_list)), 0 to 1.

    Args:
        student: in evaluation mode.
        inputs: what the encoder sees.
        targets: int (items,) by task; of `RETRIEVAL` places in the gallery.
        specs: the tasks, in the order of the decoder's heads.
        gallery: for `RETRIEVAL`, whose score is R@5; None where it is not to be measured.
        estimate_noise: power of the channel estimate's error over the noise power.
        weight: of each item in the mean; None for one weight. Items without a target do not count.
        pictures: targets of tasks of pictures, which are not in ``targets``.
    """
    generator = torch.Generator().manual_seed(seed)
    names = [spec.name for spec in specs]
    found = {spec.name: np.zeros((len(snrs_db), len(k_list))) for spec in specs}
    counts = np.ones(len(inputs)) if weight is None else weight
    known = {task: ids >= 0 for task, ids in targets.items()}
    pooled = torch.cat([student.encoder.pooled(part) for part in inputs.split(_BATCH)])
    for row, snr_db in enumerate(snrs_db):
        snr = torch.full((len(inputs),), float(snr_db))
        symbols = student.encoder.from_pooled(pooled, snr)
        for column, k in enumerate(k_list):
            received, *_ = lmmse_channel(normalise_prefix(symbols, k), snr, generator, 0.0, None, estimate_noise)
            padded, fraction = pad_symbols(received, symbols.shape[1])
            seen = TaskOutputs(student.decoder, names, student.decoder.shared(padded, snr, fraction))
            for task_name, score in picture_scores(student.question, pictures, seen, counts).items():
                found[task_name][row, column] = score
            for spec in specs:
                if spec.name not in targets or (spec.name == RETRIEVAL and gallery is None):
                    continue
                here = known[spec.name]
                outputs, wanted = seen.of(spec.name, torch.from_numpy(here)).numpy(), targets[spec.name][here]
                if spec.name == RETRIEVAL:
                    assert gallery is not None
                    right = (gallery.search(outputs, RECALL_FIRST).ids == wanted[:, None]).any(axis=1)
                else:
                    task = task_of(spec.name)
                    right = task.score(task.answer(outputs, spec).best, wanted)
                found[spec.name][row, column] = np.average(right, weights=counts[here])
    return found
