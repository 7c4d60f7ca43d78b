# SPDX-License-Identifier: GPL-3.0-or-later
"""Small packages of data, made by code: a .deb, a wheel, WordNet's nouns, and a font of emoji with its names."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib import newTable
from fontTools.ttLib.tables.BitmapGlyphMetrics import SmallGlyphMetrics
from fontTools.ttLib.tables.C_B_D_T_ import cbdt_bitmap_format_17
from fontTools.ttLib.tables.E_B_L_C_ import BitmapSizeTable, SbitLineMetrics, Strike, eblc_index_sub_table_1
from PIL import Image

from sdr_sc.data.packages.package import Member, Package

EMOJI_TEST = """\
# group: Smileys & Emotion
# subgroup: face-smiling
1F600 ; fully-qualified # x E1.0 grinning face
1F603 ; fully-qualified # x E0.6 grinning face with big eyes
1F604 ; unqualified # x E0.6 left out
# group: People & Body
# subgroup: person-role
1F9D1 200D 1F692 ; fully-qualified # x E12.1 firefighter
1F9D1 1F3FB 200D 1F692 ; fully-qualified # x E12.1 firefighter: light skin tone
1F468 200D 1F692 ; fully-qualified # x E4.0 man firefighter
1F469 200D 1F692 ; fully-qualified # x E4.0 woman firefighter
1F477 ; fully-qualified # x E0.6 construction worker
1F477 1F3FF ; fully-qualified # x E1.0 construction worker: dark skin tone
# group: Flags
# subgroup: country-flag
1F1EB 1F1F7 ; fully-qualified # x E2.0 flag: France
1F1F2 1F1EB ; fully-qualified # x E2.0 flag: St. Martin
"""


def tar_of(files: Mapping[str, bytes], links: Mapping[str, str] = {}) -> bytes:  # noqa: B006
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return raw.getvalue()


def ar_of(parts: Sequence[tuple[str, bytes]]) -> bytes:
    raw = b"!<arch>\n"
    for name, content in parts:
        raw += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content
        raw += b"\n" * (len(content) % 2)
    return raw


def deb_of(files: Mapping[str, bytes], links: Mapping[str, str] = {}) -> bytes:  # noqa: B006
    data = lzma.compress(tar_of({f"./{name}": content for name, content in files.items()}, links))
    return ar_of([("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), ("data.tar.xz", data)])


def wheel_of(files: Mapping[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return raw.getvalue()


def package_of(raw: bytes, files: Mapping[str, bytes], name: str = "toy-data", kind: str = "deb") -> Package:
    """The entry of a package with these files, of whose archive the bytes are ``raw``."""
    members = tuple(Member(path, hashlib.sha256(content).hexdigest(), len(content)) for path, content in files.items())
    return Package(kind, name, "1:2-3", hashlib.sha256(raw).hexdigest(), len(raw), "none", members)  # type: ignore[arg-type]


def noun_lines(glosses: Sequence[tuple[str, int, str]]) -> bytes:
    """A ``data.noun`` of lemmas, lexicographer's files and glosses."""
    lines = ["  1 This is the licence."]
    for number, (lemma, file, gloss) in enumerate(glosses):
        lines.append(f"{number:08} {file:02} n 01 {lemma} 0 001 ~ 00000000 n 0000 | {gloss}  ")
    return "\n".join(lines).encode("latin1") + b"\n"


def png_of(pixels: np.ndarray) -> bytes:
    raw = io.BytesIO()
    Image.fromarray(pixels).save(raw, "PNG")
    return raw.getvalue()


