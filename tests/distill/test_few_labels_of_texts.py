# SPDX-License-Identifier: GPL-3.0-or-later
"""Few labels of many texts: the teacher's probe answers for the others; without a teacher the best weights are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_texts
from click.testing import CliRunner

from sdr_sc.cli.distill import command
from sdr_sc.cli.shared import teacher_probe
from sdr_sc.data.wordnet import load
from sdr_sc.distill.checkpoint import read_checkpoint, write_checkpoint
from sdr_sc.distill.multitask.config import MultiTaskConfig
from sdr_sc.distill.multitask.few_labels import label_probe
from sdr_sc.distill.multitask.lesson import labelled_targets
from sdr_sc.distill.multitask.prepare import Prepared, prepare
from sdr_sc.distill.multitask.vectors import TeacherVectors
from sdr_sc.distill.teachers import asked_once
from sdr_sc.errors import SdrScError
from sdr_sc.semantic import weights

CONFIG = MultiTaskConfig(
    tasks=("classification", "retrieval"), k_list=(4, 8), steps=30, batch_items=40, decoder_width=32,
    learning_rate=1e-2, labels=6,
)  # fmt: skip
ALONE = replace(CONFIG, tasks=("classification",), validate_every=5, word_dropout=0.2)


@pytest.fixture(scope="module")
def vectors() -> TeacherVectors:
    toy_texts.register()
    return toy_texts.teacher_vectors()


def taught(vectors: TeacherVectors, config: MultiTaskConfig = CONFIG) -> Prepared:
    return prepare(config, toy_texts.NAME, [vectors])


def test_more_labels_hold_the_fewer_ones_and_every_class() -> None:
    data = load("train")
    drawn = {}
    for count in (600, 2000):
        found = labelled_targets(data, "classification", 26, MultiTaskConfig(labels=count, label_seed=2))
        drawn[count] = set(np.flatnonzero(found >= 0).tolist())
        assert len(drawn[count]) == count and set(found[found >= 0].tolist()) == set(range(26))
    assert drawn[600] < drawn[2000]
    other = labelled_targets(data, "classification", 26, MultiTaskConfig(labels=600, seed=5, label_seed=2))
    assert set(np.flatnonzero(other >= 0).tolist()) == drawn[600], "the seed of the weights draws no labels"


def test_the_probe_of_the_teacher_answers_for_texts_without_a_label(vectors: TeacherVectors) -> None:
    prepared = taught(vectors)
    lesson = prepared.trainer.lesson
    data, held_out = toy_texts.load("train"), toy_texts.load("validation")
    soft = lesson.soft["classification"].numpy()
    assert soft.shape == (len(data), 3) and np.allclose(soft.sum(axis=1), 1, atol=1e-5)
    own, other = vectors.of("train", data.sha256), vectors.of("validation", held_out.sha256)
    probe = label_probe(data, data, own, held_out, other, "classification", CONFIG)
    assert np.array_equal(soft.argmax(axis=1), probe.answers(own))
    assert (lesson.targets["classification"] >= 0).sum() == 6
    prepared.trainer.run(every=10)
    assert {"classification", "classification, soft", "cosine"} < set(prepared.trainer.history[-1][1])
    assert not taught(vectors, replace(CONFIG, soft_weight=0.0)).trainer.lesson.soft
    assert not taught(vectors, replace(CONFIG, labels=0)).trainer.lesson.soft


def test_without_a_teacher_only_texts_with_a_label_are_seen(vectors: TeacherVectors) -> None:
    trainer = prepare(ALONE, toy_texts.NAME, []).trainer
    labelled = set(np.flatnonzero(trainer.lesson.targets["classification"].numpy() >= 0).tolist())
    assert set(np.concatenate([trainer.sampler.chosen(step) for step in range(4)]).tolist()) == labelled
    assert len(labelled) == 6 and not trainer.lesson.soft
    batch = trainer.lesson.batch(np.sort([*labelled]), np.random.default_rng(1))
    whole = replace(trainer.lesson, word_dropout=0.0).batch(np.sort([*labelled]), np.random.default_rng(1))
    dropped = (whole.inputs[..., 0] > 0) & (batch.inputs[..., 0] == 0)
    assert 0 < dropped.sum() < (whole.inputs[..., 0] > 0).sum()
    assert not batch.inputs[dropped].any(), "a word goes with its pieces"
    assert len(taught(vectors).trainer.sampler.chosen(0)) == 40
    assert len(set(taught(vectors).trainer.sampler.chosen(0).tolist())) > 6


def test_the_best_weights_by_held_out_texts_are_kept_and_a_cut_off_run_keeps_the_same(
    vectors: TeacherVectors, tmp_path: Path
) -> None:
    scores = iter([0.3, 0.9, 0.5, 0.4, 0.2, 0.1])
    trainer = prepare(ALONE, toy_texts.NAME, []).trainer
    assert trainer.best is not None
    trainer.best._quality = lambda student: next(scores)
    trainer.run(10)
    best = {name: value.clone() for name, value in trainer.average.state_dict().items()}
    trainer.run()
    assert (trainer.best.step, trainer.best.score) == (10, 0.9)
    assert all(bool((value == best[name]).all()) for name, value in trainer.average.state_dict().items())
    whole, cut, state = (prepare(ALONE, toy_texts.NAME, []).trainer for _ in range(2)), None, tmp_path / "state"
    one, cut = whole
    one.run(every=10)
    cut.run(20, every=2, checkpoint=state)
    again = prepare(ALONE, toy_texts.NAME, []).trainer
    again.resume(state)
    again.run(every=10)
    assert again.best is not None and one.best is not None and again.best.step == one.best.step
    for name, value in one.average.state_dict().items():
        assert bool((value == again.average.state_dict()[name]).all()), name


def test_a_state_of_before_a_setting_was_known_goes_on(vectors: TeacherVectors, tmp_path: Path) -> None:
    state, config = tmp_path / "state", replace(CONFIG, steps=4)
    taught(vectors, config).trainer.run(2, every=1, checkpoint=state)
    arrays, about = read_checkpoint(state)
    for changes, goes_on in (({"word_dropout": None}, True), ({"word_dropout": 0.5}, False)):
        kept = {name: value for name, value in (about["config"] | changes).items() if value is not None}
        write_checkpoint(state, arrays, about | {"config": kept})
        trainer = taught(vectors, config).trainer
        if goes_on:
            trainer.resume(state)
            assert trainer.step == 2
        else:
            with pytest.raises(SdrScError, match="is the state of another run"):
                trainer.resume(state)


def test_the_command_takes_few_labels_with_and_without_a_teacher(vectors: TeacherVectors, tmp_path: Path) -> None:
    path, out = tmp_path / "toy.vectors", tmp_path / "few.safetensors"
    vectors.save(path)

    def distill(*words: str) -> None:
        common = ("--data-set", toy_texts.NAME, "--steps", "4", "--batch-items", "20", "--k-list", "2,4",
                  "--out", str(out), "--checkpoint", str(tmp_path / f"{len(words)}.state"))  # fmt: skip
        CliRunner().invoke(command, [*common, *words], catch_exceptions=False, standalone_mode=False)

    distill("--tasks", "classification,retrieval", "--vectors", str(path), "--labels", "9", "--label-seed", "4")
    training = weights.read_contract(out).training
    assert (training["labels"], training["label_seed"]) == (9, 4)
    with pytest.raises(SdrScError, match="--label-seed has no effect without --labels"):
        distill("--tasks", "classification", "--label-seed", "4")
    with pytest.raises(SdrScError, match="no teacher to learn from; leave out --vectors"):
        distill("--tasks", "classification", "--labels-only", "--vectors", str(path))
    distill("--tasks", "classification", "--labels-only", "--labels", "9", "--set", "validate_every=2",
            "--set", "word_dropout=0.3")  # fmt: skip
    training = weights.read_contract(out).training
    assert training["best_step"] in (2, 4) and weights.read_contract(out).teacher == "none"


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"validate_every": 5, "tasks": ("reconstruction",), "labels": 0}, "no task has any; leave out validate_every"),
        ({"labels": 2}, "2 labels were asked for"),
        ({"tasks": ("retrieval",)}, "give classification,retrieval, with --set class_weight=0 for a student"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(vectors: TeacherVectors, changes: dict, match: str) -> None:
    with pytest.raises(SdrScError, match=match):
        taught(vectors, replace(CONFIG, **changes))


def test_shares_are_below_1() -> None:
    with pytest.raises(SdrScError, match="word_dropout and smoothing are shares; give numbers below 1"):
        MultiTaskConfig(word_dropout=1.0)


def test_the_probe_of_a_text_model_takes_the_labels_of_the_student(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []

    class FakeTeacher:
        def vectors(self, texts: list[str]) -> np.ndarray:
            rng = np.random.default_rng(1)
            words = {word: rng.normal(size=16) for word in sorted({one for text in texts for one in text.split()})}
            return np.array([sum(words[one] for one in text.split()) for text in texts], np.float32)

    def asked(_model: str, about: dict, items: int, ask: Callable, *_: object) -> np.ndarray:
        counts.append(items)
        return ask(np.arange(items))

    monkeypatch.setattr(teacher_probe, "fetched_teacher", lambda *_: FakeTeacher())
    monkeypatch.setattr(asked_once, "asked_once", asked)
    words = ["--model", "all-MiniLM-L6-v2", "--data-set", toy_texts.NAME, "--labels", "9", "--dimensions", "4"]
    result = CliRunner().invoke(teacher_probe.probe, words, catch_exceptions=False)
    assert result.exit_code == 0 and "9 for training" in " ".join(result.output.split())
    assert sorted(counts) == [9, 60, 60], "training texts with a label, and all of both other parts"
