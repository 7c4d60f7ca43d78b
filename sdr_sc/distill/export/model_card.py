# SPDX-License-Identifier: GPL-3.0-or-later
"""The model card that is written beside the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from sdr_sc.semantic.complexity import count_flops, count_parameters
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.modalities.base import blank_input


class Networks(Protocol):
    """Both halves of a student."""

    @property
    def encoder(self) -> nn.Module: ...
    @property
    def decoder(self) -> nn.Module: ...


def model_card(student: Networks, contract: ModelContract, out: Path) -> str:
    """Markdown text on what the model is, what it was made of, and what its CAM chooses.

    Args:
        student: in evaluation mode.
        contract: as written.
        out: the weights file, already there.
    """
    image, snr = blank_input(contract, 1), torch.zeros(1)
    flops = count_flops(student.encoder, image, snr)
    tasks = ", ".join(task.name for task in contract.tasks)
    lines = [
        f"# {contract.name}",
        "",
        "Student encoder and decoder for task-oriented semantic communication, trained end to end through the channel.",
        "",
        "| what | value |",
        "|---|---|",
        f"| task | {tasks} of {contract.modality.name}s, {len(contract.class_names)} classes |",
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
        f"| seed, epochs | {contract.training['seed']}, {contract.training['epochs']}{_decisions(contract)} |",
        f"| loss | {_loss(contract)} |",
        f"| training took | {contract.training['seconds'] / 60:.1f} minutes |",
        f"| made at commit | {contract.training['git']} |",
        "",
        "## Channel-adaptive module",
        "",
        f"Accuracy on {contract.cam.measured_on}, and the k that loses at most "
        f"{contract.cam.max_loss_points} points against the largest:",
        "",
        "| SNR (dB) | " + " | ".join(f"k={k}" for k in contract.k_list) + " | chosen |",
        "|---" * (len(contract.k_list) + 2) + "|",
    ]
    for snr_db, row, k in zip(contract.cam.snr_db, contract.cam.accuracy, contract.cam.k, strict=True):
        lines.append(f"| {snr_db:g} | " + " | ".join(f"{100 * a:.1f}" for a in row) + f" | {k} |")
    lines += [
        *_measured(contract),
        "",
        "## Use and limits",
        "",
        "For research on semantic communication. `sdr-sc evaluate` measures it on the test set, through the whole",
        f"physical layer. It knows {len(contract.class_names)} classes alone, and answers with one of them whatever it "
        "is shown:",
        f"{', '.join(contract.class_names)}.",
        "",
    ]
    return "\n".join(lines)


def _measured(contract: ModelContract) -> list[str]:
    """What `sdr-sc calibrate` found, where it was run."""
    plan, calibration = contract.refinement, contract.calibration
    if plan is None or calibration is None:
        return []
    lines = [
        "",
        "## Confidence and refinement",
        "",
        f"Temperatures and curves that make the confidence true, from {calibration.measured_on}, SNR "
        f"{calibration.snr_db[0]:g} to {calibration.snr_db[-1]:g} dB"
        + ("; how far they follow an item's own symbols, from fading channels." if calibration.own_share else "."),
        f"Rounds of incremental refinement, where a symbol has to be worth {100 * plan.symbol_price:g} points of "
        "accuracy:",
        "",
        "| SNR (dB) | symbols after each round | confidence that ends an item |",
        "|---|---|---|",
    ]
    for snr_db, steps, accept in zip(plan.snr_db, plan.steps, plan.accept, strict=True):
        ends = ", ".join(f"{100 * one:.1f} %" for one in accept)
        lines.append(f"| {snr_db:g} | {', '.join(map(str, steps))} | {ends} |")
    return lines


def _fading(contract: ModelContract) -> str:
    channel = contract.training.get("channel")
    return f"`{channel}`" if channel else "Rayleigh fading"


def _decisions(contract: ModelContract) -> str:
    """What the decision epochs were; older contracts do not have them."""
    epochs, weight = (contract.training.get(f"decision_{name}") for name in ("epochs", "weight"))
    if not epochs:
        return ""
    if not weight:
        return f", and {epochs} with the convolutions at rest"
    half = contract.training["decision_snr_db"]
    return f", and {epochs} decision epochs: below {half:g} dB {weight:g} x expected error"


def _items_used(contract: ModelContract) -> str:
    """How much of the data set was used."""
    limit, held_out = contract.training["limit_items"], contract.training["validation_items"]
    labelled = contract.training.get("labelled_items")  # older contracts do not have it
    drawn = contract.training.get("labels")
    if drawn and not contract.training["soft_weight"]:
        return f"{drawn} items, equally many of each class"
    if drawn:
        return f"all but {held_out} items, which are held out; labels of {drawn} alone, equally many of each class"
    items = f"{limit} items" if limit else f"all but {held_out} items, which are held out"
    return f"{items}; labels of the first {labelled} alone" if labelled else items


def _loss(contract: ModelContract) -> str:
    settings = contract.training
    soft = settings["soft_weight"]
    terms = [f"{1 - soft:g} x labels"] if soft < 1 else []
    if soft:
        terms.append(f"{soft:g} x soft labels at temperature {settings['temperature']:g}")
    if settings["feature_weight"]:
        terms.append(f"{settings['feature_weight']:g} x teacher features")
    if settings["bottleneck_weight"]:
        terms.append(f"{settings['bottleneck_weight']:g} x information bottleneck")
    return " + ".join(terms)
