# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of a run: a new one, and the only reader of the files in it, whoever wrote them.

`sdr_sc.results.run_summary` reads ``summary.json``; `sdr_sc.link.frames.frame_record`, beside the writer, says what the
columns of the tables may hold.
"""

from __future__ import annotations

import io
import math
import time
import zipfile
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sdr_sc.documents import read_csv
from sdr_sc.errors import SdrScError
from sdr_sc.link.frames.frame_record import FRAME_COLUMNS, FRAME_FIELDS, ITEM_COLUMNS, ITEM_FIELDS, NOT_KNOWN, Column
from sdr_sc.results.run_summary import CUT, FIX
from sdr_sc.semantic.specs import LONGEST_NAME
from sdr_sc.shown import reason_of, shown

PICTURES_LIMIT_BYTES = 256 << 20
LONGEST_SIDE = 4096

Table = dict[str, np.ndarray]
"""Columns of a table by name, one entry a row: int64 where `Column.whole`, otherwise float64, NaN for an empty cell;
``status`` is bool, whether the frame was delivered; ``question`` holds texts, '' for an empty cell."""
MOST_TEXTS = 100_000
"""Different ones in a column: a run has a few questions."""


def new_run_folder(base: Path, verb: str) -> Path:
    """A new folder named after the time and what was run.

    Args:
        base: where it is made.
        verb: such as ``tx``; two ends that are started in the same second have folders that show which is which.

    Raises:
        OSError: it cannot be made.
    """
    stem = f"{time.strftime('%Y-%m-%dT%H-%M-%S')}-{verb}"
    for suffix in ("", *(f"-{i}" for i in range(2, 100))):
        folder = base / f"{stem}{suffix}"
        with suppress(FileExistsError):  # another run's, of the same second
            folder.mkdir(parents=True)
            return folder
    raise FileExistsError(stem)


def only_run(base: Path) -> Path:
    """The folder of the only run below ``base``.

    Raises:
        SdrScError: there is none, or there are several.
    """
    found = sorted(path.parent for path in base.glob("*/summary.json"))
    if len(found) != 1:
        raise SdrScError(f"{shown(base)} holds {len(found)} runs where one is needed; {FIX}.")
    return found[0]


def read_frames(
    folder: Path, columns: Sequence[str] = FRAME_FIELDS, torn: bool = False, most_rows: int | None = None
) -> Table:
    """Columns of a run's ``frames.csv``, one entry a frame, in the order of the file.

    The file is read row by row into arrays of 8 bytes a cell, since a day has millions of rows.

    Args:
        columns: those to read, which the file has to have.
        torn: leave out a last line that has no end: of a program that was killed, or that still writes it.
        most_rows: more are refused.

    Raises:
        SdrScError: there is no such file, or a cell holds what a run does not write; with the line.
    """
    return _read_table(folder / "frames.csv", {name: FRAME_COLUMNS[name] for name in columns}, torn, most_rows)


def read_items(
    folder: Path,
    columns: Sequence[str] = ITEM_FIELDS,
    torn: bool = False,
    classes: int | None = None,
    most_rows: int | None = None,
    unknown: bool = False,
) -> Table:
    """Columns of a run's ``items.csv``, one entry an item, in the order of the file.

    Args:
        columns, torn, most_rows: as for `read_frames`.
        classes: number of classes, where each label has to be known and each label and answer to be one of these.
        unknown: with ``classes``, whether labels may be unknown, as of items of joined sets that have no class.

    Raises:
        SdrScError: as for `read_frames`.
    """
    described = {name: ITEM_COLUMNS[name] for name in columns}
    if classes is not None:
        described["label"] = Column(NOT_KNOWN if unknown else 0, classes - 1, whole=True)
        described["answer"] = Column(ITEM_COLUMNS["answer"].low, classes - 1, whole=True)
        described["correct"] = Column(0, 1, whole=not unknown)
    return _read_table(folder / "items.csv", described, torn, most_rows)


def rows_by_frame(items: Table) -> dict[int, np.ndarray]:
    """Rows of an items' table by the ``frame_index``, in the order of the file.

    >>> rows_by_frame({"frame_index": np.array([4, 4, 7, 4])})
    {4: array([0, 1, 3]), 7: array([2])}
    """
    index = items["frame_index"]
    order = np.argsort(index, kind="stable")
    found, first = np.unique(index[order], return_index=True)
    return dict(zip(found.tolist(), np.split(order, first[1:]), strict=True)) if len(index) else {}


def _read_table(path: Path, columns: Mapping[str, Column], torn: bool, most_rows: int | None) -> Table:
    cells: dict[str, Any] = {
        name: [] if column.longest else array("q" if column.whole else "b" if column.words else "d")
        for name, column in columns.items()
    }
    texts: dict[str, str] = {}
    work = [(name, column, cells[name].append) for name, column in columns.items()]
    needed = tuple(name for name, column in columns.items() if not column.is_new)
    rows = read_csv(path, needed, "table", FIX, others=False, torn=torn, optional=tuple(columns))
    for count, (line, row) in enumerate(rows):
        if count == most_rows:
            raise SdrScError(f"{shown(path)} has more than {most_rows:,} rows; report on a shorter run.")
        for name, column, append in work:
            text = row.get(name, "") if column.is_new else row[name]
            if column.longest:
                append(cell_text(path, line, name, text, column, texts))
                continue
            if column.words:
                if text not in column.words:
                    raise SdrScError(_no_word(path, line, name, text, column.words))
                append(column.words.index(text))
                continue
            append(cell_number(path, line, name, text, column))
    types = {name: object if column.longest else bool if column.words else None for name, column in columns.items()}
    return {name: np.asarray(values, types[name]) for name, values in cells.items()}


def cell_text(path: Path, line: int, name: str, text: str, column: Column, known: dict[str, str]) -> str:
    """The text in a cell of a table, each once in memory.

    Args:
        known: the texts so far.

    Raises:
        SdrScError: it is longer than the column's texts are, or there are too many of them; with the line.
    """
    found = known.get(text)
    if found is not None:
        return found
    if len(text.encode("utf-8", "replace")) > column.longest:
        raise SdrScError(f"{shown(path)}, line {line}: {name} has more than {column.longest} bytes; {CUT}.")
    if len(known) == MOST_TEXTS:
        raise SdrScError(
            f"{shown(path)}, line {line}: {name} has more than {MOST_TEXTS:,} different texts; report on a shorter run."
        )
    return known.setdefault(text, text)


def cell_number(path: Path, line: int, name: str, text: str, column: Column) -> float:
    """The number in a cell of a table; NaN for an empty one, where the column may have such.

    Raises:
        SdrScError: it is none, or out of the column's bounds; with the line.
    """
    if not text and not column.whole:
        return math.nan
    try:
        value = float(text)
        if not math.isfinite(value) or "_" in text or not text.isascii():
            raise ValueError(text)
        if column.whole and not value.is_integer():
            raise ValueError(text)
    except ValueError:
        kind = "whole number" if column.whole else "number"
        raise SdrScError(
            f"{shown(path)}, line {line}: {name} {shown(repr(text), 40)} is not a {kind}; {CUT}."
        ) from None
    if not column.low <= value <= column.high:
        raise SdrScError(_out_of_bounds(path, line, name, text, column))
    return int(value) if column.whole else value


def _no_word(path: Path, line: int, name: str, text: str, words: Sequence[str]) -> str:
    allowed = " nor ".join(repr(word) for word in words)
    return f"{shown(path)}, line {line}: {name} {shown(repr(text), 40)} is neither {allowed}; {CUT}."


def _out_of_bounds(path: Path, line: int, name: str, text: str, column: Column) -> str:
    if name == "label" and float(text) == NOT_KNOWN:
        return (
            f"{shown(path)}, line {line}: the label is not known ({text}), since the receiver was not given what was "
            "sent, and a report needs it; give 'sdr-sc rx' the transmitter's --sent, or replay a recording that holds "
            "the labels."
        )
    low = max(column.low, 0) if name == "label" else column.low  # one that is not known is no label
    bounds = f"{low:g} to {column.high:g}"
    return f"{shown(path)}, line {line}: {name} {shown(text, 40)} is not within {bounds}; {CUT}."


class KeptItems(NamedTuple):
    """The items that a run kept for its report.

    Attributes:
        items: uint8 (shown, ...); of images (shown, height, width) or (shown, 3, height, width).
        ids: their ``item_id``, int64 (shown,).
        modality: its name; '' where the transmitter did not give it.
    """

    items: np.ndarray
    ids: np.ndarray
    modality: str


def read_images(folder: Path) -> KeptItems:
    """The items in a run's ``images.npz``.

    Raises:
        OSError: it cannot be read.
        SdrScError: it holds something else, or images too large to show.
    """
    path = folder / "images.npz"
    try:
        with zipfile.ZipFile(path) as archive:
            images, ids = (_array(archive, name) for name in ("images", "item_id"))
            # Files of earlier versions do not name it: they hold images.
            name = _array(archive, "modality") if "modality.npy" in archive.namelist() else np.array("image")
    except OSError:
        raise
    except Exception as error:  # numpy and zipfile raise whatever their parsers do, such as TokenError
        raise SdrScError(
            f"{shown(path)} is not an archive of 'images' and 'item_id' ({reason_of(error)}); {FIX}."
        ) from None
    if name.dtype.kind != "U" or name.ndim or name.itemsize > 4 * LONGEST_NAME:
        raise SdrScError(f"{shown(path)} has a modality {name.dtype} {name.shape}, which is no name; {FIX}.")
    are_images = str(name) == "image"
    needed = "(m, height, width)" if are_images else "(m, ...)"
    is_shaped = images.ndim == 3 or (images.ndim == 4 and images.shape[1] == 3) if are_images else images.ndim > 1
    if not is_shaped or images.dtype != np.uint8 or ids.shape != images.shape[:1] or ids.dtype.kind not in "iu":
        raise SdrScError(
            f"{shown(path)} has images {images.dtype} {images.shape} and item_id {ids.dtype} {ids.shape}: "
            f"uint8 {needed} and (m,) are needed; {FIX}."
        )
    if len(images) and min(images.shape[1:]) < 1:
        raise SdrScError(f"{shown(path)} has images of {images.shape[1:]} pixels, which are none; {FIX}.")
    if are_images and images.size and max(images.shape[-2:]) > LONGEST_SIDE:
        raise SdrScError(f"{shown(path)} has images of {images.shape[1:]} pixels, too large to show; {FIX}.")
    return KeptItems(images, ids.astype(np.int64), str(name))


def read_thumbnails(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """What was received of some items as pictures, in a run's ``thumbnails.npz``: uint8 (shown, [3,] height, width),
    and their ``item_id``, int64 (shown,).

    Raises:
        OSError: it cannot be read.
        SdrScError: it holds something else.
    """
    path = folder / "thumbnails.npz"
    try:
        with zipfile.ZipFile(path) as archive:
            pictures, ids = (_array(archive, name) for name in ("thumbnails", "item_id"))
    except OSError:
        raise
    except Exception as error:  # as in `read_images`
        raise SdrScError(
            f"{shown(path)} is not an archive of 'thumbnails' and 'item_id' ({reason_of(error)}); {FIX}."
        ) from None
    is_shaped = pictures.ndim == 3 or (pictures.ndim == 4 and pictures.shape[1] == 3)
    fits = is_shaped and pictures.dtype == np.uint8 and ids.shape == pictures.shape[:1] and ids.dtype.kind in "iu"
    if not fits or not pictures.size or max(pictures.shape[-2:]) > LONGEST_SIDE:
        raise SdrScError(f"{shown(path)} has thumbnails {pictures.dtype} {pictures.shape}, which are none; {FIX}.")
    return pictures, ids.astype(np.int64)


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """An array of an archive, after its size was looked at: a few bytes can stand for many GB."""
    entry = archive.getinfo(f"{name}.npy")
    if entry.file_size > PICTURES_LIMIT_BYTES:
        raise ValueError(f"{name} has {entry.file_size} bytes")
    with archive.open(entry) as file:
        content = file.read(PICTURES_LIMIT_BYTES + 1)
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read_header:
        raise ValueError(f"{name} has version {version} of its format")
    shape, _, dtype = read_header[version](stream)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise ValueError(f"{name} is not as large as it says")
    return np.load(io.BytesIO(content), allow_pickle=False)
