# SPDX-License-Identifier: GPL-3.0-or-later
"""What `sdr-sc calibrate` measures: curves of the confidence, and the contract that follows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sdr_sc.data import fashion_mnist
from sdr_sc.distill.measured import calibrate
from sdr_sc.distill.measured.fit_calibration import KNOTS, _fit_curve
from sdr_sc.distill.measured.held_out import Model
from sdr_sc.errors import ContractError
from sdr_sc.semantic.calibration import calibration_error
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder


def outcomes(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Log odds, and answers that are right with a share that jumps from 8 to 40 % at 0, as with one symbol."""
    rng = np.random.default_rng(seed)
    odds = rng.uniform(-0.9, 1.9, n)
    share = np.where(odds < 0.0, 0.08, 0.40 + 0.28 * np.clip(odds, 0, 1.9))
    return odds, rng.random(n) < share


def test_a_curve_follows_a_share_that_jumps() -> None:
    curve = _fit_curve(*outcomes(1, 15_000))
    assert len(curve) == len(KNOTS) and all(a < b for a, b in zip(curve, curve[1:], strict=False))
    odds, right = outcomes(2, 40_000)
    confidence = 1.0 / (1.0 + np.exp(-np.interp(odds, KNOTS, curve)))
    assert 100 * calibration_error(confidence, right) < 1.8  # of which 0.7 are the luck of 40,000 outcomes


def test_a_curve_from_few_items_still_rises() -> None:
    curve = _fit_curve(*outcomes(3, 5))
    assert np.isfinite(curve).all() and (np.diff(curve) > 0).all()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    data = fashion_mnist.load("test").first(150)
    monkeypatch.setattr(calibrate, "snr_grid", lambda snrs_db, below: tuple(float(snr) for snr in (-2, -1, 0, 10)))
    return Model(SemanticEncoder(), SemanticDecoder(), data.images, data.labels.astype(np.int64))


def test_the_table_is_measured_with_the_rest_or_kept(model: Model) -> None:
    contract = model.encoder.contract
    measured = calibrate.measured_contract(model, (4, 32))
    assert measured.k_list == (4, 32) and measured.cam.snr_db == (0.0, 10.0)
    assert measured.cam.accuracy[0][0] < measured.cam.accuracy[1][0]
    assert measured.calibration is not None and len(measured.calibration.temperature[0]) == 2
    plain = replace(contract, k_list=(4, 32), cam=measured.cam, calibration=None, refinement=None)
    model.encoder.contract = plain
    kept = calibrate.measured_contract(model, (4, 32), seed=2, keep_table=True)
    assert kept.cam == measured.cam and kept.refinement is not None
    with pytest.raises(ContractError, match="is for k in 4, 32; keep it with these k alone"):
        calibrate.measured_contract(model, (2, 32), keep_table=True)
