# SPDX-License-Identifier: GPL-3.0-or-later
"""Few labels of texts: a student taught by a large model's vectors over fair students without it, over the air.

Ours learns from the vectors of all training items, and from N labels by what a probe of the vectors makes of them (see
`sdr_sc.distill.multitask.few_labels`). The controls are the same network with the same batches and steps, cross entropy
on the N items alone; of several kinds the one that is best on the validation part, of each its weights that are best
there. All are paired over items, noise, labels and seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.bench.distillation.study_rows import StudyResult, accuracy_row, compared_at, kept_answers, study_rows
from sdr_sc.bench.distillation.study_runs import Outcomes, kept_outcomes
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import CLASSIFICATION
from sdr_sc.distill.checkpoint import as_json
from sdr_sc.distill.multitask.config import MultiTaskConfig
from sdr_sc.distill.multitask.few_labels import label_probe
from sdr_sc.distill.multitask.joined_vectors import vectors_for
from sdr_sc.distill.multitask.prepare import prepare
from sdr_sc.distill.multitask.ship import ship
from sdr_sc.distill.multitask.vectors import TeacherVectors
from sdr_sc.distill.studies.schemes import Scheme
from sdr_sc.distill.studies.study import Comparison, Condition, Study
from sdr_sc.errors import SdrScError
from sdr_sc.results.paired import paired_gain
from sdr_sc.results.pool import run_jobs
from sdr_sc.results.rows import Row, git_commit
from sdr_sc.semantic import weights
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.shown import shown

CONDITIONS = tuple(Condition(snr_db, k) for snr_db, k in ((20.0, 32), (20.0, 16), (10.0, 16), (5.0, 16), (0.0, 16)))
GAIN_POINTS, UNDER_PROBE_POINTS, JUDGED_LABELS = 10.0, 4.0, 2000
"""Goals at the first condition: gain over the best control, and how far ours may be under the teacher's probe."""
OURS = "ours"
_SHY = {"word_dropout": 0.3, "dropout": 0.3}
CONTROLS: dict[str, tuple[str, dict[str, float]]] = {
    "labels": ("cross entropy alone", {}),
    "labels_dropout": ("cross entropy alone, words left out", _SHY),
    "labels_decay": (
        "cross entropy alone, words left out, weight decay",
        {**_SHY, "weight_decay": 0.3, "table_decay": 0.1},
    ),
}
VALIDATE_EVERY = 100


@dataclass(frozen=True)
class TextSize:
    """How much is trained and measured.

    Attributes:
        labels: numbers of labelled items.
        seeds: of labels, weights and noise.
        steps, batch_items: of each student.
        controls: names among `CONTROLS`.
    """

    labels: tuple[int, ...] = (600, 2000)
    seeds: tuple[int, ...] = (1, 2, 3)
    steps: int = 3000
    batch_items: int = 256
    controls: tuple[str, ...] = tuple(CONTROLS)


@dataclass(frozen=True)
class Student:
    """One training.

    Attributes:
        name: of its way of training, with the number of labels.
        config: its settings.
        taught: whether it has the teacher's vectors.
        path: weights file.
    """

    name: str
    config: MultiTaskConfig
    taught: bool
    path: Path


def students(size: TextSize, folder: Path, k_list: tuple[int, ...] | None = None) -> list[Student]:
    """All of a study, each seed's after those of the one before."""
    found = []
    for seed in size.seeds:
        for count in size.labels:
            common = MultiTaskConfig(
                labels=count, label_seed=seed, seed=seed, steps=size.steps, batch_items=size.batch_items
            )
            common = replace(common, k_list=k_list or common.k_list)
            ways: dict[str, dict[str, Any]] = {OURS: {}}
            for name in size.controls:
                own = {"tasks": (CLASSIFICATION,), "validate_every": VALIDATE_EVERY}
                ways[name] = own | CONTROLS[name][1]
            for name, changes in ways.items():
                path = folder / f"{name}_{count}_seed{seed}.safetensors"
                found.append(Student(f"{name}_{count}", replace(common, **changes), name == OURS, path))
    return found


def train(student: Student, data_set: str, vectors: Sequence[TeacherVectors], git: str) -> str:
    """Train what is not there, from where it was stopped; returns a word on it.

    Raises:
        SdrScError: it is there with other settings.
    """
    if student.path.is_file():
        found = {**as_json(asdict(MultiTaskConfig())), **weights.read_contract(student.path).training}
        wanted = as_json(asdict(student.config))
        other = [name for name, value in wanted.items() if found[name] != value]
        if other:
            raise SdrScError(
                f"{shown(student.path)} was trained with another {other[0]} ({found[other[0]]}, not "
                f"{wanted[other[0]]}); delete it, or give another --folder."
            )
        return "was there"
    prepared = prepare(student.config, data_set, vectors if student.taught else ())
    state = student.path.with_suffix(".state")
    if state.is_file():
        prepared.trainer.resume(state)
    prepared.trainer.run(checkpoint=state)
    ship(prepared.trainer, prepared.held_out, prepared.vectors, prepared.teacher, student.path, git)
    state.unlink(missing_ok=True)
    return "trained"


