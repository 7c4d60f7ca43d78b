# SPDX-License-Identifier: GPL-3.0-or-later
"""The study of few labels of texts, from training to table, on toy texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_texts
from click.testing import CliRunner

from sdr_sc.bench.distillation import few_texts
from sdr_sc.bench.distillation.few_texts import TextSize, run_few_texts, students
from sdr_sc.cli.shared.bench_few_texts import few_texts as command
from sdr_sc.distill.multitask.vectors import TeacherVectors
from sdr_sc.distill.studies.study import Condition
from sdr_sc.errors import SdrScError
from sdr_sc.results.rows import Row, read_measurements

SIZE = TextSize(labels=(6, 9), seeds=(1, 2), steps=20, batch_items=40, controls=("labels", "labels_dropout"))
K_LIST = (4, 8)


@pytest.fixture(scope="module")
def vectors() -> TeacherVectors:
    toy_texts.register()
    return toy_texts.teacher_vectors()


@pytest.fixture(autouse=True)
def conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(few_texts, "CONDITIONS", (Condition(20.0, 8), Condition(0.0, 4)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("few")


def run(vectors: TeacherVectors, folder: Path, size: TextSize = SIZE) -> tuple[dict[str, Row], list[str]]:
    said: list[str] = []
    result = run_few_texts(size, toy_texts.NAME, [vectors], folder, 1, said.append, False, K_LIST)
    assert set(result.kept["right"]) <= {one.name for one in students(size, folder)}
    return {row.name: row for row in result.rows}, said


def test_a_study_is_trained_measured_and_taken_again(vectors: TeacherVectors, folder: Path) -> None:
    one = students(SIZE, folder, K_LIST)[0]
    few_texts.train(replace(one, path=folder / "cut.safetensors"), toy_texts.NAME, [vectors], "none")
    rows, said = run(vectors, folder)
    trained = [line for line in said if line.endswith("trained")]
    assert len(trained) == len(students(SIZE, folder)) == 2 * 2 * 3
    gains = [name for name in rows if name.startswith("6 labels: ours over the best cross entropy")]
    assert len(gains) == 2 and all("(cross entropy alone" in name for name in gains)
    assert rows[gains[0]].n == 120 and len(rows[gains[0]].samples or ()) == 2
    ours = rows["ours, 9 labels, 20 dB k=8"].value
    probe = rows["the teacher's probe, 9 labels, no channel"].value
    under = rows["9 labels: ours over the teacher's probe without a channel, 20 dB k=8"].value
    assert under == pytest.approx(ours - probe, abs=1e-6)
    best = rows["labels_9, best step, mean over the seeds"]
    assert best.value == 20 and best.samples == (20.0, 20.0), "20 steps, of which the last is looked at"
    again, said = run(vectors, folder)
    assert not [line for line in said if line.endswith("trained")]
    assert {name: row.value for name, row in again.items()} == {name: row.value for name, row in rows.items()}
    with pytest.raises(SdrScError, match="was trained with another steps \\(20, not 21\\); delete it"):
        run(vectors, folder, replace(SIZE, steps=21))


def test_a_student_that_was_stopped_goes_on_the_same(vectors: TeacherVectors, tmp_path: Path) -> None:
    from sdr_sc.distill.multitask.prepare import prepare
    from sdr_sc.semantic import weights

    _, control = students(SIZE, tmp_path, K_LIST)[:2]
    few_texts.train(control, toy_texts.NAME, [vectors], "none")
    whole = weights.read_contract(control.path).model_id
    control.path.unlink()
    prepared = prepare(control.config, toy_texts.NAME, [])
    prepared.trainer.run(10, every=1, checkpoint=control.path.with_suffix(".state"))
    assert few_texts.train(control, toy_texts.NAME, [vectors], "none") == "trained"
    assert weights.read_contract(control.path).model_id == whole
    assert not control.path.with_suffix(".state").exists()


def test_the_probe_has_the_labels_of_the_student(vectors: TeacherVectors) -> None:
    many, few = (few_texts.probe_answers(count, 1, toy_texts.NAME, [vectors]) for count in (90, 3))
    assert many.shape == (60,) and many.mean() > 0.75 > few.mean()
    assert not np.array_equal(few, few_texts.probe_answers(3, 2, toy_texts.NAME, [vectors])), "other labels"


def test_the_command_writes_rows_and_answers(
    vectors: TeacherVectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = tmp_path / "toy.vectors", tmp_path / "few.json"
    vectors.save(path)
    monkeypatch.setattr(few_texts, "CONDITIONS", (Condition(20.0, 32),))
    words = [*("--data-set", toy_texts.NAME, "--vectors", str(path)),
             *("--labels", "9", "--control", "labels", "--quick", "--workers", "1"),
             *("--folder", str(tmp_path / "few"), "--json", str(out))]  # fmt: skip
    result = CliRunner().invoke(command, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    content = read_measurements(out)
    assert content["config"]["size"]["seeds"] == [1] and "ours_9" in content["answers"]["few-texts"]["right"]
    with pytest.raises(SdrScError, match="control 'strong' is unknown; give some of labels, labels_dropout"):
        CliRunner().invoke(command, [*words, "--control", "strong"], catch_exceptions=False)
