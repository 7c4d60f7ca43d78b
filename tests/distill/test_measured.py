# SPDX-License-Identifier: GPL-3.0-or-later
"""What `sdr-sc calibrate` measures: curves of the confidence, and the contract that follows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sdr_sc.data import fashion_mnist
from sdr_sc.distill.measured import calibrate
from sdr_sc.distill.measured.fit_calibration import KNOTS, _fit_curve
from sdr_sc.distill.measured.fit_own_share import SHARES, fading_bank, share_losses
from sdr_sc.distill.measured.held_out import Model, over_fading
from sdr_sc.errors import ContractError
from sdr_sc.semantic.calibration import Calibration, calibration_error
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


def test_fading_reports_the_variance_that_it_has() -> None:
    rng = np.random.default_rng(4)
    sent = np.exp(2j * np.pi * rng.random((20_000, 6))).astype(np.complex64)
    bank = np.array([[0.2] * 4 + [1.8] * 4, [1.0] * 8])
    found, variance = over_fading(sent, 6.0, bank, rng)
    error = np.abs(found * (1 + variance) - sent) ** 2
    assert (error / variance).mean() == pytest.approx(1.04, abs=0.02)  # 0.04 of the estimate, which nobody sees
    by_item = (1 / variance).mean(axis=1) * 10**-0.6
    assert by_item.mean() == pytest.approx(1.0, abs=0.05) and by_item.std() > 0.12


def test_banks_are_selective_and_do_not_change_the_snr_of_the_frame() -> None:
    bank = fading_bank(1)
    assert np.allclose(bank.mean(axis=1), 1.0, atol=1e-4)
    spread = bank.std(axis=1)
    assert spread.min() < 0.1 and spread.max() > 0.7


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_likeliest_share_is_that_of_the_outcomes(share: float) -> None:
    grid, rng = (0.0, 10.0), np.random.default_rng(6)
    curves = tuple((tuple(0.1 * np.array(KNOTS) + start),) for start in (-2.0, 2.0))
    known = Calibration(grid, ((1.0,),) * 2, KNOTS, curves, "a test")
    logits, own_db = np.zeros((20_000, 10), np.float32), rng.uniform(0.0, 10.0, 20_000)
    right = rng.random(20_000) < known.confidence(logits, 0, 6.0 + share * (own_db - 6.0))
    losses = share_losses(known, 0, logits, right, 6.0, own_db)
    assert SHARES[int(losses.argmin())] == pytest.approx(share, abs=0.1)


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
    assert [len(row) for row in measured.calibration.own_share] == [2] * 4
    plain = replace(contract, k_list=(4, 32), cam=measured.cam, calibration=None, refinement=None)
    model.encoder.contract = plain
    kept = calibrate.measured_contract(model, (4, 32), seed=2, keep_table=True)
    assert kept.cam == measured.cam and kept.refinement is not None
    with pytest.raises(ContractError, match="is for k in 4, 32; keep it with these k alone"):
        calibrate.measured_contract(model, (2, 32), keep_table=True)
