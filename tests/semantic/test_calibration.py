# SPDX-License-Identifier: GPL-3.0-or-later
"""Confidence after calibration, and the rounds of refinement in a contract."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.distill.measured.held_out import over_fading
from sdr_sc.errors import ContractError
from sdr_sc.semantic import weights
from sdr_sc.semantic.calibration import Calibration, calibration_error, channel_snr_db, top_log_odds
from sdr_sc.semantic.cam import first_rounds, look_up
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.contract_reading import read_contract_text
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.refinement import RefinementPlan

PLAIN = replace(weights.read_contract(weights.DEFAULT_MODEL), calibration=None, refinement=None)
COLUMNS = len(PLAIN.k_list)
KNOTS = (-2.0, 0.0, 5.0)
CALIBRATION = Calibration(
    snr_db=(0.0, 10.0),
    temperature=((2.0,) * COLUMNS, (1.0,) * COLUMNS),
    log_odds=KNOTS,
    calibrated=(((-3.0, -1.0, 3.0),) * COLUMNS, (KNOTS,) * COLUMNS),
    measured_on="nothing",
)
ENERGY = (1.0 / PLAIN.k_max,) * PLAIN.k_max
PLAN = RefinementPlan(
    (0.0, 10.0), ((4, 8, 32), (2,)), ((0.9, 0.8), ()), (ENERGY, ENERGY), symbol_price=0.002, measured_on="nothing"
)


def with_measured(**changes) -> ModelContract:
    return replace(PLAIN, **{"calibration": CALIBRATION, "refinement": PLAN, **changes})


def test_a_calibration_with_temperature_1_and_a_straight_curve_is_a_softmax() -> None:
    logits = np.random.default_rng(1).normal(0, 2, (50, 10))
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax = shifted.max(axis=1) / shifted.sum(axis=1)
    assert np.allclose(CALIBRATION.confidence(logits, 0, 10.0), softmax, atol=1e-6)
    assert np.array_equal(CALIBRATION.confidence(logits, 0, 60.0), CALIBRATION.confidence(logits, 0, 10.0))


def test_temperature_and_curve_are_interpolated_over_the_snr() -> None:
    logits = np.array([[4.0, 0.0]])
    odds = -np.log(1 / CALIBRATION.confidence(logits, 1, np.array([0.0])) - 1)
    assert odds == pytest.approx(-1.0 + 2.0 / 5.0 * 4.0)  # log odds of 4 / 2 on the curve of 0 dB
    middle = -np.log(1 / CALIBRATION.confidence(logits, 1, 5.0) - 1)
    at = 4.0 / np.sqrt(2.0)
    assert middle == pytest.approx(0.5 * (-1.0 + 0.8 * at) + 0.5 * at)


def test_confidence_rises_with_the_logits_beyond_the_knots_too() -> None:
    logits = np.stack([np.linspace(0, 30, 200), np.zeros(200)], axis=1)
    found = CALIBRATION.confidence(logits, 0, 3.0)
    assert (np.diff(found) >= 0).all() and found[-1] > found[100] and 0 < found[0] < 1


def test_items_have_their_own_snr_and_k() -> None:
    logits = np.array([[2.0, 0.0], [2.0, 0.0]])
    both = CALIBRATION.confidence(logits, np.array([0, 1]), np.array([0.0, 10.0]))
    assert both[0] == CALIBRATION.confidence(logits[:1], 0, 0.0)[0] < both[1]


def test_the_snr_of_an_item_counts_its_own_symbols() -> None:
    variance = np.array([[0.1, 0.1, np.inf, np.inf], [0.1, 0.1, np.inf, np.inf]])
    assert channel_snr_db(variance, np.array([2, 4])).round(3).tolist() == [10.0, -0.792]
    assert channel_snr_db(np.full((1, 4), np.inf), 4)[0] == -np.inf


def test_tables_are_read_between_the_snr_given_and_that_of_the_item() -> None:
    logits = np.random.default_rng(4).normal(0, 2, (30, 10))
    shared = replace(CALIBRATION, own_share=((0.5,) * COLUMNS, (0.1,) * COLUMNS))

    def read(found: Calibration, *snrs_db: float) -> np.ndarray:
        return found.confidence(logits, 2, *snrs_db)

    assert np.array_equal(read(CALIBRATION, 10.0, 4.0), read(CALIBRATION, 4.0))  # as contracts without shares had it
    assert np.array_equal(read(shared, 7.0), read(shared, 7.0, 7.0))
    assert np.allclose(read(shared, 0.0, 8.0), read(shared, 4.0)) and np.allclose(
        read(shared, 10.0, 4.0), read(shared, 9.4)
    )
    assert np.allclose(read(shared, 5.0, 1.0), read(shared, 5.0 - 0.3 * 4.0))
    assert np.allclose(read(shared, 40.0, -np.inf), read(shared, 9.0))  # both kept within the grid
    assert np.allclose(shared.probabilities(logits, 2, 10.0, 4.0).max(axis=1), read(shared, 10.0, 4.0), atol=1e-6)


def test_the_shipped_confidence_is_true_where_each_symbol_fades_by_itself() -> None:
    decoder, encoder, data = SemanticDecoder(), SemanticEncoder(), load_dataset(DEFAULT_DATA_SET, "test")
    rng, k, snr_db, chosen = np.random.default_rng(5), 32, 5.0, np.arange(1500)
    bank = rng.exponential(size=(500, 6)).repeat(8, axis=1)
    sent = encoder.encode(data.items(chosen), snr_db, k)
    features, variance = over_fading(sent, snr_db, bank / bank.mean(axis=1, keepdims=True), rng)
    found = decoder.answer(features, snr_db, noise_variance=variance)
    right = found.best == data.targets(decoder.contract.tasks[0].name, chosen)
    assert 100 * calibration_error(found.confidence, right) < 4.0
    assert decoder.contract.calibration is not None
    decoder.contract = replace(decoder.contract, calibration=replace(decoder.contract.calibration, own_share=()))
    before = decoder.answer(features, snr_db, noise_variance=variance)
    assert np.array_equal(before.best, found.best)
    assert 100 * calibration_error(before.confidence, right) > 6.0


def test_top_log_odds_do_not_overflow() -> None:
    assert np.isfinite(top_log_odds(np.array([[1e4, -1e4], [0.0, 0.0]]))).all()


def test_calibration_error_of_a_true_confidence_is_small_and_of_a_wrong_one_is_its_distance() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.random(200_000)
    assert calibration_error(confidence, rng.random(200_000) < confidence) < 0.01
    assert calibration_error(np.full(1000, 0.9), np.zeros(1000, bool)) == pytest.approx(0.9)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"snr_db": ()}, "without SNRs"),
        ({"snr_db": (1.0, 1.0)}, "do not rise"),
        ({"snr_db": (0.0, float("nan"))}, "do not rise"),
        ({"log_odds": (0.0,)}, "without SNRs, k or knots"),
        ({"temperature": ()}, "without SNRs, k or knots"),
        ({"temperature": ((1.0,) * COLUMNS,)}, "temperatures are not 2 rows"),
        ({"temperature": ((0.0,) * COLUMNS,) * 2}, "not above 0"),
        ({"temperature": ((float("inf"),) * COLUMNS,) * 2}, "not above 0"),
        ({"calibrated": ()}, "curves are not 2 rows"),
        ({"calibrated": ((KNOTS[:2],) * COLUMNS,) * 2}, "of 3 knots each"),
        ({"calibrated": (((0.0, 0.0, 1.0),) * COLUMNS,) * 2}, "curve that does not rise"),
        ({"own_share": ((0.5,) * COLUMNS,)}, "shares are not 2 rows"),
        ({"own_share": ((0.5,), (0.5,))}, "shares are not 2 rows"),
        ({"own_share": ((1.5,) * COLUMNS,) * 2}, "share that is not 0 to 1"),
        ({"own_share": ((float("nan"),) * COLUMNS,) * 2}, "share that is not 0 to 1"),
    ],
)
def test_a_calibration_that_does_not_fit_is_refused(changes: dict, sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        replace(CALIBRATION, **changes)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"snr_db": ()}, "one row for each SNR"),
        ({"snr_db": (0.0,)}, "one row for each SNR"),
        ({"snr_db": (10.0, 0.0)}, "SNRs do not rise"),
        ({"steps": ((8, 4, 32), (2,))}, "steps do not rise"),
        ({"steps": ((4, 8, 64), (2,))}, "steps do not rise from 1 or more to the largest k"),
        ({"steps": ((), (2,))}, "steps do not rise"),
        ({"accept": ((0.9,), ())}, "for each step but the last"),
        ({"accept": ((0.9, 1.5), ())}, "for each step but the last"),
        ({"accept": ((0.9, float("nan")), ())}, "for each step but the last"),
        ({"energy": (ENERGY, (0.0, *ENERGY[1:]))}, "energies that are not above 0"),
        ({"energy": (ENERGY, tuple(2 * one for one in ENERGY))}, "with the sum 1"),
        ({"symbol_price": -1.0}, "price of a symbol"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(changes: dict, sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        replace(PLAN, **changes)


def test_steps_and_confidences_by_snr() -> None:
    assert [PLAN.first(snr_db) for snr_db in (-9.0, 4.9, 5.1, 40.0)] == [4, 4, 2, 2]
    assert [PLAN.next_step(k, 4.0) for k in (2, 4, 7, 8, 32)] == [4, 8, 8, 32, None]
    assert [PLAN.least_confidence(k, 4.0) for k in (2, 4, 7, 8, 32)] == [0.9, 0.9, 0.9, 0.8, 0.0]
    assert PLAN.next_step(2, 12.0) is None and PLAN.least_confidence(2, 12.0) == 0.0


def test_the_first_round_is_that_of_the_nearest_snr_and_no_more_than_the_table_allows() -> None:
    contract = with_measured()
    table = first_rounds(contract, contract.cam)
    assert [look_up(table, snr_db) for snr_db in (-9.0, 4.9, 5.1, 40.0)] == [4, 4, 2, 2]
    assert set(first_rounds(contract, replace(contract.cam, k=(2,) * len(contract.cam.k))).k) == {2}
    with pytest.raises(ContractError, match="no rounds of refinement; run 'sdr-sc calibrate'"):
        first_rounds(PLAIN, PLAIN.cam)


def test_gains_put_unit_power_parts_together_to_a_prefix_of_unit_power() -> None:
    energy = np.linspace(2.0, 0.1, PLAIN.k_max)
    plan = replace(PLAN, energy=(tuple(energy / energy.sum()), ENERGY))
    gains = plan.gains((4, 8, 32), 3.0)
    assert np.mean(gains**2) == pytest.approx(1.0) and gains[0] == gains[3] > gains[4] > gains[8]
    assert plan.gains((8,), 3.0) == pytest.approx(np.ones(8))
    symbols = np.sqrt(energy)
    parts = [symbols[a:b] / np.sqrt(np.mean(symbols[a:b] ** 2)) for a, b in ((0, 4), (4, 8), (8, 32))]
    assert np.concatenate(parts) * gains == pytest.approx(symbols / np.sqrt(np.mean(symbols**2)))


def test_a_contract_keeps_what_was_measured() -> None:
    contract = with_measured()
    assert read_contract_text(contract.to_json(), "here") == contract
    assert read_contract_text(PLAIN.to_json(), "here") == PLAIN
    assert "calibration" not in json.loads(PLAIN.to_json())  # earlier programs read it
    shared = with_measured(calibration=replace(CALIBRATION, own_share=((0.5,) * COLUMNS, (0.25,) * COLUMNS)))
    assert read_contract_text(shared.to_json(), "here") == shared


def test_a_calibration_without_shares_is_read_as_it_was_written() -> None:
    raw = json.loads(with_measured().to_json())
    del raw["calibration"]["own_share"], raw["sha256"]
    assert read_contract_text(json.dumps(raw), "here").calibration == CALIBRATION


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"k_list": PLAIN.k_list[1:]}, "calibration for|CAM table"),
        ({"refinement": replace(PLAN, steps=((5, 8, 32), (2,)))}, "plan that does not fit its k list"),
        ({"refinement": replace(PLAN, energy=((*ENERGY[:-1], 1 / 64, 1 / 64),) * 2)}, "does not fit its k list"),
    ],
)
def test_what_was_measured_for_another_k_list_is_refused(changes: dict, sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        with_measured(**changes)


@pytest.mark.parametrize("field", ["calibration", "refinement"])
@pytest.mark.parametrize("value", [None, [], {}, {"snr_db": [0.0]}, "text"])
def test_a_foreign_value_is_one_sentence(field: str, value: object) -> None:
    raw = {**json.loads(PLAIN.to_json()), field: value}
    raw.pop("sha256", None)
    with pytest.raises(ContractError, match=f"its {field} is") as error:
        read_contract_text(json.dumps(raw), "here")
    assert "\n" not in str(error.value)


def test_the_decoder_gives_the_calibrated_confidence_and_the_same_answers() -> None:
    decoder = SemanticDecoder()
    rng = np.random.default_rng(3)
    features = (rng.normal(size=(40, 8)) + 1j * rng.normal(size=(40, 8))).astype(np.complex64)
    features[0] = np.nan
    decoder.contract = PLAIN
    plain = decoder.answer(features, 0.0)
    decoder.contract = with_measured()
    found = decoder.answer(features, 0.0)
    assert np.array_equal(plain.ids, found.ids) and found.best[0] == -1 and found.confidence[0] == 0
    logits = decoder.decode(features, 0.0)[1:]
    expected = CALIBRATION.confidence(logits, PLAIN.k_list.index(8), 0.0)
    assert np.allclose(found.confidence[1:], expected, atol=1e-6)
    assert not np.allclose(found.confidence[1:], plain.confidence[1:], atol=0.05)
    noisier = decoder.answer(features, 0.0, noise_variance=np.full(features.shape, 0.1, np.float32))
    assert np.allclose(noisier.confidence[1:], CALIBRATION.confidence(logits, 0, 10.0), atol=1e-6)
    shares = ((0.25,) * COLUMNS,) * 2
    decoder.contract = with_measured(calibration=replace(CALIBRATION, own_share=shares))
    shared = decoder.answer(features, 0.0, noise_variance=np.full(features.shape, 0.1, np.float32))
    assert np.allclose(shared.confidence[1:], CALIBRATION.confidence(logits, 0, 2.5), atol=1e-6)
    chances = decoder.probabilities(features, 0.0, noise_variance=np.full(features.shape, 0.1, np.float32))
    assert np.allclose(chances[1:].max(axis=1), shared.confidence[1:], atol=1e-6)


def test_prefixes_of_different_lengths_are_answered_as_each_alone() -> None:
    decoder = SemanticDecoder()
    rng = np.random.default_rng(4)
    sent = (rng.normal(size=(3, 32)) + 1j * rng.normal(size=(3, 32))).astype(np.complex64)
    k, snr_db = np.array([2, 8, 32]), np.array([0.0, 5.0, 30.0])
    variance = np.where(np.arange(32) < k[:, None], 10.0 ** (-snr_db[:, None] / 10), np.inf)
    prefixes = np.where(np.isfinite(variance), sent, 0).astype(np.complex64)
    found = decoder.answer_prefixes(prefixes, snr_db, k, variance)
    for row in range(3):
        alone = decoder.answer(sent[row : row + 1, : k[row]], snr_db[row])
        assert found.best[row] == alone.best[0]
        assert found.confidence[row] == pytest.approx(alone.confidence[0], abs=1e-5)
    lost = decoder.answer_prefixes(np.zeros((1, 32), np.complex64), np.zeros(1), k[:1], np.full((1, 32), np.inf))
    assert lost.best[0] == -1 and lost.confidence[0] == 0
