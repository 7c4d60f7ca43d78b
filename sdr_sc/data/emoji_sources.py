# SPDX-License-Identifier: GPL-3.0-or-later
"""Emoji from their sources: names and groups from Unicode's ``emoji-test.txt``, drawings from a font with CBDT bitmaps.

Also which of them are variants of one drawing: of another skin tone, gender, age, hair or number of people.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdr_sc.errors import DataSetError
from sdr_sc.shown import reason_of, shown

SKIN_TONES = frozenset(range(0x1F3FB, 0x1F400))
_LARGEST_DRAWING = 512  # pixels a side
_LINE = re.compile(r"([0-9A-F ]+?) *; fully-qualified +# \S+ E\d+\.\d+ (.+)")
_NO_PART = {0x200D, 0xFE0F, 0x2640, 0x2642, *SKIN_TONES, *range(0x1F9B0, 0x1F9B4)}
"""Joiners, gender signs, skin tones and hair: what a variant has beside its drawing."""
_ADULT, _CHILD, _HEART, _KISS = 0x1F9D1, 0x1F9D2, 0x2764, 0x1F48B
_ALIKE = {
    0x1F468: _ADULT, 0x1F469: _ADULT, 0x1F474: 0x1F9D3, 0x1F475: 0x1F9D3, 0x1F466: _CHILD, 0x1F467: _CHILD,
    0x1F934: 0x1FAC5, 0x1F478: 0x1FAC5, 0x1F57A: 0x1F483, 0x1FAC3: 0x1F930, 0x1FAC4: 0x1F930, 0x1F936: 0x1F385,
}  # fmt: skip
"""Code points of a man, woman, boy, girl, prince ... -> the one that stands for all of them."""
_WHOLE = {
    (0x1F46B,): (_ADULT, 0x1F91D, _ADULT), (0x1F46C,): (_ADULT, 0x1F91D, _ADULT), (0x1F46D,): (_ADULT, 0x1F91D, _ADULT),
    (0x1F491,): (_ADULT, _HEART, _ADULT), (0x1F48F,): (_ADULT, _HEART, _KISS, _ADULT), (_ADULT, 0x1F384): (0x1F385,),
}  # fmt: skip
_FAMILY = (0x1F46A,)
_GENDERED = re.compile(r"\b(wo)?(man|men)(’s)?\b|\b(person|people|boy|girl|child)\b")


@dataclass(frozen=True)
class Emoji:
    """One emoji.

    Attributes:
        points: its code points.
        name, group, subgroup: as Unicode has them.
    """

    points: tuple[int, ...]
    name: str
    group: str
    subgroup: str

    @property
    def entry(self) -> str:
        """Its name without the skin tones.

        >>> Emoji((0x1F46D, 0x1F3FB), "women holding hands: light skin tone", "", "").entry
        'women holding hands'
        >>> Emoji((), "person: medium skin tone, red hair", "", "").entry
        'person: red hair'
        """
        head, colon, rest = self.name.partition(": ")
        kept = [word for word in rest.split(", ") if word and not word.endswith("skin tone")]
        return f"{head}: {', '.join(kept)}" if colon and kept else head

    @property
    def has_skin_tone(self) -> bool:
        return not SKIN_TONES.isdisjoint(self.points)

    @property
    def origin_points(self) -> tuple[int, ...]:
        """Its code points without what makes a variant.

        >>> Emoji((0x1F468, 0x1F3FB, 0x200D, 0x1F692), "man firefighter: light skin tone", "", "").origin_points
        (129489, 128658)
        """
        kept = tuple(_ALIKE.get(point, point) for point in self.points if point not in _NO_PART)
        if len(kept) > 1 and set(kept) <= {_ADULT, _CHILD}:
            return _FAMILY
        return _WHOLE.get(kept, kept) or self.points

    @property
    def origin_name(self) -> str:
        """Of an emoji of people, its name without words for them: what variants of one drawing have in common, too.

        >>> Emoji((), "woman in tuxedo", "", "").origin_name, Emoji((), "family: man, girl", "", "").origin_name
        ('in tuxedo', 'family')
        """
        return " ".join(_GENDERED.sub("", self.entry.partition(":")[0]).split()) or "person"


def parse_emoji_test(raw: bytes, source: str) -> Iterator[Emoji]:
    """The fully qualified emoji of Unicode's ``emoji-test.txt`` (UTS #51), in its order.

    Raises:
        DataSetError: the file is no such one.
    """
    try:
        lines = raw.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise DataSetError(f"{shown(source)} is no UTF-8 text; install unicode-data again.") from None
    group = subgroup = ""
    count = 0
    for line in lines:
        if line.startswith("# group: "):
            group = line.removeprefix("# group: ").strip()
        elif line.startswith("# subgroup: "):
            subgroup = line.removeprefix("# subgroup: ").strip()
        elif match := _LINE.fullmatch(line.strip()):
            count += 1
            yield Emoji(tuple(int(word, 16) for word in match[1].split()), match[2].strip(), group, subgroup)
    if not count:
        raise DataSetError(f"{shown(source)} names no emoji; install unicode-data again.")


class BitmapFont:
    """Drawings of a font whose glyphs are PNG pictures (table CBDT), such as Noto Color Emoji.

    Args:
        raw: the font's file.
        source: its name, for messages.

    Raises:
        DataSetError: it is no such font.
    """

    def __init__(self, raw: bytes, source: str) -> None:
        from fontTools.ttLib import TTFont

        self._source = source
        try:
            font = TTFont(io.BytesIO(raw), lazy=True)
            self._glyphs: Mapping[int, str] = font.getBestCmap()
            self._bitmaps: Mapping[str, Any] = font["CBDT"].strikeData[0]
            self._ligatures = dict(_ligatures(font))
        except Exception as error:  # whatever the library makes of a damaged font
            raise DataSetError(
                f"{shown(source)} is no font with pictures ({reason_of(error, 120)}); install its package again."
            ) from None

    def drawing(self, points: tuple[int, ...]) -> np.ndarray | None:
        """The picture of a sequence of code points: uint8 (height, width, 4), opacity last; None if it has none.

        Raises:
            DataSetError: the picture is damaged.
        """
        names = tuple(self._glyphs.get(point, "") for point in points if point != 0xFE0F)
        glyph = self._ligatures.get(names) if len(names) > 1 else (names or ("",))[0]
        if not glyph or glyph not in self._bitmaps:
            return None
        from PIL import Image

        try:
            with Image.open(io.BytesIO(self._bitmaps[glyph].imageData), formats=["PNG"]) as picture:
                if max(picture.size) > _LARGEST_DRAWING:
                    raise ValueError(f"it has {picture.width} x {picture.height} pixels")
                return np.array(picture.convert("RGBA"))
        except Exception as error:  # whatever a decoder makes of damaged bytes
            raise DataSetError(
                f"{shown(self._source)} has a damaged picture {shown(glyph)} ({reason_of(error, 120)}); install its "
                "package again."
            ) from None


def _ligatures(font: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Glyphs that stand for several others, by these; of one sequence, the first."""
    if "GSUB" not in font:
        return
    seen = set()
    for lookup in font["GSUB"].table.LookupList.Lookup:
        for table in lookup.SubTable:
            plain = getattr(table, "ExtSubTable", table)
            for first, found in getattr(plain, "ligatures", {}).items():
                for one in found:
                    sequence = (first, *one.Component)
                    if sequence not in seen:
                        seen.add(sequence)
                        yield sequence, one.LigGlyph
