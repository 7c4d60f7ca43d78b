# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sets of cut-out drawings with names, composed on random backgrounds: what those of emoji and clip art share.

Drawings that are nearly the same as an earlier one are left out. Parts are by origin: what drawings of one origin have
in common, such as a name, lies in one part alone.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sdr_sc.data.compiled import Compiled, Made
from sdr_sc.data.composed import SOURCE_SIDE, Composing, compose, fitted
from sdr_sc.data.dataset import CLASSIFICATION, ImageSet, Split, Targets
from sdr_sc.data.splits import SPLITS, Groups, alike, part_of, perceptual_hashes
from sdr_sc.data.texts import Texts
from sdr_sc.sealed import digest_of

SEED, SIDE = 1, 32
TRAIN_PERCENT, VALIDATION_PERCENT = 85, 5
HASH_BITS, LOOK_DIFFERENCE = 6, 12.0
"""Drawings that differ by no more are nearly the same: bits of the perceptual hash, and colours (root mean square)."""
MOST_KEYWORDS = 8
"""Of a drawing."""
LEAST_USES = 10
"""Of a keyword, among the drawings of training; rarer ones are left out."""
KEYWORDS = "keywords"


@dataclass
class Entry:
    """A thing that is drawn.

    Attributes:
        key: names it among all entries; decides backgrounds and places.
        name: what it is called; entries may share one.
        group, subgroup: its class, and the finer one.
        origins: keys that it has in common with others of the same origin; the place of each matters, None is none.
        drawings: uint8 (height, width, 4) each, one or more: variants that are shown alike; the first is compared.
        keywords: words that describe it.
    """

    key: str
    name: str
    group: str
    subgroup: str
    origins: tuple[Hashable, ...]
    drawings: list[np.ndarray]
    keywords: tuple[str, ...] = field(default=())


def origins_of(entries: Sequence[Entry]) -> np.ndarray:
    """Of each entry the first one of the same origin: int64."""
    groups = Groups(len(entries))
    for keys in zip(*(entry.origins for entry in entries), strict=True):
        groups.join_alike(keys)
    return groups.roots()


def kept_of(entries: Sequence[Entry]) -> np.ndarray:
    """Places of the entries whose drawing is not nearly the same as that of one before: int64."""
    hashes, looks = looks_of(entries)
    left_out = set()
    for one, other in alike(hashes, looks, HASH_BITS, LOOK_DIFFERENCE).tolist():
        if one not in left_out:
            left_out.add(other)
    return np.array([place for place in range(len(entries)) if place not in left_out], np.int64)


def looks_of(entries: Sequence[Entry]) -> tuple[np.ndarray, np.ndarray]:
    """Perceptual hashes of the entries' drawings on white, and small pictures of them in colour, for `alike`."""
    small = np.stack([_on_white(entry.drawings[0]) for entry in entries])
    return perceptual_hashes(small.mean(axis=3)), 255 * small.reshape(len(small), -1)


def _on_white(drawing: np.ndarray) -> np.ndarray:
    """float32 (side, side, 3), half as large as `fitted` makes it, 0 to 1."""
    plain = fitted(drawing)
    half = SOURCE_SIDE // 2
    return (plain[..., :3] + (1 - plain[..., 3:])).reshape(half, 2, half, 2, 3).mean(axis=(1, 3))


def parts_of(entries: Sequence[Entry]) -> dict[Split, list[int]]:
    """Places of the entries of each part, without those that are left out."""
    origins = origins_of(entries)
    chosen: dict[Split, list[int]] = {split: [] for split in SPLITS}
    for place in kept_of(entries).tolist():
        chosen[part_of(entries[origins[place]].key, TRAIN_PERCENT, VALIDATION_PERCENT)].append(place)
    return chosen


