# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of a sweep through the GNU Radio flowgraphs on the simulated USRP, against the physical layer alone."""

from __future__ import annotations

import pytest
from sweeps import one_task

from sdr_sc.errors import SdrScError
from sdr_sc.experiments.sweep.flowgraph import check_pair
from sdr_sc.experiments.sweep.points import measure
from sdr_sc.experiments.usrp_pair import PairResult

POINT = {"items": 600, "snr_db": [0], "k": [4], "items_per_frame": 10}


def test_the_flowgraph_agrees_with_the_physical_layer_within_their_intervals() -> None:
    channels = {"c": {"models": "multipath(taps=[0.8, 0.3+0.4j])", "realisation_items": 0}}
    phy = measure(one_task(channels=channels, **POINT))
    flowgraph = measure(one_task(channels=channels, air="flowgraph", **POINT))
    assert (phy.air, flowgraph.air) == ("phy", "flowgraph")
    (low, high), (other_low, other_high) = phy.interval, flowgraph.interval
    assert max(low, other_low) <= min(high, other_high), (phy.interval, flowgraph.interval)
    assert 0.6 < phy.correct / 600 < 0.9, "far from both ends, where any two would agree"
    assert phy.frames >= 60, "so few single estimates, each spread by 0.4 dB, would not agree so closely"
    assert flowgraph.snr_est_mean_db == pytest.approx(phy.snr_est_mean_db, abs=0.3)
    for name in ("items", "frames", "channel_uses", "symbols_on_air"):
        assert getattr(phy, name) == getattr(flowgraph, name), name
    assert phy.sample_item.tolist() == flowgraph.sample_item.tolist()
    assert phy.confusion.sum(axis=1).tolist() == flowgraph.confusion.sum(axis=1).tolist(), "the same images"


def test_a_run_whose_answers_came_late_is_not_taken() -> None:
    check_pair(PairResult({"frames_without_feedback": 3}, {"frames_lost": 3}, {}, []), "a point")
    with pytest.raises(SdrScError, match="a point: the answers to 2 frames took longer than 10 s"):
        check_pair(PairResult({"frames_without_feedback": 3}, {"frames_lost": 1}, {}, []), "a point")
