# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of student encoder and decoder, end to end through the channel, with random SNR and every k.

All randomness of an epoch comes from the run's seed and the epoch's number, so that a resumed run equals an
uninterrupted one.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sdr_sc.data.dataset import CLASSIFICATION, Dataset
from sdr_sc.distill.checkpoint import read_checkpoint, write_checkpoint
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.decisions import decision_optimiser
from sdr_sc.distill.muon import Muon
from sdr_sc.distill.objective import Objective, Student
from sdr_sc.distill.split import split
from sdr_sc.distill.targets.teacher_targets import Batch, Knowledge
from sdr_sc.errors import SdrScError
from sdr_sc.semantic.modalities.base import modality_class, modality_of
from sdr_sc.semantic.networks.registry import check_items
from sdr_sc.semantic.specs import ModalitySpec, TaskSpec
from sdr_sc.semantic.tasks.base import task_of

CHECKPOINT_VERSION = 2
_UNKNOWN = -1


@dataclass(frozen=True)
class EpochReport:
    """What an epoch gave.

    Attributes:
        losses: mean of each term of the loss, by name, weighted as it counts; and their sum, ``loss``.
        accuracy: on training views, mean over all k and SNR.
        seconds: what the epoch took.
    """

    epoch: int
    epochs: int
    losses: dict[str, float]
    accuracy: float
    seconds: float


@dataclass
class _Sums:
    """Running sums over an epoch; tensors, so that no step waits for a figure."""

    losses: dict[str, Tensor] = field(default_factory=dict)
    correct: Tensor = field(default_factory=lambda: torch.zeros(()))

    def add(self, losses: dict[str, Tensor], correct: Tensor) -> None:
        for name, value in losses.items():
            self.losses[name] = self.losses.get(name, torch.zeros(())) + value.detach()
        self.correct = self.correct + correct


