# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments on distillation: schemes, resumable runs, points that are kept, and the tables made of them."""

from __future__ import annotations

import json
import pickle
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import assert_one_line_error

from sdr_sc.bench.distillation import accuracy, points, runs
from sdr_sc.bench.distillation.points import QUICK_IMAGES, ROUNDS, Point, measure, send_until_found
from sdr_sc.bench.distillation.runs import Run, Sources, train_all, train_one
from sdr_sc.cli.main import main
from sdr_sc.data import fashion_mnist
from sdr_sc.distill.studies.schemes import SCHEMES, Scheme, pick
from sdr_sc.errors import SdrScError
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.sealed import sealed, unsealed
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

TINY = Scheme(
    "labels",
    "tiny",
    "labels",
    {"limit_items": 1024, "batch_items": 64, "validation_items": 200, "k_list": (4, 16), "bottleneck_weight": 0},
)


def in_this_process(function, jobs, arguments, _workers, on_done) -> None:
    """`sdr_sc.results.pool.run_jobs`, with jobs and arguments as they are on the way to a process."""
    for job in jobs:
        on_done(job, function(*pickle.loads(pickle.dumps((job, *arguments)))))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(TINY, 1, 3, tmp_path_factory.mktemp("runs"))
    assert train_one(run, Sources(), "abc").startswith("trained in")
    assert run.contract().training["git"] == "abc"
    return run


def test_schemes_differ_from_ours_in_what_their_name_says() -> None:
    ours = SCHEMES["ours"].config(1, 40, 60_000)
    assert ours.soft_weight > 0 and ours.feature_weight > 0 and ours.bottleneck_weight > 0 and ours.adaptive
    assert SCHEMES["ours_without_features"].config(1, 40, 60_000).feature_weight == 0
    assert SCHEMES["ours_without_bottleneck"].config(1, 40, 60_000).bottleneck_weight == 0
    assert not SCHEMES["ours_without_cam"].config(1, 40, 60_000).adaptive
    assert SCHEMES["ours_55"].config(1, 40, 60_000).limit_items == 30_250
    labels = SCHEMES["labels"].config(1, 40, 60_000)
    assert labels.soft_weight == labels.feature_weight == labels.bottleneck_weight == 0 and labels.adaptive
    assert {s.config(2, 7, 60_000).epochs for s in SCHEMES.values()} == {7}, "all have the same budget"
    with pytest.raises(SdrScError, match="'none' is unknown"):
        pick(("none",))


def test_a_run_that_is_there_is_left_alone(tiny: Run) -> None:
    before = tiny.weights.stat().st_mtime_ns
    assert train_one(tiny, Sources(), "def") == "is there"
    assert tiny.weights.stat().st_mtime_ns == before
    assert not tiny.weights.with_suffix(".checkpoint").exists()


def test_a_run_of_other_settings_is_refused(tiny: Run) -> None:
    with pytest.raises(SdrScError, match=r"trained with another epochs \(3, not 2\); delete it"):
        train_one(Run(TINY, 1, 2, tiny.folder), Sources(), "")


def test_schemes_without_their_knowledge_are_reported_and_others_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "run_jobs", in_this_process)
    said = []
    short = replace(TINY, changes={**TINY.changes, "limit_items": 512})
    wanted = [Run(scheme, 1, 1, tmp_path) for scheme in (SCHEMES["ours"], short, SCHEMES["standard"])]
    train_all(wanted, Sources(), 1, lambda run, word: said.append((run.scheme.name, word.split(":")[0][:10])))
    assert said == [("ours", "not traine"), ("standard", "not traine"), ("labels", "trained in")]
    assert wanted[1].weights.is_file()


def test_weights_from_other_knowledge_are_refused(tiny: Run) -> None:
    config = TINY.config(1, 3, 60_000)
    assert tiny.is_done(config, "none: trained on the labels alone")
    with pytest.raises(SdrScError, match="trained with other knowledge"):
        tiny.is_done(config, "another teacher")


