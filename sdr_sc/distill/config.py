# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a training run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sdr_sc.data.dataset import CLASSIFICATION
from sdr_sc.errors import SdrScError
from sdr_sc.phy.channels import parse_chain
from sdr_sc.phy.numerology import Numerology

LARGEST_K = 256
RECOMMENDED: dict[str, Any] = {
    "soft_weight": 0.9,
    "feature_weight": 0.3,
    "bottleneck_weight": 3e-3,
    "decision_epochs": 10,
    "decision_weight": 10.0,
}
"""What `DistillConfig` is changed by where pre-stored knowledge is at hand."""
VALIDATION_SEED = 1
"""By which the images are held out that neither student nor teacher learns from."""
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class DistillConfig:
    """Settings of `sdr_sc.distill.train`; every one is kept in the model contract.

    Attributes:
        epochs: passes over the training set, before the decision epochs.
        learning_rate: largest of AdamW, for the first and the last layer and all that is no matrix.
        muon_learning_rate: largest of Muon, for all other matrices.
        k_list: feature symbols per item, rising; each batch trains every entry.
        adaptive: encoder and decoder are given the SNR; else they are given one and the same value always.
        soft_weight: part of the classification loss that comes from the teacher's soft labels; the rest comes from the
            labels. Without a teacher it has to be 0.
        temperature: of the soft labels.
        feature_weight: weight of the regression of the teacher's features; 0 for none.
        bottleneck_weight: weight of the information bottleneck, which is a share of a symbol's capacity, 0 to about 1,
            and holds in the decision epochs too; 0 for none.
        decision_epochs: further passes, in which all but the encoder's convolutions learns to decide, see
            `sdr_sc.distill.decisions`.
        decision_weight: weight of the expected error, which takes the other terms' place at low SNR in these passes; 0
            leaves them as they are.
        decision_snr_db: SNR at which both count alike.
        snr_min_db, snr_max_db: training SNR, uniform in between, drawn for each item.
        low_snr_fraction: part of the items whose SNR is drawn from the lower half of that range alone.
        fading_fraction: part of the items that cross fading, the others cross AWGN.
        channel: what fading is: '' for Rayleigh fading, or models as `sdr_sc.phy.channels.parse_chain` reads them.
        estimate_noise: power of the channel estimate's error over the noise power.
        feedback_error_db: standard deviation of the SNR that the encoder is given.
        estimate_error_db: standard deviation of the SNR that the decoder is given.
        ema_decay: decay of the running mean of the weights, which is what is shipped.
        shift, erase: largest move and erased square of the augmented views that are drawn in training, pixels;
            pre-stored views come with their own.
        validation_items: training images held out, drawn with ``validation_seed``: the CAM's table comes from them.
        limit_items: train on so many items only (0: on all but the held out), drawn with the seed.
        labelled_items: use the labels of the first so many training items only (0: of all), which are those that
            ``sdr-sc teacher fit --limit`` takes with as many held out and its default ``--seed``, by which it
            holds out; for the others the teacher's most likely class counts as the label.
        labels: use the labels of so many training items only (0: of all), the same number of every class where the
            classes are of one size, see `sdr_sc.distill.split.draw_labelled`; for the others the teacher's most likely
            class counts. Without a teacher only the items with a label are learned from.
        label_seed: of that draw; more labels of the same seed hold the fewer ones.
        epoch_items: items of an epoch; 0 for each training item once. More than there are go over them again, each time
            in another order and with other views, so that runs on few and on many items make equally many steps.
        precision: 'bfloat16' for mixed precision in the encoder's convolutions; 'auto' takes it where it is fast.
        encoder: its kind, see `sdr_sc.semantic.networks.registry.make_encoder`.
        task: what is learned, of those that the data set has targets for.
    """

    seed: int = 1
    epochs: int = 40
    batch_items: int = 256
    learning_rate: float = 4e-3
    muon_learning_rate: float = 0.02
    label_smoothing: float = 0.05
    k_list: tuple[int, ...] = (2, 4, 8, 16, 32)
    adaptive: bool = True
    soft_weight: float = 0.0
    temperature: float = 2.0
    feature_weight: float = 0.0
    bottleneck_weight: float = 0.0
    decision_epochs: int = 0
    decision_weight: float = 0.0
    decision_snr_db: float = 5.0
    snr_min_db: float = -7.0
    snr_max_db: float = 25.0
    low_snr_fraction: float = 0.4
    fading_fraction: float = 0.25
    channel: str = ""
    estimate_noise: float = 0.04
    feedback_error_db: float = 1.0
    estimate_error_db: float = 0.5
    ema_decay: float = 0.998
    decoder_width: int = 160
    shift: int = 1
    erase: int = 0
    validation_items: int = 5000
    validation_seed: int = VALIDATION_SEED
    limit_items: int = 0
    labelled_items: int = 0
    labels: int = 0
    label_seed: int = 1
    epoch_items: int = 0
    precision: str = "auto"
    encoder: str = "dense"
    task: str = CLASSIFICATION

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.decision_epochs < 0 or self.batch_items < 2:
            raise SdrScError(
                "training needs 1 epoch, 0 decision epochs and 2 items a batch or more; raise --epochs, "
                "--decision-epochs or --batch-items."
            )
        if not self.k_list or list(self.k_list) != sorted(set(self.k_list)) or self.k_list[0] < 1:
            raise SdrScError(f"the list of k {list(self.k_list)} must rise from 1 or more; give for example 4,8,16,32.")
        if self.k_list[-1] > LARGEST_K or min(self.limit_items, self.labelled_items) < 0 or self.validation_items < 1:
            raise SdrScError(
                f"k has to be {LARGEST_K} or less, which a frame header can hold; limit_items and labelled_items 0 or "
                "more; validation_items 1 or more, for the CAM's table."
            )
        if min(self.labels, self.label_seed, self.epoch_items) < 0:
            raise SdrScError("labels, label_seed and epoch_items have to be 0 or more; 0 labels are all of them.")
        if self.labels and (self.labelled_items or self.limit_items):
            raise SdrScError(
                "labels draws its items from the whole training set; leave out --labelled-items and --limit-items."
            )
        if not math.isfinite(self.decision_snr_db):
            raise SdrScError(f"decision_snr_db is {self.decision_snr_db}; give a number of dB, such as 5.")
        if self.snr_min_db >= self.snr_max_db:
            raise SdrScError("the training SNR range is empty; give a lower bound below the upper one.")
        rates = (self.learning_rate, self.muon_learning_rate)
        if not all(0 < rate < 1 for rate in rates):
            raise SdrScError(
                f"the learning rates {rates[0]:g} and {rates[1]:g} have to be more than 0 and less than 1."
            )
        shares = (self.low_snr_fraction, self.fading_fraction, self.label_smoothing, self.ema_decay)
        if not all(0 <= share <= 1 for share in shares) or self.decoder_width < 1:
            raise SdrScError("fractions, label smoothing and decay have to be 0 to 1, the decoder's width 1 or more.")
        if not 0 <= self.soft_weight <= 1 or not self.temperature > 0:
            raise SdrScError("the weight of the soft labels has to be 0 to 1, and the temperature more than 0.")
        weights = (self.feature_weight, self.bottleneck_weight, self.decision_weight, self.estimate_noise)
        if not all(weight >= 0 for weight in weights):
            raise SdrScError(
                "the weights of features, bottleneck and decisions, and the estimate's noise, have to be 0 or more."
            )
        if self.precision not in PRECISIONS:
            raise SdrScError(f"precision {self.precision!r} is unknown; give {', '.join(PRECISIONS)}.")
        numerology = Numerology()
        parse_chain(self.channel, numerology.sample_rate_hz, self.seed, numerology)  # a mistake is reported at once
