# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions about pictures of one coloured shape each (easy-VQA, Zhou, 2020), from the Python package ``easy-vqa``.

The authors' test pictures are the test; of their training pictures a tenth, by the CRC-32 of their numbers, is for
validation. No two pictures are the same. The same 107 questions are asked in all parts, of different pictures.
"""

from __future__ import annotations

import io
import re
from collections import defaultdict
from functools import lru_cache
from typing import Any

import numpy as np

from sdr_sc.data.asked import QUESTION, AskedSet
from sdr_sc.data.compiled import Compiled, Made, compiled
from sdr_sc.data.dataset import SetInfo, Split, register_dataset
from sdr_sc.data.packages.locate import read_all
from sdr_sc.data.packages.package import Package
from sdr_sc.data.splits import SPLITS, part_of
from sdr_sc.data.texts import Texts
from sdr_sc.documents import parse_json
from sdr_sc.errors import DataSetError
from sdr_sc.sealed import digest_of
from sdr_sc.shown import reason_of, shown

NAME = "easy_vqa"
TITLE = "easy-VQA"
SIDE = 64
LONGEST_QUESTION = 48
"""Bytes; the longest that is asked has 42."""
PACKAGE = Package(
    "wheel",
    "easy-vqa",
    "1.0",
    "fcb51b309b78c7b00f97b64cdbcbcf5c105f94da1b39c0796cee5a787c4f650f",
    3215672,
    "MIT",
)
_VERSION = 1
_PICTURE = re.compile(r"easy_vqa/data/(train|test)/images/(\d{1,6})\.png")
_QUESTIONS = "easy_vqa/data/{}/questions.json"
_ANSWERS = "easy_vqa/data/answers.txt"
_LIMITS = {_ANSWERS: 1 << 16, **{_QUESTIONS.format(part): 16 << 20 for part in ("train", "test")}}
_FIX = f"delete the package and run 'sdr-sc data get {NAME}'"


def wanted(name: str) -> int:
    """Which files of the package are read, and how long they may be."""
    return 1 << 16 if _PICTURE.fullmatch(name) else _LIMITS.get(name, 0)


def compile_questions(files: dict[str, bytes]) -> Made:
    """The data set's arrays from the package's files.

    Raises:
        DataSetError: a file is missing or damaged.
    """
    missing = [name for name in _LIMITS if name not in files]
    if missing:
        raise DataSetError(f"package {PACKAGE.name} has no {missing[0]}; {_FIX}.")
    answers = files[_ANSWERS].decode("ascii", "replace").split()
    pictures: dict[Split, list[np.ndarray]] = defaultdict(list)
    place_of: dict[tuple[str, int], tuple[Split, int]] = {}
    for match in sorted(filter(None, map(_PICTURE.fullmatch, files)), key=lambda one: (one[1], int(one[2]))):
        split = "test" if match[1] == "test" else part_of(f"picture {match[2]}", 90, 10)
        place_of[match[1], int(match[2])] = split, len(pictures[split])
        pictures[split].append(_decoded(files[match[0]], match[0]))
    rows: dict[Split, list[tuple[int, str, int]]] = defaultdict(list)
    for part in ("train", "test"):
        for row in _questions(files[_QUESTIONS.format(part)], part):
            question, answer, number = row
            if (part, number) not in place_of or answer not in answers:
                raise DataSetError(f"package {PACKAGE.name} asks of what it has not: {shown(row, 80)}; {_FIX}.")
            split, place = place_of[part, number]
            rows[split].append((place, question, answers.index(answer)))
    texts = sorted({question for each in rows.values() for _, question, _ in each})
    places = {text: place for place, text in enumerate(texts)}
    kept = Texts.of(texts)
    arrays: dict[str, np.ndarray] = {"questions": kept.data, "question_ends": kept.ends}
    for split in SPLITS:
        arrays |= {
            f"{split}_pictures": np.array(pictures[split], np.uint8).reshape(-1, 3, SIDE, SIDE),
            f"{split}_picture_of": np.array([place for place, _, _ in rows[split]], np.int32),
            f"{split}_question_of": np.array([places[text] for _, text, _ in rows[split]], np.int32),
            f"{split}_answers": np.array([answer for _, _, answer in rows[split]], np.int16),
        }
    return arrays, {"answers": answers}


def _questions(raw: bytes, part: str) -> list[tuple[str, str, int]]:
    rows: Any = parse_json(raw, f"{PACKAGE.name}'s list of {part} questions", _FIX, DataSetError)
    found: list[Any] = rows if isinstance(rows, list) else [None]
    for row in found:
        is_row = isinstance(row, list) and len(row) == 3 and isinstance(row[0], str) and type(row[2]) is int
        if not is_row or not isinstance(row[1], str) or not 0 < len(row[0].encode()) <= LONGEST_QUESTION:
            raise DataSetError(f"{PACKAGE.name}'s list of {part} questions holds {shown(repr(row), 80)}; {_FIX}.")
    return [(question, answer, number) for question, answer, number in found]


def _decoded(raw: bytes, name: str) -> np.ndarray:
    """A picture, uint8 (3, `SIDE`, `SIDE`)."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(raw), formats=["PNG"]) as picture:
            if picture.size != (SIDE, SIDE):
                raise ValueError(f"it has {picture.width} x {picture.height} pixels")
            return np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
    except Exception as error:  # whatever a decoder makes of damaged bytes
        raise DataSetError(f"picture {shown(name)} cannot be decoded ({reason_of(error, 120)}); {_FIX}.") from None


@lru_cache(maxsize=1)
def _compiled() -> Compiled:
    made_from = {"set": NAME, "version": _VERSION, "files": [PACKAGE.sha256]}
    return compiled(NAME, made_from, lambda: compile_questions(dict(read_all(PACKAGE, wanted, NAME))))


@register_dataset(NAME, SetInfo(TITLE, "image", {QUESTION: "which of 13 answers to a question"}, (PACKAGE,)))
def load(split: Split) -> AskedSet:
    """A part of the questions.

    Raises:
        DataSetError: the package is not here, or is damaged.
    """
    found = _compiled()
    of = {name: found.arrays[f"{split}_{name}"] for name in ("pictures", "picture_of", "question_of", "answers")}
    return AskedSet(
        of["pictures"],
        of["picture_of"],
        Texts(found.arrays["questions"], found.arrays["question_ends"]),
        of["question_of"],
        of["answers"],
        tuple(found.about["answers"]),
        LONGEST_QUESTION,
        TITLE,
        split,
        digest_of([found.sha256, split]),
        digest_of([found.sha256, "train"]),
    )
