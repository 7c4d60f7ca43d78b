# SPDX-License-Identifier: GPL-3.0-or-later
"""Emoji in colour on random backgrounds: Noto's drawings, with Unicode's names and groups.

An item is a picture of one emoji, 32 x 32 pixels, scaled, turned and moved at random; an emoji with skin tones is shown
in any of them. Tasks: ``classification``, the group (9); ``subgroup`` (99); ``retrieval``, the emoji's name among those
of the part. Emoji whose drawing is nearly the same as an earlier one's are left out; parts are by drawing: variants of
gender, hair, age and skin tone lie in one part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from sdr_sc.data.compiled import Compiled, Made, compiled
from sdr_sc.data.dataset import ImageSet, SetInfo, Split, register_dataset
from sdr_sc.data.drawings import SEED, Entry, compile_entries, drawn_set
from sdr_sc.data.emoji_sources import BitmapFont, Emoji, parse_emoji_test
from sdr_sc.data.packages.locate import files_of
from sdr_sc.data.packages.package import Member, Package

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
_VERSION = 1
_PEOPLE = "People & Body"


def entries_of(emoji: Iterable[Emoji], font: BitmapFont) -> list[Entry]:
    """Emoji that have drawings: an entry's drawings are those of its skin tones, the plain one first."""
    entries: dict[str, Entry] = {}
    for one in sorted(emoji, key=lambda each: each.has_skin_tone):
        drawing = font.drawing(one.points)
        if drawing is None:
            continue
        if one.entry not in entries:
            origins = one.origin_points, one.origin_name if one.group == _PEOPLE else None
            entries[one.entry] = Entry(one.entry, one.entry, one.group, one.subgroup, origins, [])
        entries[one.entry].drawings.append(drawing)
    return list(entries.values())


def entries() -> list[Entry]:
    """The emoji of the packages.

    Raises:
        DataSetError: a package is not here, or is damaged.
    """
    font, names = (files_of(package, NAME)[package.members[0].path] for package in PACKAGES)
    return _entries(names, font)


def _entries(emoji_test: bytes, font: bytes) -> list[Entry]:
    emoji = parse_emoji_test(emoji_test, UNICODE.members[0].path)
    return entries_of(emoji, BitmapFont(font, FONT.members[0].path))


def compile_emoji(emoji_test: bytes, font: bytes, views: Mapping[Split, int] = VIEWS, seed: int = SEED) -> Made:
    """The data set's arrays from its two sources."""
    return compile_entries(_entries(emoji_test, font), views, seed)


@lru_cache(maxsize=1)
def _compiled() -> Compiled:
    files = [package.members[0].sha256 for package in PACKAGES]
    made_from = {"set": NAME, "version": _VERSION, "files": files, "views": VIEWS, "seed": SEED}
    return compiled(NAME, made_from, lambda: compile_entries(entries(), VIEWS, SEED))


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
    return drawn_set(_compiled(), TITLE, split)
