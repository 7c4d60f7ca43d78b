# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries and bases of knowledge for tests, made from a seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.interface import Entry, VectorSpace

SPACE = VectorSpace("0123456789abcdef", "ab" * 32, "features k=4 at 10 dB", 8)
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


def made_entry(number: int, seed: int | tuple[int, ...] = 0, space: VectorSpace = SPACE, **changed) -> Entry:
    """An entry that is the same for the same number and seed."""
    rng = np.random.default_rng((*np.atleast_1d(seed).tolist(), number))
    values = {
        "key": f"key {number:05d}",
        "title": f"thing {number}",
        "vector": rng.standard_normal(space.dimension).astype(np.float32),
        "answers": {"classification": f"class {number % 3}"},
        "source": f"test {number}",
        "text": f"text of {number}" if number % 2 else "",
        "picture": PNG + bytes([number % 256]) if number % 5 == 0 else b"",
        "added_s": 1000.0 + number,
    }
    return Entry(**(values | changed))


def made_base(path: Path, count: int = 20, seed: int = 0, **more) -> KnowledgeBase:
    """A new base of so many entries, open."""
    KnowledgeBase.create(path, SPACE, [made_entry(number, seed) for number in range(count)], "toy", **more)
    return KnowledgeBase(path)


def content(base: KnowledgeBase) -> dict[str, tuple]:
    """All that a base holds, by key, in types that can be compared."""
    return {
        entry.key: (entry.title, entry.vector.tobytes(), tuple(sorted(entry.answers.items())), entry.source, entry.text,
                    entry.picture, entry.added_s)
        for entry in base.entries()
    }  # fmt: skip
