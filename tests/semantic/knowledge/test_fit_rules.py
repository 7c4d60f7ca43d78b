# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc kb fit``: rules by which a receiver answers what its base alone knows, and loses nothing of the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import toy_signs
from click.testing import CliRunner, Result

from sdr_sc.cli.kb import command
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.errors import SdrScError
from sdr_sc.semantic.knowledge.answering.answers import KnowledgeAnswers
from sdr_sc.semantic.knowledge.answering.known import Decoded, KnownAnswers
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.rules.book import Rules
from sdr_sc.semantic.knowledge.rules.held_out import NoisyLink, Received

MODEL, K = "fashion_mnist_student", 16
toy_signs.register()


def kb(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(one) for one in arguments])


def refused(words: str, *arguments: object) -> None:
    done = kb(*arguments)
    assert isinstance(done.exception, SdrScError) and words in str(done.exception), done.exception
    assert "\n" not in str(done.exception)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bases of known items, and of these and signs; rules for the second one."""
    found = tmp_path_factory.mktemp("bases")
    assert kb("build", toy_signs.KNOWN, "--items", 300, "-o", found / "known.kb").exit_code == 0
    done = kb("build", toy_signs.SIGNS, "--add-to", found / "known.kb", "-o", found / "signs.kb")
    assert done.exit_code == 0, done.output
    done = fit(found / "signs.kb", "--calibration-set", toy_signs.MARKS)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "known items lose" in done.output and "new items right" in done.output
    return found


def fit(base: Path, *more: object) -> Result:
    return kb("fit", base, "--data-set", toy_signs.KNOWN, "--k", K, "--items", 300, "--snr-db", 0, "--snr-db", 10,
              "--snr-db", 20, *more)  # fmt: skip


def answered(folder: Path, heard: Received, snr_db: float) -> KnownAnswers:
    link = NoisyLink(MODEL, "classification")
    answering = KnowledgeAnswers(link.encoder.contract, folder / "signs.kb", folder / "signs.rules")
    best = heard.logits.argmax(axis=1)
    confidence = np.full(len(best), 0.5, np.float32)
    return answering.answers(Decoded(heard.features, heard.noise_variance, heard.logits, snr_db, best, confidence))


def heard(name: str, snr_db: float, items: int, seed: int = 5) -> tuple[Received, list[str]]:
    """Items of a test part as received, and what is right."""
    link, data = NoisyLink(MODEL, "classification"), load_dataset(name, "test")
    chosen = np.random.default_rng(seed).permutation(len(data))[:items]
    names = [data.names("classification")[label] for label in data.targets("classification", chosen)]
    rng = np.random.default_rng(seed)
    return link.receive(link.symbols(data.items(chosen), snr_db), snr_db, K, rng), names


def test_new_classes_are_answered_and_known_ones_keep_their_answers(folder: Path) -> None:
    new, of_new = heard(toy_signs.SIGNS, 20.0, 32)
    found = answered(folder, new, 20.0)
    right = np.array([*map(str.__eq__, found.names, of_new)])
    guard = Rules.load(folder / "signs.rules").by_k[K].guard
    margin = Rules.load(folder / "signs.rules").by_k[K].decoder_probabilities(new.logits, 20.0).max(axis=1)
    assert found.state == "used" and right[margin < guard.confidence - 0.05].mean() > 0.9
    assert not found.weight[margin >= guard.confidence].any() and right.sum() >= 12
    old, of_old = heard(toy_signs.KNOWN, 20.0, 400)
    found = answered(folder, old, 20.0)
    names = load_dataset(toy_signs.KNOWN, "test").names("classification")
    alone = sum(names[best] == right for best, right in zip(old.logits.argmax(axis=1).tolist(), of_old, strict=True))
    assert sum(map(str.__eq__, found.names, of_old)) >= alone - 4
    noise, _ = heard(toy_signs.SIGNS, -20.0, 16)
    found = answered(folder, noise, -20.0)
    assert found.state == "SNR below the rules" and not found.weight.any()


def test_rules_say_what_they_are_for(folder: Path) -> None:
    rules = Rules.load(folder / "signs.rules")
    with KnowledgeBase(folder / "signs.kb") as base:
        assert rules.fits(base.state) and rules.version == 2
    assert set(rules.by_k) == set(rules.local) == {K} and rules.by_k[K].snr_db == (0.0, 10.0, 20.0)
    assert rules.local_from_db == 5.0 and rules.local[K].kernel.entry_noise > 0 == rules.by_k[K].kernel.entry_noise
    assert rules.made["data_set"] == toy_signs.KNOWN and rules.made["calibration_set"] == toy_signs.MARKS


def test_a_base_of_known_classes_needs_no_other_data_set(folder: Path, tmp_path: Path) -> None:
    done = fit(folder / "known.kb", "-o", tmp_path / "known.rules")
    assert done.exit_code == 0, done.exception
    assert Rules.load(tmp_path / "known.rules").version == 1


def test_what_cannot_be_fitted_is_refused_in_a_line(folder: Path, tmp_path: Path) -> None:
    base, out, known = folder / "signs.kb", ("-o", tmp_path / "out.rules"), ("--data-set", toy_signs.KNOWN)
    refused("--calibration-set", "fit", base, *known, *out)
    refused("no two classes", "fit", base, *known, "--calibration-set", toy_signs.SIGNS, *out)
    refused("is of a class that model", "fit", base, "--data-set", toy_signs.MARKS, "--calibration-set",
            toy_signs.MARKS, *out)  # fmt: skip
    refused("is for model", "fit", base, *known, "--model", "wordnet_student", *out)
    refused("cannot be read", "fit", tmp_path / "none.kb", *known, *out)
    refused("give the rules another name", "fit", base, *known, "-o", base)
    refused("k=5", "fit", base, *known, "--calibration-set", toy_signs.MARKS, "--k", 5, *out)
    assert not (tmp_path / "out.rules").exists()
