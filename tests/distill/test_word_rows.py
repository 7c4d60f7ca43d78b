# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of words start from a regression of the teacher's vectors, so that a student finds entries before any step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import toy_texts

from sdr_sc.distill.multitask.config import MultiTaskConfig
from sdr_sc.distill.multitask.lesson import Lesson
from sdr_sc.distill.multitask.regression import ridge
from sdr_sc.distill.multitask.train import MultiTaskTrainer
from sdr_sc.distill.multitask.word_rows import piece_shares, rarities, shares, start_from_teacher, taught_texts
from sdr_sc.semantic.networks.text import TextEncoder

CONFIG = MultiTaskConfig(("classification", "retrieval"), k_list=(4, 8), steps=6, batch_items=40, decoder_width=32)


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    data = toy_texts.load("train")
    return Lesson.of(data, CONFIG, toy_texts.teacher_vectors().of("train", data.sha256))


def test_the_mean_of_a_text_s_rows_holds_the_teacher_s_vector_before_any_step(lesson: Lesson) -> None:
    tokens, vectors = taught_texts(lesson)
    assert len(tokens) == len(lesson.inputs) and vectors.shape == (len(tokens), toy_texts.DIMENSIONS)
    torch.manual_seed(1)
    encoder = TextEncoder(8).eval()
    left = {}
    for name in ("chance", "teacher"):
        if name == "teacher":
            start_from_teacher(encoder, tokens, vectors, 1e-3)
        with torch.inference_mode():
            mean = encoder.pooled(torch.from_numpy(tokens.astype(np.float32)))[:, : toy_texts.DIMENSIONS].numpy()
        x = np.c_[mean, np.ones(len(mean))]
        guess = x @ np.linalg.lstsq(x, vectors, rcond=None)[0]
        left[name] = np.square(guess - vectors).sum() / np.square(vectors - vectors.mean(axis=0)).sum()
    assert left["chance"] > 0.3 and left["teacher"] < 0.05, left
    rows = encoder.stem.words.weight
    assert torch.isfinite(rows).all() and not rows[0].any() and not encoder.stem.pieces.weight[0].any()


def test_the_first_numbers_vary_most_and_lead_to_the_first_symbols(lesson: Lesson) -> None:
    tokens, vectors = taught_texts(lesson)
    encoder = TextEncoder(8).eval()
    start_from_teacher(encoder, tokens, vectors, 0.3)
    with torch.inference_mode():
        mean = encoder.pooled(torch.from_numpy(tokens.astype(np.float32)))[:, : toy_texts.DIMENSIONS]
    spread = mean.var(dim=0)
    assert bool((spread[:-1] >= spread[1:] * 0.8).all()) and spread[0] > 2 * spread[-1]
    own = encoder.symbols.weight[:, encoder.hidden_width :][: toy_texts.DIMENSIONS, : toy_texts.DIMENSIONS]
    assert torch.equal(own, torch.eye(toy_texts.DIMENSIONS))


def test_words_and_pieces_together_are_what_the_encoder_adds_up(lesson: Lesson) -> None:
    tokens, _ = taught_texts(lesson)
    encoder = TextEncoder(8).eval()
    stem, sizes = encoder.stem, encoder.sizes
    weights = rarities(tokens, sizes.word_rows)
    with torch.no_grad():
        stem.words.weight[:, stem.row_width] = torch.from_numpy(np.log(weights))
        found = encoder.pooled(torch.from_numpy(tokens.astype(np.float32)))[:, : stem.row_width].numpy()
    words, pieces = stem.words.weight[:, : stem.row_width].detach().numpy(), stem.pieces.weight.detach().numpy()
    rows = words + piece_shares(tokens, sizes.word_rows, sizes.piece_rows) @ pieces
    assert np.allclose(shares(tokens, weights) @ rows, found, atol=1e-5)


def test_a_run_starts_from_it_with_a_teacher_alone_and_goes_on_as_if_uncut(lesson: Lesson, tmp_path: Path) -> None:
    def rows(trainer: MultiTaskTrainer) -> torch.Tensor:
        return trainer.student.encoder.stem.words.weight.detach().clone()

    whole, cut = MultiTaskTrainer(lesson, CONFIG), MultiTaskTrainer(lesson, CONFIG)
    before = rows(whole)
    whole.run()
    cut.run(3, checkpoint=tmp_path / "state")
    other = MultiTaskTrainer(lesson, CONFIG)
    other.resume(tmp_path / "state")
    other.run()
    assert torch.equal(rows(whole), rows(other)) and (rows(whole) - before).abs().mean() > 0.01
    by_chance = replace(CONFIG, row_penalty=0.0)
    started = {}
    for name, config in (("teacher", CONFIG), ("chance", by_chance)):
        trainer = MultiTaskTrainer(lesson, config)
        trainer._start()
        started[name] = rows(trainer)
    assert torch.equal(started["chance"], before) and not torch.equal(started["teacher"], before)
    data = toy_texts.load("train")
    labels = replace(CONFIG, tasks=("classification",))
    alone = MultiTaskTrainer(Lesson.of(data, labels, None), labels)
    alone._start()
    assert torch.equal(rows(alone), before)


def test_a_regression_takes_an_operator_with_its_scale() -> None:
    from scipy.sparse import csr_matrix
    from scipy.sparse.linalg import aslinearoperator

    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(40, 6)).astype(np.float32), rng.normal(size=(40, 3)).astype(np.float32)
    scale = float(np.square(x).sum()) / len(x)
    wanted = np.linalg.solve(x.T @ x + 0.5 * scale * np.eye(6), x.T @ y)
    for given in (x, csr_matrix(x), aslinearoperator(x)):
        assert np.allclose(ridge(given, y, 0.5, scale=scale), wanted, atol=1e-3)
