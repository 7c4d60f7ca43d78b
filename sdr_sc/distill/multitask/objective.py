# SPDX-License-Identifier: GPL-3.0-or-later
"""The student for several tasks through the channel, and the loss of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from sdr_sc.distill.channel import lmmse_channel
from sdr_sc.distill.multitask.config import MultiTaskConfig, vector_share
from sdr_sc.distill.multitask.picture_tasks import PictureTargets, picture_losses
from sdr_sc.semantic.losses import label_loss
from sdr_sc.semantic.networks.heads import MultiTaskDecoder, TaskOutputs
from sdr_sc.semantic.networks.question import QuestionNetwork
from sdr_sc.semantic.networks.registry import make_encoder
from sdr_sc.semantic.networks.symbols import normalise_prefixes
from sdr_sc.semantic.specs import ModalitySpec

RETRIEVAL = "retrieval"
_PREFIXES = 3
"""Prefixes of a step: the longest one, which teaches all symbols, and others by chance."""


class MultiTaskStudent(nn.Module):
    """Encoder and decoder together, as they are trained.

    Args:
        config: the settings.
        outputs: of each task.
        modality: of the items.
        hints: numbers of a hint, see `Lesson`; 0 without any. What finds them is not part of the model.
        answers: to questions; 0 where none are asked.
    """

    def __init__(
        self,
        config: MultiTaskConfig,
        outputs: tuple[int, ...],
        modality: ModalitySpec,
        hints: int = 0,
        answers: int = 0,
    ) -> None:
        super().__init__()
        self.encoder = make_encoder(config.encoder, config.k_list[-1], modality.shape, modality.parameters)
        self.decoder = MultiTaskDecoder(outputs, config.k_list[-1], config.decoder_width)
        self.dropout = nn.Dropout(config.dropout)
        self.hint = nn.Linear(self.encoder.width, hints) if hints else None
        self.question = QuestionNetwork(config.question_width, answers) if answers else None


@dataclass(frozen=True)
class Batch:
    """What a step learns from.

    Attributes:
        inputs: float32, what the encoder sees.
        targets: int64 (items,) by classification task, -1 where it is not used.
        vectors: float32 (items, dimensions), the teacher's, of unit length, or 0 where it has none; None without a
            teacher.
        entries: int64 (items,), alike for items of one entry; None where each is of its own.
        hints: float32 (items, dimensions), of unit length or 0; see `Lesson`.
        is_text: bool (items,), which are texts where others are pictures; None where all are of one kind.
        pictures: targets of tasks of pictures.
        soft: float32 (items, answers) by classification task, 0 of items without; see `Lesson`.
    """

    inputs: Tensor
    targets: dict[str, Tensor]
    vectors: Tensor | None
    entries: Tensor | None = None
    hints: Tensor | None = None
    is_text: Tensor | None = None
    pictures: PictureTargets = PictureTargets()
    soft: dict[str, Tensor] = field(default_factory=dict)


def losses(
    student: MultiTaskStudent,
    batch: Batch,
    config: MultiTaskConfig,
    tasks: Sequence[str],
    rng: np.random.Generator,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Terms of the loss, weighted as they count, and their sum ``loss``. Each is over the items that have its target.

    Args:
        tasks: names, in the order of the decoder's heads.
        rng: of the prefixes.
        generator: of SNR, fading and noise.
    """
    items, k_max = len(batch.inputs), config.k_list[-1]
    span = config.snr_max_db - config.snr_min_db
    snr_db = config.snr_min_db + span * torch.rand(items, generator=generator)
    others = rng.choice(config.k_list[:-1], min(_PREFIXES - 1, len(config.k_list) - 1), replace=False)
    k_list = (*sorted(int(k) for k in others), k_max)
    pooled = student.encoder.pooled(batch.inputs)
    sent = normalise_prefixes(student.encoder.from_pooled(student.dropout(pooled), snr_db), k_list)
    received, received_snr_db, _ = lmmse_channel(
        sent.flatten(0, 1), snr_db.repeat(len(k_list)), generator, config.fading_fraction, None, config.estimate_noise
    )
    k = torch.tensor(k_list).repeat_interleave(items)
    kept = (torch.arange(k_max) < k.unsqueeze(1)).unsqueeze(2)
    shared = student.decoder.shared(received * kept, received_snr_db, k / k_max)
    outputs = TaskOutputs(student.decoder, tasks, shared.unflatten(0, (len(k_list), items)))
    found: dict[str, Tensor] = {}
    for task, targets in batch.targets.items():
        known = targets >= 0
        if bool(known.any()):
            term = label_loss(outputs.of(task, known), targets[known], config.smoothing)
            found[task] = config.class_weight * term.mean() * known.float().mean()
    for task, wanted in batch.soft.items():
        log_probabilities = torch.log_softmax(outputs.of(task), dim=2)
        term = -(wanted * log_probabilities).sum(dim=2).mean()
        found[f"{task}, soft"] = config.class_weight * config.soft_weight * term
    has_vector = None if batch.vectors is None else batch.vectors.square().sum(dim=1) > 0
    if has_vector is not None and RETRIEVAL in tasks and bool(has_vector.any()):
        assert batch.vectors is not None
        share = torch.tensor([vector_share(one, config.vector_at_few) for one in k_list])
        vectors, temperature = outputs.of(RETRIEVAL, has_vector), config.contrast_temperature
        entries = None if batch.entries is None else batch.entries[has_vector]
        cosine, contrast = vector_losses(vectors, batch.vectors[has_vector], temperature, entries)
        found["cosine"] = config.cosine_weight * (share * cosine).mean()
        found["contrast"] = config.contrast_weight * (share * contrast).mean()
        if batch.is_text is not None and entries is not None and config.alignment_weight:
            apart = alignment(vectors, entries, batch.is_text[has_vector], temperature)
            found["alignment"] = config.alignment_weight * (share * apart).mean()
    if batch.hints is not None and student.hint is not None and config.hint_weight:
        seen = batch.hints.square().sum(dim=1) > 0
        if bool(seen.any()):
            guess = nn.functional.normalize(student.hint(pooled[seen]), dim=1)
            found["hint"] = config.hint_weight * (1.0 - (guess * batch.hints[seen]).sum(dim=1)).mean()
    found |= picture_losses(student.question, batch.pictures, outputs, k_list, config, generator)
    found["loss"] = torch.stack(list(found.values())).sum()
    return found


