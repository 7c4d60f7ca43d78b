# SPDX-License-Identifier: GPL-3.0-or-later
"""The student for several tasks through the channel, and the loss of a batch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from sdr_sc.distill.channel import lmmse_channel
from sdr_sc.distill.multitask.config import MultiTaskConfig, vector_share
from sdr_sc.semantic.losses import label_loss
from sdr_sc.semantic.networks.heads import MultiTaskDecoder
from sdr_sc.semantic.networks.registry import make_encoder
from sdr_sc.semantic.networks.symbols import normalise_prefixes

RETRIEVAL = "retrieval"
_PREFIXES = 3
"""Prefixes of a step: the longest one, which teaches all symbols, and others by chance."""


class MultiTaskStudent(nn.Module):
    """Encoder and decoder together, as they are trained.

    Args:
        config: the settings.
        outputs: of each task.
        item_shape: of the items.
    """

    def __init__(self, config: MultiTaskConfig, outputs: tuple[int, ...], item_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.encoder = make_encoder(config.encoder, config.k_list[-1], item_shape)
        self.decoder = MultiTaskDecoder(outputs, config.k_list[-1], config.decoder_width)
        self.dropout = nn.Dropout(config.dropout)

    def symbols(self, inputs: Tensor, snr_db: Tensor) -> Tensor:
        """float32 (items, k_max, 2), not yet normalised in power."""
        return self.encoder.from_pooled(self.dropout(self.encoder.pooled(inputs)), snr_db)


class Batch:
    """What a step learns from.

    Args:
        inputs: float32, what the encoder sees.
        targets: int64 (items,) by classification task, -1 where it is not used.
        vectors: float32 (items, dimensions), the teacher's, of unit length; None without a teacher.
    """

    def __init__(self, inputs: Tensor, targets: dict[str, Tensor], vectors: Tensor | None) -> None:
        self.inputs, self.targets, self.vectors = inputs, targets, vectors


def losses(
    student: MultiTaskStudent,
    batch: Batch,
    config: MultiTaskConfig,
    parts: dict[str, slice],
    rng: np.random.Generator,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Terms of the loss, weighted as they count, and their sum ``loss``.

    Args:
        parts: which of the decoder's outputs are those of each task.
        rng: of the prefixes.
        generator: of SNR, fading and noise.
    """
    items, k_max = len(batch.inputs), config.k_list[-1]
    span = config.snr_max_db - config.snr_min_db
    snr_db = config.snr_min_db + span * torch.rand(items, generator=generator)
    others = rng.choice(config.k_list[:-1], min(_PREFIXES - 1, len(config.k_list) - 1), replace=False)
    k_list = (*sorted(int(k) for k in others), k_max)
    sent = normalise_prefixes(student.symbols(batch.inputs, snr_db), k_list)
    received, received_snr_db, _ = lmmse_channel(
        sent.flatten(0, 1), snr_db.repeat(len(k_list)), generator, config.fading_fraction, None, config.estimate_noise
    )
    k = torch.tensor(k_list).repeat_interleave(items)
    kept = (torch.arange(k_max) < k.unsqueeze(1)).unsqueeze(2)
    outputs = student.decoder(received * kept, received_snr_db, k / k_max).unflatten(0, (len(k_list), items))
    found: dict[str, Tensor] = {}
    for task, targets in batch.targets.items():
        known = targets >= 0
        if bool(known.any()):
            term = label_loss(outputs[:, known, parts[task]], targets[known], config.smoothing)
            found[task] = config.class_weight * term.mean() * known.float().mean()
    if batch.vectors is not None and RETRIEVAL in parts:
        share = torch.tensor([vector_share(one) for one in k_list])
        cosine, contrast = vector_losses(outputs[..., parts[RETRIEVAL]], batch.vectors, config.contrast_temperature)
        found["cosine"] = config.cosine_weight * (share * cosine).mean()
        found["contrast"] = config.contrast_weight * (share * contrast).mean()
    found["loss"] = torch.stack(list(found.values())).sum()
    return found


def vector_losses(outputs: Tensor, wanted: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """How far vectors are from the teacher's: 1 - cosine, and cross entropy of telling an item's own teacher vector
    from those of the batch's other items.

    Args:
        outputs: float32 (prefixes, items, dimensions).
        wanted: float32 (items, dimensions), of unit length.

    Returns:
        float32 (prefixes,) each, means over the items.

    >>> own = torch.eye(4)
    >>> cosine, contrast = vector_losses(3 * own[None], own, 0.05)
    >>> round(cosine.item(), 4), contrast.item() < 1e-6
    (0.0, True)
    """
    found = nn.functional.normalize(outputs, dim=2)
    cosine = 1.0 - (found * wanted).sum(dim=2).mean(dim=1)
    logits = found @ wanted.T / temperature
    return cosine, -torch.log_softmax(logits, dim=2).diagonal(dim1=1, dim2=2).mean(dim=1)
