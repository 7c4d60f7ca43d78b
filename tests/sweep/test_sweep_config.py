# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweep files: what they say, and how mistakes are reported."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from command import ROOT, assert_one_line_error

from sdr_sc.cli.main import main
from sdr_sc.errors import SdrScError
from sdr_sc.schemes.catalogue import SCHEME_NAMES, check_scheme
from sdr_sc.sweep.config import SweepConfig, config_from, load_config
from sdr_sc.sweep.grid import make_tasks
from sdr_sc.sweep.items import test_set
from sdr_sc.sweep.runner import check_air

GOOD = {"schemes": ["ours"], "snr_db": [0, 10]}
K_LISTS = {"ours": (2, 4, 8)}


def test_the_example_in_the_docs_is_read_as_it_says(tmp_path: Path) -> None:
    text = re.search(r"```yaml\n(.*?)```", (ROOT / "docs" / "sweeps.md").read_text(), re.DOTALL)
    path = tmp_path / "study.yaml"
    path.write_text(text.group(1))  # type: ignore[union-attr]
    config = load_config(path)
    check_air(config)
    assert [entry.label for entry in config.schemes] == ["ours", "ours at 8 symbols", "another model"]
    assert config.schemes[1].k == (8,) and config.schemes[2].parameters == {"model": "fashion_mnist_student"}
    assert [channel.realisation_items for channel in config.channels] == [0, 50, 100, 0]
    assert [entry.mode for entry in config.schemes] == ["normal", "normal", "auto"]
    assert len(config.snr_db) == 13 and config.snr_db[:2] == (-5.0, -2.5) and config.snr_db[-1] == 25.0
    assert config.k == (4, 16, None) and config.stop.interval_points == 1.0  # type: ignore[union-attr]


def test_headline_and_rivals_compare_all_schemes_the_headline_over_three_channels() -> None:
    config, over_fading = (
        load_config(ROOT / "benchmarks" / "headline" / f"{name}.yaml") for name in ("config", "fading")
    )
    for entry in (*config.schemes, *over_fading.schemes):
        check_scheme(entry.scheme, entry.parameters)
    rivals = [load_config(ROOT / "benchmarks" / "rivals" / f"{name}.yaml") for name in ("config", "thumbnails")]
    compared = {entry.scheme for one in (config, *rivals) for entry in one.schemes}
    assert compared == set(SCHEME_NAMES) - {"refined"}  # sdr-sc bench refinement
    left_out = {entry.label for entry in config.schemes} - {entry.label for entry in over_fading.schemes}
    assert left_out and all(label.startswith(("jpeg_ldpc", "webp_ldpc")) for label in left_out)
    assert all(entry in config.schemes for entry in over_fading.schemes)
    assert "ours" in [entry.label for entry in config.schemes], "all of the CAM's choices, by its own name"
    (noise,) = config.channels
    assert noise.models == "" and noise.realisation_items == 0
    fading = over_fading.channels
    assert [channel.models.partition("(")[0] for channel in fading] == ["tdl_c", "measured"]
    assert all(0 < channel.realisation_items <= 100 for channel in fading), "hundreds of draws a point, not a few fades"
    for one in (config, over_fading):
        assert one.items == 10_000 == len(test_set()) and one.air == "phy" and one.stop is None
        assert (one.snr_db[0], one.snr_db[-1]) == (-5.0, 25.0)
    assert config.snr_db == over_fading.snr_db


