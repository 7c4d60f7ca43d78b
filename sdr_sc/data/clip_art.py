# SPDX-License-Identifier: GPL-3.0-or-later
"""Clip art in colour on random backgrounds: OpenClipart's drawings and Tux Paint's stamps, from Debian's packages.

An item is a picture of one drawing, as of `sdr_sc.data.noto_emoji`. Tasks: ``classification``, the folder that the
drawing is in; ``subgroup``, the folder in that; ``retrieval``, its title among those of the part; of OpenClipart also
``keywords``. Parts are by drawing and title: what has the same title, or a file name that differs in its number alone,
lies in one part.
"""

from __future__ import annotations

import html
import io
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import PurePosixPath

import numpy as np

from sdr_sc.data.compiled import Compiled, Made, compiled
from sdr_sc.data.dataset import ImageSet, SetInfo, Split, register_dataset
from sdr_sc.data.drawings import KEYWORDS, TASKS, Entry, compile_entries, drawn_set
from sdr_sc.data.packages.locate import read_all
from sdr_sc.data.packages.package import Package
from sdr_sc.data.pictures import eight_bit
from sdr_sc.data.splits import normalised
from sdr_sc.data.texts import clean_text
from sdr_sc.errors import DataSetError
from sdr_sc.shown import reason_of

OPENCLIPART, TUX_PAINT = "openclipart", "tux_paint"
PACKAGES = {
    OPENCLIPART: Package(
        "deb",
        "openclipart-svg",
        "1:0.18+dfsg-19",
        "989712d90d57dfa3230049f553bb43b76c30ee4d4b8c5f6e106e33f7db5cbdc5",
        24919068,
        "public domain",
    ),
    TUX_PAINT: Package(
        "deb",
        "tuxpaint-stamps-default",
        "2022.06.04-1",
        "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
        160880444,
        "GPL-2",
    ),
}
VIEWS: dict[Split, int] = {"train": 8, "validation": 4, "test": 4}
"""Pictures of each drawing."""
RENDERER, RENDERER_PACKAGE = "rsvg-convert", "librsvg2-bin"
_VERSION = 1
_SIDE = 128  # of a drawing, pixels
_RENDER_S = 60.0
_LARGEST_FILE = 8 << 20
_LARGEST_PICTURE = 16_000_000  # pixels
_LEAST_SHOWN = 0.01  # of a drawing's pixels; others are blank
_SERIES = 10  # drawings that share a title: it names the series, not them
_ROOTS = {OPENCLIPART: "usr/share/openclipart/svg/", TUX_PAINT: "usr/share/tuxpaint/stamps/"}
_FOLDERS = {
    OPENCLIPART: frozenset(
        "animals buildings education electronics food office people plants recreation tools transportation".split()
    ),
    TUX_PAINT: frozenset(
        "animals clothes food hobbies household military people plants seasonal space sports town vehicles".split()
    ),
}
_LEFT_OUT = re.compile(r"recreation/games/cards/|_(mirror|flip)\.")
_NO_KEYWORDS = frozenset({"unsorted", "hash", "clip art", "clipart", "architetto francesco rollandin"})
_TITLE = re.compile(r"<dc:title>([^<]{1,200})</dc:title>")
_SUBJECT = re.compile(r"<dc:subject>(.{0,4000}?)</dc:subject>", re.DOTALL)
_KEYWORD = re.compile(r"<rdf:li>([^<]{1,60})</rdf:li>")


def wanted(name: str, path: str) -> int:
    """Which files of a data set's package are read, and how long they may be.

    >>> wanted("tux_paint", "usr/share/tuxpaint/stamps/food/fruit/apple.png") > 0
    True
    """
    inside = path.removeprefix(_ROOTS[name])
    endings = (".svg",) if name == OPENCLIPART else (".svg", ".png", ".txt")
    is_one = path.startswith(_ROOTS[name]) and inside.endswith(endings) and not _LEFT_OUT.search(inside)
    return _LARGEST_FILE if is_one and inside.split("/")[0] in _FOLDERS[name] else 0


def words_of(stem: str) -> str:
    """A file's name as words: without numbers, and what stands between words.

    >>> words_of("small_truck-02")
    'small truck'
    """
    return " ".join(re.sub(r"[\W\d_]+", " ", stem).split())


def described(svg: bytes) -> tuple[str, tuple[str, ...]]:
    """Title and keywords of a drawing of OpenClipart, '' where it has no title of its own.

    >>> described(b"<dc:title>A &amp; B</dc:title><dc:subject><rdf:Bag><rdf:li>Cat</rdf:li></rdf:Bag></dc:subject>")
    ('A & B', ('cat',))
    """
    text = svg.decode("utf-8", "replace")
    title, subject = _TITLE.search(text), _SUBJECT.search(text)
    plain = clean_text(html.unescape(title[1])) if title else ""
    # An artist's series, whose drawings all have the title of the first.
    plain = "" if plain.lower().startswith("clipart by") else plain.replace("_", " ")
    found = (clean_text(html.unescape(word)).lower() for word in _KEYWORD.findall(subject[1] if subject else ""))
    return plain, tuple(dict.fromkeys(word for word in found if word and word not in _NO_KEYWORDS))


