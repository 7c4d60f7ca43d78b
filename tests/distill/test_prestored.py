# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of pre-stored knowledge: what it holds, whoever is killed while writing it; and the command."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command import ROOT, assert_one_line_error, sdr_sc
from prestored_folders import CLASSES, CONFIG, DATA, ITEMS, LinearTeacher, contents, flip_byte
from scipy.special import log_softmax

from sdr_sc import files
from sdr_sc.cli.main import main
from sdr_sc.cli.prestore import DEFAULT_CODECS, GOAL_BYTES
from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import LOADERS
from sdr_sc.distill.targets.feature_code import CLIP_SIGMAS, Basis
from sdr_sc.distill.targets.prestore import PrestoreConfig, Prestorer
from sdr_sc.distill.targets.prestored import open_prestored
from sdr_sc.distill.targets.prestored_manifest import record_dtype, shard_file
from sdr_sc.distill.targets.soft_labels import parse_label_codec
from sdr_sc.distill.teachers.base import TeacherAnswer
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.semantic.modalities.image_views import (
    ViewPolicy,
    apply_views,
    draw_views,
    every_view,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_view_takes_eighteen_bytes_and_nothing_around_it(tmp_path: Path) -> None:
    config = replace(CONFIG, features="pca16x4", views=5)
    Prestorer(LinearTeacher(), DATA, config, tmp_path / "x").run()
    for shard, items in zip(sorted((tmp_path / "x").glob("shard-*.npy")), (8, 8, 7), strict=True):
        records = np.load(shard, allow_pickle=False)
        assert records.shape == (items, 5) and records.dtype.itemsize == 4 + 6 + 8 == 18
        assert shard.stat().st_size == 18 * records.size + 192  # the header of numpy's format, in steps of 64
    knowledge = open_prestored(tmp_path / "x", DATA)
    size = sum(len(content) for content in contents(tmp_path / "x").values())
    assert knowledge.bytes_per_view == pytest.approx(size / (5 * ITEMS))


def test_the_default_settings_keep_the_goal_for_a_whole_data_set(tmp_path: Path) -> None:
    """For 60,000 items and 1280 features, from the overhead of a folder that was written."""
    items, feature_dim, config = 60_000, 1280, PrestoreConfig()
    assert (config.labels, config.features) == DEFAULT_CODECS
    written = Prestorer(LinearTeacher(), DATA, config, tmp_path / "x").run().manifest
    manifest = replace(written, items=items, feature_dim=feature_dim)
    labels, features = manifest.codecs()
    record = record_dtype(labels, features).itemsize
    header = written.shards[0].bytes - ITEMS * config.views * record
    assert 0 < header < 200
    # The numbers of full shards have more digits; those of the last one, which is not full, no more than these.
    full = replace(written.shards[0], items=config.shard_items, bytes=10**6, agreeing=10**4, correct=10**4)
    shards = [replace(full, file=shard_file(n), first_item=n * full.items) for n in range(manifest.shard_count)]
    vector, scores = np.zeros(feature_dim, np.float32), np.zeros(features.dimensions, np.float32)
    basis = Basis(vector, np.zeros((len(scores), feature_dim), np.float32), scores, np.float32(0).reshape(())).to_npz()
    around = len(basis) + len(shards) * header + len(replace(manifest, shards=tuple(shards)).to_json())
    assert record + around / (items * config.views) < GOAL_BYTES


@pytest.mark.parametrize("features", ["pca6x4", "pca5x8", "pca5x32", "float16", "none"])
@pytest.mark.parametrize("labels", ["top4", "full8", "float32"])
def test_targets_are_what_the_codecs_give(tmp_path: Path, labels: str, features: str) -> None:
    teacher, config = LinearTeacher(), replace(CONFIG, labels=labels, features=features)
    knowledge = Prestorer(teacher, DATA, config, tmp_path / "x").run()
    assert (knowledge.items, knowledge.views) == (ITEMS, 3)
    rng = np.random.default_rng(2)
    items, view = rng.integers(ITEMS, size=100), rng.integers(3, size=100)
    targets = knowledge.targets(items, view)
    answer = teacher.ask(apply_views(torch.from_numpy(DATA.images[items]), targets.views))
    assert not targets.views[view == 0].any() and len(set(targets.views[view > 0])) > 20
    label_codec = parse_label_codec(labels, CLASSES)
    expected = label_codec.decode(label_codec.encode(answer.logits.numpy()))
    # The answers of one batch and another differ in their last bit, which may turn a code.
    assert np.mean(np.abs(targets.log_probabilities - expected) > 1e-5) < 0.01
    assert knowledge.feature_dim == (0 if features == "none" else targets.features.shape[1])
    if features.startswith("pca"):
        bits = int(features.split("x")[1])
        clip, step = CLIP_SIGMAS[bits], 0.0 if bits == 32 else CLIP_SIGMAS[bits] / 2**bits
        scores = np.clip(knowledge._features.scores(answer.features.numpy()), -clip, clip)
        inside = np.abs(scores) < clip
        assert np.abs(targets.features - scores)[inside].max() <= step + 1e-3
    elif features == "float16":
        assert np.allclose(targets.features, answer.features.numpy(), rtol=1e-3, atol=1e-3)
    else:
        assert targets.features is None
    whole = knowledge.targets(np.arange(ITEMS), np.zeros(ITEMS, int))
    best = whole.log_probabilities.argmax(axis=1)
    assert sum(shard.correct for shard in knowledge.manifest.shards) == np.sum(best == DATA.labels)
    assert len(knowledge.targets(np.empty(0, int), np.empty(0, int)).views) == 0
    for wrong in (([ITEMS], [0]), ([-1], [0]), ([0], [3])):
        with pytest.raises(IndexError):
            knowledge.targets(*map(np.array, wrong))


def test_the_manifest_reports_how_well_the_codecs_do(reference: Path) -> None:
    knowledge, teacher = open_prestored(reference), LinearTeacher()
    items, view = (axis.ravel() for axis in np.mgrid[:ITEMS, :3])
    targets = knowledge.targets(items, view)
    truth = log_softmax(teacher.ask(apply_views(torch.from_numpy(DATA.images[items]), targets.views)).logits.numpy(), 1)
    kl = np.sum(np.exp(truth) * (truth - targets.log_probabilities))
    shards = knowledge.manifest.shards
    assert sum(shard.kl_nats for shard in shards) == pytest.approx(kl, rel=1e-3)
    assert sum(shard.agreeing for shard in shards) == 3 * ITEMS


def test_the_seed_alone_makes_the_bytes(reference: Path, tmp_path: Path) -> None:
    Prestorer(LinearTeacher(), DATA, CONFIG, tmp_path / "same").run()
    assert contents(tmp_path / "same") == contents(reference)
    other = Prestorer(LinearTeacher(), DATA, replace(CONFIG, seed=2), tmp_path / "other").run()
    every = (np.arange(ITEMS), np.ones(ITEMS, int))
    views = open_prestored(reference).targets(*every).views
    assert not np.array_equal(other.targets(*every).views, views)
    assert not np.array_equal(views[:8], views[8:16])  # nor are those of one shard those of the next


def test_a_complete_folder_is_not_written_and_nobody_is_asked(folder: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    teacher = LinearTeacher()
    prestorer = Prestorer(teacher, DATA, CONFIG, folder)
    assert prestorer.complete and prestorer.items_done == ITEMS
    prestorer.run()
    assert teacher.asked == 0 and before == {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


# Kills

WRITES = 1 + 1 + 2 * 3  # basis, manifest, then shard and manifest three times


@pytest.mark.parametrize("features", ["pca6x4", "none"])
@pytest.mark.parametrize("when", ["while writing", "before it is there", "after it is there"])
def test_a_killed_run_goes_on_to_the_same_bytes(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, features: str
) -> None:
    config = replace(CONFIG, features=features)
    writes = WRITES if features != "none" else WRITES - 1
    if features == "none":
        reference = tmp_path / "whole"
        Prestorer(LinearTeacher(), DATA, config, reference).run()
    for number in range(1, writes + 1):
        path, count = tmp_path / f"killed {number}", itertools.count(1)

        def killer(call: Callable, before: bool, count: Iterator[int] = count, number: int = number) -> Callable:
            def killed(*arguments: object) -> None:
                last = next(count) == number
                if last and before:
                    raise KeyboardInterrupt
                call(*arguments)
                if last:
                    raise KeyboardInterrupt

            return killed

        with monkeypatch.context() as patch:
            if when == "while writing":
                patch.setattr(files.os, "fsync", killer(os.fsync, before=True))
            else:
                patch.setattr(files.os, "replace", killer(os.replace, before="before" in when))
            with pytest.raises(KeyboardInterrupt):
                Prestorer(LinearTeacher(), DATA, config, path).run()
        if path.exists() and not (number == writes and "after" in when):
            (path / ".shard-00001.npy.1.partial").write_bytes(b"\x93NUMPY")  # as of a write that a kill cut
        done: list[int] = []
        prestorer = Prestorer(LinearTeacher(), DATA, config, path)
        before = prestorer.items_done
        if (path / "manifest.json").exists() and not prestorer.complete:
            with pytest.raises(ContractError, match="is incomplete: .* of 3 shards are there; run 'sdr-sc prestore'"):
                open_prestored(path)
        prestorer.run(done.append)
        assert before + sum(done) == ITEMS
        assert contents(path) == contents(reference), number
    assert next(count) == writes + 1  # the last write was the last there is


def test_two_writers_of_one_folder_are_refused(tmp_path: Path) -> None:
    class Nested(LinearTeacher):
        def ask(self, images: torch.Tensor) -> TeacherAnswer:
            Prestorer(LinearTeacher(), DATA, CONFIG, tmp_path / "x").run()
            raise AssertionError("the second writer was let in")

    with pytest.raises(SdrScError, match="another process writes"):
        Prestorer(Nested(), DATA, CONFIG, tmp_path / "x").run()


def test_a_full_disk_is_reported(reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(SdrScError, match="basis.npz cannot be written .No space left on device.; fix that"):
            Prestorer(LinearTeacher(), DATA, CONFIG, tmp_path / "x").run()
    Prestorer(LinearTeacher(), DATA, CONFIG, tmp_path / "x").run()
    assert contents(tmp_path / "x") == contents(reference)


def test_the_command_stores_measures_and_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, figures = tmp_path / "cache", tmp_path / "figures.json"
    arguments = ["prestore", "--teacher", "teachers:Linear", "--out", str(out), "--limit", "50", "--views", "2"]
    done = sdr_sc(*arguments, "--threads", 1, "--device", "cpu", "--json", figures, cwd=ROOT / "tests" / "helpers")
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(figures.read_text())["rows"]}
    assert rows["size of a view, all files"]["value"] == pytest.approx(open_prestored(out).bytes_per_view)
    assert rows["decoded class is the teacher's"]["value"] == 100 and rows["speed"]["n"] == 50 * 2 + 50

    def run(*more: str) -> subprocess.CompletedProcess:
        with pytest.raises(SystemExit) as stop:
            main([*arguments, *more])
        return subprocess.CompletedProcess([], int(stop.value.code or 0), *capsys.readouterr())

    again = run()
    assert again.returncode == 0 and "is complete already" in again.stdout and "speed" not in again.stdout
    assert_one_line_error(run("--seed", "2"), "holds knowledge of other settings", "seed 1 there, 2 here")
    assert_one_line_error(run("--labels", "top99"), "no label codec 'top99'", "top1 to top9")
    assert_one_line_error(run("--features", "pca99x4"), "no feature codec 'pca99x4'")
    assert_one_line_error(run("--shift", "99"), "shift of 99 pixels", "0 to 15")
    assert_one_line_error(run("--teacher", "nowhere.onnx"), "nowhere.onnx is missing")
    assert_one_line_error(run("--limit", "70000"), "70000 items were asked for")
    flip_byte(out / "shard-00000.npy")
    mended = run()
    assert mended.returncode == 0 and "made again: shard-00000.npy" in mended.stdout
    (out / "manifest.json").write_text("{")
    assert_one_line_error(run(), "manifest.json is damaged", "delete the folder")


def test_a_missed_goal_is_status_1_and_leaves_a_folder_to_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = fashion_mnist.load("train").first(50)  # taken for all images: the basis is the larger part
    monkeypatch.setitem(LOADERS, "fashion_mnist", lambda _part: few)
    monkeypatch.syspath_prepend(ROOT / "tests" / "helpers")
    out, figures = tmp_path / "cache", tmp_path / "figures.json"
    arguments = ["prestore", "--teacher", "teachers:Linear", "--out", str(out), "--device", "cpu"]
    for _ in range(2):  # written, and checked again
        with pytest.raises(SystemExit) as stop:
            main([*arguments, "--json", str(figures)])
        told = capsys.readouterr()
        assert stop.value.code == 1 and "no better than always naming one class" in told.err
        assert told.out.splitlines()[-1] == f"a goal is missed; {out} is complete and can be used all the same"
        row = json.loads(figures.read_text())["rows"][0]
        assert row["ok"] is False and row["value"] == pytest.approx(open_prestored(out, few).bytes_per_view)
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--limit", "50"])
    assert not stop.value.code, "a few images have no goal"


def test_as_many_views_as_there_are_stores_each_once(tmp_path: Path) -> None:
    policy = ViewPolicy(shift=1, erase=0)
    knowledge = Prestorer(LinearTeacher(), DATA, replace(CONFIG, policy=policy, views=18), tmp_path / "x").run()
    words = knowledge.targets(np.repeat(np.arange(2), 18), np.tile(np.arange(18), 2)).views.reshape(2, 18)
    drawn = draw_views(policy, DATA.images.shape[1:], 2000, np.random.default_rng(1))
    assert set(words[0]) == set(words[1]) == set(drawn) and len(set(words[0])) == 18
    assert len(every_view(ViewPolicy(shift=1, erase=4))) == 0, "there are too many with an erased square"