def compile_entries(entries: Sequence[Entry], views: Mapping[Split, int], seed: int = SEED, side: int = SIDE) -> Made:
    """A data set's arrays: ``views`` pictures of each entry, of ``side`` pixels."""
    origins, chosen = origins_of(entries), parts_of(entries)
    groups, subgroups = (list(dict.fromkeys(each)) for each in
                         ((one.group for one in entries), (one.subgroup for one in entries)))  # fmt: skip
    uses = Counter(word for place in chosen["train"] for word in set(entries[place].keywords))
    vocabulary = sorted(word for word, count in uses.items() if count >= LEAST_USES)
    arrays: dict[str, np.ndarray] = {}
    for split in SPLITS:
        part, count = [entries[place] for place in chosen[split]], views[split]
        names = {name: place for place, name in enumerate(dict.fromkeys(one.name for one in part))}
        texts = Texts.of(names)
        by_entry: dict[str, np.ndarray] = {
            "labels": np.array([groups.index(one.group) for one in part], np.int16),
            "subgroups": np.array([subgroups.index(one.subgroup) for one in part], np.int16),
            "entries": np.array([names[one.name] for one in part], np.int32),
            "groups": origins[chosen[split]].astype(np.int32),
        }
        if vocabulary:
            by_entry["keywords"] = _keyword_places(part, vocabulary)
        arrays |= {f"{split}_{name}": np.repeat(values, count, axis=0) for name, values in by_entry.items()}
        arrays |= {
            f"{split}_images": _pictures(part, count, seed, side),
            f"{split}_names": texts.data,
            f"{split}_name_ends": texts.ends,
        }
    about = {
        "groups": groups,
        "subgroups": subgroups,
        "keywords": vocabulary,
        "entries": len(entries),
        "drawings": sum(len(one.drawings) for one in entries),
        "nearly the same": len(entries) - sum(map(len, chosen.values())),
    }
    return arrays, about


def _keyword_places(part: Sequence[Entry], vocabulary: Sequence[str]) -> np.ndarray:
    """int16 (entries, `MOST_KEYWORDS`), -1 where there is none."""
    places = {word: place for place, word in enumerate(vocabulary)}
    found = np.full((len(part), MOST_KEYWORDS), -1, np.int16)
    for row, one in enumerate(part):
        known = sorted({places[word] for word in one.keywords if word in places})[:MOST_KEYWORDS]
        found[row, : len(known)] = known
    return found


def _pictures(part: Sequence[Entry], views: int, seed: int, side: int) -> np.ndarray:
    """uint8 (entries x views, 3, side, side), an entry's views one after the other."""
    how = Composing.of(side)
    pictures = np.empty((len(part), views, 3, how.side, how.side), np.uint8)
    for row, one in enumerate(part):
        pictures[row] = views_of(one, range(views), how, seed)
    return pictures.reshape(-1, 3, how.side, how.side)


def views_of(one: Entry, numbers: Iterable[int], how: Composing, seed: int = SEED) -> np.ndarray:
    """Pictures of an entry: uint8 (views, 3, side, side).

    Args:
        numbers: of the views; each has its own background, drawing, size, turn and place, at any side.
        how: sizes and ranges.
        seed: of the data set.
    """
    key = zlib.crc32(one.key.encode("utf-8", "surrogatepass"))
    seeds = np.array([[seed, key, view] for view in numbers], np.int64).reshape(-1, 3)
    chosen = [int(np.random.default_rng([*words, 1]).integers(len(one.drawings))) for words in seeds.tolist()]
    drawings = {place: fitted(one.drawings[place], how.source_side) for place in set(chosen)}
    return compose(np.stack([drawings[place] for place in chosen]), how, seeds)


def drawn_set(found: Compiled, title: str, split: Split) -> ImageSet:
    """A part of what `compile_entries` has made."""
    about: Mapping[str, Any] = found.about
    of = {name.removeprefix(f"{split}_"): array for name, array in found.arrays.items() if name.startswith(f"{split}_")}
    more = {
        "subgroup": Targets(of["subgroups"], tuple(about["subgroups"])),
        "retrieval": Targets(of["entries"], Texts(of["names"], of["name_ends"])),
    }
    if "keywords" in of:
        more[KEYWORDS] = Targets(of["keywords"], tuple(about["keywords"]))
    return ImageSet(
        of["images"],
        of["labels"].astype(np.int64),
        tuple(about["groups"]),
        digest_of([found.sha256, split]),
        title,
        split,
        digest_of([found.sha256, "train"]),
        more,
        of["groups"].astype(np.int64),
    )


TASKS = {
    CLASSIFICATION: "which group",
    "subgroup": "which finer group",
    "retrieval": "which name of the part's drawings",
}
"""What the tasks ask, for `SetInfo`."""