def train_job(student: Student, data_set: str, vectors: Sequence[TeacherVectors], git: str) -> str:
    """`train` in a process of its own, on one thread."""
    import torch

    torch.set_num_threads(1)
    return train(student, data_set, vectors, git)


def outcomes_job(student: Student, data_set: str, git: str) -> Outcomes:
    """What a student answers over the air, in a process of its own."""
    import torch

    torch.set_num_threads(1)
    return kept_outcomes(student.path, load_dataset(data_set, "test"), CONDITIONS, student.config.seed, git)


def study_of(size: TextSize) -> Study:
    """Schemes and comparisons, as `study_rows` takes them."""
    schemes, compared = [], []
    for count in size.labels:
        schemes.append(Scheme(f"{OURS}_{count}", f"ours, {count:,} labels", "prestored"))
        schemes += [
            Scheme(f"{name}_{count}", f"{CONTROLS[name][0]}, {count:,} labels", "labels") for name in size.controls
        ]
        rivals = tuple(f"{name}_{count}" for name in size.controls)
        goal = GAIN_POINTS if count == JUDGED_LABELS else None
        title = f"{count:,} labels: ours over the best cross entropy"
        compared.append(Comparison(title, (f"{OURS}_{count}",), rivals, CONDITIONS, goal))
    return Study("few-texts", "few labels of texts", (), tuple(schemes), tuple(compared))


def run_few_texts(
    size: TextSize, data_set: str, vectors: Sequence[TeacherVectors], folder: Path, workers: int,
    log: Callable[[str], None], judged: bool = True, k_list: tuple[int, ...] | None = None,
) -> StudyResult:  # fmt: skip
    """Train and measure what is not there, and compare.

    Args:
        vectors: files of the teacher's, of all parts of the data set.
        folder: where students and answers lie.
        judged: whether the goals are meant for it.
        k_list: of the students; None for the usual one.

    Raises:
        SdrScError: something is there that was made with other settings.
    """
    git, study, everyone = git_commit(), study_of(size), students(size, folder, k_list)

    def each(function: Callable[..., Any], chosen: Sequence[Student], arguments: tuple) -> dict[Student, Any]:
        found: dict[Student, Any] = {}

        def keep(student: Student, result: Any) -> None:
            found[student] = result
            log(f"{student.path.name}: {result if isinstance(result, str) else 'measured'}")

        if workers == 1:
            for student in chosen:
                keep(student, function(student, *arguments))
        else:
            run_jobs(function, chosen, arguments, workers, keep)
        return found

    each(train_job, everyone, (data_set, tuple(vectors), git))
    contracts = {(one.name, one.config.seed): weights.read_contract(one.path) for one in everyone}
    points = compared_at(study, contracts)
    measured = [one for one in everyone if one.name in points]
    found = {
        (one.name, one.config.seed): result for one, result in each(outcomes_job, measured, (data_set, git)).items()
    }
    rows = study_rows(study, found, contracts, judged)
    probed = {
        count: np.stack([probe_answers(count, seed, data_set, vectors) for seed in size.seeds]) for count in size.labels
    }
    return StudyResult([*rows, *_probe_rows(probed, found, judged), *_best_steps(contracts)], kept_answers(found))


def probe_answers(labels: int, seed: int, data_set: str, vectors: Sequence[TeacherVectors]) -> np.ndarray:
    """Which test items the teacher's probe answers correctly, fitted on the same labels: bool (items,)."""
    data, held_out, test = (load_dataset(data_set, part) for part in ("train", "validation", "test"))
    own, other, wanted = (vectors_for(part, part.split, vectors) for part in (data, held_out, test))
    config = MultiTaskConfig(labels=labels, label_seed=seed)
    probe = label_probe(data, data, own, held_out, other, CLASSIFICATION, config)
    return np.asarray(probe.answers(wanted) == test.targets(CLASSIFICATION, np.arange(len(test))))


def _probe_rows(probed: Mapping[int, np.ndarray], found: Mapping[tuple[str, int], Outcomes], judged: bool) -> list[Row]:
    rows = []
    for count, right in probed.items():
        own = [found[key] for key in sorted(found) if key[0] == f"{OURS}_{count}"]
        for condition in CONDITIONS:
            gain = paired_gain(np.stack([one[str(condition)] for one in own]), right)
            goal = -UNDER_PROBE_POINTS if judged and count == JUDGED_LABELS and condition == CONDITIONS[0] else None
            rows.append(
                gain.row(f"{count:,} labels: ours over the teacher's probe without a channel, {condition}", goal)
            )
        rows.append(accuracy_row(f"the teacher's probe, {count:,} labels, no channel", right))
    return rows


def _best_steps(contracts: Mapping[tuple[str, int], ModelContract]) -> list[Row]:
    """At which step each control was best on the validation part."""
    steps: dict[str, list[float]] = {}
    for (name, _), contract in contracts.items():
        if "best_step" in contract.training:
            steps.setdefault(name, []).append(float(contract.training["best_step"]))
    return [
        Row(f"{name}, best step, mean over the seeds", float(np.mean(found)), "", samples=tuple(found))
        for name, found in steps.items()
    ]