def blob(seed: int, height: int = 40, width: int = 44) -> np.ndarray:
    """A drawing, uint8 (height, width, 4): coarse random spots on nothing."""
    rng = np.random.default_rng(seed)
    colours = np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((height // 4, width // 4, 1), int)).astype(np.uint8)
    opacity = np.full((height, width, 1), 255, np.uint8)
    opacity[:4] = 0
    return np.concatenate([colours, opacity], axis=2)


def emoji_font(drawings: Mapping[tuple[int, ...], np.ndarray | bytes]) -> bytes:
    """A font with a picture for each sequence of code points."""
    points = sorted({point for sequence in drawings for point in sequence})
    names = {point: f"u{point:X}" for point in points}
    sequences = {"_".join(names[point] for point in sequence): sequence for sequence in drawings}
    order = [".notdef", *dict.fromkeys([*names.values(), *sequences])]
    builder = FontBuilder(128, isTTF=True)
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap({point: name for point, name in names.items()})
    builder.setupGlyf({name: _no_outline() for name in order})
    builder.setupHorizontalMetrics({name: (128, 0) for name in order})
    builder.setupHorizontalHeader(ascent=100, descent=-28)
    builder.setupNameTable({"familyName": "Toy", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    rules = [
        f"sub {' '.join(names[point] for point in sequence)} by {name};"
        for name, sequence in sequences.items()
        if len(sequence) > 1
    ]
    if rules:
        builder.addOpenTypeFeatures("feature ccmp { " + " ".join(rules) + " } ccmp;")
    _add_bitmaps(builder.font, order, {name: drawings[sequence] for name, sequence in sequences.items()})
    raw = io.BytesIO()
    builder.save(raw)
    return raw.getvalue()


def _no_outline():
    from fontTools.ttLib.tables._g_l_y_f import Glyph

    return Glyph()


def _add_bitmaps(font, order: list[str], drawings: Mapping[str, np.ndarray | bytes]) -> None:
    bitmaps = {}
    for name, drawing in drawings.items():
        bitmap = cbdt_bitmap_format_17(b"", font)
        bitmap.imageData = drawing if isinstance(drawing, bytes) else png_of(drawing)
        bitmap.metrics = SmallGlyphMetrics()
        for key in ("height", "width", "BearingX", "BearingY", "Advance"):
            setattr(bitmap.metrics, key, 40)
        bitmaps[name] = bitmap
    font["CBDT"] = data = newTable("CBDT")
    data.version, data.strikeData = 3.0, [bitmaps]
    font["CBLC"] = places = newTable("CBLC")
    strike, size = Strike(), BitmapSizeTable()
    size.colorRef, size.ppemX, size.ppemY, size.bitDepth, size.flags = 0, 109, 109, 32, 1
    numbers = sorted(order.index(name) for name in drawings)
    size.startGlyphIndex, size.endGlyphIndex = numbers[0], numbers[-1]
    for direction in ("hori", "vert"):
        line = SbitLineMetrics()
        for key in ("ascender", "descender", "widthMax", "caretSlopeNumerator", "caretSlopeDenominator", "caretOffset",
                    "minOriginSB", "minAdvanceSB", "maxBeforeBL", "minAfterBL", "pad1", "pad2"):  # fmt: skip
            setattr(line, key, 0)
        setattr(size, direction, line)
    strike.bitmapSizeTable, strike.indexSubTables = size, []
    for number in numbers:
        part = eblc_index_sub_table_1(b"", font)
        part.names, part.indexFormat, part.imageFormat = [order[number]], 1, 17
        part.firstGlyphIndex = part.lastGlyphIndex = number
        part.imageDataOffset = 0
        strike.indexSubTables.append(part)
    places.version, places.strikes = 3.0, [strike]


def toy_font() -> bytes:
    """Of all fully qualified emoji of `EMOJI_TEST`; the two flags have the same picture."""
    found: dict[tuple[int, ...], np.ndarray | bytes] = {}
    for line in EMOJI_TEST.splitlines():
        if "fully-qualified" in line:
            points = tuple(int(word, 16) for word in line.split(";")[0].split())
            found[points] = blob(7 if "flag" in line else len(found) + 100)
    return emoji_font(found)


def put_fetched(folder: Path, package: Package, raw: bytes) -> Path:
    """A package where `sdr-sc data get` would put it, below a cache's folder."""
    path = folder / "sdr_sc" / "data" / "packages" / package.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    for parent in (path.parent, path.parent.parent, path.parent.parent.parent):
        parent.chmod(0o700)
    path.write_bytes(raw)
    return path
