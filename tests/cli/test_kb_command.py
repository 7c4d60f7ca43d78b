# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc kb``: a base from pictures of one's own, asked, updated and checked; every wrong file is a sentence."""

from __future__ import annotations

import re

import numpy as np
import pytest
from command import assert_one_line_error, sdr_sc
from knowledge_entries import made_base
from PIL import Image

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import first_places, warn_once
from sdr_sc.errors import ContractError, DataSetError, KnowledgeError
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.features import FeatureMaker, FeatureVectors, as_vectors
from sdr_sc.semantic.knowledge.items import DatasetEntries, item_of
from sdr_sc.semantic.knowledge.local import LocalBase
from sdr_sc.semantic.knowledge.own_texts import load_own_texts
from sdr_sc.semantic.weights import read_contract

MODEL = "fashion_mnist_student"


def pictures(folder, seed: int, count: int = 6):
    """Grey pictures of 28 x 28 pixels in class folders."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        file = folder / ("crosses", "rings")[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (28, 28), np.uint8)).save(file)
    for name in ("crosses", "rings"):  # the parts of a folder's own
        for part in ("train", "test"):
            (folder / part / name).mkdir(parents=True, exist_ok=True)
            for file in (folder / name).glob("*.png") if part == "train" else list((folder / name).glob("*.png"))[:1]:
                (folder / part / name / file.name).write_bytes(file.read_bytes())
    return folder


def test_a_base_is_built_asked_signed_updated_and_checked(tmp_path):
    mine = pictures(tmp_path / "mine", 1)
    done = sdr_sc("kb", "build", mine, "-o", tmp_path / "a.kb", "--title", "my things")
    assert done.returncode == 0 and "'my things'" in done.stdout and "6 entries" in done.stdout, done.stderr
    assert sdr_sc("kb", "key", tmp_path / "me").returncode == 0
    more = pictures(tmp_path / "more", 2, 4)
    done = sdr_sc("kb", "build", more, "-o", tmp_path / "b.kb", "--add-to", tmp_path / "a.kb",
                  "--sign", tmp_path / "me.sign_secret")  # fmt: skip
    assert "version 2), 10 entries" in done.stdout, done.stderr
    done = sdr_sc("kb", "diff", tmp_path / "a.kb", tmp_path / "b.kb", "-o", tmp_path / "ab.inc")
    assert "4 added, 0 replaced, 0 deleted" in done.stdout
    signed = ("--require-signature", tmp_path / "me.sign")
    assert_one_line_error(sdr_sc("kb", "info", tmp_path / "a.kb", *signed), "is not signed")
    done = sdr_sc("kb", "update", tmp_path / "a.kb", tmp_path / "ab.inc", *signed)
    assert "version 2" in done.stdout, done.stderr
    assert_one_line_error(sdr_sc("kb", "update", tmp_path / "a.kb", tmp_path / "ab.inc"), "already")
    done = sdr_sc("kb", "verify", tmp_path / "a.kb", "--model", MODEL, *signed)
    assert done.returncode == 0 and "is whole: 10 entries, signed by" in done.stdout
    done = sdr_sc("kb", "info", tmp_path / "a.kb")
    assert "2 names: crosses, rings" in done.stdout and "features k=32 at 10 dB" in done.stdout
    asked = mine / "rings" / "3.png"
    for k in ((), ("--k", "2")):
        done = sdr_sc("kb", "query", tmp_path / "a.kb", asked, "--count", 1, *k)
        assert re.search(r"1\.000.*rings.*train \d", done.stdout), done.stdout + done.stderr


def test_what_fits_no_model_or_is_no_base_is_a_sentence(tmp_path):
    made_base(tmp_path / "toy.kb", 3).close()
    for arguments, said in (
        (("query", tmp_path / "toy.kb", "x"), "is for model 0123456789abcdef"),
        (("verify", tmp_path / "toy.kb", "--model", MODEL), "is for model 0123456789abcdef"),
        (("query", tmp_path / "none.kb", "x"), "cannot be read"),
        (("build", "fashion_mnist", "-o", tmp_path / "x.kb", "--model", "wordnet_student"), "(28, 28)"),
        (("build", "fashion_mnist", "-o", tmp_path / "x.kb", "--k", "5"), "k=5"),
        (("build", "fashion_mnist", "-o", tmp_path / "x.kb", "--add-to", tmp_path / "toy.kb"), "is for model"),
        (("build", tmp_path / "nothing", "-o", tmp_path / "x.kb"), "unknown"),
        (("build", "fashion_mnist", "-o", tmp_path / "toy.kb"), "is there already"),
        (("build", "fashion_mnist", "-o", tmp_path / "x.kb", "--sign", tmp_path / "toy.kb"), "secret key"),
        (("diff", tmp_path / "toy.kb", tmp_path / "toy.kb", "-o", tmp_path / "x"), "not later"),
        (("update", tmp_path / "toy.kb", tmp_path / "toy.kb"), "damaged, or no increment"),
        (("key", tmp_path / "no" / "folder"), "cannot be written"),
    ):
        assert_one_line_error(sdr_sc("kb", *arguments), said)
    assert not (tmp_path / "x.kb").exists()
    raw = bytearray((tmp_path / "toy.kb").read_bytes())
    place = raw.rindex(b"picture") + 3
    raw[place] ^= 1
    (tmp_path / "toy.kb").write_bytes(raw)
    done = sdr_sc("kb", "verify", tmp_path / "toy.kb")
    assert done.returncode == 1 and "entry 1 is damaged" in done.stdout


def test_a_local_base_is_shown_when_nobody_uses_it(tmp_path):
    space = FeatureVectors(4, 10.0).space(read_contract(MODEL))
    with LocalBase(tmp_path / "seen.kb", space):
        assert_one_line_error(sdr_sc("kb", "info", tmp_path / "seen.kb"), "in use by another process")
    done = sdr_sc("kb", "info", tmp_path / "seen.kb")
    assert done.returncode == 0 and "local knowledge base" in done.stdout, done.stderr
    assert_one_line_error(sdr_sc("kb", "info", tmp_path / "seen.kb", "--require-signature", "0" * 64), "is local")


@pytest.fixture(scope="module")
def maker() -> FeatureMaker:
    return FeatureMaker(MODEL)


@pytest.fixture(scope="module")
def texts_maker() -> FeatureMaker:
    return FeatureMaker("wordnet_student")


def test_entries_are_what_the_model_sends_of_each_item(tmp_path, maker):
    data = load_dataset("fashion_mnist", "test").first(40)
    entries = list(DatasetEntries(data, maker))
    sent = maker.encoder.encode(data.items(np.arange(40)), 10.0, 32)
    assert np.allclose(np.stack([entry.vector for entry in entries]), as_vectors(sent, 64), atol=1e-5)
    assert [entry.answers["classification"] for entry in entries] == [data.class_names[one] for one in data.labels]
    assert entries[7].source == "Fashion-MNIST test 7" and entries[7].picture.startswith(b"\x89PNG")
    KnowledgeBase.create(tmp_path / "a.kb", maker.space, entries)
    with KnowledgeBase(tmp_path / "a.kb", maker.contract) as base:
        # What arrives of fewer symbols, at another power, is compared with the first numbers.
        few = as_vectors(3.0 * sent[:, :4], 64)
        found = base.search(few, 1, 8)
        assert (found.similarity > 0.9999).all()
        assert (
            base.answers_of(found.ids[:, 0], "classification") == [e.answers["classification"] for e in entries]
        ).all()


def test_items_of_equal_bytes_are_one_entry_and_times_stay(tmp_path, maker):
    data = load_dataset("fashion_mnist", "test").first(10)
    twice = DatasetEntries(data, maker, np.tile(first_places(data, 10), 2))
    state = KnowledgeBase.create(tmp_path / "a.kb", maker.space, twice)
    assert state.entries == 10 and (twice.repeats, twice.copies) == (10, 0)
    with KnowledgeBase(tmp_path / "a.kb") as base:
        again = KnowledgeBase.create(
            tmp_path / "b.kb", maker.space, DatasetEntries(data, maker, None, base), "", base.state
        )
        assert again.checksum == base.checksum and again.version == 2


def test_a_text_or_picture_becomes_an_item(tmp_path, maker, texts_maker):
    Image.fromarray(np.full((50, 70, 3), 200, np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no picture")
    assert item_of(maker.encoder, str(tmp_path / "a.png")).shape == (1, 28, 28)
    for asked, said in ((tmp_path / "b.png", "cannot be decoded"), (tmp_path, "is no file"), ("text", "is no file"),
                        ("\0", "is no file")):  # fmt: skip
        with pytest.raises(KnowledgeError, match=said):
            item_of(maker.encoder, str(asked))
    assert texts_maker.vectors(item_of(texts_maker.encoder, "a small animal")).shape == (1, 64)


def test_a_text_that_is_empty_is_refused_and_what_is_cut_is_said(texts_maker, caplog):
    for asked in ("", " \t", "\0"):
        with pytest.raises(KnowledgeError, match="nothing is asked: the text is empty"):
            item_of(texts_maker.encoder, asked)
    warn_once.cache_clear()
    with caplog.at_level("WARNING"):
        long, whole = item_of(texts_maker.encoder, "x" * 10_000), item_of(texts_maker.encoder, "x" * 256)
    assert np.array_equal(long, whole) and "9,744 characters at its end are left out" in caplog.text
    assert item_of(texts_maker.encoder, ".").shape == whole.shape  # a folder's name is a text like any other


def test_texts_of_ones_own_become_entries(tmp_path, texts_maker):
    rows = ["text,classification,topic", "a small dog,animal,pets", "a red fruit,food,", "a small dog,animal,pets"]
    (tmp_path / "mine.csv").write_text("\n".join(rows) + "\n")
    entries = DatasetEntries(load_own_texts(tmp_path / "mine.csv", 256), texts_maker)
    found = {entry.title: dict(entry.answers) for entry in entries}
    assert entries.repeats == 1 and found == {
        "a small dog": {"classification": "animal", "topic": "pets"},
        "a red fruit": {"classification": "food"},
    }
    KnowledgeBase.create(tmp_path / "t.kb", texts_maker.space, entries)
    with KnowledgeBase(tmp_path / "t.kb") as base:
        near = base.search(texts_maker.vectors(item_of(texts_maker.encoder, "a red fruit")), 1)
        assert near.similarity[0, 0] > 0.9999
        assert base.answers_of(near.ids, "classification").tolist() == [["food"]]


@pytest.mark.parametrize(
    ("content", "said"),
    [("a,b\n1,2\n", "no column 'text'"), ("text\n", "has no line below"), ("text,a\nb\n", "cells"), ("", "no column"),
     ("text," + ",".join(map(str, range(17))) + "\n" + "a," * 17 + "\n", "17 columns of answers where 16 may be")],
)  # fmt: skip
def test_texts_that_are_none_are_a_sentence(tmp_path, content, said):
    (tmp_path / "bad.csv").write_text(content)
    with pytest.raises(DataSetError, match=said):
        load_own_texts(tmp_path / "bad.csv")
    with pytest.raises(DataSetError, match="No such file"):
        load_own_texts(tmp_path / "none.csv")


@pytest.mark.parametrize(("encoding", "said"), [
    ("utf-16", "is not UTF-8 text"), ("utf-32", "is not UTF-8 text"), ("latin-1", "is not UTF-8 text"),
    ("utf-16-le", "is not UTF-8 text"),
])  # fmt: skip
def test_texts_of_another_encoding_are_a_sentence(tmp_path, encoding, said):
    (tmp_path / "bad.csv").write_bytes("text,classification\ncafé,a\n".encode(encoding))
    with pytest.raises(DataSetError, match=f"{said}.*; give UTF-8 text with a column 'text'"):
        load_own_texts(tmp_path / "bad.csv")


def test_what_texts_of_ones_own_lose_is_said(tmp_path, caplog):
    (tmp_path / "mine.csv").write_text("text\n\ufeffa b\nabcdefghij\nabcdefghi\nabc\n", encoding="utf-8-sig")
    assert len(load_own_texts(tmp_path / "mine.csv", 8)) == 4
    assert "2 of the texts in" in caplog.text and "longer than 8 bytes, and lost 3 characters" in caplog.text


def test_spaces_have_names_that_lead_back(maker):
    kind = FeatureVectors(8, -2.5)
    assert FeatureVectors.of_name(kind.name) == kind
    for name in ("", "features k=x at 1 dB", "features k=4 at 1.2.3 dB", "answers"):
        with pytest.raises(KnowledgeError):
            FeatureVectors.of_name(name)
    with pytest.raises(ContractError):
        FeatureVectors(5, 1.0).space(maker.contract)
