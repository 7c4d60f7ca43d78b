# SPDX-License-Identifier: GPL-3.0-or-later
"""The loss of the decision epochs against a computation by hand, and the SNRs that training draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.objective import Objective
from sdr_sc.distill.targets.teacher_targets import Batch
from sdr_sc.semantic.modalities.image import ImageModality
from sdr_sc.semantic.specs import ModalitySpec

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES, K_LIST, DECISION_SNR_DB = 3, (2, 4), 5.0
LABELS = [0, 2]
LOGITS = np.array([[[2.0, 0.0, -1.0], [0.5, 1.0, 0.0]], [[4.0, 1.0, 0.0], [-1.0, 0.0, 3.0]]])  # k, item, class
TEACHER = np.array([[0.7, 0.2, 0.1], [0.05, 0.15, 0.8]])  # probabilities: item, class
CONFIG = DistillConfig(
    k_list=K_LIST,
    decoder_width=8,
    label_smoothing=0.0,
    soft_weight=0.25,
    temperature=1.0,
    feature_weight=0.3,
    bottleneck_weight=1e-3,
    decision_epochs=1,
    decision_weight=10.0,
    decision_snr_db=DECISION_SNR_DB,
    precision="float32",
)


def losses(snr_db: float, deciding: bool, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The terms where all items meet one SNR and the student answers `LOGITS`."""
    torch.manual_seed(1)
    objective = Objective(
        CONFIG,
        CLASSES,
        4,
        ImageModality(ModalitySpec("image", (28, 28), {"mean": 0.3, "std": 0.3})),
        mixed_precision=False,
    )
    objective.deciding = deciding
    logits = torch.tensor(LOGITS, dtype=torch.float32)
    monkeypatch.setattr(objective, "_draw_snr_db", lambda items, _generator: torch.full((items,), snr_db))
    monkeypatch.setattr(
        objective, "_through_channel", lambda sent, _snr_db, _generator: (logits, torch.ones(sent.shape[:3]))
    )
    soft = torch.tensor(np.log(TEACHER), dtype=torch.float32)
    batch = Batch(torch.zeros(2, 28, 28, dtype=torch.uint8), soft, torch.zeros(2, 4))
    found, _ = objective.losses(batch, torch.tensor(LABELS), torch.Generator().manual_seed(1))
    return {name: value.item() for name, value in found.items()}


def by_hand(snr_db: float) -> tuple[float, float, float]:
    """Means over k and items of expected error, cross entropy and divergence from the teacher, each weighted by what
    of an answer's information the channel can carry."""
    error = entropy = divergence = 0.0
    for k, of_k in zip(K_LIST, LOGITS, strict=True):
        weight = min(1.0, k * math.log2(1 + 10 ** (snr_db / 10)) / (2 * math.log2(CLASSES)))
        for item, label in enumerate(LABELS):
            q = np.exp(of_k[item]) / np.exp(of_k[item]).sum()
            error += weight * (1 - q[label]) / 4
            entropy += weight * -math.log(q[label]) / 4
            divergence += weight * float(np.sum(TEACHER[item] * np.log(TEACHER[item] / q))) / 4
    return error, entropy, divergence


# The sigmoid of 6, 0 and -6: its width is 2 dB.
@pytest.mark.parametrize(("beyond_db", "share"), [(-12.0, 0.997527), (0.0, 0.5), (12.0, 0.002473)])
def test_decisions_count_at_low_snr_and_probabilities_at_high(
    beyond_db: float, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    snr_db = DECISION_SNR_DB + beyond_db
    error, entropy, divergence = by_hand(snr_db)
    found = losses(snr_db, True, monkeypatch)
    assert set(found) == {"error", "label", "soft", "bottleneck", "loss"}, "the bottleneck stays"
    assert found["error"] == pytest.approx(10.0 * share * error, rel=1e-3)
    assert found["label"] == pytest.approx(0.75 * (1 - share) * entropy, rel=1e-3)
    assert found["soft"] == pytest.approx(0.25 * (1 - share) * divergence, rel=1e-3)
    assert found["loss"] == pytest.approx(sum(value for name, value in found.items() if name != "loss"))


@pytest.mark.parametrize("beyond_db", [-12.0, 0.0, 12.0])
def test_before_the_decision_epochs_probabilities_count_everywhere(
    beyond_db: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    snr_db = DECISION_SNR_DB + beyond_db
    _, entropy, divergence = by_hand(snr_db)
    found = losses(snr_db, False, monkeypatch)
    assert set(found) == {"label", "soft", "feature", "bottleneck", "loss"}
    assert found["label"] == pytest.approx(0.75 * entropy, rel=1e-3)
    assert found["soft"] == pytest.approx(0.25 * divergence, rel=1e-3)


@pytest.mark.parametrize("fraction", [0.0, 0.4, 1.0])
def test_a_fraction_of_the_snrs_is_drawn_from_the_lower_half(fraction: float) -> None:
    config = DistillConfig(k_list=K_LIST, snr_min_db=-7.0, snr_max_db=25.0, low_snr_fraction=fraction)
    items = 40_000
    objective = Objective(
        config,
        CLASSES,
        0,
        ImageModality(ModalitySpec("image", (28, 28), {"mean": 0.3, "std": 0.3})),
        mixed_precision=False,
    )
    drawn = objective._draw_snr_db(items, torch.Generator().manual_seed(3)).numpy()
    assert drawn.min() >= -7.0 and drawn.max() <= 25.0
    # Six standard errors, of a share and of the mean of a uniform distribution of 16 dB: no seed is beyond.
    low = drawn < 9.0
    assert np.mean(low) == pytest.approx(fraction + (1.0 - fraction) / 2, abs=6 * 0.5 / math.sqrt(items))
    for half, middle_db in ((drawn[low], 1.0), (drawn[~low], 17.0)):
        if len(half):
            assert half.mean() == pytest.approx(middle_db, abs=6 * 16 / math.sqrt(12 * len(half)))
