# SPDX-License-Identifier: GPL-3.0-or-later
"""Reader of the files that a run leaves in its folder; whoever wrote them, within bounded time and memory."""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.documents import read_csv, whole_number
from sdr_sc.errors import SdrScError
from sdr_sc.files import is_file
from sdr_sc.report.run.data import FRAME_COLUMNS, ITEM_COLUMNS, Frames, Items, Run
from sdr_sc.report.run.summary import (
    CUT,
    FILES,
    FIX,
    LARGEST_COUNT,
    LARGEST_K,
    MOST_CLASSES,
    check_files,
    given_names,
    read_summary,
)
from sdr_sc.semantic.tasks.base import NOT_A_NUMBER
from sdr_sc.shown import reason_of, shown

MOST_KS = 64
MOST_ROWS = 20_000_000
PICTURES_LIMIT_BYTES = 256 << 20
LONGEST_SIDE = 4096
NOT_KNOWN = -1
"""The label of an item whose truth nobody told."""
_STATES = ("delivered", "lost")


@dataclass(frozen=True)
class _Column:
    """A column of numbers, and what they may be; an empty cell is NaN unless the numbers are whole."""

    low: float
    high: float
    whole: bool = False


_NUMBERS = {
    "frame_index": _Column(0, LARGEST_COUNT, whole=True),
    "n_items": _Column(0, 1 << 16, whole=True),
    "snr_set_db": _Column(-1000, 1000),
    "snr_est_db": _Column(-1000, 1000),
    "k": _Column(0, LARGEST_K),
    "latency_ms": _Column(-1e12, 1e12),
    "item_id": _Column(-LARGEST_COUNT, LARGEST_COUNT, whole=True),
    "label": _Column(0, math.inf, whole=True),
    "answer": _Column(NOT_A_NUMBER, math.inf, whole=True),
    "correct": _Column(0, 1, whole=True),
    "confidence": _Column(0, 1),
}


def load_run(folder: Path) -> Run:
    """Read a run folder: ``summary.json``, ``frames.csv``, ``items.csv``, ``images.npz``.

    The files are compared with the checksums in ``summary.json``; a run of an earlier version has none.

    Raises:
        SdrScError: a file is missing, is damaged, or does not hold what it should; the message says which and what.
    """
    for name in FILES:
        if not is_file(folder / name):
            raise SdrScError(
                f"The run folder {shown(folder)} has no {name}, which a report needs: run the experiment again."
            )
    try:
        summary, is_sealed = read_summary(folder / "summary.json")
        is_verified = check_files(folder, summary) and is_sealed
        names = given_names(summary["config"], folder / "summary.json")
        classes = len(names) or MOST_CLASSES
        frames, items = _frames(folder / "frames.csv"), _items(folder / "items.csv", classes)
        images, image_ids = _images(folder / "images.npz")
    except OSError as error:
        raise SdrScError(f"The run folder {shown(folder)} cannot be read: {error.strerror or error}.") from error
    used = set(np.unique(frames.k[np.isfinite(frames.k)]).astype(int).tolist())
    offered = summary["config"].get("k_list")
    listed = {whole_number(k, 1, LARGEST_K) for k in offered} if isinstance(offered, list) else set()
    k_list = sorted(k for k in used | listed if k)
    if len(k_list) > MOST_KS:
        raise SdrScError(f"{shown(folder)} holds {len(k_list)} different k where a run has {MOST_KS} at most; {FIX}.")
    highest = max(int(items.label.max(initial=-1)), int(items.answer.max(initial=-1)))
    names += [f"class {number}" for number in range(len(names), highest + 1)]
    return Run(folder.resolve().name, summary, frames, items, images, image_ids, names, k_list, is_verified)


def _columns(path: Path, names: tuple[str, ...]) -> tuple[dict[str, list[str]], list[int]]:
    """The named columns as text, and each row's line in the file."""
    columns: dict[str, list[str]] = {name: [] for name in names}
    lines: list[int] = []
    for line, row in read_csv(path, names, "table", FIX, others=False):
        if len(lines) == MOST_ROWS:
            raise SdrScError(f"{shown(path)} has more than {MOST_ROWS:,} rows; report on a shorter run.")
        lines.append(line)
        for name in names:
            columns[name].append(row[name])
    return columns, lines