def vector_losses(
    outputs: Tensor, wanted: Tensor, temperature: float, entries: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """How far vectors are from the teacher's: 1 - cosine, and cross entropy of telling an item's own teacher vector
    from those of the batch's other items.

    Args:
        outputs: float32 (prefixes, items, dimensions).
        wanted: float32 (items, dimensions), of unit length.
        entries: int64 (items,); items of the same entry are not told apart.

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
    if entries is not None:
        twins = (entries[:, None] == entries) & ~torch.eye(len(entries), dtype=torch.bool)
        logits = logits.masked_fill(twins, -torch.inf)
    return cosine, -torch.log_softmax(logits, dim=2).diagonal(dim1=1, dim2=2).mean(dim=1)


def alignment(outputs: Tensor, entries: Tensor, is_text: Tensor, temperature: float) -> Tensor:
    """Cross entropy of finding an item's counterpart of the other modality among those of the batch, both ways, by what
    the receiver makes of each (as Radford et al., "Learning Transferable Visual Models From Natural Language
    Supervision", 2021, at the channel's far end).

    Args:
        outputs: float32 (prefixes, items, dimensions).
        entries: int64 (items,), alike for counterparts.
        is_text: bool (items,).

    Returns:
        float32 (prefixes,), mean over the items that have a counterpart; 0 where none has.

    >>> vectors, which = torch.eye(2).repeat(2, 1), torch.tensor([False, False, True, True])
    >>> alignment(vectors[None], torch.tensor([0, 1, 0, 1]), which, 0.05).item() < 1e-6
    True
    """
    found = nn.functional.normalize(outputs, dim=2)
    cosines = found[:, ~is_text] @ found[:, is_text].transpose(1, 2) / temperature
    same = entries[~is_text][:, None] == entries[is_text]
    total, count = outputs.new_zeros(len(outputs)), 0
    for logits, own in ((cosines, same), (cosines.transpose(1, 2), same.T)):
        has = own.any(dim=1)
        if bool(has.any()):
            right = torch.logsumexp(logits[:, has].masked_fill(~own[has], -torch.inf), dim=2)
            total = total + (torch.logsumexp(logits[:, has], dim=2) - right).sum(dim=1)
            count += int(has.sum())
    return total / max(count, 1)
