# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sets of small drawings made by code, and models of pictures and texts that know what they show."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import pytest

from sdr_sc.data import dataset
from sdr_sc.data.compiled import Compiled
from sdr_sc.data.dataset import ImageSet, SetInfo, Split
from sdr_sc.data.drawings import TASKS, Entry, compile_entries, drawn_set
from sdr_sc.data.drawn import larger
from sdr_sc.distill.multitask.vectors import reduce_vectors
from sdr_sc.distill.teachers import pictures
from sdr_sc.sealed import digest_of

VIEWS: dict[Split, int] = {"train": 3, "validation": 2, "test": 2}
PARTS: tuple[Split, ...] = ("train", "validation", "test")
WIDTH, TEXT_WIDTH = 48, 12
MODEL, TEXT_MODEL = "toy-pictures", "toy-texts"
_KNOWN = np.random.default_rng(7).normal(size=(27, TEXT_WIDTH))


def _cells(number: int) -> np.ndarray:
    """Colours of a drawing's nine cells, 0 to 1: float64 (3, 3, 3)."""
    return np.random.default_rng(number).random((3, 3, 3))


def entry(number: int, kind: str = "a") -> Entry:
    """A drawing of nine cells, by number."""
    drawing = np.full((60, 60, 4), 255, np.uint8)
    drawing[..., :3] = np.rint(255 * _cells(number)).repeat(20, axis=0).repeat(20, axis=1)
    group = "warm" if _cells(number)[..., 0].mean() > 0.5 else "cold"
    return Entry(f"{kind}{number}", f"thing {number}", group, f"{group} {number % 2}", (f"{kind}{number}",), [drawing])


def say(names: tuple[str, ...]) -> np.ndarray:
    """What a large text model would say of names: what is drawn, in numbers of its own."""
    return np.stack([(_cells(int(name.split()[1])).ravel() - 0.5) @ _KNOWN for name in names])


def put_sets(monkeypatch: pytest.MonkeyPatch, numbers: dict[str, range]) -> None:
    """Make data sets of drawings known, by names and the drawings' numbers."""
    for name, drawn in numbers.items():

        @cache
        def compiled(name: str = name, drawn: range = drawn) -> Compiled:
            arrays, about = compile_entries([entry(number, name) for number in drawn], VIEWS)
            return Compiled(arrays, about, digest_of([name, *drawn]))

        def load(split: Split, name: str = name, found: object = compiled) -> ImageSet:
            return drawn_set(found(), name, split)  # type: ignore[operator]

        monkeypatch.setitem(dataset.LOADERS, name, load)
        monkeypatch.setitem(dataset.INFOS, name, SetInfo(name, "image", TASKS))
        monkeypatch.setitem(larger._ENTRIES, name, partial(lambda one, of: [entry(n, one) for n in of], name, drawn))
    larger.part_entries.cache_clear()


class ToyTeacher:
    """A picture model that sees the colours of four by four fields; ``asked`` counts the pictures."""

    name, asked = MODEL, 0

    def __init__(self, side: int) -> None:
        self.fingerprint = f"toy {side}"

    def vectors(self, shown: np.ndarray) -> np.ndarray:
        ToyTeacher.asked += len(shown)
        side = shown.shape[-1] // 4 * 4
        fields = shown[..., :side, :side].reshape(len(shown), 3, 4, side // 4, 4, side // 4).mean(axis=(3, 5))
        return (fields.reshape(len(shown), WIDTH) / 255 - 0.5).astype(np.float32)


def put_teacher(monkeypatch: pytest.MonkeyPatch) -> type[ToyTeacher]:
    """Make the picture model known."""
    monkeypatch.setitem(pictures.MODELS, MODEL, ToyTeacher)
    monkeypatch.setattr(ToyTeacher, "asked", 0)
    return ToyTeacher


def text_vectors(name: str, space: str | None = None) -> object:
    """Vectors of the names of a data set's items, with the components of another one's names."""
    known = text_vectors(space) if space else None
    sets = {part: dataset.LOADERS[name](part) for part in PARTS}
    parts = {part: say(data.names("retrieval"))[data.targets("retrieval", np.arange(len(data)))]
             for part, data in sets.items()}  # fmt: skip
    return reduce_vectors(TEXT_MODEL, parts, {part: data.sha256 for part, data in sets.items()}, 8, known)  # type: ignore[arg-type]
