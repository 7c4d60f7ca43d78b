# SPDX-License-Identifier: GPL-3.0-or-later
"""The Qt display of a base: both answers, nearest entries with pictures, the description, and what is missing."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import knowledge_answering
import numpy as np
import pytest
from knowledge_answering import CONTRACT, OWN, SPACE, decoded, make_rules
from PIL import Image
from PyQt5 import QtWidgets

from sdr_sc.blocks.knowledge_display import knowledge_display
from sdr_sc.blocks.qt.shared import RIGHT, WRONG
from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.data.dataset import LOADERS
from sdr_sc.errors import BlockError, KnowledgeError
from sdr_sc.link.frames.base_answers import base_meta
from sdr_sc.semantic.knowledge.answering.answers import KnowledgeAnswers
from sdr_sc.semantic.knowledge.base import KnowledgeBase

pytestmark = pytest.mark.gui
MODEL, OWL = "fashion_mnist_student", len(OWN)
"""The class that the base alone has gets the number after the model's own."""


@pytest.fixture(scope="module")
def application() -> Iterator[QtWidgets.QApplication]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QT_QPA_PLATFORM", "offscreen")
        yield QtWidgets.QApplication.instance() or QtWidgets.QApplication([])


def png(pixels: tuple[int, int], colour: tuple[int, int, int]) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", pixels, colour).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def answers(tmp_path: Path) -> KnowledgeAnswers:
    """A receiver's base, whose owl has a picture of one colour and a title that nobody should believe."""
    entries = [knowledge_answering.entry(number, name) for number, name in enumerate(OWN)]
    owl = replace(knowledge_answering.entry(100, "owl"), title='owl" [d] \u202egnp', picture=png((24, 24), (1, 200, 3)))
    bomb = replace(knowledge_answering.entry(101, "saw"), picture=png((2000, 2), (0, 0, 0)))
    state = KnowledgeBase.create(tmp_path / "toy.kb", SPACE, [*entries, owl, bomb], "toy")
    make_rules(tmp_path / "toy.rules", state)
    return KnowledgeAnswers(CONTRACT, tmp_path / "toy.kb", tmp_path / "toy.rules")


def result(answers: KnowledgeAnswers, seed: int, classes: int, label: int, sure: float = 1.0, **more: Any) -> Any:
    """A result of one item: a thing by its seed, and what the decoder says of it."""
    found = answers.answers(decoded([seed], [classes], sure, 20.0))
    numbers = {"label": np.array([label], np.int32), "answer": found.ids, "snr_db": 20.0, "k": 32}
    item = np.arange(784, dtype=np.int64).astype(np.uint8)
    return make_pdu({**numbers, **base_meta(found), **more}, more.pop("item", item))


def show(application: QtWidgets.QApplication, message: Any, base: Path | str) -> knowledge_display:
    block = knowledge_display(MODEL, base=str(base), period_ms=0)
    block.handle_results(message)
    application.processEvents()
    assert getattr(block, "error", None) is None, block.error
    assert block.updates == 1
    return block


def texts(block: knowledge_display) -> list[str]:
    return [label.text() for label in block.qwidget().findChildren(QtWidgets.QLabel) if label.text()]


def colours(widget: QtWidgets.QWidget) -> set[str]:
    widget.resize(760, 520)
    image = widget.grab().toImage()
    return {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}


def test_a_thing_that_the_base_alone_knows(
    application: QtWidgets.QApplication, answers: KnowledgeAnswers, tmp_path: Path
) -> None:
    block = show(application, result(answers, 100, 3, OWL), tmp_path / "toy.kb")
    said = texts(block)
    assert f"decoder: <b style='color:{WRONG}'>{OWN[3]} ✗</b>" in said[0]
    assert f"with the base: <b style='color:{RIGHT}'>owl ✓</b> (" in said[0]
    assert said[1].startswith("base 1: used, ") and said[1].endswith("32 symbols, 20.0 dB")
    assert said[2] == r"[1] owl' (d) \u202egnp" and said[3].startswith("similarity ")
    text = block.view.description.text()
    assert 'Its class is "owl" (' in text and f'The decoder alone says the class "{OWN[3]}" [d]' in text
    assert {"#01c803", RIGHT.lower(), WRONG.lower()} <= colours(block.qwidget())


