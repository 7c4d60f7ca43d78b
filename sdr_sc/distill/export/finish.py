# SPDX-License-Identifier: GPL-3.0-or-later
"""From a trained student to a model that ships: the CAM's table, the weights with their contract, the card."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sdr_sc.data.dataset import Dataset
from sdr_sc.distill.accuracy import as_shipped, awgn_scores
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.export.model_card import model_card
from sdr_sc.distill.objective import Student
from sdr_sc.distill.split import split
from sdr_sc.distill.train import Trainer
from sdr_sc.files import write_whole
from sdr_sc.semantic import weights
from sdr_sc.semantic.cam import choose_k
from sdr_sc.semantic.contract import POWER_NORM, ModelContract
from sdr_sc.semantic.modalities.base import Modality
from sdr_sc.semantic.specs import CamTable
from sdr_sc.shown import utf8

MAX_LOSS_POINTS = 0.5
_DRAWS = 2


def measure_cam_table(
    student: Student,
    data: Dataset,
    config: DistillConfig,
    modality: Modality,
    known_items: int | None = None,
) -> CamTable:
    """Accuracy over AWGN for each SNR of a 1 dB grid and each k, and the choice that follows from it.

    Measured on the held-out images, over several draws of the noise; the channel is estimated as in training.

    Args:
        known_items: as for `sdr_sc.distill.split.split`.
    """
    used = split(data, config, known_items).validation
    grid = np.arange(np.ceil(config.snr_min_db), config.snr_max_db + 0.5)
    accuracy = awgn_scores(student, data, used, config, modality, list(grid), _DRAWS)
    return CamTable(
        snr_db=tuple(float(s) for s in grid),
        k=choose_k(accuracy, config.k_list, MAX_LOSS_POINTS),
        accuracy=tuple(tuple(round(float(a), 4) for a in row) for row in accuracy),
        max_loss_points=MAX_LOSS_POINTS,
        measured_on=f"{len(used)} held-out training {data.modality}s, AWGN, estimated channel",
    )


def float_tensors(module: nn.Module, in_16_bits: Collection[str] = ()) -> dict[str, np.ndarray]:
    """What a weights file holds of a module: its floating-point values by name, some of them in 16 bits."""
    return {
        name: (value.half() if name in in_16_bits else value).detach().contiguous().numpy()
        for name, value in module.state_dict().items()
        if value.is_floating_point()
    }


def ship(trainer: Trainer, data: Dataset, out: Path, git: str) -> ModelContract:
    """Write ``out`` (safetensors) and, beside it, ``<stem>.contract.json`` and the model card ``<stem>.md``.

    Args:
        trainer: at the end of its run.
        data: the training set.
        git: the commit that the run was made at.

    Returns:
        The contract as written.

    Raises:
        SdrScError: a file cannot be written.
    """
    config = trainer.config
    student = as_shipped(trainer.average.cpu(), config)
    contract = weights.save(
        out,
        float_tensors(student),
        ModelContract(
            name=out.stem,
            model_id="0" * 16,
            modality=trainer.modality.spec,
            tasks=(trainer.task_spec,),
            k_list=config.k_list,
            power_norm=POWER_NORM,
            training_snr_db=(config.snr_min_db, config.snr_max_db),
            teacher=trainer.knowledge.name,
            data_set=f"{data.name}, training split",
            data_set_sha256=data.sha256,
            architecture={"encoder": student.encoder.kind, "decoder_width": config.decoder_width},
            cam=measure_cam_table(student, data, config, trainer.modality, trainer.knowledge.known_items),
            training={
                **asdict(config),
                "mixed_precision": trainer.mixed_precision,
                "seconds": round(sum(report.seconds for report in trainer.history), 1),
                "git": git,
                "torch": str(torch.__version__),
            },
        ),
    )
    beside = {".contract.json": contract.to_json() + "\n", ".md": model_card(student, contract, out)}
    write_whole({out.with_suffix(suffix): utf8(text) for suffix, text in beside.items()})
    return contract