def _numbers(path: Path, name: str, texts: list[str], lines: list[int], high: float = math.inf) -> np.ndarray:
    """A column as float64, empty cells as NaN; or as int64, where an empty cell is a mistake."""
    column = _NUMBERS[name]
    kind = "whole number" if column.whole else "number"
    high = min(high, column.high)
    values = np.empty(len(texts), dtype=float)
    for row, text in enumerate(texts):
        try:
            value = float(text) if text or column.whole else math.nan
            readable = "_" not in text and text.isascii() and (not text or math.isfinite(value))
            readable = readable and (not column.whole or value.is_integer())
        except ValueError:
            readable = False
        if not readable:
            raise SdrScError(
                f"{shown(path)}, line {lines[row]}: {name} {shown(repr(text), 40)} is not a {kind}; {CUT}."
            )
        if name == "label" and value == NOT_KNOWN:
            raise SdrScError(
                f"{shown(path)}, line {lines[row]}: the label is not known ({text}), since the receiver was not told "
                "what was sent, and a report needs it; give 'sdr-sc rx' the transmitter's --sent, or replay a "
                "recording that holds the labels."
            )
        if not (column.low <= value <= high or math.isnan(value)):
            raise SdrScError(
                f"{shown(path)}, line {lines[row]}: {name} {shown(text, 40)} is not within {column.low:g} to "
                f"{high:g}; {CUT}."
            )
        values[row] = value
    return values.astype(np.int64) if column.whole else values


def _frames(path: Path) -> Frames:
    columns, lines = _columns(path, FRAME_COLUMNS)
    for status, line in zip(columns["status"], lines, strict=True):
        if status not in _STATES:
            raise SdrScError(
                f"{shown(path)}, line {line}: status {shown(repr(status), 40)} is neither 'delivered' nor 'lost'; "
                f"{CUT}."
            )
    found = {name: _numbers(path, name, columns[name], lines) for name in FRAME_COLUMNS if name != "status"}
    order = np.argsort(found["frame_index"], kind="stable")
    sorted_columns = {name: values[order] for name, values in found.items()}
    return Frames(
        index=sorted_columns.pop("frame_index"),
        delivered=np.array([status == "delivered" for status in columns["status"]], dtype=bool)[order],
        **sorted_columns,
    )


def _items(path: Path, classes: int) -> Items:
    columns, lines = _columns(path, ITEM_COLUMNS)
    found = {
        name: _numbers(path, name, columns[name], lines, classes - 1 if name in ("label", "answer") else math.inf)
        for name in ITEM_COLUMNS
    }
    order = np.lexsort((np.arange(len(lines)), found["frame_index"]))
    found["correct"] = (found["correct"] == 1) & (found["answer"] >= 0)
    return Items(**{name: values[order] for name, values in found.items()})


def _images(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            images, ids = (_array(archive, name) for name in ("images", "item_id"))
    except OSError:
        raise
    except Exception as error:  # numpy and zipfile raise whatever their parsers do, such as TokenError
        raise SdrScError(
            f"{shown(path)} is not an archive of 'images' and 'item_id' ({reason_of(error)}); {FIX}."
        ) from None
    is_shaped = images.ndim == 3 or (images.ndim == 4 and images.shape[1] == 3)
    if not is_shaped or images.dtype != np.uint8 or ids.shape != images.shape[:1] or ids.dtype.kind not in "iu":
        raise SdrScError(
            f"{shown(path)} has images {images.dtype} {images.shape} and item_id {ids.dtype} {ids.shape}: "
            f"uint8 (m, height, width) and (m,) are needed; {FIX}."
        )
    if len(images) and min(images.shape[-2:]) < 1:
        raise SdrScError(f"{shown(path)} has images of {images.shape[1:]} pixels, which are none; {FIX}.")
    if images.size and max(images.shape[-2:]) > LONGEST_SIDE:
        raise SdrScError(f"{shown(path)} has images of {images.shape[1:]} pixels, too large to show; {FIX}.")
    return images, ids.astype(np.int64)


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
