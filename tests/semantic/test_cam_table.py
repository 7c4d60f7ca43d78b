# SPDX-License-Identifier: GPL-3.0-or-later
"""The CAM's table that a training ends with, against a code whose accuracy over AWGN is known."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.export.finish import measure_cam_table
from sdr_sc.distill.split import split
from sdr_sc.semantic.modalities.image import ImageModality
from sdr_sc.semantic.specs import ModalitySpec

pytestmark = pytest.mark.usefixtures("one_thread")

ITEMS, HELD_OUT = 9000, 8000
CONFIG = DistillConfig(
    k_list=(1, 4), snr_min_db=-6.0, snr_max_db=9.0, validation_items=HELD_OUT, estimate_noise=0.0, precision="float32"
)
MEAN, STD = 0.5, 0.25


def repetition() -> Any:
    """A student that sends a white image as k times 1 and a black one as k times -1, and takes the sum's sign. It knows
    the sign of normalised pixels alone."""

    def from_pooled(pooled: Tensor, snr_db: Tensor) -> Tensor:
        assert len(pooled) == len(snr_db)
        in_phase = pooled.sign().view(-1, 1).expand(-1, 4)
        return torch.stack((in_phase, torch.zeros_like(in_phase)), dim=2)

    def decoder(symbols: Tensor, snr_db: Tensor, fraction: Tensor) -> Tensor:
        k = round(4 * float(fraction[0]))
        assert symbols.shape[1] == 4 and not symbols[:, k:].any() and symbols[:, :k].all()
        total = symbols[:, :, 0].sum(dim=1)
        return torch.stack((-total, total), dim=1)

    return SimpleNamespace(
        encoder=SimpleNamespace(pooled=lambda images: images.mean((1, 2, 3)), from_pooled=from_pooled), decoder=decoder
    )


def known_accuracy(k: int, snr_db: float) -> float:
    """1 - Q(sqrt(2 k SNR)): k values of amplitude 1 in noise of half the noise power each."""
    return 1.0 - 0.5 * math.erfc(math.sqrt(k * 10 ** (snr_db / 10)))


@pytest.fixture(scope="module")
def data() -> ImageSet:
    """White and black images; the labels of those to train on are all wrong."""
    labels = np.random.default_rng(1).integers(2, size=ITEMS)
    images = np.broadcast_to((255 * labels).astype(np.uint8)[:, None, None], (ITEMS, 2, 2)).copy()
    given = ImageSet(images, labels, ("black", "white"), "0" * 64)
    labels[split(given, CONFIG).training] ^= 1
    return given


def test_the_table_is_the_accuracy_on_the_held_out_items(data: ImageSet) -> None:
    table = measure_cam_table(
        repetition(), data, CONFIG, ImageModality(ModalitySpec("image", (28, 28), {"mean": MEAN, "std": STD}))
    )
    assert table.snr_db == tuple(range(-6, 10))
    wanted = np.array([[known_accuracy(k, snr_db) for k in (1, 4)] for snr_db in range(-6, 10)])
    # Six standard errors of 8000 answers, which two draws of the noise only make better; no seed is beyond.
    margin = 6 * np.sqrt(wanted * (1 - wanted) / HELD_OUT) + 1e-3
    assert np.all(np.abs(np.array(table.accuracy) - wanted) < margin)
    assert wanted[1, 0] - wanted[0, 0] > 0.02 and table.accuracy[0][1] - table.accuracy[0][0] > 0.1
    assert table.measured_on.startswith(f"{HELD_OUT} held-out")


def test_the_choice_follows_from_the_accuracies(data: ImageSet) -> None:
    """A k of 1 loses 0.6 points at 5 dB and 0.24 at 6 dB where half a point may be given away."""
    table = measure_cam_table(
        repetition(), data, CONFIG, ImageModality(ModalitySpec("image", (28, 28), {"mean": MEAN, "std": STD}))
    )
    assert table.max_loss_points == 0.5
    chosen = dict(zip(table.snr_db, table.k, strict=True))
    assert all(chosen[snr_db] == 4 for snr_db in range(-6, 5)) and all(chosen[snr_db] == 1 for snr_db in range(7, 10))