def render(svg: bytes) -> np.ndarray | None:
    """A drawing in SVG as uint8 (height, width, 4), its longer side 128 pixels; None where there is nothing to see.

    Raises:
        DataSetError: the renderer is not installed.
    """
    command = [RENDERER, "--width", str(_SIDE), "--height", str(_SIDE), "--keep-aspect-ratio", "--format", "png"]
    try:
        done = subprocess.run(command, input=svg, capture_output=True, timeout=_RENDER_S)
    except subprocess.TimeoutExpired:
        return None
    except OSError as error:
        raise DataSetError(
            f"the program {RENDERER!r} cannot be run ({reason_of(error)}); run 'sudo apt-get install "
            f"{RENDERER_PACKAGE}'."
        ) from None
    return decode(done.stdout) if done.returncode == 0 else None


def decode(png: bytes) -> np.ndarray | None:
    """A picture of any mode as uint8 (height, width, 4), no side longer than 128 pixels, without the transparent part
    around it; None where there is nothing to see."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
            if picture.width * picture.height > _LARGEST_PICTURE:
                return None
            found = eight_bit(picture).convert("RGBA")
            found.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
            pixels = np.asarray(found)
    except Exception:  # whatever a decoder makes of damaged bytes
        return None
    seen = pixels[..., 3] > 0
    if seen.mean() < _LEAST_SHOWN:
        return None
    rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def entries_of(name: str, files: Iterable[tuple[str, bytes]]) -> list[Entry]:
    """The drawings among a package's files, in the order of their paths; what cannot be drawn is left out."""
    found = {path.removeprefix(_ROOTS[name]): raw for path, raw in files}
    paths = sorted(path for path in found if not path.endswith(".txt"))
    draw: Callable[[str], np.ndarray | None] = lambda path: (  # noqa: E731
        render(found[path]) if path.endswith(".svg") else decode(found[path])
    )
    with ThreadPoolExecutor() as pool:
        drawings = list(pool.map(draw, paths))
    entries = []
    for path, drawing in zip(paths, drawings, strict=True):
        place = PurePosixPath(path)
        if name == OPENCLIPART:
            title, keywords = described(found[path])
        else:
            title, keywords = _caption(found.get(str(place.with_suffix(".txt")), b"")), ()
        if drawing is not None:
            folders = place.parts[:-1]
            stem = f"{place.parent}/{words_of(place.stem).replace(' ', '')}"
            subgroup = "/".join(folders[:2])
            entries.append(Entry(path, title, folders[0], subgroup, (stem,), [drawing], keywords))
    return _named(entries)


def _caption(raw: bytes) -> str:
    """The English caption of a stamp: the first line of its text."""
    return clean_text(raw.split(b"\n", 1)[0])


def _named(entries: list[Entry]) -> list[Entry]:
    """Entries with a name each: their title, or the file's name where they have none or the one of a whole series."""
    shared = Counter(one.name.casefold() for one in entries)
    named = []
    for one in entries:
        is_own = one.name.strip() and shared[one.name.casefold()] < _SERIES
        name = one.name if is_own else words_of(PurePosixPath(one.key).stem) or PurePosixPath(one.key).stem
        said = words_of(normalised(name)) or normalised(name)
        named.append(replace(one, name=name, origins=(*one.origins, said)))
    return named


def compile_clip_art(name: str, files: Iterable[tuple[str, bytes]], views: Mapping[Split, int] = VIEWS) -> Made:
    """A data set's arrays from its package's files.

    Raises:
        DataSetError: there are no drawings among them, or they cannot be rendered.
    """
    return compile_entries(_some(name, entries_of(name, files)), views)


def entries(name: str) -> list[Entry]:
    """The drawings of a data set's package.

    Raises:
        DataSetError: it is not here, has no drawings, or they cannot be rendered.
    """
    return _some(name, entries_of(name, read_all(PACKAGES[name], partial(wanted, name), name)))


def _some(name: str, found: list[Entry]) -> list[Entry]:
    if len({one.group for one in found}) < 2:
        raise DataSetError(
            f"package {PACKAGES[name].name} has no drawings; delete it and run 'sdr-sc data get {name}'."
        )
    return found


@lru_cache(maxsize=2)
def _compiled(name: str) -> Compiled:
    package = PACKAGES[name]
    made_from = {
        "set": name,
        "version": _VERSION,
        "files": [package.sha256],
        "folders": sorted(_FOLDERS[name]),
        "views": VIEWS,
    }
    return compiled(name, made_from, lambda: compile_entries(entries(name), VIEWS))


_NEEDS = {RENDERER: RENDERER_PACKAGE}


@register_dataset(
    OPENCLIPART,
    SetInfo("OpenClipart", "image", TASKS | {KEYWORDS: "which keywords"}, (PACKAGES[OPENCLIPART],), _NEEDS),
)
def load_openclipart(split: Split) -> ImageSet:
    """A part of OpenClipart's pictures.

    Raises:
        DataSetError: the package is not here, or is damaged.
    """
    return drawn_set(_compiled(OPENCLIPART), "OpenClipart", split)


@register_dataset(TUX_PAINT, SetInfo("Tux Paint stamps", "image", TASKS, (PACKAGES[TUX_PAINT],), _NEEDS))
def load_tux_paint(split: Split) -> ImageSet:
    """A part of the pictures of Tux Paint's stamps; errors as for `load_openclipart`."""
    return drawn_set(_compiled(TUX_PAINT), "Tux Paint stamps", split)
