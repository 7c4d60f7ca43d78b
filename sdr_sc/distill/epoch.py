# SPDX-License-Identifier: GPL-3.0-or-later
"""One epoch of training, end to end through the channel, with random SNR and every k.

An epoch is a function of the state before it, the data and the settings: all its randomness comes from the run's seed
and the epoch's number. So a resumed run equals an uninterrupted one, and the epochs of a run may be made by whoever has
the data: `train_epoch` takes a state and returns the next one, as a client of federated learning does in a round.
"""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from sdr_sc.data.dataset import Dataset
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.decisions import decision_optimiser
from sdr_sc.distill.muon import Muon
from sdr_sc.distill.objective import Objective
from sdr_sc.distill.split import split
from sdr_sc.distill.state import (
    TrainState,
    load_module,
    load_optimisers,
    module_arrays,
    optimiser_arrays,
)
from sdr_sc.distill.targets.teacher_targets import Batch, Knowledge, NoTeacher, training_policy
from sdr_sc.errors import SdrScError
from sdr_sc.semantic.modalities.base import modality_class, modality_of
from sdr_sc.semantic.networks.registry import check_items
from sdr_sc.semantic.specs import ModalitySpec, TaskSpec
from sdr_sc.semantic.tasks.base import Task, task_of

_UNKNOWN = -1
_NO_WORK: Callable[[], None] = lambda: None  # noqa: E731


@dataclass(frozen=True)
class EpochReport:
    """What an epoch gave.

    Attributes:
        losses: mean of each term of the loss, by name, weighted as it counts; and their sum, ``loss``.
        accuracy: share of right answers on training views, mean over all k and SNR.
        seconds: what the epoch took.
        items: that were learned from: the weight of this epoch where states of several are averaged.
    """

    epoch: int
    epochs: int
    losses: dict[str, float]
    accuracy: float
    seconds: float
    items: int


@dataclass
class _Sums:
    """Over an epoch; tensors, so that no step waits for a figure."""

    losses: dict[str, Tensor] = field(default_factory=dict)
    answers: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def add(self, losses: dict[str, Tensor], answers: Tensor, labels: Tensor) -> None:
        for name, value in losses.items():
            self.losses[name] = self.losses.get(name, torch.zeros(())) + value.detach()
        self.answers.append((answers.int(), labels.int().expand_as(answers)))

    def accuracy(self, task: Task) -> float:
        """Share of right answers, of all steps."""
        answers, labels = (torch.cat(parts, dim=1).cpu().numpy().ravel() for parts in zip(*self.answers, strict=True))
        return float(np.count_nonzero(task.right(answers, labels)) / len(answers))


