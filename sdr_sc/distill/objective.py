# SPDX-License-Identifier: GPL-3.0-or-later
"""What is minimised in training: the student through the channel, and the terms of the loss."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sdr_sc.distill.channel import lmmse_channel
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.targets.teacher_targets import Batch
from sdr_sc.phy.channels import power_gains
from sdr_sc.phy.numerology import Numerology
from sdr_sc.semantic.losses import Bottleneck, expected_error, feature_loss, soft_label_loss
from sdr_sc.semantic.modalities.base import Modality
from sdr_sc.semantic.networks.dense import StudentDecoder
from sdr_sc.semantic.networks.registry import make_encoder
from sdr_sc.semantic.networks.symbols import SNR_CENTRE_DB, normalise_prefixes
from sdr_sc.semantic.tasks.base import Task
from sdr_sc.semantic.tasks.classification import Classification

BANK_CHANNELS = 2000
_DECISION_WIDTH_DB = 2.0


class Student(nn.Module):
    """Encoder and decoder together, as they are trained."""

    def __init__(self, config: DistillConfig, n_classes: int, item_shape: Sequence[int] = (28, 28)) -> None:
        super().__init__()
        self.encoder = make_encoder(config.encoder, config.k_list[-1], item_shape)
        self.decoder = StudentDecoder(n_classes, config.k_list[-1], config.decoder_width)


class Objective(nn.Module):
    """The student with all that is learned beside it, and the loss of a batch.

    Args:
        config: the settings.
        n_classes: of the task.
        feature_dim: length of the teacher's feature vectors; 0 for none.
        modality: of the items, with its parameters.
        mixed_precision: run the convolutions in bfloat16.
        task: what is learned.

    Attributes:
        student: what ships.
        deciding: whether these are the decision epochs (`sdr_sc.distill.decisions`).
        bottleneck, feature_head: what is needed in training alone.
    """

    bank: Tensor | None

    def __init__(
        self,
        config: DistillConfig,
        n_classes: int,
        feature_dim: int,
        modality: Modality,
        mixed_precision: bool,
        task: Task | None = None,
    ) -> None:
        super().__init__()
        self.config, self.mixed_precision = config, mixed_precision
        self.modality, self.task = modality, task or Classification()
        self.deciding = False
        self.student = Student(config, n_classes, modality.spec.shape)
        self.bottleneck = Bottleneck(n_classes, config.k_list)
        self.feature_head = nn.Linear(max(1, self.student.encoder.width), max(1, feature_dim))
        bank = None
        if config.channel:
            bank = torch.from_numpy(power_gains(config.channel, Numerology(), BANK_CHANNELS, config.seed))
        self.register_buffer("bank", bank, persistent=False)

    def losses(self, batch: Batch, labels: Tensor, generator: torch.Generator) -> tuple[dict[str, Tensor], Tensor]:
        """Terms of the loss, and the likeliest output for each item, int64 (len(k_list), items).

        One SNR an item for all k: the encoder runs once.
        """
        config = self.config
        inputs = self.modality.training_input(batch.images.to(labels.device))
        if inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        pooled = self._pooled(inputs)
        snr_db = self._draw_snr_db(len(inputs), generator)
        symbols = self.student.encoder.from_pooled(pooled, self._told(snr_db, config.feedback_error_db, generator))
        sent = normalise_prefixes(symbols, config.k_list)
        logits, noise = self._through_channel(sent, snr_db, generator)
        weight = feasibility(config.k_list, snr_db, logits.shape[2])
        losses = {}
        if self.deciding and config.decision_weight > 0:
            share = torch.sigmoid((config.decision_snr_db - snr_db) / _DECISION_WIDTH_DB)
            error = (weight * share * expected_error(logits, labels)).mean()
            losses["error"] = config.decision_weight * error
            weight = weight * (1.0 - share)
        label = self.task.loss(logits, labels, config.label_smoothing)
        losses["label"] = (1.0 - config.soft_weight) * (weight * label).mean()
        if config.soft_weight > 0:
            assert batch.log_probabilities is not None
            soft = soft_label_loss(logits, batch.log_probabilities.to(labels.device), config.temperature)
            losses["soft"] = config.soft_weight * (weight * soft).mean()
        if config.feature_weight > 0 and not self.deciding:
            assert batch.features is not None
            wanted = batch.features.to(labels.device)
            losses["feature"] = config.feature_weight * feature_loss(self.feature_head(pooled), wanted)
        if config.bottleneck_weight > 0:
            losses["bottleneck"] = config.bottleneck_weight * self.bottleneck(sent, snr_db, noise, labels).mean()
        losses["loss"] = torch.stack(list(losses.values())).sum()
        return losses, logits.detach().argmax(2)

    def _pooled(self, images: Tensor) -> Tensor:
        """The encoder's pooled vectors; in the decision epochs as they are in use, and without a gradient."""
        encoder = self.student.encoder
        if self.deciding:
            for part in encoder.backbone():
                part.eval()
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.mixed_precision):
            resting = self.deciding and bool(encoder.backbone())
            with torch.set_grad_enabled(not resting and torch.is_grad_enabled()):
                return encoder.pooled(images).float()

    def _draw_snr_db(self, items: int, generator: torch.Generator) -> Tensor:
        config = self.config
        low = torch.rand(items, generator=generator, device=generator.device) < config.low_snr_fraction
        part = torch.rand(items, generator=generator, device=generator.device) * torch.where(low, 0.5, 1.0)
        return config.snr_min_db + (config.snr_max_db - config.snr_min_db) * part

    def _told(self, snr_db: Tensor, error_db: float, generator: torch.Generator) -> Tensor:
        """What a network is given of the SNR."""
        if not self.config.adaptive:
            return torch.full_like(snr_db, SNR_CENTRE_DB)
        return snr_db + error_db * torch.randn(snr_db.shape, generator=generator, device=generator.device)

    def _through_channel(self, sent: Tensor, snr_db: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Logits, float32 (len(k_list), items, classes), of symbols as `normalise_prefixes` gives them; and the noise
        power over each symbol's, float32 (len(k_list), items, k_max)."""
        config = self.config
        count, items, k_max, _ = sent.shape
        received, received_snr_db, noise = lmmse_channel(
            sent.flatten(0, 1),
            snr_db.repeat(count),
            generator,
            config.fading_fraction,
            self.bank,
            config.estimate_noise,
        )
        k = torch.tensor(config.k_list, device=generator.device).repeat_interleave(items)
        kept = torch.arange(k_max, device=generator.device) < k.unsqueeze(1)
        told_db = self._told(received_snr_db, config.estimate_error_db, generator)
        logits = self.student.decoder(received * kept.unsqueeze(2), told_db, k / k_max)
        return logits.unflatten(0, (count, items)), noise.unflatten(0, (count, items))


def feasibility(k_list: tuple[int, ...], snr_db: Tensor, n_classes: int) -> Tensor:
    """Weight of each operating point in the loss, float32 (len(k_list), items), 0..1.

    Where the capacity of k channel uses, k log2(1 + SNR) bits, is below twice that of the answer, the weight falls in
    proportion: errors there are mostly the channel's, and their large gradients would spoil the points that the CAM
    does choose.

    >>> feasibility((2, 16), torch.tensor([-5.0, 20.0]), 10).numpy().round(2)
    array([[0.12, 1.  ],
           [0.95, 1.  ]], dtype=float32)
    """
    bits = torch.log2(1.0 + 10.0 ** (snr_db / 10.0)) * torch.tensor(k_list, device=snr_db.device).unsqueeze(1)
    return (bits / (2.0 * math.log2(n_classes))).clamp(max=1.0)
