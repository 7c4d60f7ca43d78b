# SPDX-License-Identifier: GPL-3.0-or-later
"""Studies from training to table: pairs, choice on held-out images, kept answers, and what is taken again."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from command import assert_one_line_error

from sdr_sc.bench.distillation import study_rows as rows_module
from sdr_sc.bench.distillation import study_runs
from sdr_sc.bench.distillation.runs import Run, train_student
from sdr_sc.bench.distillation.study_rows import gain_rows, kept_answers, run_study, study_rows
from sdr_sc.bench.distillation.study_runs import outcomes
from sdr_sc.cli.main import main
from sdr_sc.data import fashion_mnist
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.studies.schemes import FAIR, Scheme
from sdr_sc.distill.studies.study import Comparison, Condition, Size, Study, TeacherPlan, sized_config
from sdr_sc.distill.targets.teacher_targets import NoTeacher, training_policy
from sdr_sc.distill.teachers.efficientnet import load
from sdr_sc.distill.train import Trainer
from sdr_sc.errors import SdrScError
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.results.paired import paired_gain
from sdr_sc.sealed import sealed

GOOD, AIR = Condition(20.0, 4), Condition(-3.0, 2)
NETWORK = {"k_list": (2, 4), "decoder_width": 16}
TINY = Size((1, 2), 1, 1, 1, 4, 8, 1, 0, 200, 60, 50, 32, 32)
STUDY = Study(
    "tiny",
    "a trial",
    (TeacherPlan("few", labels=20),),
    (
        Scheme("taught", "taught", "prestored", {"labels": 20, **NETWORK}, teacher="few"),
        Scheme("plain", "plain", "labels", {**FAIR, "labels": 20, **NETWORK}),
        Scheme("other", "plain, moved", "labels", {**FAIR, "labels": 20, "shift": 2, **NETWORK}),
    ),
    (Comparison("taught over plain", ("taught",), ("plain", "other"), (GOOD, AIR), at_least=3.0),),
)


def contract(accuracy: float) -> SimpleNamespace:
    """As far as the choice on the held-out images needs one."""
    table = SimpleNamespace(snr_db=(-3.0, 20.0), accuracy=((accuracy, 0.1), (0.1, accuracy)))
    return SimpleNamespace(cam=table, k_list=(2, 4))


def found(images: int = 400) -> dict[tuple[str, int], dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    shares = {"taught": 0.9, "plain": 0.85, "other": 0.8}
    return {
        (name, seed): {str(condition): rng.random(images) < share for condition in (GOOD, AIR)}
        for name, share in shares.items()
        for seed in (1, 2)
    }


def test_the_rival_is_the_one_that_is_best_on_the_held_out_images() -> None:
    outcome = found()
    for best, share in (("plain", 0.8), ("other", 0.9)):
        contracts = {key: contract({"taught": 0.9, "plain": 0.85, "other": share}[key[0]]) for key in outcome}
        rows = study_rows(STUDY, outcome, contracts, judged=True)  # type: ignore[arg-type]
        title = {"plain": "plain", "other": "plain, moved"}[best]
        assert rows[0].name == f"taught over plain ({title}), 20 dB k=4"
        pair = [np.stack([outcome[name, seed][str(GOOD)] for seed in (1, 2)]) for name in ("taught", best)]
        wanted = paired_gain(*pair)
        assert (rows[0].value, rows[0].ci95, rows[0].samples) == (wanted.points, wanted.ci95, wanted.by_seed)
        assert rows[0].goal == ">= 3 points" and rows[1].goal is None, "the first condition's alone"
    assert study_rows(STUDY, outcome, contracts, judged=False)[0].goal is None  # type: ignore[arg-type]
    assert [row.name for row in rows[2:4]] == ["taught, 20 dB k=4", "taught, -3 dB k=2"]
    assert [(row.name, row.value) for row in rows[-3:]] == [
        ("taught, held-out images, mean over the points", pytest.approx(90.0)),
        ("plain, held-out images, mean over the points", pytest.approx(85.0)),
        ("plain, moved, held-out images, mean over the points", pytest.approx(90.0)),
    ]
    assert rows[2].value == pytest.approx(90, abs=4) and rows[2].n == 800


def test_what_was_not_trained_is_not_compared() -> None:
    outcome = {key: value for key, value in found().items() if key[0] != "taught"}
    rows = study_rows(STUDY, outcome, {key: contract(0.5) for key in outcome}, judged=True)  # type: ignore[arg-type]
    assert len(rows) == 6 and not any("taught" in row.name for row in rows)


def test_gains_can_be_computed_again_from_kept_answers() -> None:
    outcome = found()
    kept = json.loads(json.dumps(kept_answers(outcome)))
    rows = gain_rows(kept, "taught", "other", "file")
    pair = [np.stack([outcome[name, seed][str(AIR)] for seed in (1, 2)]) for name in ("taught", "other")]
    again = next(row for row in rows if row.name.endswith(str(AIR)))
    assert (again.value, again.ci95) == (paired_gain(*pair).points, paired_gain(*pair).ci95)
    apart = [{**kept, "right": {name: kept["right"][name]}} for name in ("taught", "other")]
    assert gain_rows(apart[0], "taught", "other", "two files", apart[1]) == rows
    with pytest.raises(SdrScError, match="two files holds answers about different images"):
        gain_rows(apart[0], "taught", "other", "two files", {**apart[1], "images": 401})
    del kept["right"]["other"]["2"]
    assert gain_rows(kept, "taught", "other", "file")[0].n == 400, "of the seeds that both have"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda kept: kept["right"].pop("plain"), "file has no scheme 'plain'; give some of other, taught"),
        (lambda kept: kept.update(images=-1), "no answers that can be read"),
        (lambda kept: kept.update(right=[]), "no answers that can be read"),
        (lambda kept: kept["right"].update(plain={"1": 3}), "no answers that can be read"),
        (lambda kept: kept["right"]["plain"].clear(), "no seed and condition with both"),
        (lambda kept: kept["right"]["plain"]["1"].update({str(GOOD): "xx"}), "not those of 400 images"),
        (lambda kept: kept.update(images=401), "not those of 401 images"),
    ],
)
def test_damaged_answers_are_one_sentence(change, message: str) -> None:
    kept = kept_answers(found())
    change(kept)
    with pytest.raises(SdrScError, match=message):
        gain_rows(kept, "taught", "plain", "file")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the tiny study, run once."""
    place = tmp_path_factory.mktemp("study")
    said: list[str] = []
    result = run_study(STUDY, TINY, place, 1, said.append)
    assert [row.name.split(", ")[-1] for row in result.rows[:2]] == [str(GOOD), str(AIR)]
    assert result.kept["images"] == 60 and set(result.kept["right"]["taught"]) == {"1", "2"}
    assert len(result.kept["right"]) == 2, "the rival that was not chosen is not measured"
    assert sum("trained in" in word for word in said) == 6
    card = load(place / "teacher_20_seed1.safetensors")[1]
    accuracies = {
        f"teacher few, seed 1, {name} images": value
        for name, value in (("held-out", card.validation_accuracy), ("test", card.test_accuracy))
    }
    assert {row.name: row.value for row in result.rows[-2:]} == {
        name: pytest.approx(100 * (value or np.nan)) for name, value in accuracies.items()
    }
    return place


