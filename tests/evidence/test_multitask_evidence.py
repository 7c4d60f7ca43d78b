# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped text student through the physical layer, beside coded messages that serve the same tasks."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.data.wordnet import load
from sdr_sc.errors import SdrScError
from sdr_sc.evidence.multitask.measure import bench_multitask
from sdr_sc.evidence.multitask.rows import Setting
from sdr_sc.results.rows import Row
from sdr_sc.semantic import weights
from sdr_sc.semantic.gallery import Gallery
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

MODEL = "wordnet_student"


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    return Gallery.load(weights.resolve(MODEL).with_suffix(".gallery"))


@pytest.fixture(scope="module")
def rows(gallery: Gallery) -> dict[str, Row]:
    setting = Setting(MODEL, load("train"), load("test"), gallery, [10.0], [4, 16], 1)
    return {row.name: row for row in bench_multitask(setting, True, lambda what: None)}


def test_class_and_entry_come_from_the_same_symbols(rows: dict[str, Row]) -> None:
    assert rows["10 dB; ours, k=16; payload symbols an item"].value == 16
    assert rows["10 dB; ours, k=16; classification"].value > 74
    assert rows["10 dB; ours, k=16; R@5"].value > 85 > rows["10 dB; ours, k=16; R@1"].value > 60
    assert rows["10 dB; ours, k=4; classification"].value > 72
    assert rows["10 dB; ours, k=4; R@5"].value < 30, "four symbols hold no vector"


def test_rivals_are_sent_and_counted(rows: dict[str, Row]) -> None:
    symbols = [rows[f"10 dB; class and vector of {count} bytes, coded; payload symbols an item"].value
               for count in (2, 4, 6, 8)]  # fmt: skip
    found = [rows[f"10 dB; class and vector of {count} bytes, coded; R@5"].value for count in (2, 4, 6, 8)]
    assert symbols == sorted(symbols) and found == sorted(found) and found[-1] > 75
    entry = rows["10 dB; the entry's number, coded; R@1"]
    assert entry.value > 70 and rows["10 dB; the entry's number, coded; payload symbols an item"].value < symbols[0]
    assert "10 dB; the student's class, coded; R@5" not in rows


def test_a_gallery_of_other_entries_is_refused(gallery: Gallery) -> None:
    other = Gallery(tuple(reversed(gallery.names)), gallery.vectors, gallery.space)
    with pytest.raises(SdrScError, match="has other entries than the data set's test part"):
        bench_multitask(Setting(MODEL, load("train"), load("test"), other, [10.0], [4], 1), True, lambda what: None)


def test_texts_of_any_kind_are_sent_and_answered(gallery: Gallery) -> None:
    from sdr_sc.data.texts import text_items

    encoder, decoder = SemanticEncoder(MODEL), SemanticDecoder(MODEL)
    longest = encoder.contract.item_shape[0] - 2
    texts = ["", "\U0001f600", "\u05e9\u05dc\u05d5\u05dd", "a\0b", "x" * 10_000, b"\xff\xfe", "a small dog"]
    items = text_items(texts, longest).batch.slots(longest)
    received = encoder.encode(items, 10.0, 8)
    assert np.isfinite(received).all()
    outputs = decoder.outputs(received, 10.0)
    assert np.isfinite(outputs).all()
    assert gallery.search(outputs[:, decoder.parts["retrieval"]], 3).ids.shape == (len(texts), 3)
    assert decoder.answer(received, 10.0).best[-1] == load("test").names("classification").index("noun.animal")


def test_nothing_is_right_where_no_frame_is_received(gallery: Gallery) -> None:
    setting = Setting(MODEL, load("train"), load("test"), gallery, [-25.0], [4], 1, with_rivals=False)
    rows = {row.name: row.value for row in bench_multitask(setting, True, lambda what: None)}
    assert rows["-25 dB; ours, k=4; classification"] == rows["-25 dB; ours, k=4; R@5"] == 0.0
