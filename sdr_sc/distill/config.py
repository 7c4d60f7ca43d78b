# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass

from sdr_sc.errors import SdrScError
from sdr_sc.phy.channels import parse_chain
from sdr_sc.phy.numerology import Numerology

LARGEST_K = 256


@dataclass(frozen=True)
class TrainConfig:
    """Settings of `sdr_sc.distill.train`; every one is kept in the model contract.

    Attributes:
        k_list: feature symbols per item, rising; each batch trains every entry.
        snr_min_db, snr_max_db: training SNR is uniform in between, drawn for each item and each k.
        fading_fraction: part of the items that cross fading, the others cross AWGN.
        channel: what fading is: '' for Rayleigh fading, or models as `sdr_sc.phy.channels.parse_chain` reads them.
        feedback_error_db: standard deviation of the SNR that the encoder is told.
        estimate_error_db: standard deviation of the SNR that the decoder is told.
        ema_decay: decay of the running mean of the weights, which is what is shipped.
        limit_items: train on the first items only (0: on all), for quick checks.
    """

    seed: int = 1
    epochs: int = 36
    batch_items: int = 256
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    k_list: tuple[int, ...] = (4, 8, 16, 32)
    snr_min_db: float = -5.0
    snr_max_db: float = 25.0
    fading_fraction: float = 0.25
    feedback_error_db: float = 1.0
    estimate_error_db: float = 0.5
    ema_decay: float = 0.998
    encoder_width: int = 96
    decoder_width: int = 160
    limit_items: int = 0
    channel: str = ""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_items < 2:
            raise SdrScError("training needs 1 epoch and 2 items a batch or more; raise --epochs or --batch-items.")
        if not self.k_list or list(self.k_list) != sorted(set(self.k_list)) or self.k_list[0] < 1:
            raise SdrScError(f"the list of k {list(self.k_list)} must rise from 1 or more; give for example 4,8,16,32.")
        if self.k_list[-1] > LARGEST_K or self.limit_items < 0:
            raise SdrScError(f"k has to be {LARGEST_K} or less, which a frame header can tell; limit_items 0 or more.")
        if self.snr_min_db >= self.snr_max_db:
            raise SdrScError("the training SNR range is empty; give a lower bound below the upper one.")
        numerology = Numerology()
        parse_chain(self.channel, numerology.sample_rate_hz, self.seed, numerology)  # a mistake is told at once
