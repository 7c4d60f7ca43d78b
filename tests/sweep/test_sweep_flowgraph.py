# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of a sweep through the GNU Radio flowgraphs on the simulated USRP, against the physical layer alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from sweeps import one_task

from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph import usrp_pair
from sdr_sc.flowgraph.usrp_pair import PairResult
from sdr_sc.sweep import flowgraph
from sdr_sc.sweep.flowgraph import answers_late
from sdr_sc.sweep.points import measure

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


def test_modes_are_those_of_the_physical_layer() -> None:
    settings = {"snr_db": [12], "items": 80, "items_per_frame": 10, "k": [4]}
    for mode, flowgraph_modes in (("short", [8, 0, 0]), ("auto", [7, 0, 1])):
        phy, flowgraph = (measure(one_task(air=air, mode=mode, **settings)) for air in ("phy", "flowgraph"))
        assert phy.frames_by_mode.tolist() == [8, 0, 0]
        assert flowgraph.frames_by_mode.tolist() == flowgraph_modes  # the first one without knowledge of the SNR
        assert flowgraph.on_air_by_mode.sum() == flowgraph.symbols_on_air
        assert flowgraph.on_air_by_mode[0] * 8 == phy.on_air_by_mode[0] * flowgraph_modes[0]


def test_a_point_of_lost_frames_alone_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each lost frame costs the transmitter's patience, which has to count in the time that it is given."""
    limits: list[float] = []
    real = flowgraph.run_pair
    monkeypatch.setattr(flowgraph, "run_pair", lambda *given: (limits.append(given[6]), real(*given))[1])
    result = measure(one_task(air="flowgraph", items=6, items_per_frame=2, snr_db=[-20], k=[4]))
    assert (result.items, result.correct, result.lost, result.snr_est_mean_db) == (6, 0, 6, None)
    assert (result.frames, result.frames_lost) == (3, 3) and result.items_by_frame.tolist() == [2, 2, 2]
    assert result.confusion[:, 10].sum() == 6
    assert result.seconds > 3 * flowgraph._PATIENCE_S[0], "no frame was answered"
    assert len(limits) == 1 and limits[0] > 3 * flowgraph._PATIENCE_S[0] + 60


def test_the_time_for_a_point_grows_with_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    def noted(*given: object) -> PairResult:
        options = given[2]
        patience_s = float(options[options.index("--feedback-timeout") + 1])  # type: ignore[attr-defined, index]
        asked.append((patience_s, given[6]))
        return PairResult({"frames_without_feedback": 1}, {"frames_lost": 0}, {}, {})

    asked: list[tuple[float, object]] = []
    monkeypatch.setattr(flowgraph, "run_pair", noted)
    with pytest.raises(SdrScError, match="awgn 10 dB.*: the answers to 1 frames took longer than 10 s, .* --workers"):
        measure(one_task(air="flowgraph", items=10_000, items_per_frame=50))
    assert asked == [(2.0, 200 * 3 + 120), (10.0, 200 * 11 + 120)], "a run with late answers gets another, more patient"


def test_an_end_that_does_not_end_is_reported_with_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def start(folder: Path, end: str, device_args: str, options: list[str]) -> subprocess.Popen:
        with open(folder / f"{end}.log", "w") as log:
            started.append(
                subprocess.Popen(["sh", "-c", "echo words of old; echo its last words; sleep 60"], stdout=log)
            )
        return started[-1]

    monkeypatch.setattr(usrp_pair, "_start", start)
    with pytest.raises(SdrScError, match="sdr-sc tx did not end within 1 s, and its log ends with 'its last words'; "):
        usrp_pair.run_pair(tmp_path, None, [], [], limit_s=1.0)
    assert len(started) == 2 and all(process.poll() is not None for process in started)


def test_only_answers_that_came_late_count_as_late() -> None:
    for without, lost, late in ((3, 3, 0), (3, 1, 2), (0, 2, 0)):
        assert answers_late(PairResult({"frames_without_feedback": without}, {"frames_lost": lost}, {}, {})) == late
