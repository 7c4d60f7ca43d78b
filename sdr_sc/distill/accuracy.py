# SPDX-License-Identifier: GPL-3.0-or-later
"""How well a student answers over AWGN with an estimated channel, as in training; without the physical layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from sdr_sc.data.dataset import Dataset
from sdr_sc.distill.channel import lmmse_channel
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.objective import Student
from sdr_sc.distill.state import TrainState, load_module
from sdr_sc.errors import SdrScError
from sdr_sc.semantic.modalities.base import Modality, modality_of
from sdr_sc.semantic.networks.symbols import normalise_prefix, pad_symbols
from sdr_sc.semantic.specs import TaskSpec
from sdr_sc.semantic.tasks.base import task_of

_BATCH = 500


def as_shipped(student: Student, config: DistillConfig) -> Student:
    """The student in evaluation mode, in the form in which it ships; the same object."""
    student.eval()
    if not config.adaptive:  # it was trained with one SNR at its input, whatever the channel's was
        student.encoder.ignore_snr()
        student.decoder.film.ignore_snr()
    return student


@torch.inference_mode()
def awgn_scores(
    student: Student,
    data: Dataset,
    used: np.ndarray,
    config: DistillConfig,
    modality: Modality,
    snrs_db: Sequence[float],
    draws: int,
) -> np.ndarray:
    """Mean of the task's score for each SNR and each k.

    Args:
        student: as `as_shipped` gives it, on the CPU.
        data, used: whose items, int (n,).
        snrs_db: SNRs, dB.
        draws: of the noise, for each item.

    Returns:
        float64 (len(snrs_db), len(config.k_list)), 0 to 1.
    """
    task, spec = task_of(config.task), TaskSpec(config.task, tuple(data.names(config.task)))
    generator = torch.Generator().manual_seed(config.seed)
    items, targets = torch.from_numpy(data.items(used)), data.targets(config.task, used)
    scores = np.zeros((len(snrs_db), len(config.k_list)))
    pooled = torch.cat([student.encoder.pooled(modality.training_input(batch)) for batch in items.split(_BATCH)])
    for row, snr_db in enumerate(snrs_db):
        snr = torch.full((len(targets),), float(snr_db))
        symbols = student.encoder.from_pooled(pooled, snr)
        for column, k in enumerate(config.k_list):
            sent = normalise_prefix(symbols, k)
            for _ in range(draws):
                received, *_ = lmmse_channel(sent, snr, generator, 0.0, estimate_noise=config.estimate_noise)
                padded, fraction = pad_symbols(received, config.k_list[-1])
                found = task.answer(student.decoder(padded, snr, fraction).numpy(), spec).best
                scores[row, column] += float(task.score(found, targets).mean()) / draws
    return scores


def evaluate_state(state: TrainState, data: Dataset, config: DistillConfig, snr_db: float = 20.0) -> float:
    """Mean score of a state's averaged weights on all items of a data set, with the largest k, 0 to 1.

    Raises:
        SdrScError: the state is of other networks, or of items of another kind.
    """
    if (state.modality.name, tuple(state.modality.shape)) != (data.modality, tuple(data.item_shape)):
        raise SdrScError(
            f"the training state is of {state.modality.name}s of shape {tuple(state.modality.shape)}, the data set of "
            f"{data.modality}s of shape {tuple(data.item_shape)}; give data of that kind."
        )
    spec = TaskSpec(config.task, tuple(data.names(config.task)))
    with torch.random.fork_rng(devices=[]):
        student = Student(config, task_of(config.task).outputs(spec), state.modality.shape)
    load_module(student, state.average, "averaged weights")
    everything, modality = np.arange(len(data)), modality_of(state.modality)
    return float(awgn_scores(as_shipped(student, config), data, everything, config, modality, [snr_db], 1)[0, -1])