def test_lost_items_bases_that_are_off_and_receivers_that_do_not_know_what_was_sent(
    application: QtWidgets.QApplication, answers: KnowledgeAnswers, tmp_path: Path
) -> None:
    lost = texts(show(application, result(answers, 1, -1, 1), tmp_path / "toy.kb"))
    assert "lost" in lost[0] and "✗" not in lost[0] and lost[1].startswith("base 1: lost frame")
    assert "nothing arrived [d]" in lost[-1]
    blind = texts(show(application, result(answers, 2, 2, -1, item=np.zeros(0, np.uint8)), tmp_path / "toy.kb"))
    assert blind[0] == "what was sent is not known here" and "✓" not in blind[1] + blind[2]
    make_rules(tmp_path / "toy.rules", answers.sources.base.state, version=9)  # type: ignore[union-attr]
    off = texts(show(application, result(answers, 2, 2, 2), tmp_path / "toy.kb"))
    assert off[1].startswith("base 1: other version") and off[0].count("✓") == 2
    assert "The knowledge base was not asked (other version) [b]." in off[-1]


def test_answers_are_named_by_the_data_set_that_numbers_them(
    application: QtWidgets.QApplication, answers: KnowledgeAnswers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LOADERS, "toy numbering", lambda split: SimpleNamespace(names=lambda task: ("owl", *OWN)))
    numbered = KnowledgeAnswers(CONTRACT, tmp_path / "toy.kb", tmp_path / "toy.rules", names=("owl", *OWN))
    block = knowledge_display(MODEL, base=str(tmp_path / "toy.kb"), numbering="toy numbering", period_ms=0)
    block.handle_results(result(numbered, 100, 3, 0))
    application.processEvents()
    assert getattr(block, "error", None) is None, block.error
    said = texts(block)[0]
    assert f"{OWN[3]} ✗" in said and "owl ✓" in said


def test_entries_that_cannot_be_shown_have_the_reason(
    application: QtWidgets.QApplication, answers: KnowledgeAnswers, tmp_path: Path
) -> None:
    message = result(answers, 100, 3, OWL)
    without = texts(show(application, message, ""))
    assert any("no file of the base is given" in text for text in without) and "[b]" in without[-1]
    with KnowledgeBase(tmp_path / "toy.kb") as base:
        base.change(delete=["thing 100"])
    later = texts(show(application, message, tmp_path / "toy.kb"))
    assert any("the base has version 2, and the answer is of 1" in text for text in later)
    bomb = show(application, result(answers, 101, 3, OWL + 1, base_version=2), tmp_path / "toy.kb")
    assert bomb.view.description is not None
    assert all(label.pixmap() is None or label.pixmap().width() <= 96
               for label in bomb.qwidget().findChildren(QtWidgets.QLabel))  # fmt: skip


def test_what_makes_no_sense_ends_with_one_sentence(
    application: QtWidgets.QApplication, answers: KnowledgeAnswers, tmp_path: Path
) -> None:
    block = knowledge_display(MODEL, period_ms=0)
    plain = {"label": np.zeros(1, np.int32), "answer": np.zeros(1, np.int32), "snr_db": 1.0, "k": 4}
    block.handle_results(make_pdu(plain, np.zeros(784, np.uint8)))
    assert isinstance(block.error, BlockError) and "put the block Knowledge Base between" in str(block.error)
    block = knowledge_display(MODEL, period_ms=0)
    block.handle_results(result(answers, 1, 1, 1, base_entries=np.zeros(3, np.int32)))
    assert isinstance(block.error, BlockError) and "'base_entries' does not fit" in str(block.error)
    with pytest.raises(BlockError, match="period_ms is -1"):
        knowledge_display(MODEL, period_ms=-1)
    with pytest.raises(KnowledgeError, match="none.kb cannot be read"):
        knowledge_display(MODEL, base=str(tmp_path / "none.kb"))
