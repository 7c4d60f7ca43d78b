# SPDX-License-Identifier: GPL-3.0-or-later
"""Emoji in colour on random backgrounds: Noto's drawings, with Unicode's names and groups.

An item is a picture of one emoji, 32 x 32 pixels, scaled, turned and moved at random; an emoji with skin tones is shown
in any of them. Tasks: ``classification``, the group (9); ``subgroup`` (99); ``retrieval``, the emoji's name among those
of the part. Emoji whose drawing is nearly the same as an earlier one's are left out; parts are by drawing: variants of
gender, hair, age and skin tone lie in one part.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from functools import lru_cache

import numpy as np

from sdr_sc.data.compiled import Compiled, Made, compiled
from sdr_sc.data.composed import SOURCE_SIDE, Composing, compose, fitted
from sdr_sc.data.dataset import ImageSet, SetInfo, Split, Targets, register_dataset
from sdr_sc.data.emoji_sources import BitmapFont, Emoji, parse_emoji_test
from sdr_sc.data.packages.locate import files_of
from sdr_sc.data.packages.package import Member, Package
from sdr_sc.data.splits import SPLITS, Groups, alike, part_of, perceptual_hashes
from sdr_sc.data.texts import Texts
from sdr_sc.sealed import digest_of

NAME = "noto_emoji"
TITLE = "Noto emoji"
FONT = Package(
    "deb",
    "fonts-noto-color-emoji",
    "2.042-0+deb12u1",
    "a5ab0f69c7938423862320d9aca5dd187b3fd879d6a9a57dd52e17c3fa8d2751",
    9893872,
    "SIL Open Font License 1.1",
    (
        Member(
            "usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
            "e5899ed38b8ed83e08bd3ac5de09791e9d19d288333a796de1d35ad17396f1ec",
            10980856,
        ),
    ),
)
UNICODE = Package(
    "deb",
    "unicode-data",
    "15.0.0-1",
    "5efef23bbb1c6a133ecbdd63a2cfa07159ccacf5466a49e2426101c5ecd691fc",
    7983784,
    "Unicode licence (permissive)",
    (
        Member(
            "usr/share/unicode/emoji/emoji-test.txt",
            "8445f23ac8388e096be19d0262e14fceff856ff52093f2356dc89485f1a853db",
            593240,
        ),
    ),
)
PACKAGES = (FONT, UNICODE)
VIEWS: dict[Split, int] = {"train": 8, "validation": 4, "test": 4}
"""Pictures of each emoji."""
SEED = 1
TRAIN_PERCENT, VALIDATION_PERCENT = 85, 5
HASH_BITS, LOOK_DIFFERENCE = 6, 12.0
"""Drawings that differ by no more are nearly the same: bits of the perceptual hash, and colours (root mean square)."""
_VERSION = 1


class Drawn:
    """Emoji that have drawings, as entries: an entry's drawings are those of its skin tones, the plain one first."""

    def __init__(self, emoji: list[Emoji], font: BitmapFont) -> None:
        self.entries: list[Emoji] = []
        self.drawings: list[list[np.ndarray]] = []
        places: dict[str, int] = {}
        for one in sorted(emoji, key=lambda each: each.has_skin_tone):
            drawing = font.drawing(one.points)
            if drawing is None:
                continue
            if one.entry not in places:
                places[one.entry] = len(self.entries)
                self.entries.append(one)
                self.drawings.append([])
            self.drawings[places[one.entry]].append(drawing)

    def origins(self) -> np.ndarray:
        """Of each entry the first one that it is a variant of: int64."""
        groups = Groups(len(self.entries))
        groups.join_alike([one.origin_points for one in self.entries])
        groups.join_alike([one.origin_name if one.group == "People & Body" else None for one in self.entries])
        return groups.roots()

    def kept(self) -> np.ndarray:
        """Entries whose drawing is not nearly the same as that of one before: places, int64."""
        plain = np.stack([fitted(drawings[0]) for drawings in self.drawings])
        on_white = plain[..., :3] + (1 - plain[..., 3:])
        half = on_white.reshape(-1, SOURCE_SIDE // 2, 2, SOURCE_SIDE // 2, 2, 3).mean(axis=(2, 4))
        looks = 255 * half.reshape(len(half), -1)
        pairs = alike(perceptual_hashes(half.mean(axis=3)), looks, HASH_BITS, LOOK_DIFFERENCE)
        left_out = set()
        for one, other in pairs.tolist():
            if one not in left_out:
                left_out.add(other)
        return np.array([place for place in range(len(self.entries)) if place not in left_out], np.int64)


def compile_emoji(emoji_test: bytes, font: bytes, views: dict[Split, int] = VIEWS, seed: int = SEED) -> Made:
    """The data set's arrays from its two sources."""
    drawn = Drawn(list(parse_emoji_test(emoji_test, UNICODE.members[0].path)), BitmapFont(font, FONT.members[0].path))
    origins, kept = drawn.origins(), drawn.kept()
    groups = list(dict.fromkeys(one.group for one in drawn.entries))
    subgroups = list(dict.fromkeys(one.subgroup for one in drawn.entries))
    chosen: dict[Split, list[int]] = defaultdict(list)
    for place in kept.tolist():
        origin = drawn.entries[origins[place]].entry
        chosen[part_of(origin, TRAIN_PERCENT, VALIDATION_PERCENT)].append(place)
    arrays: dict[str, np.ndarray] = {}
    for split in SPLITS:
        entries = [drawn.entries[place] for place in chosen[split]]
        names = Texts.of(one.entry for one in entries)
        count = views[split]
        arrays |= {
            f"{split}_images": _pictures(drawn, chosen[split], count, seed),
            f"{split}_labels": np.repeat(np.array([groups.index(one.group) for one in entries], np.int16), count),
            f"{split}_subgroups": np.repeat(
                np.array([subgroups.index(one.subgroup) for one in entries], np.int16), count
            ),
            f"{split}_entries": np.repeat(np.arange(len(entries), dtype=np.int32), count),
            f"{split}_groups": np.repeat(origins[chosen[split]].astype(np.int32), count),
            f"{split}_names": names.data,
            f"{split}_name_ends": names.ends,
        }
    about = {
        "groups": groups,
        "subgroups": subgroups,
        "emoji": len(drawn.entries),
        "drawings": sum(map(len, drawn.drawings)),
        "nearly the same": len(drawn.entries) - len(kept),
    }
    return arrays, about


def _pictures(drawn: Drawn, places: list[int], views: int, seed: int) -> np.ndarray:
    """uint8 (entries x views, 3, side, side), an entry's views one after the other."""
    how = Composing()
    pictures = np.empty((len(places), views, 3, how.side, how.side), np.uint8)
    for row, place in enumerate(places):
        drawings = [fitted(one) for one in drawn.drawings[place]]
        name = zlib.crc32(drawn.entries[place].entry.encode())
        seeds = np.array([[seed, name, view] for view in range(views)], np.int64).reshape(views, 3)
        tones = [int(np.random.default_rng([*words, 1]).integers(len(drawings))) for words in seeds.tolist()]
        pictures[row] = compose(np.stack([drawings[tone] for tone in tones]), how, seeds)
    return pictures.reshape(-1, 3, how.side, how.side)


@lru_cache(maxsize=1)
def _compiled() -> Compiled:
    def make() -> Made:
        font, names = (files_of(package, NAME)[package.members[0].path] for package in PACKAGES)
        return compile_emoji(names, font)

    files = [package.members[0].sha256 for package in PACKAGES]
    return compiled(NAME, {"set": NAME, "version": _VERSION, "files": files, "views": VIEWS, "seed": SEED}, make)


@register_dataset(
    NAME,
    SetInfo(
        TITLE,
        "image",
        {
            "classification": "which of Unicode's groups of emoji",
            "subgroup": "which of their subgroups",
            "retrieval": "which name of the part's emoji",
        },
        PACKAGES,
    ),
)
def load(split: Split) -> ImageSet:
    """A part of the pictures.

    Raises:
        DataSetError: a package is not here, or is damaged.
    """
    found = _compiled()
    of = {name.removeprefix(f"{split}_"): array for name, array in found.arrays.items() if name.startswith(f"{split}_")}
    return ImageSet(
        of["images"],
        of["labels"].astype(np.int64),
        tuple(found.about["groups"]),
        digest_of([found.sha256, split]),
        TITLE,
        split,
        digest_of([found.sha256, "train"]),
        {
            "subgroup": Targets(of["subgroups"], tuple(found.about["subgroups"])),
            "retrieval": Targets(of["entries"], Texts(of["names"], of["name_ends"])),
        },
        of["groups"].astype(np.int64),
    )
