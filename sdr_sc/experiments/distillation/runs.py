# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of schemes x seeds, one process a core; what is there already is left alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

from sdr_sc.distill.config import DistillConfig
from sdr_sc.errors import SdrScError
from sdr_sc.experiments.distillation.schemes import Scheme
from sdr_sc.semantic import weights
from sdr_sc.semantic.contract import ModelContract


@dataclass(frozen=True)
class Sources:
    """Where knowledge comes from; None for what is not at hand.

    Attributes:
        prestored, uncompressed: folders of ``sdr-sc prestore``.
        teacher: as `sdr_sc.distill.teacher.load_teacher` takes it.
    """

    prestored: Path | None = None
    uncompressed: Path | None = None
    teacher: str | None = None

    def has(self, scheme: Scheme) -> bool:
        """Whether a scheme can be trained."""
        return scheme.source == "labels" or getattr(self, scheme.source) is not None


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

    def is_done(self, config: DistillConfig) -> bool:
        """Whether its weights are there.

        Raises:
            SdrScError: they are there, but were trained with other settings.
        """
        if not self.weights.is_file():
            return False
        found, wanted = self.contract().training, json.loads(json.dumps(asdict(config)))
        other = [name for name, value in wanted.items() if found.get(name) != value]
        if other:
            raise SdrScError(
                f"{self.weights} was trained with another {other[0]} ({found.get(other[0])}, not {wanted[other[0]]}); "
                "delete it, or give another folder."
            )
        return True


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let the processes that are started within have one thread each: small networks gain nothing by more."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def train_all(runs: list[Run], sources: Sources, workers: int, on_done: Callable[[Run, str], None]) -> None:
    """Train what is missing, in the order given.

    Args:
        runs: all but those that the sources have nothing for.
        workers: processes.
        on_done: told of each run that ends, with a word on how.

    Raises:
        SdrScError: a run failed; those that were finished are kept, and the others go on from their checkpoints.
    """
    with one_thread_each(), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures: dict[Future, Run] = {}
        for run in runs:
            if sources.has(run.scheme):
                futures[pool.submit(train_one, run, sources)] = run
            else:
                on_done(run, f"not trained: no {run.scheme.source} knowledge is given")
        try:
            for future in as_completed(futures):
                on_done(futures[future], future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def train_one(run: Run, sources: Sources) -> str:
    """Train one run in this process unless it is there; returns a word on what happened."""
    import torch

    from sdr_sc.data import fashion_mnist
    from sdr_sc.distill.finish import ship
    from sdr_sc.distill.train import Trainer
    from sdr_sc.experiments.measurements import git_commit

    torch.set_num_threads(1)
    data = fashion_mnist.load("train")
    config = run.scheme.config(run.seed, run.epochs, len(data))
    if run.is_done(config):
        return "is there"
    from sdr_sc.distill.knowledge import open_knowledge

    stored = sources.prestored if run.scheme.source == "prestored" else sources.uncompressed
    knowledge = open_knowledge(
        data,
        config,
        prestored=stored if run.scheme.source in ("prestored", "uncompressed") else None,
        teacher=sources.teacher if run.scheme.source == "teacher" else None,
    )
    checkpoint = run.weights.with_suffix(".checkpoint")
    trainer = Trainer(data, config, knowledge, checkpoint=checkpoint)
    trainer.run()
    ship(trainer, data, run.weights, git_commit())
    checkpoint.unlink(missing_ok=True)
    return f"trained in {sum(report.seconds for report in trainer.history) / 60:.1f} min"
