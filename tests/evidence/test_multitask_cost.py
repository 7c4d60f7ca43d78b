# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shipped text student costs, and what is said where its teacher is not here."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.data.dataset import ImageSet
from sdr_sc.data.texts import text_of
from sdr_sc.data.wordnet import load
from sdr_sc.errors import MissingDependencyError, SdrScError
from sdr_sc.evidence.multitask import cost
from sdr_sc.evidence.multitask.cost import bench_multitask_cost
from sdr_sc.results.rows import NOT_MEASURED, Row

MODEL = "wordnet_student"


class FakeTeacher:
    """Takes longer with longer texts, and is larger than any student."""

    parameters = 1_000_000_000

    def __init__(self, folder: object, name: str) -> None:
        self.name = name

    def vectors(self, texts: list[str]) -> np.ndarray:
        return np.linalg.inv(np.random.default_rng(len(texts[0])).normal(size=(300, 300)))[:1]

    def flops(self, text: str) -> int:
        return 1000 * len(text)


def by_name(rows: list[Row]) -> dict[str, Row]:
    return {row.name: row for row in rows}


def test_sizes_operations_and_times_stand_beside_the_teachers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "SentenceTeacher", FakeTeacher)
    monkeypatch.setattr(cost, "is_fetched", lambda model: True)
    monkeypatch.setattr(cost, "unpacked", lambda model: None)
    rows = by_name(bench_multitask_cost(MODEL, [load("test")], ["all-MiniLM-L6-v2"], 20, 1, lambda what: None))
    assert 1_900_000 < rows["encoder; parameters"].value < 2_300_000
    assert 0.1 < rows["encoder; MFLOP of one item"].value < 5 and rows["decoder; parameters"].value < 200_000
    for end in ("encoder", "decoder"):
        assert 0 < rows[f"{end}; median of one item, ms"].value <= rows[f"{end}; 95th percentile of one item, ms"].value
    assert rows["encoder; median of one item, ms"].goal == "<= 2 ms" and rows["encoder; median of one item, ms"].n == 20
    times = rows["all-MiniLM-L6-v2; times slower than the encoder"]
    ratio = rows["all-MiniLM-L6-v2; median of one item, ms"].value / rows["encoder; median of one item, ms"].value
    assert times.value == pytest.approx(ratio) and times.goal == ">= 10"
    smaller = rows["all-MiniLM-L6-v2; times the encoder's parameters"]
    assert smaller.value == pytest.approx(1e9 / rows["encoder; parameters"].value) and smaller.ok
    texts = [text_of(one) for one in load("test").items(np.sort(np.random.default_rng(1).permutation(4110)[:40]))]
    wanted = np.mean([1e-3 * len(text) for text in texts[:20]])
    assert rows["all-MiniLM-L6-v2; MFLOP of one text"].value == pytest.approx(wanted)


def test_a_teacher_that_is_not_here_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "_of_student", lambda *_: ([], 1.0, 1))
    monkeypatch.setattr(cost, "is_fetched", lambda model: False)
    (row,) = bench_multitask_cost(MODEL, [load("test")], ["all-MiniLM-L6-v2"], 5, 1, lambda what: None)
    assert NOT_MEASURED in row.name and "run 'sdr-sc teacher probe --model all-MiniLM-L6-v2'" in row.name
    assert np.isnan(row.value)

    def lacking(folder: object, name: str) -> None:
        raise MissingDependencyError("the text teacher needs the Python package transformers")

    monkeypatch.setattr(cost, "is_fetched", lambda model: True)
    monkeypatch.setattr(cost, "unpacked", lambda model: None)
    monkeypatch.setattr(cost, "SentenceTeacher", lacking)
    (row,) = bench_multitask_cost(MODEL, [load("test")], ["all-MiniLM-L6-v2"], 5, 1, lambda what: None)
    assert row.name.endswith("needs the Python package transformers")
    with pytest.raises(SdrScError, match="'bert' is unknown; use all-MiniLM-L6-v2"):
        bench_multitask_cost(MODEL, [load("test")], ["bert"], 5, 1, lambda what: None)


def test_pictures_and_texts_of_a_model_of_both_are_timed_each_for_itself() -> None:
    images = np.random.default_rng(2).integers(0, 256, (9, 3, 40, 40), np.uint8)
    pictures = ImageSet(images, np.zeros(9, np.int64), ("a",), "ab" * 32)
    rows = by_name(bench_multitask_cost("multitask_student", [load("test"), pictures], [], 5, 1, lambda what: None))
    for kind in ("picture", "text"):
        assert rows[f"encoder; MFLOP of one {kind}"].value > 0 and rows[f"encoder; median of one {kind}, ms"].value > 0
        assert f"encoder; 95th percentile of one {kind}, ms" in rows
    assert rows["encoder; median of one text, ms"].goal == "<= 2 ms"
    assert rows["encoder; median of one picture, ms"].goal is None and "encoder; median of one item, ms" not in rows
    alone = by_name(
        bench_multitask_cost("multitask_student", [pictures], ["all-MiniLM-L6-v2"], 5, 1, lambda what: None)
    )
    assert any("the items are no texts" in name for name in alone)
    assert "encoder; median of one text, ms" not in alone
    with pytest.raises(SdrScError, match="takes items of shape"):
        bench_multitask_cost(MODEL, [pictures], [], 5, 1, lambda what: None)
