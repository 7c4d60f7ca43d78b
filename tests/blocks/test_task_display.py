# SPDX-License-Identifier: GPL-3.0-or-later
"""The Qt displays of several tasks: an item beside the answers of each task, and curves of how good these are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_texts
import toy_tiles
from PyQt5 import QtGui, QtWidgets

from sdr_sc.blocks.qt.shared import RIGHT, WRONG
from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.blocks.task_display import task_display
from sdr_sc.blocks.task_quality import task_quality
from sdr_sc.errors import BlockError
from sdr_sc.link.frames.task_answers import answers_meta, targets_meta
from sdr_sc.semantic.tasks.base import TaskAnswer

pytestmark = pytest.mark.gui
ENTRY = 7  # an "old dog"


@pytest.fixture(scope="module")
def application() -> Iterator[QtWidgets.QApplication]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QT_QPA_PLATFORM", "offscreen")
        yield QtWidgets.QApplication.instance() or QtWidgets.QApplication([])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(toy_texts.make_model(tmp_path_factory.mktemp("toy"), steps=1)[0])


def results(entries: list[int], label: int = 0, answer: int = 0, target: int = ENTRY, **more: Any) -> Any:
    """A result of one item, with so many entries as answers to the task of retrieval."""
    each = np.linspace(0.6, 0.05, len(entries), dtype=np.float32)[None]
    found = {"retrieval": TaskAnswer(np.array([entries]), each[:, 0], each)}
    numbers = {"label": np.array([label], np.int32), "answer": np.array([answer], np.int32)}
    meta = {**numbers, "confidence": np.array([0.9], np.float32), "snr_db": 12.0, "k": 8}
    meta |= {**answers_meta(found), **targets_meta({"retrieval": np.array([target])}), **more}
    return make_pdu(meta, toy_texts.load("test").items(np.array([ENTRY])).ravel())


def show(application: QtWidgets.QApplication, model: str, message: Any) -> task_display:
    block = task_display(model, tasks="retrieval", period_ms=0)
    block.handle_results(message)
    application.processEvents()
    assert getattr(block, "error", None) is None and block.updates == 1
    return block


def colours(widget: QtWidgets.QWidget) -> set[str]:
    image = widget.grab().toImage()
    return {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}


def test_the_sentence_stands_above_the_answers_of_each_task(application: QtWidgets.QApplication, model: str) -> None:
    names = toy_texts.load("test").names("retrieval")
    block = show(application, model, results([ENTRY, 3, 4, 5, 6]))
    texts = [label.text() for label in block.qwidget().findChildren(QtWidgets.QLabel) if label.text()]
    assert texts == ["this old dog", "8 symbols, 12.0 dB"]
    first, second = block.shown
    assert (first.task, first.state, first.answers) == ("classification", "right", (("animal", pytest.approx(0.9)),))
    assert (second.task, second.state) == ("retrieval", "right")
    assert [name for name, _ in second.answers] == [names[one] for one in (ENTRY, 3, 4, 5, 6)]
    assert second.answers[1][1] == pytest.approx(0.4625)
    block.qwidget().resize(500, 400)
    assert RIGHT.lower() in colours(block.qwidget()) and WRONG.lower() not in colours(block.qwidget())


def test_wrong_lost_and_unknown_answers_look_different(application: QtWidgets.QApplication, model: str) -> None:
    listed = show(application, model, results([3, ENTRY, 4, 5, 6], answer=2))
    assert [one.state for one in listed.shown] == ["wrong", "listed"] and listed.shown[0].truth == "animal"
    listed.qwidget().resize(500, 400)
    assert {RIGHT.lower(), WRONG.lower()} <= colours(listed.qwidget())
    lost = show(application, model, results([-1] * 5, answer=-1))
    assert [(one.state, one.without) for one in lost.shown] == [("lost", "lost")] * 2
    unknown = show(application, model, results([3, ENTRY], label=-1, target=-1))
    assert [one.state for one in unknown.shown] == ["unknown"] * 2
    unknown.qwidget().resize(500, 400)
    assert not {RIGHT.lower(), WRONG.lower()} & colours(unknown.qwidget())


def test_a_picture_is_shown_as_one_whatever_the_model_sends(application: QtWidgets.QApplication, model: str) -> None:
    picture = {"modality": "image", "item_shape": np.array([5, 10], np.int32)}  # as many bytes as a text's slot
    block = show(application, model, results([ENTRY], **picture))
    shown = [label.pixmap() for label in block.qwidget().findChildren(QtWidgets.QLabel)]
    assert isinstance(shown[0], QtGui.QPixmap) and (shown[0].width(), shown[0].height()) == (144, 72)


def test_a_picture_that_arrived_is_shown_beside_the_one_that_was_sent(
    application: QtWidgets.QApplication, tmp_path: Path
) -> None:
    model = str(toy_tiles.make_model(tmp_path, steps=1, tasks=("classification", "reconstruction"))[0])
    arrived = np.full((1, 14, 14), 200, np.uint8)
    found = {"reconstruction": TaskAnswer(np.zeros((1, 1), int), np.zeros(1, np.float32), pictures=arrived)}
    numbers = {"label": np.array([1], np.int32), "answer": np.array([1], np.int32), "snr_db": 12.0, "k": 8}
    meta = {**numbers, "confidence": np.array([0.9], np.float32), **answers_meta(found)}
    block = task_display(model, tasks="reconstruction", period_ms=0)
    block.handle_results(make_pdu(meta, toy_tiles.load("test").items(np.array([5])).ravel()))
    application.processEvents()
    assert getattr(block, "error", None) is None and [one.task for one in block.shown] == ["classification"]
    labels = block.qwidget().findChildren(QtWidgets.QLabel)
    pictures = [label.pixmap() for label in labels if label.pixmap() is not None and not label.pixmap().isNull()]
    assert [(one.width(), one.height()) for one in pictures] == [(144, 144)] * 2
    shades = {one.toImage().pixelColor(70, 130).red() for one in pictures}
    assert 200 in shades and len(shades) == 2


def test_a_result_that_does_not_fit_ends_with_one_sentence(application: QtWidgets.QApplication, model: str) -> None:
    block = task_display(model, period_ms=0)
    block.handle_results(results([ENTRY], modality="image", item_shape=np.array([7, 7], np.int32)))
    assert isinstance(block.error, BlockError) and "is none of shape (7, 7)" in str(block.error)
    with pytest.raises(BlockError, match="period_ms is -1"):
        task_display(model, period_ms=-1)


def test_each_figure_has_a_curve_and_old_points_are_forgotten(application: QtWidgets.QApplication) -> None:
    block = task_quality(points=3)
    for frames, share in enumerate((10.0, 60.0, 80.0, 75.0)):
        meta = {"figures": "classification: accuracy,retrieval: R@1", "frames": frames}
        block.handle_quality(make_pdu(meta, np.array([share, share / 2], np.float32)))
    application.processEvents()
    assert {name: list(points) for name, points in block.plot.curves.items()} == {
        "classification: accuracy": [(1, 60.0), (2, 80.0), (3, 75.0)],
        "retrieval: R@1": [(1, 30.0), (2, 40.0), (3, 37.5)],
    }
    block.qwidget().resize(500, 300)
    assert {"#0072b2", "#d55e00"} <= colours(block.qwidget())
    block.handle_quality(make_pdu({"figures": "one", "frames": 1}, np.zeros(2, np.float32)))
    assert isinstance(block.error, BlockError) and "1 names of 2 figures" in str(block.error)
    with pytest.raises(BlockError, match="points is 1"):
        task_quality(points=1)
