# SPDX-License-Identifier: GPL-3.0-or-later
"""From a trained student for several tasks to a model that ships, with a table of every task's quality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sdr_sc.data.asked import each_once
from sdr_sc.data.dataset import Dataset
from sdr_sc.data.joint.joined import TOGETHER, JoinedSet
from sdr_sc.distill.export.finish import float_tensors
from sdr_sc.distill.multitask.card import card
from sdr_sc.distill.multitask.measured import RECALL_FIRST, scores
from sdr_sc.distill.multitask.objective import RETRIEVAL
from sdr_sc.distill.multitask.picture_tasks import OF_PICTURES, picture_targets
from sdr_sc.distill.multitask.train import MultiTaskTrainer
from sdr_sc.files import write_whole
from sdr_sc.semantic import weights
from sdr_sc.semantic.cam import choose_k
from sdr_sc.semantic.contract import POWER_NORM, ModelContract
from sdr_sc.semantic.gallery import Gallery
from sdr_sc.semantic.modalities.base import modality_of
from sdr_sc.semantic.specs import CamTable
from sdr_sc.semantic.tasks.reconstruction import RECONSTRUCTION
from sdr_sc.shown import utf8

_LARGE = (nn.Embedding, nn.Conv2d, nn.Linear)  # whose weights are kept in 16 bits
MAX_LOSS_POINTS = 1.0
"""Given away by the CAM in accuracy points of the first task; a text's class needs few symbols less for half of it."""


def cam_table(trainer: MultiTaskTrainer, held_out: Dataset, vectors: np.ndarray | None) -> CamTable:
    """Quality of every task on held-out items over a grid of 1 dB, and the choice of k for the first one.

    Args:
        vectors: float32 (items, dimensions), the teacher's of the held-out items; None without one.
    """
    config, specs, held_out = trainer.config, trainer.lesson.specs, each_once(held_out)
    every = np.arange(len(held_out))
    inputs = torch.from_numpy(modality_of(trainer.lesson.modality).network_input(held_out.items(every)))
    targets = {spec.name: held_out.targets(spec.name, every) for spec in specs if spec.name not in OF_PICTURES}
    gallery = None
    if vectors is not None and RETRIEVAL in targets:
        gallery = Gallery.of_entries(held_out.names(RETRIEVAL), targets[RETRIEVAL], vectors, "held out")
    grid = np.arange(np.ceil(config.snr_min_db), config.snr_max_db + 0.5)
    pictures = picture_targets(specs, trainer.lesson.modality, inputs, held_out)
    found = scores(
        trainer.average.eval(), inputs, targets, specs, gallery, config.k_list, list(grid), config.estimate_noise,
        config.seed, item_weights(held_out, config.shares), pictures,
    )  # fmt: skip
    rounded = {
        name: tuple(tuple(round(float(one), 6 if name == RECONSTRUCTION else 4) for one in row) for row in rows)
        for name, rows in found.items()
    }
    first = specs[0].name
    recall = f"; {RETRIEVAL}: R@{RECALL_FIRST} of {len(gallery.names)}" if gallery is not None else ""
    return CamTable(
        snr_db=tuple(float(snr_db) for snr_db in grid),
        k=choose_k(found[first], config.k_list, MAX_LOSS_POINTS),
        accuracy=rounded.pop(first),
        max_loss_points=MAX_LOSS_POINTS,
        measured_on=f"{len(held_out)} held-out {held_out.modality}s, AWGN, estimated channel{recall}",
        others=rounded,
    )


def _kept(trainer: MultiTaskTrainer) -> dict[str, int]:
    return {} if trainer.best is None else {"best_step": trainer.best.step}


def item_weights(data: Dataset, shares: Mapping[str, float] = TOGETHER) -> np.ndarray | None:
    """Of items of several kinds, so that each kind counts by its share in training, and those that it left out by their
    usual one; None where all are of one."""
    if not isinstance(data, JoinedSet):
        return None
    found = np.zeros(len(data))
    counted = {kind: share if share > 0 else TOGETHER[kind] for kind, share in shares.items()}
    for places, share in data.strata(counted):
        found[places] = share / len(places)
    return found


def ship(
    trainer: MultiTaskTrainer, held_out: Dataset, vectors: np.ndarray | None, teacher: str, out: Path, git: str
) -> ModelContract:
    """Write ``out`` (safetensors) and, beside it, ``<stem>.contract.json`` and the model card ``<stem>.md``.

    Args:
        trainer: at the end of its run.
        held_out: items that it has not learned from.
        vectors: the teacher's of these.
        teacher: its name.
        git: the commit that the run was made at.

    Returns:
        The contract as written.

    Raises:
        SdrScError: a file cannot be written.
    """
    config, lesson = trainer.config, trainer.lesson
    student = trainer.average.eval()
    large = {f"{name}.weight" for name, module in student.named_modules() if isinstance(module, _LARGE)}
    values = float_tensors(student, large)  # half the file
    contract = weights.save(
        out,
        {name: value for name, value in values.items() if not name.startswith("hint.")},
        ModelContract(
            name=out.stem,
            model_id="0" * 16,
            modality=lesson.modality,
            tasks=lesson.specs,
            k_list=config.k_list,
            power_norm=POWER_NORM,
            training_snr_db=(config.snr_min_db, config.snr_max_db),
            teacher=teacher,
            data_set=f"{lesson.base.name}, training split",
            data_set_sha256=lesson.base.sha256,
            architecture={
                "encoder": student.encoder.kind,
                "decoder": student.decoder.kind,
                "decoder_width": config.decoder_width,
            },
            cam=cam_table(trainer, held_out, vectors),
            training={**asdict(config), **_kept(trainer), "git": git, "torch": str(torch.__version__)},
        ),
    )
    beside = {".contract.json": contract.to_json() + "\n", ".md": card(student, contract, out)}
    write_whole({out.with_suffix(suffix): utf8(text) for suffix, text in beside.items()})
    return contract
