# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc kb describe``: what a receiver says of pictures over noise, with and without rules, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from command import sdr_sc
from knowledge_answering import make_base, make_rules
from PIL import Image

from sdr_sc.cli.kb import command
from sdr_sc.errors import SdrScError

pytestmark = pytest.mark.process


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    values = np.random.default_rng(1).integers(0, 256, (28, 28), np.uint8)
    Image.fromarray(values).save(tmp_path / "a picture.png")
    return tmp_path / "a picture.png"


def test_a_picture_is_described_with_its_sources(tmp_path: Path, picture: Path) -> None:
    made = sdr_sc("kb", "build", _folder(tmp_path, picture), "-o", tmp_path / "mine.kb")
    assert made.returncode == 0, made.stderr
    done = sdr_sc("kb", "describe", tmp_path / "mine.kb", picture, picture, "--snr-db", "20")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("sent: ") == 2 and done.stdout.count("[d] the decoder of the model") == 2
    assert 'The nearest entries are "rings" (similarity 0.9' in done.stdout and "[1] rings (" in done.stdout
    assert "The decoder and all 2 entries looked up disagree on the class" in done.stdout


def test_with_rules_the_base_has_a_part_in_the_answer(tmp_path: Path, picture: Path) -> None:
    state = make_base(tmp_path / "toy.kb")
    make_rules(tmp_path / "toy.rules", state)
    rules = ("--rules", tmp_path / "toy.rules")
    done = sdr_sc("kb", "describe", tmp_path / "toy.kb", picture, *rules)
    assert done.returncode == 0, done.stderr
    assert "The nearest entries are " in done.stdout and "%) [" in done.stdout
    done = sdr_sc("kb", "describe", tmp_path / "toy.kb", picture, "--k", "8", *rules)
    assert "The knowledge base was not asked (no rule for this k) [b]." in done.stdout
    make_rules(tmp_path / "toy.rules", state, version=7)
    done = sdr_sc("kb", "describe", tmp_path / "toy.kb", picture, *rules)
    assert "The knowledge base was not asked (other version) [b]." in done.stdout and "[d]" in done.stdout


def test_what_cannot_be_described_is_a_sentence(tmp_path: Path, picture: Path) -> None:
    make_base(tmp_path / "toy.kb")
    base = tmp_path / "toy.kb"
    for arguments, said in (
        ((tmp_path / "none.kb", picture), "cannot be read"),
        ((base, tmp_path / "nothing.png"), "is no file"),
        ((base, picture, "--k", "5"), "k=5"),
        ((base, picture, "--model", "wordnet_student"), "is for model"),
        ((base, picture, "--question", "what colour?"), "the question 'what colour?' is given"),
        ((base, picture, "--rules", tmp_path / "none.rules"), "rules"),
        ((base, "--data-set", "nothing like it"), "unknown"),
    ):
        done = CliRunner().invoke(command, ["describe", *map(str, arguments)])
        assert isinstance(done.exception, SdrScError) and said in str(done.exception), (arguments, done.exception)
        assert "\n" not in str(done.exception) and str(done.exception).endswith(".")
    for arguments in ((base,), (base, picture, "--data-set", "fashion_mnist")):
        done = CliRunner().invoke(command, ["describe", *map(str, arguments)])
        assert done.exit_code == 2 and "give texts or pictures to send, or --data-set" in done.output
    listed = CliRunner().invoke(command, ["language-model"])
    assert "qwen2.5-coder-0.5b-instruct-q4_k_m: Apache-2.0 by its maker" in listed.output


def _folder(tmp_path: Path, picture: Path) -> Path:
    """A data set with the picture as a ring, and an empty one as a cross."""
    for part in ("train", "test"):
        for name in ("rings", "crosses"):
            (tmp_path / "mine" / part / name).mkdir(parents=True)
            Image.new("L", (28, 28)).save(tmp_path / "mine" / part / name / "0.png")
        (tmp_path / "mine" / part / "rings" / "0.png").write_bytes(picture.read_bytes())
    return tmp_path / "mine"
