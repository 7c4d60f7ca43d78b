# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of student encoder and decoder, end to end through the channel, with random SNR and every k."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sdr_sc.data.fashion_mnist import ImageSet
from sdr_sc.distill.augment import augment
from sdr_sc.distill.channel import lmmse_channel
from sdr_sc.distill.checkpoint import write_checkpoint
from sdr_sc.distill.config import TrainConfig
from sdr_sc.errors import SdrScError
from sdr_sc.phy.channels import power_gains
from sdr_sc.phy.numerology import Numerology
from sdr_sc.semantic.student import StudentDecoder, StudentEncoder, normalise_prefix, pad_symbols

CHECKPOINT_VERSION = 1
BANK_CHANNELS = 2000


class Student(nn.Module):
    """Encoder and decoder together, as they are trained."""

    def __init__(self, config: TrainConfig, n_classes: int) -> None:
        super().__init__()
        self.encoder = StudentEncoder(config.k_list[-1], config.encoder_width)
        self.decoder = StudentDecoder(n_classes, config.k_list[-1], config.decoder_width)


@dataclass(frozen=True)
class EpochReport:
    """What an epoch gave: mean loss and training accuracy over all k and SNR."""

    epoch: int
    epochs: int
    loss: float
    accuracy: float


class Trainer:
    """Holds the state of a run; `run` goes from where the checkpoint stands to the end.

    Args:
        data: the training set.
        config: the settings.
        checkpoint: file that is written after every epoch, and read first if it exists; None for no checkpoints.

    Raises:
        SdrScError: the checkpoint is damaged or belongs to other settings.
    """

    def __init__(self, data: ImageSet, config: TrainConfig, checkpoint: Path | None = None) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.checkpoint = checkpoint
        limit = config.limit_items or len(data)
        scaled = torch.from_numpy(data.images[:limit].astype(np.float32) / 255.0).unsqueeze(1)
        self.mean, self.std = float(scaled.mean()), float(scaled.std())
        self.images = scaled
        self.labels = torch.from_numpy(data.labels[:limit])
        if len(self.labels) < config.batch_items:
            raise SdrScError(f"{len(self.labels)} training items do not fill one batch of {config.batch_items}.")
        self.n_classes = len(data.class_names)
        self.bank: Tensor | None = None
        if config.channel:
            self.bank = torch.from_numpy(power_gains(config.channel, Numerology(), BANK_CHANNELS, config.seed))
        self.model = Student(config, self.n_classes).to(memory_format=torch.channels_last)
        self.average = Student(config, self.n_classes)
        self.average.load_state_dict(self.model.state_dict())
        decayed = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=config.learning_rate,
        )
        self.steps_per_epoch = len(self.labels) // config.batch_items
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, config.learning_rate, total_steps=config.epochs * self.steps_per_epoch, pct_start=0.15
        )
        self.generator = torch.Generator().manual_seed(config.seed)
        self.epoch = 0
        if checkpoint is not None and checkpoint.exists():
            self._load(checkpoint)

    def run(
        self,
        on_epoch: Callable[[EpochReport], None] = lambda report: None,
        on_step: Callable[[], None] = lambda: None,
    ) -> Student:
        """Train to the last epoch; returns the averaged model in evaluation mode."""
        while self.epoch < self.config.epochs:
            report = self._run_epoch(on_step)
            self.epoch += 1
            if self.checkpoint is not None:
                self._save(self.checkpoint)
            on_epoch(report)
        return self.average.eval()

    def _run_epoch(self, on_step: Callable[[], None]) -> EpochReport:
        self.model.train()
        order = torch.randperm(len(self.labels), generator=self.generator)
        losses, correct, seen = 0.0, 0, 0
        for step in range(self.steps_per_epoch):
            chosen = order[step * self.config.batch_items : (step + 1) * self.config.batch_items]
            labels = self.labels[chosen]
            images = (augment(self.images[chosen], self.generator) - self.mean) / self.std
            logits = self._forward(images.contiguous(memory_format=torch.channels_last))
            loss = nn.functional.cross_entropy(
                logits.flatten(0, 1),
                labels.repeat(len(self.config.k_list)),
                label_smoothing=self.config.label_smoothing,
            )
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            self.optimiser.step()
            self.schedule.step()
            self._update_average()
            losses += loss.item()
            correct += int((logits.argmax(2) == labels).sum())
            seen += logits.shape[0] * logits.shape[1]
            on_step()
        return EpochReport(self.epoch + 1, self.config.epochs, losses / self.steps_per_epoch, correct / seen)

    def _forward(self, images: Tensor) -> Tensor:
        """Logits of shape (len(k_list), items, classes). One SNR an item for all k: the encoder runs once."""
        config, generator = self.config, self.generator
        items = len(images)
        snr_db = config.snr_min_db + (config.snr_max_db - config.snr_min_db) * torch.rand(items, generator=generator)
        fed_back_db = snr_db + config.feedback_error_db * torch.randn(items, generator=generator)
        symbols = self.model.encoder(images, fed_back_db)
        logits = []
        for k in config.k_list:
            sent = normalise_prefix(symbols, k)
            received, received_snr_db = lmmse_channel(sent, snr_db, generator, config.fading_fraction, self.bank)
            error = config.estimate_error_db * torch.randn(items, generator=generator)
            padded, fraction = pad_symbols(received, config.k_list[-1])
            logits.append(self.model.decoder(padded, received_snr_db + error, fraction))
        return torch.stack(logits)

    @torch.no_grad()
    def _update_average(self) -> None:
        taken = self.schedule.last_epoch
        decay = min(self.config.ema_decay, (1.0 + taken) / (10.0 + taken))
        for mean, value in zip(self.average.state_dict().values(), self.model.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1.0 - decay)
            else:
                mean.copy_(value)

    def _save(self, path: Path) -> None:
        state = {
            "version": CHECKPOINT_VERSION,
            "config": asdict(self.config),
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "generator": self.generator.get_state(),
        }
        write_checkpoint(state, path)

    def _load(self, path: Path) -> None:
        try:
            state = torch.load(path, weights_only=True)
            config, version = {"channel": "", **state["config"]}, state["version"]
        except Exception as error:
            raise SdrScError(
                f"checkpoint {path} cannot be read ({type(error).__name__}); delete it to start again."
            ) from error
        if version != CHECKPOINT_VERSION or config != asdict(self.config):
            raise SdrScError(
                f"checkpoint {path} belongs to other settings; give those settings, or delete it to start again."
            )
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.generator.set_state(state["generator"])
        self.epoch = state["epoch"]