def test_points_are_measured_once(tiny: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [(20.0, 16), (None, 4), (20.0, None), (20.0, 32)]
    first = measure(tiny, asked, images=100)
    assert set(first) == {"20 dB k=16", "no channel k=4", "20 dB k=CAM"}, "a k that the model has not is left out"
    assert all(point.items == 100 and point.correct > 30 for point in first.values())
    assert first["20 dB k=16"].uses_per_item == 16
    monkeypatch.setattr(points, "_point", lambda *a, **k: pytest.fail("measured again"))
    assert measure(tiny, asked, images=100) == first


def test_items_of_lost_frames_are_sent_again_until_found(tiny: Run) -> None:
    scheme = ModelScheme(SemanticEncoder(tiny.weights), SemanticDecoder(tiny.weights))
    data = fashion_mnist.load("test").first(400)
    images, labels = data.images, data.labels
    low = send_until_found(scheme, images, labels, -4.0, 16, seed=1)
    assert low.items - low.lost == 400 and 50 <= low.lost <= 800 and low.uses_per_item == 16
    assert low.accuracy_found == pytest.approx(low.correct / 4) and low.accuracy < low.accuracy_found
    never = send_until_found(scheme, images, labels, -30.0, 16, seed=1)
    assert (never.items, never.lost, never.correct) == (400 * ROUNDS, 400 * ROUNDS, 0)


def test_points_of_another_model_are_not_taken(tiny: Run) -> None:
    path = tiny.weights.with_suffix(".points50.json")
    measure(tiny, [(None, 4)], images=50)
    stored, _ = unsealed(json.loads(path.read_text()), "points", "measure them")
    stored["model_id"], stored["points"]["no channel k=4"]["correct"] = "0" * 16, 1
    path.write_text(json.dumps(sealed(stored)))
    assert measure(tiny, [(None, 4)], images=50)["no channel k=4"].correct > 12


def test_a_run_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SdrScError, match="labels_seed3.safetensors is missing"):
        measure(Run(TINY, 3, 1, tmp_path), [(None, 4)])


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> subprocess.CompletedProcess:
    """The command in this process."""
    with pytest.raises(SystemExit) as stop:
        main(["bench", "distillation", *arguments])
    return subprocess.CompletedProcess([], int(stop.value.code or 0), *capsys.readouterr())


def test_commands_report_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("accuracy", "ablations", "cam"):
        result = run(capsys, verb, "--folder", str(tmp_path))
        assert_one_line_error(result, f"{tmp_path} has none of these runs", "bench distillation train")
    result = run(capsys, "train", "--folder", str(tmp_path), "--scheme", "nothing")
    assert_one_line_error(result, "scheme 'nothing' is unknown")


@pytest.mark.parametrize("verb", ["accuracy", "ablations", "cam"])
def test_quick_tables_have_the_same_rows_and_leave_the_points_of_all_images_alone(
    verb: str, tiny: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def half_right(_encoder, _decoder, data, _snr_db, k, _seed) -> Point:
        return Point(len(data) // 2, 0, len(data), float(k or 5), 40.0)

    monkeypatch.setattr(points, "run_jobs", in_this_process)
    monkeypatch.setattr(points, "_point", half_right)
    for name in ("labels", "ours"):
        monkeypatch.setitem(SCHEMES, name, replace(TINY, name=name))
        (tmp_path / f"{name}_seed1.safetensors").write_bytes(tiny.weights.read_bytes())
    written = []
    for options in ([], ["--quick"]):
        figures = ["--json", str(tmp_path / "figures.json"), "--folder", str(tmp_path)]
        assert run(capsys, verb, "--epochs", "3", "--seed", "1", *figures, *options).stderr == ""
        written.append(json.loads((tmp_path / "figures.json").read_text()))
    assert [row["name"] for row in written[0]["rows"]] == [row["name"] for row in written[1]["rows"]]
    assert sum(row["value"] is not None for row in written[0]["rows"]) >= 5
    assert [(one["config"]["quick"], one["config"]["images"]) for one in written] == [
        (False, 10_000),
        (True, QUICK_IMAGES),
    ]
    for file, images in (("ours_seed1.points.json", 10_000), (f"ours_seed1.points{QUICK_IMAGES}.json", QUICK_IMAGES)):
        kept = json.loads((tmp_path / file).read_text())["points"].values()
        assert kept and {point["items"] for point in kept} == {images}


def test_tables_come_from_the_runs_that_are_there(tiny: Run, tmp_path: Path) -> None:
    found = points.measure_all([tiny], [(20.0, 16)], workers=1, images=100)
    rows = accuracy.scheme_rows(found)
    assert [row.name for row in rows] == ["cross entropy alone, 20 dB k=16, of frames found"]
    assert np.isnan(rows[0].ci95[0]), "one seed has no interval"