def test_a_study_goes_on_where_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = folder / "taught_seed2.outcomes60.json"
    before = lost.read_text()
    lost.unlink()
    (folder / "other_seed1.safetensors").unlink()
    sent, trained = [], []
    send, train = study_runs.send, Trainer.run
    monkeypatch.setattr(study_runs, "send", lambda *a: sent.append(a[2]) or send(*a))
    monkeypatch.setattr(Trainer, "run", lambda self, *a: trained.append(self.config.seed) or train(self, *a))
    run_study(STUDY, TINY, folder, 1, lambda _word: None)
    assert trained == [1] and sent[:2] == [GOOD, AIR], "the same weights have the same answers still"
    assert json.loads(lost.read_text())["conditions"].keys() == json.loads(before)["conditions"].keys()
    for condition in (GOOD, AIR):
        old, new = (json.loads(text)["conditions"][str(condition)]["right"] for text in (before, lost.read_text()))
        assert old == new, "bit for bit"


def test_a_student_of_other_settings_is_refused(folder: Path) -> None:
    with pytest.raises(SdrScError, match=r"trained with another decision_epochs \(1, not 2\)"):
        run_study(STUDY, replace(TINY, decision_epochs=2), folder, 1, lambda _word: None)


def test_answers_of_another_model_are_measured_again_and_damaged_ones_refused(folder: Path) -> None:
    run = Run(STUDY.schemes[0], 1, 1, folder)
    path = folder / "taught_seed1.outcomes60.json"
    kept = json.loads(path.read_text())
    right = outcomes(run, (GOOD,), 60, "abc")[str(GOOD)]
    about = {name: value for name, value in kept.items() if name != "sha256"}
    path.write_text(json.dumps(sealed({**about, "model_id": "0" * 16})))
    assert np.array_equal(outcomes(run, (GOOD,), 60, "abc")[str(GOOD)], right)
    damaged = {**about, "conditions": {str(GOOD): {"right": "AAAA", "git": "abc"}}}
    for content, message in (
        (json.dumps(sealed(damaged)), "not those of 60 images"),
        (json.dumps(sealed({**about, "conditions": []})), "no conditions that can be read"),
        (json.dumps({**kept, "images": 61}), "damaged"),
        ("[]", "no JSON object"),
    ):
        path.write_text(content)
        with pytest.raises(SdrScError, match=message):
            outcomes(run, (GOOD,), 60, "abc")
    path.unlink()