def test_the_grid_is_a_product_and_schemes_at_one_point_stand_side_by_side() -> None:
    config = config_from({**GOOD, "schemes": ["ours", {"scheme": "label_ldpc", "name": "label"}], "k": [4, "cam"]})
    points = list(make_tasks(config, {**K_LISTS, "label": None}, "abc"))
    assert [(p.scheme, p.k, p.snr_db) for p in points[:3]] == [("ours", 4, 0), ("ours", None, 0), ("label", None, 0)]
    assert len(points) == 2 * 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"snr": [0]}, "the key 'snr' is unknown; use schemes, channels, snr_db"),
        ({"schemes": []}, "schemes is empty, so that there is nothing to measure"),
        ({"snr_db": []}, "snr_db is empty"),
        ({"k": []}, "k is empty"),
        ({"seeds": []}, "seeds is empty"),
        ({"channels": {}}, "channels is empty"),
        ({"snr_db": {"from": 5, "to": 0, "step": 1}}, "snr_db from 5 to 0 is an empty grid"),
        ({"snr_db": {"from": 5, "to": 9}}, "snr_db needs the key 'step'"),
        ({"snr_db": {"from": 5, "to": 9, "step": 0}}, "snr_db.step is 0; use a number from 0.01"),
        ({"snr_db": 5}, "snr_db is 5; give a list of numbers, or from, to and step"),
        ({"snr_db": [float("nan")]}, "snr_db is nan; use a number"),
        ({"snr_db": [True]}, "snr_db is True; use a number"),
        ({"snr_db": [5, 5.0]}, "snr_db has 5.0 twice"),
        ({"k": [4, "all"]}, "k has 'all'; use whole numbers above 0, or 'cam'"),
        ({"k": ["cam", None]}, "k has 'cam' twice"),
        ({"seeds": [-1]}, "seeds is -1; use a whole number from 0"),
        ({"items": 0}, "items is 0; use a whole number from 1"),
        ({"items_per_frame": 256}, "items_per_frame is 256; use a whole number from 1 to 255"),
        ({"mode": "long"}, "mode is 'long'; use one of auto, short, normal, robust"),
        ({"mode": None}, "mode is None; use one of auto"),
        ({"mode": ["short"]}, "mode is ['short']; use one of auto"),
        ({"schemes": [{"scheme": "ours", "mode": 0}]}, "mode of scheme 'ours' is 0; use one of auto"),
        ({"air": "radio"}, "air is 'radio'; use phy or flowgraph"),
        ({"schemes": "ours"}, "schemes is 'ours'; give a list"),
        ({"schemes": [{"name": "x"}]}, "schemes has {'name': 'x'}; give a scheme's name, or keys"),
        ({"schemes": ["ours", {"scheme": "ours"}]}, "schemes has 'ours' twice; give each a name of its own"),
        ({"channels": ["awgn"]}, "channels have to be names with models"),
        ({"channels": {"a": {"model": "x"}}}, "in channels.a the key 'model' is unknown; use models"),
        ({"channels": {"a": {"models": "", "feedback": {"error": 3}}}}, "in channels.a.feedback the key 'error'"),
        (
            {"channels": {"a": {"models": "", "feedback": {"loss_target": 1}}}},
            "channels.a.feedback.loss_target is 1; use a",
        ),
        ({"channels": {"a": {"models": "", "feedback": {"loss": 2}}}}, "channels.a.feedback.loss is 2; use a number"),
        ({"channels": {"a": {"models": "", "feedback": {"assumed_db": 5, "loss": 0.1}}}}, "channels.a.feedback has"),
        ({"channels": {"a": 5}}, "channels.a has to be keys with values"),
        ({"channels": {5: "", "5": "rayleigh()"}}, "channels has the name 5, which is no text; write names in quotes"),
        ({"channels": {True: ""}}, "channels has the name True, which is no text"),
        ({"channels": {" ": ""}}, "channels has the name ' ', which is no text"),
        ({"schemes": [{"scheme": "ours", "name": 5}]}, "schemes has the name 5, which is no text; write names in quo"),
        ({"schemes": [{"scheme": "ours", 5: 1, "5": 2}]}, "schemes has the parameter 5 of scheme 'ours', which is no"),
        ({"stop": {"points": 1}}, "in stop the key 'points' is unknown; use interval_points"),
        ({"stop": {"interval_points": 0}}, "stop.interval_points is 0"),
        ({"schemes": [{"scheme": "ours", "stop": {"points": 1}}]}, "in stop of scheme 'ours' the key 'points' is unk"),
        ({"schemes": [{"scheme": "ours", "stop": {}}]}, "stop of scheme 'ours' needs the key 'interval_points'"),
    ],
)
def test_a_mistake_is_named_with_its_key(changes: dict, words: str) -> None:
    with pytest.raises(SdrScError) as told:
        config_from({**GOOD, **changes}, "study.yaml")
    assert str(told.value).startswith(f"study.yaml: {words}") and "\n" not in str(told.value)


def test_frame_modes_are_of_the_sweep_or_of_a_scheme() -> None:
    schemes = ["ours", {"scheme": "ours", "name": "other", "mode": "robust"}]
    for usual in ("auto", "short", "normal"):
        config = config_from({**GOOD, "schemes": schemes, "mode": usual})
        assert [entry.mode for entry in config.schemes] == [usual, "robust"]
        assert not any("mode" in entry.parameters for entry in config.schemes)
    assert [entry.mode for entry in config_from({**GOOD, "schemes": schemes}).schemes] == ["normal", "robust"]


