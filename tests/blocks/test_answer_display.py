# SPDX-License-Identifier: GPL-3.0-or-later
"""The Qt display shows each item as its modality does: a picture, or words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PyQt5 import QtWidgets

from sdr_sc.blocks.answer_display import answer_display
from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.semantic.modalities.image import ImageModality

pytestmark = pytest.mark.gui


@pytest.fixture(scope="module")
def application() -> Iterator[QtWidgets.QApplication]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QT_QPA_PLATFORM", "offscreen")
        yield QtWidgets.QApplication.instance() or QtWidgets.QApplication([])


def results(items: np.ndarray, labels: list[int], answers: list[int]) -> object:
    numbers = {"label": np.array(labels, np.int32), "answer": np.array(answers, np.int32)}
    return make_pdu({**numbers, "confidence": np.full(len(labels), 0.5, np.float32)}, items.ravel())


def cells(block: answer_display) -> list[tuple[str, str]]:
    """Text in place of the picture, and what stands below, of each cell."""
    return [(picture.text(), cell.text()) for picture, cell in block._cells]


def test_images_are_pictures_and_cells_without_an_item_are_empty(application: QtWidgets.QApplication) -> None:
    block = answer_display(columns=3, period_ms=0)
    items = np.zeros((2, 28, 28), np.uint8)
    items[1] = 255
    block.handle_results(results(items, [1, 2], [1, -1]))
    application.processEvents()
    assert block.updates == 1
    pictures = [picture.pixmap() for picture, _ in block._cells]
    assert pictures[2] is None or pictures[2].isNull()
    shades = [one.toImage().pixelColor(40, 40).red() for one in pictures[:2]]
    assert shades == [0, 255] and pictures[0].width() == 96
    (_, first), (_, second), third = cells(block)
    assert "#0072B2" in first and "lost" in second and third == ("", "")


def test_items_without_a_picture_are_words(
    application: QtWidgets.QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageModality, "thumbnail", classmethod(lambda cls, item: None))
    block = answer_display(columns=1, period_ms=0)
    block.handle_results(results(np.full((1, 28, 28), 7, np.uint8), [1], [2]))
    application.processEvents()
    ((text, below),) = cells(block)
    assert text == "784 bytes: 07 07 07 07 07 07 07 07 ..." and "#D55E00" in below