def test_two_runs_of_a_seed_meet_the_same_noise(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple] = []

    def answer(_scheme, images, labels, channel, snr_db, k, _numerology, items, seed, cfo_hz, _classes, mode):
        asked.append((len(labels), channel, snr_db, k, seed, mode))
        lost = np.arange(len(labels)) < 5
        return SimpleNamespace(found=np.where(lost, -1, labels), right=~lost)

    monkeypatch.setattr(study_runs, "run_scheme", answer)
    data = fashion_mnist.load("test").first(12)
    right = study_runs.send(SimpleNamespace(task="classification"), data, GOOD, 3)  # type: ignore[arg-type]
    first, asked = list(asked), []
    study_runs.send(SimpleNamespace(task="classification"), data, GOOD, 4)  # type: ignore[arg-type]
    assert right.tolist() == [False] * 5 + [True] * 7, "what never arrives is wrong"
    assert [one[0] for one in first] == [12] + [5] * (study_runs.ROUNDS - 1)
    assert len({one[4] for one in first}) == len(first), "each round has its own noise"
    assert not {one[4] for one in first} & {one[4] for one in asked}, "so has each seed"
    assert {one[5] for one in asked} == {FrameMode.NORMAL}
    asked = []
    study_runs.send(SimpleNamespace(task="classification"), data, AIR, 3)  # type: ignore[arg-type]
    assert {one[5] for one in asked} == {FrameMode.ROBUST}, "of normal frames too many are lost below 0 dB"


def test_answers_from_frames_of_another_mode_are_measured_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept answers of earlier versions do not name the mode, which was the normal one."""
    path = folder / "taught_seed2.outcomes60.json"
    content = json.loads(path.read_text())
    del content["sha256"]
    for one in content["conditions"].values():
        del one["mode"]
    path.write_text(json.dumps(sealed(content)))
    sent, send = [], study_runs.send
    monkeypatch.setattr(study_runs, "send", lambda *a: sent.append(a[2]) or send(*a))
    for _ in range(2):
        outcomes(Run(STUDY.schemes[0], 2, 1, folder), (GOOD, AIR), 60, "abc")
    assert sent == [AIR]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> subprocess.CompletedProcess:
    with pytest.raises(SystemExit) as stop:
        main(["bench", "distillation", *arguments])
    return subprocess.CompletedProcess([], int(stop.value.code or 0), *capsys.readouterr())


def test_the_command_keeps_answers_that_gain_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def answered(study, size, folder, workers, log, only):
        asked.append((study.name, size, only))
        outcome = found()
        return rows_module.StudyResult(study_rows(STUDY, outcome, {}, size.judged), kept_answers(outcome))

    monkeypatch.setattr(rows_module, "run_study", answered)
    path = str(tmp_path / "rows.json")
    sizes = "--quick --seed 5 --epochs 3 --images 3400 --test-images 70 --teacher-pixels 48".split()
    options = [*sizes, "--scheme", "labels_600", "--json", path]
    assert run(capsys, "study", "few-labels", "control", *options, "--folder", str(tmp_path)).returncode == 0
    ((name, size, only),) = asked
    assert (name, size.seeds, size.epochs, only) == ("few-labels", (5,), 3, ("labels_600",)), "control has none such"
    assert (size.images, size.test_images, size.teacher_pixels) == (3400, 70, 48)
    content = json.loads(Path(path).read_text())
    assert content["config"]["size"]["epochs"] == 3 and content["config"]["schemes"] == ["labels_600"]
    result = run(capsys, "gain", path, "--study", "few-labels", "--one", "taught", "--other", "plain")
    assert result.returncode == 0 and "taught over plain, 20 dB k=4" in " ".join(result.stdout.split())
    result = run(capsys, "gain", path, "--study", "shift", "--one", "taught", "--other", "plain")
    assert_one_line_error(result, "has no answers of study 'shift'")
    assert_one_line_error(run(capsys, "study", "nothing"), "study 'nothing' is unknown")
    assert_one_line_error(run(capsys, "study", "shift", "--scheme", "x"), "scheme 'x' is unknown")


def test_a_settings_class_that_a_size_changes_keeps_the_rest() -> None:
    config = sized_config(STUDY.schemes[1], TINY, 2, 200)
    assert (config.k_list, config.labels, config.epoch_items, config.seed) == ((2, 4), 20, 150, 2)
    assert isinstance(config, DistillConfig) and config.decision_epochs == 1 and config.validation_items == 50


def test_the_weights_of_few_labels_say_so(tmp_path: Path) -> None:
    data = fashion_mnist.load("train").first(TINY.images)
    config = sized_config(STUDY.schemes[1], TINY, 1, len(data))
    made = Run(STUDY.schemes[1], 1, 1, tmp_path)
    train_student(made, data, config, NoTeacher(training_policy(config)), "abc")
    assert "20 items, equally many of each class" in made.weights.with_suffix(".md").read_text()