class Learner:
    """Networks, optimisers and data of a run, between two epochs.

    Args:
        data: the training set.
        config: the settings.
        knowledge: where views and soft labels come from; None for the labels alone.
        device: where to train; None for the CPU.
        state: to go on from; None for new weights, drawn with the run's seed.

    Attributes:
        epoch, epochs: done, and of the whole run with its decision epochs.
        objective, average: what is trained, and the running mean of its student, which is what ships.
        modality, task, task_spec: of the items, and what is learned of them, as the contract will have them.
        steps_per_epoch, steps: batches of an epoch, and of the whole run.

    Raises:
        SdrScError: the knowledge lacks what the settings need, the student does not take such items, or the state is of
            other networks.
    """

    def __init__(
        self,
        data: Dataset,
        config: DistillConfig,
        knowledge: Knowledge | None = None,
        device: torch.device | None = None,
        state: TrainState | None = None,
    ) -> None:
        self.config, self.data_sha256 = config, data.sha256
        self.knowledge = knowledge or NoTeacher(training_policy(config), data.modality)
        self.device = device or torch.device("cpu")
        wanted = check_items(config.encoder, data.item_shape)
        if wanted:
            raise SdrScError(
                f"the data set has items of shape {data.item_shape} where the student takes {wanted}; resize them."
            )
        _check_knowledge(config, self.knowledge)
        parts = split(data, config, self.knowledge.known_items, self.knowledge.knows_classes)
        self.items = parts.training
        epoch_items = config.epoch_items or len(self.items)
        if epoch_items < config.batch_items:
            raise SdrScError(
                f"{epoch_items} training items do not fill one batch of {config.batch_items}; use fewer --batch-items."
            )
        everything = np.arange(len(data))
        items = data.items(everything)
        self.task = task_of(config.task)
        targets = data.targets(config.task, everything)
        self.images, self.labels = torch.tensor(items), torch.tensor(np.asarray(targets, np.int64))
        self.labels[parts.unlabelled] = _UNKNOWN  # so that no use of them can go unseen
        self.has_unlabelled = len(parts.unlabelled) > 0
        shape = tuple(items.shape[1:])
        if state is None:
            spec = ModalitySpec(data.modality, shape, modality_class(data.modality).parameters_of(items[self.items]))
        elif (state.modality.name, tuple(state.modality.shape)) != (data.modality, shape):
            raise SdrScError(
                f"the training state is of {state.modality.name}s of shape {tuple(state.modality.shape)}, the data set "
                f"of {data.modality}s of shape {shape}; give data of that kind."
            )
        else:
            spec = state.modality
        self.modality = modality_of(spec)
        self.task_spec = TaskSpec(config.task, tuple(data.names(config.task)))
        self.mixed_precision = mixed_precision(config.precision, self.device)
        with torch.random.fork_rng(devices=[]):  # the caller's own draws go on as if nothing had been drawn here
            torch.manual_seed(config.seed)
            objective = Objective(
                config,
                self.task.outputs(self.task_spec),
                self.knowledge.feature_dim,
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
        self.steps_per_epoch = epoch_items // config.batch_items
        self.epochs = config.epochs + config.decision_epochs
        self.steps = self.epochs * self.steps_per_epoch
        self.epoch = 0
        self._use(self._make_optimisers(), config.epochs)
        if state is not None:
            self.load(state)

    def state(self) -> TrainState:
        """The state as it is now, in arrays of its own."""
        return TrainState(
            self.epoch,
            self.modality.spec,
            module_arrays(self.objective),
            module_arrays(self.average),
            optimiser_arrays(self.optimisers, self.objective),
        )

    def load(self, state: TrainState) -> None:
        """Go on from a state of the same networks and modality; only before the first epoch.

        Raises:
            SdrScError: it is of others.
        """
        if state.epoch > self.epochs:
            raise SdrScError(f"the training state is of epoch {state.epoch} of {self.epochs}; give more epochs.")
        if state.epoch > self.config.epochs:
            self.begin_decisions()
        self.epoch = state.epoch
        load_module(self.objective, state.weights, "weights")
        load_module(self.average, state.average, "averaged weights")
        load_optimisers(self.optimisers, self.objective, state.optimisers)
        steps = (self.epoch - (self.config.epochs if self.objective.deciding else 0)) * self.steps_per_epoch
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that the optimiser has made no step
            for schedule in self.schedules if steps else []:
                schedule.last_epoch = steps - 1  # each rate is a function of the number of steps
                schedule.step()

    def _make_optimisers(self) -> list[torch.optim.Optimizer]:
        """Muon for the inner matrices; AdamW for what the networks name, and all that is no matrix."""
        student = self.objective.student
        others = {*student.encoder.adamw_modules(), *student.decoder.adamw_modules()}
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
        optimiser = decision_optimiser(self.objective.student, self.objective.bottleneck)
        self._use([optimiser], self.config.decision_epochs)

    def run_epoch(self, on_step: Callable[[], None] = _NO_WORK) -> EpochReport:
        """Train for the next epoch.

        Args:
            on_step: called after each step.

        Raises:
            SdrScError: the run's last epoch is done, or the loss is no longer a number.
        """
        if self.epoch >= self.epochs:
            raise SdrScError(f"all {self.epochs} epochs of this run are done; give more epochs.")
        if self.epoch == self.config.epochs:
            self.begin_decisions()
        start, sums = time.perf_counter(), _Sums()
        self._run_steps(self.steps_per_epoch, sums, on_step)
        losses = {name: value.item() / self.steps_per_epoch for name, value in sums.losses.items()}
        if not math.isfinite(losses["loss"]):
            raise SdrScError(f"the loss is {losses['loss']} in epoch {self.epoch + 1}; lower the learning rate.")
        self.epoch += 1
        items = self.steps_per_epoch * self.config.batch_items
        seconds = time.perf_counter() - start
        return EpochReport(self.epoch, self.epochs, losses, sums.accuracy(self.task), seconds, items)

    def run_steps(self, steps: int) -> None:
        """Train for the first steps of an epoch and no more, to see how long they take; the rate stays as it is."""
        self._run_steps(steps, _Sums(), _NO_WORK, keep_rate=True)

    def _run_steps(self, steps: int, sums: _Sums, on_step: Callable[[], None], keep_rate: bool = False) -> None:
        self.objective.train()
        seeds = np.random.SeedSequence((self.config.seed, self.epoch)).spawn(3)
        rng = np.random.default_rng(seeds[0])
        generator = torch.Generator(self.device).manual_seed(int(seeds[1].generate_state(1)[0]))
        order = self._order(rng)
        cuda = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):
            # A network's own draws, as for dropout, come from torch's global generator.
            torch.manual_seed(int(seeds[2].generate_state(1)[0]))
            for step in range(steps):
                chosen = order[step * self.config.batch_items : (step + 1) * self.config.batch_items]
                batch = self.knowledge.batch(self.images[chosen], chosen, rng)
                labels = self.labels[chosen]
                if self.has_unlabelled:
                    assert batch.log_probabilities is not None
                    labels = torch.where(labels == _UNKNOWN, batch.log_probabilities.argmax(1), labels)
                self._step(batch, labels.to(self.device), generator, sums)
                if not keep_rate:
                    for schedule in self.schedules:
                        schedule.step()
                on_step()

    def _order(self, rng: np.random.Generator) -> np.ndarray:
        """Items of an epoch, int64 (`DistillConfig.epoch_items` or each once,)."""
        wanted = self.config.epoch_items or len(self.items)
        rounds = [rng.permutation(self.items) for _ in range(-(-wanted // len(self.items)))]
        return np.concatenate(rounds)[:wanted]

    def _step(self, batch: Batch, labels: Tensor, generator: torch.Generator, sums: _Sums) -> None:
        losses, answers = self.objective.losses(batch, labels, generator)
        self.objective.zero_grad(set_to_none=True)
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(self.objective.parameters(), 5.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self._update_average()
        sums.add(losses, answers, labels)

    @torch.no_grad()
    def _update_average(self) -> None:
        taken = self.schedules[0].last_epoch
        decay = min(self.config.ema_decay, (1.0 + taken) / (10.0 + taken))
        means, values = self.average.state_dict().values(), self.objective.student.state_dict().values()
        floats = [(m, v) for m, v in zip(means, values, strict=True) if m.is_floating_point()]
        torch._foreach_lerp_([m for m, _ in floats], [v for _, v in floats], 1.0 - decay)


def new_state(
    data: Dataset, config: DistillConfig, knowledge: Knowledge | None = None, device: torch.device | None = None
) -> TrainState:
    """The state before the first epoch: weights drawn with the run's seed, the modality's parameters from the data.

    Args, Raises: as for `Learner`.
    """
    return Learner(data, config, knowledge, device).state()


def train_epoch(
    state: TrainState,
    data: Dataset,
    config: DistillConfig,
    knowledge: Knowledge | None = None,
    device: torch.device | None = None,
    on_step: Callable[[], None] = _NO_WORK,
) -> tuple[TrainState, EpochReport]:
    """One epoch, from a state to the next; the given state is left as it is.

    Args:
        state: of `new_state`, of an earlier epoch, or the mean of several.
        data, config, knowledge, device: as for `Learner`; they need not be those of earlier epochs, as long as the
            networks are the same.
        on_step: called after each step.

    Raises:
        SdrScError: as `Learner` and `Learner.run_epoch` do.
    """
    learner = Learner(data, config, knowledge, device, state)
    report = learner.run_epoch(on_step)
    return learner.state(), report


def _check_knowledge(config: DistillConfig, knowledge: Knowledge) -> None:
    if config.labelled_items and not knowledge.knows_classes:
        raise SdrScError("items without labels can only be learned from a teacher; set labelled_items to 0.")
    if config.soft_weight > 0 and not knowledge.knows_classes:
        raise SdrScError("soft labels are to be learned, but there is no teacher; set their weight to 0.")
    if config.feature_weight > 0 and not knowledge.feature_dim:
        raise SdrScError(
            "the teacher's features are to be learned, but no principal components of them are stored; set their "
            "weight to 0, or pre-store them with 'sdr-sc prestore --features pca16x4'."
        )


def mixed_precision(precision: str, device: torch.device) -> bool:
    """Whether the convolutions run in bfloat16: as asked, or on 'auto' where the device has matrix units for it."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_amx_tile_supported()
