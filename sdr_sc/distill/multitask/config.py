# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a training for several tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from sdr_sc.data.joint.joined import TOGETHER
from sdr_sc.errors import SdrScError
from sdr_sc.shown import shown

FULL_FROM_K = 16


@dataclass(frozen=True)
class MultiTaskConfig:
    """How a student for several tasks is trained.

    Attributes:
        tasks: of the data set, the first one being what every frame is answered for.
        encoder: its kind, see `sdr_sc.semantic.networks.registry`.
        k_list: feature symbols an item, rising.
        steps, batch_items: of the training.
        learning_rate, table_rate: of the networks, and of rows of words, which few items of a batch touch.
        decoder_width: of its layers.
        snr_min_db, snr_max_db: range of the SNR in training.
        fading_fraction, estimate_noise: as of `sdr_sc.distill.channel.lmmse_channel`.
        class_weight: of the classification tasks' cross entropy.
        cosine_weight, contrast_weight: of the distance from the teacher's vector, and of telling it from those of the
            batch's other items (Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018).
        contrast_temperature: of the latter.
        vector_at_few: share of the vector's weights that counts up to 4 symbols, see `vector_share`.
        alignment_weight: of the distance between a picture and its name, see `sdr_sc.distill.multitask.objective`.
        hint_weight: of what the encoder's vector says of a picture teacher's.
        question_weight: of the questions' cross entropy, over those that are asked in the batch.
        question_width: numbers of the vector that questions are asked of.
        questions_a_picture: that are asked of each one in a step.
        reconstruction_weight: of the mean square error of thumbnails, over the pictures in the batch.
        kind_weight: of the cross entropy of telling pictures, which have thumbnails, from texts, which have none.
        soft_weight: of the soft labels of a probe of the teacher's vectors, beside ``class_weight``; see ``labels``.
        text_share, picture_share, asked_share, name_share: of a batch of a joined set, see
            `sdr_sc.data.joint.joined.TOGETHER`; they count against each other, and a kind of 0 is left out.
        smoothing: of labels.
        dropout: of the encoder's vector.
        word_dropout: share of a text's words that a step leaves out.
        weight_decay, table_decay: of the networks, and of rows of words (AdamW).
        row_penalty: of the regression that rows of words start from, see `sdr_sc.distill.multitask.word_rows`; 0 for
            rows by chance, which students without a teacher have in any case.
        ema_decay: of the running mean of the weights, which is what ships.
        further: data sets that are joined to that of the tasks, whose items teach by the teachers' vectors alone.
        labels: items whose class is used; 0 for all. The others teach by the teacher's vectors alone, and by what a
            probe of these says that was fitted on the same labels; without a teacher they are left out.
        label_seed: of the draw of ``labels``.
        validate_every: steps between two looks at the held-out items, of which the best weights ship; 0 for the last.
        seed: of everything else.

    Raises:
        SdrScError: a value makes no sense.
    """

    tasks: tuple[str, ...] = ("classification", "retrieval")
    encoder: str = "text"
    k_list: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
    steps: int = 4000
    batch_items: int = 256
    learning_rate: float = 3e-3
    table_rate: float = 1.5e-2
    decoder_width: int = 256
    snr_min_db: float = -5.0
    snr_max_db: float = 25.0
    fading_fraction: float = 0.25
    estimate_noise: float = 0.04
    class_weight: float = 1.5
    cosine_weight: float = 2.0
    contrast_weight: float = 1.5
    contrast_temperature: float = 0.07
    vector_at_few: float = 0.05
    alignment_weight: float = 0.5
    hint_weight: float = 1.0
    question_weight: float = 1.5
    question_width: int = 64
    questions_a_picture: int = 6
    reconstruction_weight: float = 10.0
    soft_weight: float = 1.0
    kind_weight: float = 1.0
    text_share: float = TOGETHER["texts"]
    picture_share: float = TOGETHER["pictures"]
    asked_share: float = TOGETHER["asked"]
    name_share: float = TOGETHER["names"]
    smoothing: float = 0.05
    dropout: float = 0.1
    word_dropout: float = 0.0
    weight_decay: float = 0.01
    table_decay: float = 0.0
    row_penalty: float = 0.3
    ema_decay: float = 0.998
    further: tuple[str, ...] = ()
    labels: int = 0
    label_seed: int = 1
    validate_every: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.k_list, self.k_list[1:], strict=False))
        if not self.k_list or self.k_list[0] < 1 or not rising:
            raise SdrScError(f"k list {self.k_list} does not rise from 1 or more; give numbers that do.")
        if not self.tasks or len(set(self.tasks)) != len(self.tasks):
            raise SdrScError(f"tasks {self.tasks}: give one or more, each once.")
        if min(self.steps, self.batch_items) < 1 or self.labels < 0:
            raise SdrScError("steps and batch_items have to be 1 or more, and labels 0 or more.")
        if not max(self.dropout, self.word_dropout, self.smoothing) < 1:
            raise SdrScError("dropout, word_dropout and smoothing are shares; give numbers below 1.")
        if not self.snr_min_db < self.snr_max_db:
            raise SdrScError(f"SNRs of {self.snr_min_db:g} to {self.snr_max_db:g} dB do not rise.")

    @property
    def shares(self) -> dict[str, float]:
        """Of a batch of a joined set, by kind."""
        return {"texts": self.text_share, "pictures": self.picture_share,
                "asked": self.asked_share, "names": self.name_share}  # fmt: skip

    def with_settings(self, settings: Sequence[str]) -> MultiTaskConfig:
        """With other numbers, each given as ``name=number``.

        Raises:
            SdrScError: there is no such number, or the value is none or makes no sense.

        >>> MultiTaskConfig().with_settings(["alignment_weight=0", "decoder_width=128"]).decoder_width
        128
        """
        numbers = {one.name: getattr(self, one.name) for one in fields(self)}
        numbers = {name: usual for name, usual in numbers.items() if type(usual) in (int, float)}
        values: dict[str, Any] = {}
        for setting in settings:
            name, _, text = setting.partition("=")
            if name not in numbers:
                raise SdrScError(f"the setting {shown(repr(name))} is unknown; use one of {', '.join(numbers)}.")
            usual = numbers[name]
            try:
                values[name] = type(usual)(text)
            except ValueError:
                raise SdrScError(f"the setting {name} is {shown(repr(text))}; give a number as {usual} is.") from None
            if not math.isfinite(values[name]) or values[name] < 0 <= usual:
                raise SdrScError(f"the setting {name} is {shown(text)}; give a finite number that is not below 0.")
        return replace(self, **values)


def vector_share(k: int, at_few: float = MultiTaskConfig.vector_at_few) -> float:
    """Weight of the vector's terms at k symbols: a few symbols cannot hold a vector, and what they then hold of it they
    lack of the class.

    Found for 2, 4, 8, 16, 32 symbols by few trials on held-out items, and interpolated between.

    Args:
        at_few: up to 4 symbols.

    >>> [round(vector_share(k), 2) for k in (1, 4, 6, 8, 12, 16, 32)]
    [0.05, 0.05, 0.37, 0.6, 0.83, 1.0, 1.0]
    """
    return float(np.interp(np.log2(k), np.log2([4, 8, FULL_FROM_K]), [at_few, max(at_few, 0.6), 1.0]))
