# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench of air time: its rival, its draws of the channel, and its figures."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.bench import air_time
from sdr_sc.bench.air_time import IDEAS, RIVAL, WAYS, WHOLE, Draw, Place, as_before, fewest_an_item
from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.numerology import Numerology
from sdr_sc.semantic import weights
from sdr_sc.semantic.cam import look_up

PLACE = Place("", "AWGN", 20.0, 50)


def named(rows, first: str) -> float:
    (found,) = [row for row in rows if row.name.startswith(first)]
    return found


def test_the_rival_chooses_from_the_earlier_list_by_the_same_accuracies() -> None:
    contract = weights.read_contract(weights.DEFAULT_MODEL)
    before = as_before(contract)
    assert before.k_list == (2, 4, 8, 16, 32) and before.refinement is None
    for snr_db in (-5.0, 0.0, 5.0, 20.0):
        k, finer = look_up(before.cam, snr_db), look_up(contract.cam, snr_db)
        assert finer <= k < 2 * max(finer, 2)
    at_20_db = before.cam.snr_db.index(20.0)
    assert before.cam.accuracy[at_20_db][0] == contract.cam.accuracy[at_20_db][contract.k_list.index(2)]


def test_filled_frames_cost_no_more_than_any_other_number_of_items() -> None:
    layout = frame_layout(Numerology(), FrameMode.SHORT)
    for k, others in ((1, 0), (3, 20), (16, 7)):
        count = fewest_an_item(50, k, others, FrameMode.SHORT, Numerology())
        least = layout.frame_symbols(count * k + others) / count
        assert all(layout.frame_symbols(n * k + others) / n >= least for n in range(1, 51))


def test_the_channel_is_drawn_again_after_so_many_frames() -> None:
    class Air:
        mean_power = 1.0

        def __init__(self, number: int) -> None:
            self.number = number

        def process(self, samples: np.ndarray) -> np.ndarray:
            return np.full(1, self.number)

    drawn = air_time._Drawn((Air(number) for number in range(3)), 2)
    assert [int(drawn.process(np.zeros(1))[0]) for _ in range(9)] == [0, 0, 0, 1, 1, 2, 2, 2, 2]


@pytest.mark.parametrize("way", [*WAYS, *IDEAS], ids=lambda way: way.name)
def test_each_way_sends_all_items_at_what_its_frames_cost(way) -> None:
    found = air_time._draws((way, PLACE), weights.DEFAULT_MODEL, 2, 4, 1)
    assert len(found) == 2 and sum(draw.items for draw in found) == 400
    assert sum(draw.correct for draw in found) > 350
    air = sum(draw.on_air for draw in found) / 400
    mode, most = (FrameMode.NORMAL if way.earlier else FrameMode.SHORT), way.most or 50
    least = frame_layout(Numerology(), mode).frame_symbols(2 * most) * Numerology().used / most
    assert 0.98 * least <= air < 2.2 * least  # a robust frame at first, the last frame not full, those of refinements


def test_the_goal_asks_for_air_and_for_quality() -> None:
    rival = [Draw(100, 93, 2000, 2)] * 4
    for air, correct, met in ((1200, 93, True), (1200, 92, False), (1300, 93, False)):
        rows = air_time._rows(WHOLE, PLACE, [Draw(100, correct, air, 2)] * 4, rival)
        gain, more = named(rows, "times fewer"), named(rows, "accuracy above")
        assert gain.value == pytest.approx(2000 / air) and gain.ok is met
        assert more.value == pytest.approx(correct - 93) and gain.n == 8
    assert len(air_time._rows(RIVAL, PLACE, rival, rival)) == 2


def test_intervals_are_paired_over_the_draws() -> None:
    rival = [Draw(100, 90, air, 1) for air in (1000, 2000, 4000)]
    rows = air_time._rows(WHOLE, PLACE, [Draw(100, 90, one.on_air // 2, 1) for one in rival], rival)
    low, high = named(rows, "times fewer").ci95
    assert low == pytest.approx(2.0) and high == pytest.approx(2.0)
    low, high = named(rows, "symbols on air").ci95
    assert high > 1.5 * low
