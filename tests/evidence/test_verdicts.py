# SPDX-License-Identifier: GPL-3.0-or-later
"""Who wins a setting, from results whose numbers can be checked by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdr_sc.errors import SdrScError
from sdr_sc.evidence.settings import settings_of
from sdr_sc.evidence.verdicts import Option, choose, winner
from sdr_sc.evidence.wins import comparisons, rows, strongest, table, table_of_settings, tally
from sdr_sc.report.sweep.compare import Difference
from sdr_sc.report.sweep.operating_points import Key, Operation
from sdr_sc.report.sweep.results_set import load_study
from sdr_sc.sweep.config import config_from
from sdr_sc.sweep.grid import Point, make_tasks
from sdr_sc.sweep.results import write_results
from sdr_sc.sweep.runner import results_about
from sdr_sc.sweep.tally import PointResult

ITEMS, BLOCK = 1000, 50
FEEDBACK = {
    "right": "",
    **{f"error {e:+d} dB": {"models": "", "feedback": {"error_db": e}} for e in (-12, -9, -6, -3, 3, 6)},
}
BROADCAST = {f"for {db} dB": {"models": "", "feedback": {"assumed_db": db}} for db in (0, 10)}


def result(point: Point, accuracy: float, uses: float, rng: np.random.Generator) -> PointResult:
    """A point of so many right answers, spread at random over its frames."""
    right = np.zeros(ITEMS, bool)
    right[rng.permutation(ITEMS)[: round(accuracy * ITEMS)]] = True
    correct = right.reshape(-1, BLOCK).sum(axis=1).astype(np.int32)
    sizes = np.full(ITEMS // BLOCK, BLOCK, np.int32)
    confusion = np.zeros((10, 11), np.int32)
    confusion[0, 0], confusion[0, 1] = right.sum(), ITEMS - right.sum()
    few = np.zeros(3, np.int32)
    on_air, frames = round((uses + 15) * ITEMS), ITEMS // BLOCK
    return PointResult(
        point, "phy", ITEMS, int(right.sum()), 0, frames, 0, round(uses * ITEMS), on_air, point.snr_db, correct, sizes,
        correct, sizes, confusion, few, few, 0.1, "abc", np.array([0, frames, 0], np.int32), np.array([0, on_air, 0]),
    )  # fmt: skip


def write(path: Path, channels: dict[str, Any], value: Any, **changes: Any) -> Path:
    """Results by a function of the point that gives accuracy and symbols."""
    content = {
        "schemes": ["ours", {"scheme": "label_ldpc", "name": "class"}],
        "channels": channels, "snr_db": [0, 5, 10, 20], "items": ITEMS, **changes,
    }  # fmt: skip
    config = config_from(content)
    k_lists = {entry.label: None if entry.scheme == "label_ldpc" else (1, 2, 4, 8) for entry in config.schemes}
    rng = np.random.default_rng(1)
    results = [result(point, *value(point), rng) for point in make_tasks(config, k_lists, "abc")]
    described = {entry.label: {"scheme": entry.label} for entry in config.schemes}
    write_results(path, results_about(config, described, k_lists, ["sdr-sc", "sweep"]), results)
    return path


@pytest.mark.parametrize(
    ("points", "low", "high", "ours", "theirs", "wins"),
    [
        (0.1, -0.5, 0.7, 2.0, 4.0, "ours"),  # as accurate, and cheaper
        (0.1, -0.5, 0.7, 4.0, 2.0, "rival"),
        (0.1, -0.5, 0.7, 2.0, 2.1, "even"),
        (0.3, 0.2, 0.4, 2.0, 2.1, "even"),  # seen, and too small to count
        (2.0, -1.0, 5.0, 2.0, 2.1, "even"),  # large, and not seen
        (2.0, 1.0, 3.0, 2.0, 2.1, "ours"),
        (2.0, 1.0, 3.0, 4.0, 2.0, "traded"),
        (-2.0, -3.0, -1.0, 2.0, 4.0, "traded"),
        (-40.0, -50.0, -30.0, 2.0, 4.0, "rival"),  # ours failed, whatever it saved
        (40.0, 30.0, 50.0, 4.0, 2.0, "ours"),
    ],
)
def test_a_winner_is_better_in_one_and_not_worse_in_the_other(
    points: float, low: float, high: float, ours: float, theirs: float, wins: str
) -> None:
    assert winner(Difference(points, low, high, True), ours, theirs) == wins


def option(label: str, accuracy: float, uses: float) -> Option:
    key = Key("s", "c", 0.0, None)
    made = result(Point("s", "c", 0.0, None, 1), accuracy, uses, np.random.default_rng(1))
    return Option(label, (Operation(key, (made,), ITEMS),))


def test_a_scheme_chooses_the_cheapest_that_is_nearly_the_best_or_the_best_within_a_budget() -> None:
    options = [option("dear", 0.934, 16), option("fair", 0.930, 8), option("poor", 0.9, 2)]
    assert choose(options).label == "fair"
    assert choose(options, 20.0).label == "dear" and choose(options, 9.0).label == "fair"
    assert choose(options, 2.0).label == "poor" and choose(options, 1.0) is None


def test_a_margin_is_an_error_the_other_way_and_is_chosen_by_each_scheme(tmp_path: Path) -> None:
    """The class fails wherever the SNR is given too high, and pays a symbol for each decibel that it is too low."""
    errors = {label: float(label.split()[1]) if label != "right" else 0.0 for label in FEEDBACK}

    def value(point: Point) -> tuple[float, float]:
        if point.scheme == "ours":
            return 0.88, 5.0
        error = errors[point.channel]
        return (0.1, 1.0) if error > 0 else (0.93, 2.0 - error)

    path = write(tmp_path / "x.parquet", FEEDBACK, value)
    wrong_by_6 = next(s for s in settings_of(load_study([path])) if s.name.startswith("SNR wrong by up to 6 dB"))
    assert {o.label for o in wrong_by_6.options["class"]} == {f"margin of {m} dB" for m in (0, 3, 6)}
    chosen = choose(wrong_by_6.options["class"])
    # Errors of -6 to +6 dB with 6 dB of margin are -12 to 0 dB: 2 and 6 symbols more in the mean.
    assert chosen is not None and chosen.label == "margin of 6 dB" and chosen.cost("uses") == pytest.approx(8.0)
    assert len(chosen.operations) == 5 * 4
    few = {label: one for label, one in FEEDBACK.items() if errors[label] > -6}
    names = {one.setting for one in comparisons(write(tmp_path / "y.parquet", few, value))}
    assert names and not any("either way" in name for name in names), "without all margins there is no best one"
    found = {one.setting: one for one in comparisons(path)}
    assert found["error +6 dB, mean over SNR"].winner("uses", "ours") == "ours"
    assert found["error -6 dB, mean over SNR"].winner("uses", "ours") == "traded"
    assert found["right, 5 dB"].winner("uses", "ours") == "class"
    by_6 = found["SNR wrong by up to 6 dB either way, best margin"]
    assert by_6.winner("uses", "ours") == "traded" and by_6.verdict is not None
    assert by_6.verdict.gain.points == pytest.approx(-5.0)


def test_one_setting_for_all_receivers_is_chosen_over_all_of_them_and_within_budgets(tmp_path: Path) -> None:
    def value(point: Point) -> tuple[float, float]:
        assumed = float(point.channel.split()[1])
        if point.scheme == "ours":
            return min(0.94, 0.6 + 0.02 * point.snr_db + 0.1 * (point.k or 1)), float(point.k or 1)
        return (0.93, 8.0 if assumed == 0 else 2.0) if point.snr_db >= assumed else (0.0, 8.0 if assumed == 0 else 2.0)

    path = write(tmp_path / "x.parquet", BROADCAST, value, k=[1, 2, 4])
    found = {one.setting: one for one in comparisons(path)}
    whole = found["one setting for all of 0, 5, 10, 20 dB"]
    assert whole.theirs is not None and whole.theirs.label == "for 0 dB" and whole.theirs.worst == 0.93
    at_2 = found["one setting for all of 0, 5, 10, 20 dB, 2 symbols at most"]
    assert at_2.ours is not None and at_2.ours.label.startswith("k=2") and at_2.winner("uses", "ours") == "ours"
    assert at_2.theirs is not None and at_2.theirs.accuracy == pytest.approx(0.93 / 2)
    at_1 = found["one setting for all of 0, 5, 10, 20 dB, 1 symbols at most"]
    assert at_1.theirs is None and at_1.winner("uses", "ours") == "ours" and at_1.verdict is None
    assert not any(name.startswith("for ") for name in found), "without feedback a single SNR is no setting"
    mixed = write(tmp_path / "z.parquet", {"for 1 dB": {"models": "", "feedback": {"assumed_db": 1}}, "right": ""},
                  lambda point: (0.9, 9.0), k=[1])  # fmt: skip
    means = [one.setting for one in comparisons(mixed, means_only=True)]
    assert means == ["right, mean over SNR", "one setting for all of 0, 5, 10, 20 dB"], "no budget that nothing fits"
    wider = write(tmp_path / "y.parquet", BROADCAST, value, k=[1, 2, 4], snr_db=[0, 5, 7.5, 10, 20])
    names = {one.setting for one in comparisons(wider)}
    assert {"one setting for all of 0, 5, 7.5, 10, 20 dB", "one setting for all of 0, 5, 10, 20 dB"} < names


def test_the_table_and_its_figures_say_the_same(tmp_path: Path) -> None:
    def value(point: Point) -> tuple[float, float]:
        return (0.93, 4.0) if point.scheme == "ours" else (0.93, 2.0)

    path = write(tmp_path / "x.parquet", {"awgn": ""}, value)
    found = comparisons(path, means_only=True)
    assert [one.setting for one in found] == ["awgn, mean over SNR"]
    text = table(found)
    gain = text.splitlines()[2].split(" | ")[4]
    assert text.splitlines()[2] == (
        f"| awgn, mean over SNR | class | 93.0, 4.0, 19.0 | 93.0, 2.0, 17.0 | {gain} | class | class |"
    )
    assert gain.startswith("0.0 (-") or gain.startswith("+0.0 (-")
    assert "| class | payload | 0 | 1 | 0 | 0 | 0 |" in tally(found)
    useless = write(tmp_path / "y.parquet", {"awgn": ""}, lambda p: (0.1, 4.0) if p.scheme == "ours" else (0.3, 2.0))
    assert "| class | payload | 0 | 0 | 0 | 0 | 1 |" in tally(comparisons(useless, means_only=True))
    figures = {row.name: row.value for row in rows(found)}
    assert figures["awgn, mean over SNR; ours less class: symbols of the rival over ours, payload"] == 0.5
    assert len(comparisons(path)) == 5


RIVALS = ["ours", {"scheme": "label_ldpc", "name": "class"}, {"scheme": "label_ldpc", "name": "image"}]


@pytest.mark.parametrize(
    ("of_class", "of_image", "shown", "winner_is"),
    [
        ((0.93, 2.0), (0.95, 90.0), "class", "class"),  # one wins, one trades
        ((0.93, 2.0), (0.94, 1.0), "image", "image"),  # both win, and this one more
        ((0.93, 1.0), (0.93, 2.0), "class", "class"),
        ((0.5, 2.0), (0.93, 4.0), "image", "even"),
        ((0.5, 2.0), (0.95, 90.0), "image", "traded"),
        ((0.6, 2.0), (0.5, 1.0), "class", "ours"),  # ours wins against all; the better one is shown
    ],
)
def test_a_setting_is_won_against_all_rivals_or_not_at_all(
    tmp_path: Path, of_class: tuple[float, float], of_image: tuple[float, float], shown: str, winner_is: str
) -> None:
    values = {"ours": (0.93, 4.0), "class": of_class, "image": of_image}
    path = write(tmp_path / "x.parquet", {"awgn": ""}, lambda point: values[point.scheme], schemes=RIVALS)
    found = comparisons(path, means_only=True)
    assert [one.rival for one in found] == ["class", "image"]
    (line,) = strongest(found, "uses")
    assert (line.rival, line.winner("uses", "ours")) == (shown, winner_is)
    text = table_of_settings(found).splitlines()
    assert len(text) == 3 and f" | {shown} | " in text[2] and text[2].split(" | ")[5] == winner_is
    counts = {name: int(name == {"class": "rival", "image": "rival"}.get(winner_is, winner_is))
              for name in ("ours", "rival", "even", "traded", "both fail")}  # fmt: skip
    assert f"| the strongest of each | payload | {' | '.join(map(str, counts.values()))} |" in tally(found)


def test_each_scheme_takes_its_best_margin_where_channels_differ_in_that_alone(tmp_path: Path) -> None:
    fading = "rayleigh(doppler_hz=5)"
    channels = {
        "fading": fading,
        "fading, 3": {"models": fading, "feedback": {"margin_db": 3}},
        "fading, acknowledged": {"models": fading, "feedback": {"loss_target": 0.02}},
        "fading, late": {"models": fading, "feedback": {"delay_frames": 2}},
        "wrong": {"models": "", "feedback": {"error_db": 3}},
        "wrong, acknowledged": {"models": "", "feedback": {"error_db": 3, "loss_target": 0.02}},
    }
    by_class = {"fading": (0.6, 1.0), "fading, 3": (0.9, 2.0), "fading, acknowledged": (0.9, 1.5), "wrong": (0.2, 1.0)}

    def value(point: Point) -> tuple[float, float]:
        return (0.9, 3.0) if point.scheme == "ours" else by_class.get(point.channel, (0.9, 2.5))

    found = {one.setting: one for one in comparisons(write(tmp_path / "x.parquet", channels, value), means_only=True)}
    assert list(found) == [
        f"{name}, mean over SNR" for name in ("fading", "fading, late", "wrong", "wrong, acknowledged")
    ]
    fading_one = found["fading, mean over SNR"]
    assert fading_one.theirs is not None and fading_one.theirs.label == "acknowledgements"
    assert fading_one.ours is not None and fading_one.ours.label == "margin of 0 dB"
    assert fading_one.winner("uses", "ours") == "class"
    late = found["fading, late, mean over SNR"]
    assert late.theirs is not None and late.theirs.label == "", "where there is no choice none is shown"
    assert found["wrong, mean over SNR"].winner("uses", "ours") == "ours", "a margin for a known error is no margin"
    trusting = {one.setting: one for one in comparisons(tmp_path / "x.parquet", means_only=True, margins=False)}
    assert list(trusting) == [f"{name}, mean over SNR" for name in ("fading", "fading, late", "wrong")]
    assert trusting["fading, mean over SNR"].winner("uses", "ours") == "ours"


def test_results_without_a_rival_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", {"awgn": ""}, lambda p: (0.9, 1.0), schemes=["ours", "refined"])
    with pytest.raises(SdrScError, match="holds nothing to compare 'ours' with"):
        comparisons(path)
    with pytest.raises(SdrScError, match="holds nothing to compare 'theirs' with"):
        comparisons(path, "theirs")
