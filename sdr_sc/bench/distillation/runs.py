# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of schemes x seeds, one process a core; what is there already is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.studies.schemes import Scheme
from sdr_sc.errors import SdrScError
from sdr_sc.results.pool import run_jobs
from sdr_sc.results.rows import git_commit
from sdr_sc.semantic import weights
from sdr_sc.semantic.contract import ModelContract

if TYPE_CHECKING:
    from sdr_sc.distill.targets.teacher_targets import Knowledge


@dataclass(frozen=True)
class Sources:
    """Where knowledge comes from; None for what is not at hand.

    Attributes:
        prestored, uncompressed: folders of ``sdr-sc prestore``.
        partial: the same of a teacher fitted on a part of the labels.
        every_view: float32 labels of each distinct view, which stand for the teacher in the loop: they are what it
            would say, asked once and not in every step.
        teacher: as `sdr_sc.distill.teachers.load.load_teacher` takes it.
    """

    prestored: Path | None = None
    uncompressed: Path | None = None
    teacher: str | None = None
    partial: Path | None = None
    every_view: Path | None = None

    def has(self, scheme: Scheme) -> bool:
        """Whether a scheme can be trained."""
        sources = {"labels": True, "teacher": self.every_view or self.teacher}
        return bool(sources.get(scheme.source, getattr(self, scheme.source, None)))

    def open(self, scheme: Scheme, data: ImageSet, config: DistillConfig) -> Knowledge:
        """The knowledge that a scheme is trained from."""
        from sdr_sc.distill.targets.teacher_targets import open_knowledge

        if scheme.source == "teacher":
            return open_knowledge(data, config, self.every_view, None if self.every_view else self.teacher)
        return open_knowledge(data, config, None if scheme.source == "labels" else getattr(self, scheme.source))


@dataclass(frozen=True)
class Run:
    """One training run."""

    scheme: Scheme
    seed: int
    epochs: int
    folder: Path

    @property
    def weights(self) -> Path:
        """Its weights file."""
        return self.folder / f"{self.scheme.name}_seed{self.seed}.safetensors"

    def contract(self) -> ModelContract:
        """The contract of its weights.

        Raises:
            SdrScError: it has not been trained.
        """
        if not self.weights.is_file():
            raise SdrScError(f"{self.weights} is missing; train it with 'sdr-sc bench distillation train'.")
        return weights.read_contract(self.weights)

    def is_done(self, config: DistillConfig, knowledge: str | None = None) -> bool:
        """Whether its weights are there.

        Args:
            config: the settings that it is to have.
            knowledge: name of the knowledge that it is to come from; None for any.

        Raises:
            SdrScError: they are there, but were trained with other settings or another's knowledge.
        """
        if not self.weights.is_file():
            return False
        # A setting that was not known yet has its default, which is what was done before.
        found, wanted = {**_plain(DistillConfig()), **self.contract().training}, _plain(config)
        other = [name for name, value in wanted.items() if found[name] != value]
        if other:
            raise SdrScError(
                f"{self.weights} was trained with another {other[0]} ({found[other[0]]}, not {wanted[other[0]]}); "
                "delete it, or give another folder."
            )
        if knowledge is not None and self.contract().teacher != knowledge:
            raise SdrScError(
                f"{self.weights} was trained with other knowledge ({self.contract().teacher}); delete it, or give "
                "another folder."
            )
        return True


def _plain(config: DistillConfig) -> dict[str, Any]:
    """Settings as JSON keeps them."""
    return json.loads(json.dumps(asdict(config)))


def train_all(runs: list[Run], sources: Sources, workers: int, on_done: Callable[[Run, str], None]) -> None:
    """Train what is missing, in the order given.

    Args:
        runs: all but those that the sources have nothing for.
        workers: processes.
        on_done: called with each run that ends, with a word on how.

    Raises:
        SdrScError: a run failed; those that were finished are kept, and the others go on from their checkpoints.
    """
    from sdr_sc.data import fashion_mnist

    data = fashion_mnist.load("train")
    wanted, names = [], {}
    for run in runs:
        config, source = run.scheme.config(run.seed, run.epochs, len(data)), run.scheme.source
        if source not in names:
            names[source] = sources.open(run.scheme, data, config).name if sources.has(run.scheme) else None
        if run.is_done(config, names[source]):
            on_done(run, "is there")
        elif not sources.has(run.scheme):
            on_done(run, f"not trained: no {run.scheme.source} knowledge is given")
        else:
            wanted.append(run)
    run_jobs(train_one, wanted, (sources, git_commit()), workers, on_done)


def train_one(run: Run, sources: Sources, git: str) -> str:
    """Train one run in this process unless it is there; returns a word on what happened."""
    import torch

    from sdr_sc.data import fashion_mnist

    torch.set_num_threads(1)
    data = fashion_mnist.load("train")
    config = run.scheme.config(run.seed, run.epochs, len(data))
    return train_student(run, data, config, sources.open(run.scheme, data, config), git)


def train_student(run: Run, data: ImageSet, config: DistillConfig, knowledge: Knowledge, git: str) -> str:
    """Train and ship one run unless it is there, from its checkpoint if there is one; returns a word on what happened.

    Raises:
        SdrScError: it is there, but was trained with other settings or another's knowledge.
    """
    from sdr_sc.distill.export.finish import ship
    from sdr_sc.distill.train import Trainer

    if run.is_done(config, knowledge.name):
        return "is there"
    checkpoint = run.weights.with_suffix(".checkpoint")
    trainer = Trainer(data, config, knowledge, checkpoint=checkpoint)
    trainer.run()
    ship(trainer, data, run.weights, git)
    checkpoint.unlink(missing_ok=True)
    return f"trained in {sum(report.seconds for report in trainer.history) / 60:.1f} min"
