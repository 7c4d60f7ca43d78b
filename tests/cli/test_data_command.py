# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc data``: what there is, what is here, what is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import ROOT, assert_one_line_error, sdr_sc
from data_packages import deb_of, noun_lines, package_of, put_fetched

from sdr_sc.cli import main as cli_main
from sdr_sc.data import overview, wordnet
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import INFOS, SetInfo
from sdr_sc.data.packages import locate
from sdr_sc.data.packages.fetch import fetched_file
from sdr_sc.errors import DataSetError, MissingDependencyError
from sdr_sc.semantic.weights import read_contract

MODELS = sorted(path.stem for path in (ROOT / "models").glob("*.safetensors"))
GLOSSES = [(f"w{number}", 3 + number % 26, f"meaning {number}") for number in range(100)]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A WordNet of a hundred glosses, whose package is neither installed nor fetched; where it would be put."""
    files = {"usr/share/wordnet/data.noun": noun_lines(GLOSSES)}
    raw = deb_of(files)
    package = package_of(raw, files, "wordnet-base")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(locate, "ROOT", tmp_path)
    monkeypatch.setattr(wordnet, "PACKAGE", package)
    monkeypatch.setitem(
        INFOS, "wordnet", SetInfo("toys", "text", {"classification": "a", "retrieval": "b"}, (package,))
    )
    wordnet._compiled.cache_clear()
    (tmp_path / "bin").mkdir()
    (tmp_path / "it.deb").write_bytes(raw)
    (tmp_path / "bin" / "apt-get").write_text(f"#!/bin/bash\nsleep 0.3; cp {tmp_path}/it.deb wordnet-base_1.deb\n")
    (tmp_path / "bin" / "apt-get").chmod(0o755)
    yield tmp_path
    wordnet._compiled.cache_clear()


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        cli_main.main(["data", *words])
    return (stop.value.code or 0, *capsys.readouterr())  # type: ignore[return-value]


def test_joined_sets_are_looked_at_one_by_one(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "get", "wordnet+nothing")
    assert status == 1 and "data set 'nothing' is unknown" in err and not out, "before anything is fetched"
    status, out, err = run(capsys, "get", "wordnet+wordnet,only=wordnet")
    assert (status, err) == (0, "") and out.count("wordnet: ready") == 1
    status, out, _ = run(capsys, "info", "wordnet+fashion_mnist")
    assert status == 0 and "wordnet: toys, text" in out and "fashion_mnist: Fashion-MNIST, image" in out


def test_the_set_that_a_shipped_model_was_trained_on_is_known_by_name() -> None:
    found = {name: overview.set_titled(read_contract(name).data_set) for name in MODELS}
    assert found["multitask_student"] == "wordnet+noto_emoji+easy_vqa" and found["easy_vqa_student"] == "easy_vqa"
    assert all(found.values()) and overview.set_titled("WordNet noun glosses + my own") == ""


def test_a_set_is_listed_fetched_and_looked_at(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "list")
    assert status == 0 and "not here (0.0 MB)" in out and "fashion_mnist" in out and "noto_emoji" in out
    status, _, err = run(capsys, "info", "wordnet")
    assert status == 1 and err.count("\n") == 1 and "run 'sdr-sc data get wordnet'" in err
    status, out, err = run(capsys, "get", "wordnet")
    assert (status, err) == (0, "") and "wordnet: ready" in out
    (toy / "bin" / "apt-get").write_text("#!/bin/bash\nexit 1\n")
    status, out, _ = run(capsys, "get", "wordnet")
    assert status == 0 and "wordnet: ready" in out, "it is not fetched twice"
    status, out, _ = run(capsys, "list")
    assert "fetched" in out
    (toy / "bin" / "apt-get").write_text(f"#!/bin/bash\ncp {toy}/it.deb wordnet-base_1.deb\n")
    fetched_file(wordnet.PACKAGE).write_bytes(b"damaged")
    status, out, err = run(capsys, "get", "wordnet")
    assert (status, err) == (0, "") and fetched_file(wordnet.PACKAGE).read_bytes() == (toy / "it.deb").read_bytes()
    status, out, _ = run(capsys, "info", "wordnet")
    package = wordnet.PACKAGE
    assert status == 0 and package.sha256 in out and "26" in out and load_dataset("wordnet", "test").sha256[:16] in out
    parts = {part.split: part for part in overview.parts_of("wordnet")}
    assert sum(part.items for part in parts.values()) == 100 and parts["train"].tasks["classification"][0] == 26


def test_a_set_that_cannot_be_fetched_is_one_sentence(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (toy / "bin" / "apt-get").write_text("#!/bin/bash\necho 'E: Could not resolve host' >&2\nexit 100\n")
    status, out, err = run(capsys, "get", "wordnet")
    assert status == 1 and "ready" not in out
    assert err.count("\n") == 1 and "Could not resolve host); check the network and the set-up of apt" in err


@pytest.mark.parametrize("verb", ["get", "info"])
def test_an_unknown_set_is_refused_with_the_known_ones(
    verb: str, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(capsys, verb, "nothing\x1b[2J")
    assert status == 1 and all(name in err for name in overview.known_sets()) and "\x1b" not in err
    with pytest.raises(DataSetError, match="is unknown"):
        overview.info_of("")


def test_a_program_that_is_missing_is_named(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INFOS, "wordnet", SetInfo("a", "text", {}, (), {"no-such-program": "its-package"}))
    with pytest.raises(
        MissingDependencyError, match="needs the program 'no-such-program' once; run 'sudo apt-get install its-p"
    ):
        overview.get("wordnet")


def test_a_set_that_was_fetched_by_hand_is_compiled(toy: Path) -> None:
    put_fetched(toy / "cache", wordnet.PACKAGE, (toy / "it.deb").read_bytes())
    (toy / "bin" / "apt-get").unlink()
    overview.get("wordnet")
    assert len(load_dataset("wordnet", "train")) > 70


@pytest.mark.parametrize("spec, words", [
    ("fashion_mnist", "data set Fashion-MNIST has no validation part; hold out a part of its 'train'"),
    ("/some/folder", "data set /some/folder has no validation part"),
])  # fmt: skip
def test_sets_without_a_validation_part_say_so(spec: str, words: str) -> None:
    with pytest.raises(DataSetError, match=words):
        load_dataset(spec, "validation")
    with pytest.raises(DataSetError, match="split is 'other'; use 'train' or 'test', or 'validation'"):
        load_dataset(spec, "other")  # type: ignore[arg-type]


def test_the_verb_as_a_user_runs_it(tmp_path: Path) -> None:
    done = sdr_sc("data", "list", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0 and "wordnet" in done.stdout and done.stderr == ""
    assert_one_line_error(sdr_sc("data", "get", "nothing"), "data set 'nothing' is unknown")
