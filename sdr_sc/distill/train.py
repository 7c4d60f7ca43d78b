# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole training run: one epoch after another, each kept in a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sdr_sc.data.dataset import Dataset
from sdr_sc.distill.checkpoint import as_json, read_checkpoint, write_checkpoint
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.epoch import EpochReport, Learner
from sdr_sc.distill.objective import Student
from sdr_sc.distill.state import TrainState
from sdr_sc.distill.targets.teacher_targets import Knowledge
from sdr_sc.errors import SdrScError
from sdr_sc.shown import shown

CHECKPOINT_VERSION = 4


class Trainer(Learner):
    """A run from where its checkpoint or its state stands to the end.

    Args:
        checkpoint: file that is written after every epoch, and read first if it exists; None for no checkpoints.
        data, config, knowledge, device, state: as for `Learner`.

    Attributes:
        history: reports of all epochs done, as far as they are known.

    Raises:
        SdrScError: the checkpoint is damaged or belongs to other settings, or as for `Learner`.
    """

    def __init__(
        self,
        data: Dataset,
        config: DistillConfig,
        knowledge: Knowledge | None = None,
        device: torch.device | None = None,
        checkpoint: Path | None = None,
        state: TrainState | None = None,
    ) -> None:
        super().__init__(data, config, knowledge, device, state)
        self.checkpoint = checkpoint
        self.history: list[EpochReport] = []
        if checkpoint is not None and checkpoint.exists():
            self._resume(checkpoint)

    def run(
        self,
        on_epoch: Callable[[EpochReport], None] = lambda report: None,
        on_step: Callable[[], None] = lambda: None,
    ) -> Student:
        """Train to the last epoch; returns the averaged model in evaluation mode.

        Raises:
            SdrScError: the loss is no longer a number.
        """
        while self.epoch < self.epochs:
            report = self.run_epoch(on_step)
            self.history.append(report)
            if self.checkpoint is not None:
                about = {**self._belongs(), "history": [asdict(one) for one in self.history]}
                write_checkpoint(self.checkpoint, self.state().to_arrays(), about)
            on_epoch(report)
        return self.average.eval()

    def _belongs(self) -> dict[str, Any]:
        """By what a checkpoint is known to be of this run."""
        return as_json(
            {
                "version": CHECKPOINT_VERSION,
                "config": asdict(self.config),
                "knowledge": self.knowledge.name,
                "data": self.data_sha256,
                "mixed_precision": self.mixed_precision,
            }
        )

    def _resume(self, path: Path) -> None:
        arrays, about = read_checkpoint(path)
        history = about.pop("history", None)
        if about != self._belongs():
            raise SdrScError(
                f"checkpoint {shown(path)} belongs to other settings or knowledge; give those, or delete it to start "
                "again."
            )
        try:
            self.history = [EpochReport(**report) for report in history or []]
        except TypeError:
            raise SdrScError(f"checkpoint {shown(path)} holds no epochs; delete it to start again.") from None
        self.load(TrainState.from_arrays(arrays))
