# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of student encoder and decoder, end to end through the channel, with random SNR and every k.

All randomness of an epoch comes from the run's seed and the epoch's number, so that a resumed run equals an
uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sdr_sc.data.fashion_mnist import ImageSet
from sdr_sc.distill.channel import lmmse_channel
from sdr_sc.distill.checkpoint import write_checkpoint
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.knowledge import Batch, Knowledge
from sdr_sc.distill.split import split
from sdr_sc.errors import SdrScError
from sdr_sc.phy.channels import power_gains
from sdr_sc.phy.numerology import Numerology
from sdr_sc.semantic.losses import Bottleneck, feature_loss, label_loss, soft_label_loss
from sdr_sc.semantic.student import SNR_CENTRE_DB, StudentDecoder, StudentEncoder, normalise_prefixes

CHECKPOINT_VERSION = 2
BANK_CHANNELS = 2000


class Student(nn.Module):
    """Encoder and decoder together, as they are trained."""

    def __init__(self, config: DistillConfig, n_classes: int) -> None:
        super().__init__()
        self.encoder = StudentEncoder(config.k_list[-1])
        self.decoder = StudentDecoder(n_classes, config.k_list[-1], config.decoder_width)


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
        mean, std: normalisation of images scaled to 0..1.

    Raises:
        SdrScError: the checkpoint is damaged or belongs to other settings, or the knowledge lacks what the settings
            need.
    """

    def __init__(
        self,
        data: ImageSet,
        config: DistillConfig,
        knowledge: Knowledge,
        device: torch.device | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        self.config, self.knowledge, self.checkpoint = config, knowledge, checkpoint
        self.device = device or torch.device("cpu")
        self._check_knowledge()
        self.items = split(data, config).training
        if len(self.items) < config.batch_items:
            raise SdrScError(f"{len(self.items)} training items do not fill one batch of {config.batch_items}.")
        self.images, self.labels = torch.tensor(data.images), torch.tensor(data.labels)
        used = data.images[self.items] / np.float32(255)
        self.mean, self.std = float(used.mean()), float(used.std())
        torch.manual_seed(config.seed)
        n_classes = len(data.class_names)
        self.model = Student(config, n_classes).to(self.device, memory_format=torch.channels_last)
        self.average = Student(config, n_classes).to(self.device, memory_format=torch.channels_last)
        self.average.load_state_dict(self.model.state_dict())
        self.bottleneck = Bottleneck(n_classes, config.k_list).to(self.device)
        self.feature_head = nn.Linear(self.model.encoder.width, max(1, knowledge.feature_dim)).to(self.device)
        self.bank: Tensor | None = None
        if config.channel:
            gains = power_gains(config.channel, Numerology(), BANK_CHANNELS, config.seed)
            self.bank = torch.from_numpy(gains).to(self.device)
        self._parts = nn.ModuleList([self.model, self.bottleneck, self.feature_head])
        self.optimiser = torch.optim.AdamW(self._groups(), lr=config.learning_rate, fused=True)
        self.steps_per_epoch = len(self.items) // config.batch_items
        self.steps = config.epochs * self.steps_per_epoch
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, config.learning_rate, total_steps=self.steps, pct_start=0.15
        )
        self.epoch = 0
        self.history: list[EpochReport] = []
        self.mixed_precision = mixed_precision(config.precision, self.device)
        if checkpoint is not None and checkpoint.exists():
            self._load(checkpoint)

    def _check_knowledge(self) -> None:
        if self.config.soft_weight > 0 and not self.knowledge.knows_classes:
            raise SdrScError("soft labels are to be learned, but there is no teacher; set their weight to 0.")
        if self.config.feature_weight > 0 and not self.knowledge.feature_dim:
            raise SdrScError(
                "the teacher's features are to be learned, but none are stored; set their weight to 0, or pre-store "
                "them with 'sdr-sc prestore --features'."
            )

    def _groups(self) -> list[dict]:
        decayed = [p for p in self.model.parameters() if p.ndim > 1] + [self.feature_head.weight]
        kept = {id(p) for p in decayed}
        others = [p for p in self._parts.parameters() if id(p) not in kept]
        return [{"params": decayed, "weight_decay": self.config.weight_decay}, {"params": others, "weight_decay": 0.0}]

    def run(
        self,
        on_epoch: Callable[[EpochReport], None] = lambda report: None,
        on_step: Callable[[], None] = lambda: None,
    ) -> Student:
        """Train to the last epoch; returns the averaged model in evaluation mode.

        Raises:
            SdrScError: the loss is no longer a number.
        """
        while self.epoch < self.config.epochs:
            report = self._run_epoch(on_step)
            self.epoch += 1
            self.history.append(report)
            if self.checkpoint is not None:
                self._save(self.checkpoint)
            on_epoch(report)
        return self.average.eval()

    def _run_epoch(self, on_step: Callable[[], None]) -> EpochReport:
        import time

        start = time.perf_counter()
        self.model.train()
        seeds = np.random.SeedSequence((self.config.seed, self.epoch)).spawn(2)
        rng = np.random.default_rng(seeds[0])
        generator = torch.Generator(self.device).manual_seed(int(seeds[1].generate_state(1)[0]))
        order = rng.permutation(self.items)
        sums = _Sums()
        for step in range(self.steps_per_epoch):
            chosen = order[step * self.config.batch_items : (step + 1) * self.config.batch_items]
            batch = self.knowledge.batch(self.images[chosen], chosen, rng)
            self._step(batch, self.labels[chosen].to(self.device), generator, sums)
            on_step()
        losses = {name: value.item() / self.steps_per_epoch for name, value in sums.losses.items()}
        if not math.isfinite(losses["loss"]):
            raise SdrScError(f"the loss is {losses['loss']} in epoch {self.epoch + 1}; lower the learning rate.")
        seen = self.steps_per_epoch * self.config.batch_items * len(self.config.k_list)
        seconds = time.perf_counter() - start
        return EpochReport(self.epoch + 1, self.config.epochs, losses, sums.correct.item() / seen, seconds)

    def _step(self, batch: Batch, labels: Tensor, generator: torch.Generator, sums: _Sums) -> None:
        losses, correct = self._losses(batch, labels, generator)
        self.optimiser.zero_grad(set_to_none=True)
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(self._parts.parameters(), 5.0)
        self.optimiser.step()
        self.schedule.step()
        self._update_average()
        sums.add(losses, correct)

    def _losses(self, batch: Batch, labels: Tensor, generator: torch.Generator) -> tuple[dict[str, Tensor], Tensor]:
        """Terms of the loss, and how many answers are right. One SNR an item for all k: the encoder runs once."""
        config = self.config
        images = ((batch.images.to(self.device).float() / 255.0 - self.mean) / self.std).unsqueeze(1)
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed_precision):
            pooled = self.model.encoder.pooled(images)
        pooled = pooled.float()
        snr_db = self._draw_snr_db(len(images), generator)
        symbols = self.model.encoder.from_pooled(pooled, self._told(snr_db, config.feedback_error_db, generator))
        sent = normalise_prefixes(symbols, config.k_list)
        logits = self._through_channel(sent, snr_db, generator)
        weight = feasibility(config.k_list, snr_db, logits.shape[2])
        label = label_loss(logits, labels, config.label_smoothing)
        losses = {"label": (1.0 - config.soft_weight) * (weight * label).mean()}
        if config.soft_weight > 0:
            assert batch.log_probabilities is not None
            soft = soft_label_loss(logits, batch.log_probabilities.to(self.device), config.temperature)
            losses["soft"] = config.soft_weight * (weight * soft).mean()
        if config.feature_weight > 0:
            assert batch.features is not None
            wanted = batch.features.to(self.device)
            losses["feature"] = config.feature_weight * feature_loss(self.feature_head(pooled), wanted)
        if config.bottleneck_weight > 0:
            losses["bottleneck"] = config.bottleneck_weight * self.bottleneck(sent, snr_db, labels).mean()
        losses["loss"] = torch.stack(list(losses.values())).sum()
        return losses, (logits.argmax(2) == labels).sum()

    def _draw_snr_db(self, items: int, generator: torch.Generator) -> Tensor:
        config = self.config
        low = torch.rand(items, generator=generator, device=self.device) < config.low_snr_fraction
        part = torch.rand(items, generator=generator, device=self.device) * torch.where(low, 0.5, 1.0)
        return config.snr_min_db + (config.snr_max_db - config.snr_min_db) * part

    def _told(self, snr_db: Tensor, error_db: float, generator: torch.Generator) -> Tensor:
        """What a network is told of the SNR."""
        if not self.config.adaptive:
            return torch.full_like(snr_db, SNR_CENTRE_DB)
        return snr_db + error_db * torch.randn(snr_db.shape, generator=generator, device=self.device)

    def _through_channel(self, sent: Tensor, snr_db: Tensor, generator: torch.Generator) -> Tensor:
        """Logits, float32 (len(k_list), items, classes), of symbols as `normalise_prefixes` gives them."""
        config = self.config
        count, items, k_max, _ = sent.shape
        received, received_snr_db = lmmse_channel(
            sent.flatten(0, 1),
            snr_db.repeat(count),
            generator,
            config.fading_fraction,
            self.bank,
            config.estimate_noise,
        )
        k = torch.tensor(config.k_list, device=self.device).repeat_interleave(items)
        kept = torch.arange(k_max, device=self.device) < k.unsqueeze(1)
        told_db = self._told(received_snr_db, config.estimate_error_db, generator)
        logits = self.model.decoder(received * kept.unsqueeze(2), told_db, k / k_max)
        return logits.unflatten(0, (count, items))

    @torch.no_grad()
    def _update_average(self) -> None:
        taken = self.schedule.last_epoch
        decay = min(self.config.ema_decay, (1.0 + taken) / (10.0 + taken))
        means, values = self.average.state_dict().values(), self.model.state_dict().values()
        floats = [(m, v) for m, v in zip(means, values, strict=True) if m.is_floating_point()]
        torch._foreach_lerp_([m for m, _ in floats], [v for _, v in floats], 1.0 - decay)

    def _save(self, path: Path) -> None:
        state = {
            "version": CHECKPOINT_VERSION,
            "config": asdict(self.config),
            "knowledge": self.knowledge.name,
            "epoch": self.epoch,
            "history": [asdict(report) for report in self.history],
            "parts": self._parts.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        write_checkpoint(state, path)

    def _load(self, path: Path) -> None:
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            belongs = (state["version"], state["config"], state["knowledge"])
        except Exception as error:
            raise SdrScError(
                f"checkpoint {path} cannot be read ({type(error).__name__}); delete it to start again."
            ) from error
        if belongs != (CHECKPOINT_VERSION, asdict(self.config), self.knowledge.name):
            raise SdrScError(
                f"checkpoint {path} belongs to other settings; give those settings, or delete it to start again."
            )
        self._parts.load_state_dict(state["parts"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.history = [EpochReport(**report) for report in state["history"]]
        self.epoch = state["epoch"]


def mixed_precision(precision: str, device: torch.device) -> bool:
    """Whether the convolutions run in bfloat16: as told, or on 'auto' where the device has matrix units for it."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_amx_tile_supported()


def feasibility(k_list: tuple[int, ...], snr_db: Tensor, n_classes: int) -> Tensor:
    """Weight of each operating point in the loss, float32 (len(k_list), items), 0..1.

    Where the capacity of k channel uses, k log2(1 + SNR) bits, is below twice that of the answer, the weight falls in
    proportion: errors there are mostly the channel's, and their large gradients would spoil the points that the CAM
    does choose.

    >>> feasibility((2, 16), torch.tensor([-5.0, 20.0]), 10).round(decimals=2).tolist()
    [[0.12, 1.0], [0.95, 1.0]]
    """
    bits = torch.log2(1.0 + 10.0 ** (snr_db / 10.0)) * torch.tensor(k_list, device=snr_db.device).unsqueeze(1)
    return (bits / (2.0 * math.log2(n_classes))).clamp(max=1.0)
