# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped student is asked about shapes that are drawn here: no package of pictures is needed."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.semantic import weights
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.questions import Questions
from sdr_sc.semantic.tasks.reconstruction import Reconstruction

MODEL = "easy_vqa_student"
COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255), "green": (0, 255, 0), "black": (0, 0, 0)}
SHAPES = ("circle", "rectangle")


def drawn(shape: str, colour: str) -> np.ndarray:
    """A shape on a light ground, uint8 (3, 64, 64)."""
    row, column = np.indices((64, 64))
    inside = (row - 30) ** 2 + (column - 34) ** 2 <= 150 if shape == "circle" else (abs(row - 30) < 9) & (
        abs(column - 34) < 13
    )
    ground = np.array((240, 245, 250), np.uint8)
    return np.where(inside, np.array(COLOURS[colour], np.uint8)[:, None, None], ground[:, None, None])


@pytest.fixture(scope="module")
def outputs() -> np.ndarray:
    """Of all shapes in all colours, from 16 symbols each."""
    items = np.stack([drawn(shape, colour) for shape in SHAPES for colour in COLOURS])
    return SemanticDecoder(MODEL).outputs(SemanticEncoder(MODEL).encode(items, 20.0, 16), 20.0)


def test_it_tells_colour_and_shape_and_answers_yes_or_no(outputs: np.ndarray) -> None:
    questions = Questions(MODEL)
    names = questions.contract.task("question").names
    wanted = [(shape, colour) for shape in SHAPES for colour in COLOURS]
    for text, right in (
        ("what color is the shape?", [colour for _, colour in wanted]),
        ("what shape is in the image?", [shape for shape, _ in wanted]),
        ("is there a red shape?", ["yes" if colour == "red" else "no" for _, colour in wanted]),
        ("does the image not contain a circle?", ["no" if shape == "circle" else "yes" for shape, _ in wanted]),
    ):
        found = [names[number] for number in questions.ask(outputs, text).best]
        assert np.mean([one == other for one, other in zip(found, right, strict=True)]) >= 0.75, (text, found)


def test_its_thumbnail_has_the_colour_in_its_middle(outputs: np.ndarray) -> None:
    decoder = SemanticDecoder(MODEL)
    spec = decoder.contract.task("reconstruction")
    answer = Reconstruction().answer(outputs[:, decoder.parts["reconstruction"]], spec)
    assert answer.pictures is not None and answer.pictures.shape == (8, 3, 16, 16)
    red, blue = (answer.pictures[place, :, 7, 8].astype(int) for place in (0, 1))
    assert red[0] - red[2] > 40 and blue[2] - blue[0] > 40


def test_it_fits_into_a_megabyte() -> None:
    assert weights.resolve(MODEL).stat().st_size < 1_000_000