class Trainer:
    """Holds the state of a run; `run` goes from where the checkpoint stands to the end.

    Args:
        data: the training set.
        config: the settings.
        knowledge: where views and soft labels come from.
        device: where to train.
        checkpoint: file that is written after every epoch, and read first if it exists; None for no checkpoints.

    Attributes:
        epoch: epochs done.
        history: reports of all epochs done.
        modality, task, task_spec: of the items, and what is learned of them, as the contract will have them.

    Raises:
        SdrScError: the checkpoint is damaged or belongs to other settings, the knowledge lacks what the settings need,
            or the student does not take images of this shape.
    """

    def __init__(
        self,
        data: Dataset,
        config: DistillConfig,
        knowledge: Knowledge,
        device: torch.device | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        self.config, self.knowledge, self.checkpoint = config, knowledge, checkpoint
        self.device = device or torch.device("cpu")
        self.data_sha256 = data.sha256
        wanted = check_items(config.encoder, data.item_shape)
        if wanted:
            raise SdrScError(
                f"the data set has items of shape {data.item_shape} where the student takes {wanted}; resize them."
            )
        self._check_knowledge()
        parts = split(data, config, knowledge.known_items)
        self.items = parts.training
        if len(self.items) < config.batch_items:
            raise SdrScError(
                f"{len(self.items)} training items do not fill one batch of {config.batch_items}; "
                "use fewer --batch-items."
            )
        everything = np.arange(len(data))
        items = data.items(everything)
        self.task = task_of(config.task)
        targets = data.targets(config.task, everything)
        self.images, self.labels = torch.tensor(items), torch.tensor(np.asarray(targets, np.int64))
        self.labels[parts.unlabelled] = _UNKNOWN  # so that no use of them can go unseen
        parameters = modality_class(data.modality).parameters_of(items[self.items])
        self.modality = modality_of(ModalitySpec(data.modality, tuple(items.shape[1:]), parameters))
        self.task_spec = TaskSpec(config.task, tuple(data.names(config.task)))
        self.mixed_precision = mixed_precision(config.precision, self.device)
        torch.manual_seed(config.seed)
        objective = Objective(
            config,
            self.task.outputs(self.task_spec),
            knowledge.feature_dim,
            self.modality,
            self.mixed_precision,
            self.task,
        )
        self.objective = objective.to(self.device, memory_format=torch.channels_last)
        if config.feature_weight > 0 and not objective.student.encoder.width:
            raise SdrScError(
                f"the teacher's features are to be learned, but the encoder {config.encoder} has no pooled vector; "
                "give --feature-weight 0, or the class width, pooled and from_pooled."
            )
        self.average = copy.deepcopy(objective.student)
        self.steps_per_epoch = len(self.items) // config.batch_items
        self.epochs = config.epochs + config.decision_epochs
        self.steps = self.epochs * self.steps_per_epoch
        self._use(self._make_optimisers(), config.epochs)
        self.epoch = 0
        self.history: list[EpochReport] = []
        if checkpoint is not None and checkpoint.exists():
            self._load(checkpoint)

    def _check_knowledge(self) -> None:
        if self.config.labelled_items and not self.knowledge.knows_classes:
            raise SdrScError("items without labels can only be learned from a teacher; set labelled_items to 0.")
        if self.config.soft_weight > 0 and not self.knowledge.knows_classes:
            raise SdrScError("soft labels are to be learned, but there is no teacher; set their weight to 0.")
        if self.config.feature_weight > 0 and not self.knowledge.feature_dim:
            raise SdrScError(
                "the teacher's features are to be learned, but no principal components of them are stored; set their "
                "weight to 0, or pre-store them with 'sdr-sc prestore --features pca16x4'."
            )

    def _make_optimisers(self) -> list[torch.optim.Optimizer]:
        """Muon for the inner matrices; AdamW for the first and the last layer, FiLM's, and all that is no matrix."""
        student = self.objective.student
        others = {*student.encoder.adamw_modules(), student.decoder.logits, *student.decoder.film.modules()}
        layers = [m for m in student.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        inner = [m.weight for m in layers if m not in others]
        taken = {id(p) for p in inner}
        rest = [p for p in self.objective.parameters() if id(p) not in taken]
        adamw = torch.optim.AdamW(rest, lr=self.config.learning_rate, weight_decay=0.0, fused=True)
        return [Muon(inner, lr=self.config.muon_learning_rate), adamw] if inner else [adamw]

    def _use(self, optimisers: list[torch.optim.Optimizer], epochs: int) -> None:
        """Optimisers for so many epochs, each with its rate rising and falling once."""
        self.optimisers = optimisers
        self.schedules = [
            torch.optim.lr_scheduler.OneCycleLR(
                optimiser,
                optimiser.param_groups[0]["lr"],
                total_steps=epochs * self.steps_per_epoch,
                pct_start=0.15,
                cycle_momentum=False,
            )
            for optimiser in optimisers
        ]

    def begin_decisions(self) -> None:
        """Go over to the decision epochs, from the averaged weights."""
        self.objective.student.load_state_dict(self.average.state_dict())
        self.objective.deciding = True
        self._use([decision_optimiser(self.objective.student)], self.config.decision_epochs)

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
            if self.epoch == self.config.epochs:
                self.begin_decisions()
            report = self._run_epoch(on_step)
            self.epoch += 1
            self.history.append(report)
            if self.checkpoint is not None:
                self._save(self.checkpoint)
            on_epoch(report)
        return self.average.eval()

    def run_steps(self, steps: int) -> None:
        """Train for the first steps of an epoch and no more, to see how long they take; the rate stays as it is."""
        self._run_steps(steps, _Sums(), lambda: None, keep_rate=True)

    def _run_steps(self, steps: int, sums: _Sums, on_step: Callable[[], None], keep_rate: bool = False) -> None:
        self.objective.train()
        seeds = np.random.SeedSequence((self.config.seed, self.epoch)).spawn(2)
        rng = np.random.default_rng(seeds[0])
        generator = torch.Generator(self.device).manual_seed(int(seeds[1].generate_state(1)[0]))
        order = rng.permutation(self.items)
        for step in range(steps):
            chosen = order[step * self.config.batch_items : (step + 1) * self.config.batch_items]
            batch = self.knowledge.batch(self.images[chosen], chosen, rng)
            labels = self.labels[chosen]
            if self.config.labelled_items:
                assert batch.log_probabilities is not None
                labels = torch.where(labels == _UNKNOWN, batch.log_probabilities.argmax(1), labels)
            self._step(batch, labels.to(self.device), generator, sums)
            if not keep_rate:
                for schedule in self.schedules:
                    schedule.step()
            on_step()

    def _run_epoch(self, on_step: Callable[[], None]) -> EpochReport:
        start, sums = time.perf_counter(), _Sums()
        self._run_steps(self.steps_per_epoch, sums, on_step)
        losses = {name: value.item() / self.steps_per_epoch for name, value in sums.losses.items()}
        if not math.isfinite(losses["loss"]):
            raise SdrScError(f"the loss is {losses['loss']} in epoch {self.epoch + 1}; lower the learning rate.")
        seen = self.steps_per_epoch * self.config.batch_items * len(self.config.k_list)
        seconds = time.perf_counter() - start
        return EpochReport(self.epoch + 1, self.epochs, losses, sums.correct.item() / seen, seconds)

    def _step(self, batch: Batch, labels: Tensor, generator: torch.Generator, sums: _Sums) -> None:
        losses, correct = self.objective.losses(batch, labels, generator)
        self.objective.zero_grad(set_to_none=True)
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(self.objective.parameters(), 5.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self._update_average()
        sums.add(losses, correct)

    @torch.no_grad()
    def _update_average(self) -> None:
        taken = self.schedules[0].last_epoch
        decay = min(self.config.ema_decay, (1.0 + taken) / (10.0 + taken))
        means, values = self.average.state_dict().values(), self.objective.student.state_dict().values()
        floats = [(m, v) for m, v in zip(means, values, strict=True) if m.is_floating_point()]
        torch._foreach_lerp_([m for m, _ in floats], [v for _, v in floats], 1.0 - decay)

    def _save(self, path: Path) -> None:
        state = {
            "version": CHECKPOINT_VERSION,
            "config": asdict(self.config),
            "knowledge": self.knowledge.name,
            "data": self.data_sha256,
            "mixed_precision": self.mixed_precision,
            "epoch": self.epoch,
            "history": [asdict(report) for report in self.history],
            "objective": self.objective.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "schedules": [schedule.state_dict() for schedule in self.schedules],
        }
        write_checkpoint(state, path)

    def _load(self, path: Path) -> None:
        state = read_checkpoint(path, self.device)
        belongs = [state.get(name) for name in ("version", "config", "knowledge", "data", "mixed_precision")]
        if isinstance(belongs[1], dict):
            belongs[1] = {"encoder": "dense", "task": CLASSIFICATION, **belongs[1]}  # older checkpoints know no other
        here = [CHECKPOINT_VERSION, asdict(self.config), self.knowledge.name, self.data_sha256, self.mixed_precision]
        if belongs != here:
            raise SdrScError(
                f"checkpoint {path} belongs to other settings or knowledge; give those, or delete it to start again."
            )
        if state["epoch"] > self.config.epochs:
            self.begin_decisions()
        self.objective.load_state_dict(state["objective"])
        self.average.load_state_dict(state["average"])
        for name, parts in (("optimisers", self.optimisers), ("schedules", self.schedules)):
            for part, saved in zip(parts, state[name], strict=True):
                part.load_state_dict(saved)
        self.history = [EpochReport(**report) for report in state["history"]]
        self.epoch = state["epoch"]


def mixed_precision(precision: str, device: torch.device) -> bool:
    """Whether the convolutions run in bfloat16: as asked, or on 'auto' where the device has matrix units for it."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_amx_tile_supported()