def test_a_k_that_a_scheme_has_not_is_reported_with_its_list() -> None:
    with pytest.raises(SdrScError, match="scheme 'ours' cannot send k=5; use 2, 4, 8 or 'cam'"):
        make_tasks(config_from({**GOOD, "k": [5]}), K_LISTS, "")
    label = config_from({"schemes": [{"scheme": "label_ldpc", "k": [4]}], "snr_db": [0]})
    with pytest.raises(SdrScError, match="'label_ldpc' has no k to choose"):
        make_tasks(label, {"label_ldpc": None}, "")
    with pytest.raises(SdrScError, match="has 200000 points"):
        make_tasks(config_from({**GOOD, "seeds": list(range(100_000))}), K_LISTS, "")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schemes": ["label_ldpc"]}, "scheme 'label_ldpc' has no flowgraph"),
        ({"channels": {"r": {"models": "rayleigh()", "realisation_items": 50}}}, "'r' is redrawn"),
        ({"channels": {"r": {"models": "", "feedback": {"error_db": 3}}}}, "'r' has feedback of its own"),
        ({"stop": {"interval_points": 1}}, "leave 'stop' out"),
        (
            {"channels": {"awgn": "", "q": "quantise(bits=8)"}},
            "channel 'q' cannot be on the flowgraph's air: .*cannot be written as taps; use multipath",
        ),
    ],
)
def test_what_the_flowgraph_cannot_do_is_reported_before_anything_runs(changes: dict, words: str) -> None:
    with pytest.raises(SdrScError, match=words):
        check_air(config_from({**GOOD, "air": "flowgraph", **changes}))


def test_what_the_simulated_usrp_filters_by_may_be_on_the_flowgraphs_air() -> None:
    models = ("", "multipath(taps=[0.8, 0.3+0.4j])", "rayleigh()", "tdl_c(delay_spread_ns=300, doppler_hz=5)")
    check_air(config_from({**GOOD, "air": "flowgraph", "channels": {f"c{i}": line for i, line in enumerate(models)}}))


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> subprocess.CompletedProcess:
    """``sdr-sc sweep`` in this process."""
    with pytest.raises(SystemExit) as stop:
        main(["sweep", *map(str, arguments)])
    return subprocess.CompletedProcess([], int(stop.value.code or 0), *capsys.readouterr())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({**GOOD, "schemes": ["theirs"]}, "scheme 'theirs' is unknown; use one of ours"),
        ({**GOOD, "schemes": [{"scheme": "ours", "modell": "x"}]}, "scheme ours has no parameter 'modell'"),
        ({**GOOD, "schemes": [{"scheme": "ours", "model": "none"}]}, "model 'none' is neither a file nor a shipped"),
        ({**GOOD, "channels": {"x": "warp()"}}, "'warp' is unknown; use one of"),
        ({**GOOD, "items": 10_001}, "items is 10001 where the test set has 10000"),
        ({**GOOD, "k": [5]}, "scheme 'ours' cannot send k=5; use 1, 2, 3, 4, 6, 8, 12, 16, 24, 32 or 'cam'"),
        ("schemes: [ours\nsnr_db: [0]", "is not YAML that can be read in line 2"),
        ("snr_db: [0]\nsnr_db: [5]", "is not YAML that can be read in line 2 (key 'snr_db' stands twice)"),
        ("snr_db: [0]\n[a, b]: [5]", "is not YAML that can be read in line 2 (a key is a list or a mapping)"),
        ("schemes: [ours]\nsnr_db: [0]\nchannels:\n  null: ''", "has the name None, which is no text; write names"),
        ("- ours", "has to be keys with values"),
    ],
)
def test_the_command_reports_mistakes_in_one_line_and_leaves_nothing(
    content: dict | str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    assert_one_line_error(command(capsys, path), words)
    assert list(tmp_path.iterdir()) == [path]


def test_places_that_are_not_there_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_one_line_error(command(capsys, tmp_path / "no.yaml"), "cannot be read (No such file or directory)")
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(GOOD))
    assert_one_line_error(command(capsys, path, "--out", "/proc/none/x.parquet"), "cannot be written")
    assert_one_line_error(command(capsys, path, "--out", tmp_path), "it is a folder")
    both = command(capsys, path, "--workers", 1, "--cluster", "tcp://127.0.0.1:1")
    assert both.returncode == 2 and "--workers are this machine's" in both.stderr


def test_a_config_says_what_all_points_share() -> None:
    assert set(SweepConfig((), (), ()).settings) == {"items", "items_per_frame", "air", "carrier_offset_hz", "stop"}
