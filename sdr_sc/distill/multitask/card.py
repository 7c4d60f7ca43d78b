# SPDX-License-Identifier: GPL-3.0-or-later
"""The model card of a student for several tasks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sdr_sc.distill.multitask.objective import MultiTaskStudent
from sdr_sc.semantic.complexity import count_flops, count_parameters
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.modalities.base import modality_of
from sdr_sc.semantic.specs import TaskSpec
from sdr_sc.semantic.tasks.base import task_of
from sdr_sc.semantic.tasks.question import QUESTION


def card(student: MultiTaskStudent, contract: ModelContract, out: Path) -> str:
    """Markdown text on what the model is, what it was made of, and how good its answers are.

    Args:
        student: in evaluation mode.
        contract: as written.
        out: the weights file, already there.
    """
    modality = modality_of(contract.modality)
    costs = [
        f"{count_flops(student.encoder, torch.from_numpy(modality.network_input(one)), torch.zeros(1)) / 1e6:.1f} "
        f"MFLOP {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
        for kind, one in modality.kinds().items()
    ]
    training = contract.training
    labels = f"{training['labels']} items with their class" if training["labels"] else "all items with what is right"
    lines = [
        f"# {contract.name}",
        "",
        "Student encoder and decoder for several tasks, trained end to end through the channel: what is sent once",
        "answers all of them.",
        "",
        "| what | value |",
        "|---|---|",
        *(f"| task {spec.name} | {_answers(spec)} |" for spec in contract.tasks),
        f"| data | {contract.data_set}, {labels} |",
        f"| teacher | {contract.teacher} |",
        f"| encoder | {count_parameters(student.encoder):,} parameters, {', '.join(costs)} |",
        f"| decoder | {count_parameters(student.decoder):,} parameters |",
        *_question_row(student),
        f"| weights file | {out.stat().st_size / 1e3:.0f} kB, safetensors |",
        f"| feature symbols per item (k) | {', '.join(map(str, contract.k_list))} complex channel uses, nested |",
        f"| training SNR | {contract.training_snr_db[0]:g} to {contract.training_snr_db[1]:g} dB, "
        f"{100 * training['fading_fraction']:g} % of the items through Rayleigh fading |",
        f"| seed, steps | {training['seed']}, {training['steps']} of {training['batch_items']} items |",
        f"| model id | {contract.model_id} |",
        f"| made at commit | {training['git']} |",
        "",
        "## Quality",
        "",
        f"On {contract.cam.measured_on}. The channel-adaptive module takes the k that loses at most "
        f"{contract.cam.max_loss_points:g} points",
        f"of {contract.tasks[0].name} against the largest.",
    ]
    for name, table in ((contract.tasks[0].name, contract.cam.accuracy), *contract.cam.others.items()):
        task = task_of(name)
        figures = task.figure(np.array(table))
        columns = " | ".join(f"k={k}" for k in contract.k_list)
        lines += ["", f"| SNR (dB), {name} ({task.unit}) | {columns} | chosen |"]
        lines.append("|---" * (len(contract.k_list) + 2) + "|")
        for snr_db, row, k in zip(contract.cam.snr_db, figures, contract.cam.k, strict=True):
            if snr_db % 5 == 0:
                lines.append(f"| {snr_db:g} | " + " | ".join(f"{one:.1f}" for one in row) + f" | {k} |")
    return "\n".join([*lines, ""])


def _answers(spec: TaskSpec) -> str:
    if spec.name == QUESTION:
        return f"{len(spec.names)} answers, by a vector of {spec.outputs} numbers that any question is asked of"
    if spec.shape:
        return f"a picture of {' x '.join(map(str, spec.shape))} values"
    if spec.names:
        return f"{len(spec.names)} answers"
    return f"a vector of {spec.outputs} numbers, to search a gallery with"


def _question_row(student: MultiTaskStudent) -> list[str]:
    if student.question is None:
        return []
    return [f"| question network, at the receiver | {count_parameters(student.question):,} parameters |"]
