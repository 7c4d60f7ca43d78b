# SPDX-License-Identifier: GPL-3.0-or-later
"""From a trained student to a model that ships: the CAM's table, the weights with their contract, the card."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from sdr_sc.data.fashion_mnist import ImageSet
from sdr_sc.distill.channel import lmmse_channel
from sdr_sc.distill.config import TrainConfig
from sdr_sc.distill.train import Student
from sdr_sc.semantic import weights
from sdr_sc.semantic.cam import choose_k
from sdr_sc.semantic.complexity import count_flops, count_parameters
from sdr_sc.semantic.contract import POWER_NORM, CamTable, ModelContract
from sdr_sc.semantic.student import normalise_prefix, pad_symbols

MAX_LOSS_POINTS = 0.5
_CAM_ITEMS = 10_000
_BATCH = 500


@torch.inference_mode()
def measure_cam_table(
    student: Student, data: ImageSet, config: TrainConfig, normalisation: tuple[float, float]
) -> CamTable:
    """Accuracy over AWGN for each SNR of a 1 dB grid and each k, and the choice that follows from it.

    Measured on training images without augmentation: the choice depends on the *loss* that noise makes against the
    largest k, for which training images serve, while the accuracies themselves are a little above those of a test.
    """
    mean, std = normalisation
    generator = torch.Generator().manual_seed(config.seed)
    used = slice(0, min(config.limit_items or len(data), _CAM_ITEMS))
    images = torch.from_numpy(data.images[used].astype(np.float32) / 255.0).unsqueeze(1)
    batches = ((images - mean) / std).split(_BATCH)
    labels = torch.from_numpy(data.labels[used])
    grid = np.arange(config.snr_min_db, config.snr_max_db + 0.5)
    accuracy = np.empty((len(grid), len(config.k_list)))
    pooled = [student.encoder.features(batch).mean(dim=(2, 3)) for batch in batches]
    for row, snr_db in enumerate(grid):
        snr = torch.full((len(labels),), float(snr_db))
        symbols = torch.cat([student.encoder.from_pooled(p, s) for p, s in zip(pooled, snr.split(_BATCH), strict=True)])
        for column, k in enumerate(config.k_list):
            received, _ = lmmse_channel(normalise_prefix(symbols, k), snr, generator, fading_fraction=0.0)
            padded, fraction = pad_symbols(received, config.k_list[-1])
            hits = student.decoder(padded, snr, fraction).argmax(1) == labels
            accuracy[row, column] = hits.float().mean().item()
    return CamTable(
        snr_db=tuple(float(s) for s in grid),
        k=choose_k(accuracy, config.k_list, MAX_LOSS_POINTS),
        accuracy=tuple(tuple(round(float(a), 4) for a in row) for row in accuracy),
        max_loss_points=MAX_LOSS_POINTS,
        measured_on=f"{len(labels)} training images, AWGN, known SNR",
    )


def ship(
    student: Student, data: ImageSet, config: TrainConfig, normalisation: tuple[float, float], out: Path, git: str
) -> ModelContract:
    """Write ``out`` (safetensors) and, beside it, ``<stem>.contract.json`` and the model card ``<stem>.md``.

    Returns:
        The contract as written.
    """
    tensors = {
        name: value.detach().contiguous().numpy()
        for name, value in student.state_dict().items()
        if value.is_floating_point()
    }
    contract = weights.save(
        out,
        tensors,
        ModelContract(
            name=out.stem,
            model_id="0" * 16,
            modality="image",
            tasks=("classification",),
            item_shape=tuple(data.images.shape[1:]),
            normalisation=normalisation,
            k_list=config.k_list,
            power_norm=POWER_NORM,
            training_snr_db=(config.snr_min_db, config.snr_max_db),
            class_names=data.class_names,
            teacher="none: trained on the labels alone",
            data_set="Fashion-MNIST, training split",
            data_set_sha256=data.sha256,
            architecture={"encoder_width": config.encoder_width, "decoder_width": config.decoder_width},
            cam=measure_cam_table(student, data, config, normalisation),
            training={**asdict(config), "git": git, "torch": str(torch.__version__)},
        ),
    )
    out.with_suffix(".contract.json").write_text(contract.to_json() + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(_card(student, contract, out), encoding="utf-8")
    return contract


def _card(student: Student, contract: ModelContract, out: Path) -> str:
    image, snr = torch.zeros(1, 1, *contract.item_shape), torch.zeros(1)
    flops = count_flops(student.encoder, image, snr)
    lines = [
        f"# {contract.name}",
        "",
        "Student encoder and decoder for task-oriented semantic communication, trained end to end through the channel.",
        "",
        "| what | value |",
        "|---|---|",
        f"| task | {', '.join(contract.tasks)} of {contract.modality}s, {len(contract.class_names)} classes |",
        f"| data | {contract.data_set} ({_items_used(contract)}) |",
        f"| teacher | {contract.teacher} |",
        f"| encoder | {count_parameters(student.encoder):,} parameters, {flops / 1e6:.1f} MFLOP an image |",
        f"| decoder | {count_parameters(student.decoder):,} parameters |",
        f"| weights file | {out.stat().st_size / 1e3:.0f} kB, safetensors, float32 |",
        f"| feature symbols per item (k) | {', '.join(map(str, contract.k_list))} complex channel uses, nested |",
        f"| power | {contract.power_norm.replace('_', ' ')} |",
        f"| training SNR | {contract.training_snr_db[0]:g} to {contract.training_snr_db[1]:g} dB, "
        f"{100 * contract.training['fading_fraction']:g} % of the items through {_fading(contract)} |",
        f"| model id | {contract.model_id} |",
        f"| seed, epochs | {contract.training['seed']}, {contract.training['epochs']} |",
        f"| made at commit | {contract.training['git']} |",
        "",
        "## Channel-adaptive module",
        "",
        f"Accuracy on {contract.cam.measured_on} (above that of the test set), and the k that loses at most "
        f"{contract.cam.max_loss_points} points against the largest:",
        "",
        "| SNR (dB) | " + " | ".join(f"k={k}" for k in contract.k_list) + " | chosen |",
        "|---" * (len(contract.k_list) + 2) + "|",
    ]
    for snr_db, row, k in zip(contract.cam.snr_db, contract.cam.accuracy, contract.cam.k, strict=True):
        lines.append(f"| {snr_db:g} | " + " | ".join(f"{100 * a:.1f}" for a in row) + f" | {k} |")
    lines += [
        "",
        "## Use and limits",
        "",
        "For research on semantic communication. `sdr-sc evaluate` measures it on the test set, through the whole",
        "physical layer. It knows these ten classes alone, and answers with one of them whatever it is shown.",
        "",
    ]
    return "\n".join(lines)


def _fading(contract: ModelContract) -> str:
    channel = contract.training.get("channel")
    return f"`{channel}`" if channel else "Rayleigh fading"


def _items_used(contract: ModelContract) -> str:
    """How much of the data set was used."""
    limit = contract.training["limit_items"]
    return f"first {limit} items" if limit else "all items"
