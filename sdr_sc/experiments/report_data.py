# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a run leaves in its folder, read and checked for the report."""

from __future__ import annotations

import csv
import json
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.errors import SdrScError

FRAME_COLUMNS = ("frame_index", "snr_set_db", "snr_est_db", "k", "n_items", "status", "latency_ms")
ITEM_COLUMNS = ("item_id", "frame_index", "label", "answer", "k", "correct", "confidence")
_STATES = ("delivered", "lost")


@dataclass(frozen=True)
class Frames:
    """One entry for each frame sent, sorted by index; every array has shape (frames,).

    Attributes:
        index: int, 0-based and unwrapped.
        snr_set_db: float, what the channel was set to.
        snr_est_db: float, what the receiver measured; NaN for a lost frame.
        k: float, feature symbols per item; NaN where the run did not write it.
        n_items: int.
        delivered: bool.
        latency_ms: float; NaN for a lost frame.
    """

    index: np.ndarray
    snr_set_db: np.ndarray
    snr_est_db: np.ndarray
    k: np.ndarray
    n_items: np.ndarray
    delivered: np.ndarray
    latency_ms: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    @property
    def snr_error_db(self) -> np.ndarray:
        """Estimate less set value of the delivered frames, in dB."""
        error = (self.snr_est_db - self.snr_set_db)[self.delivered]
        return error[np.isfinite(error)]


@dataclass(frozen=True)
class Items:
    """One entry for each item sent, in the order sent; every array has shape (items,).

    Attributes:
        item_id: int.
        frame_index: int, the frame that carried it.
        label: int, the true class.
        answer: int, the class answered; -1 for a lost item.
        k: float, complex feature symbols sent for it.
        correct: bool; False for a lost item.
        confidence: float 0..1; NaN for a lost item.
    """

    item_id: np.ndarray
    frame_index: np.ndarray
    label: np.ndarray
    answer: np.ndarray
    k: np.ndarray
    correct: np.ndarray
    confidence: np.ndarray

    def __len__(self) -> int:
        return len(self.item_id)

    @property
    def answered(self) -> np.ndarray:
        """bool (items,): an answer came out of the decoder."""
        return self.answer >= 0


@dataclass(frozen=True)
class Run:
    """A run folder's content.

    Attributes:
        name: the folder's name.
        summary: ``summary.json``; ``config``, ``accounting`` and ``machine`` are dicts, ``rows`` a list.
        frames: ``frames.csv``.
        items: ``items.csv``.
        images: uint8 (shown, height, width), 0 is black.
        image_ids: int (shown,), the ``item_id`` of each image.
        class_names: a name for every label and answer.
        k_list: the k that the CAM could choose from, ascending.
    """

    name: str
    summary: dict[str, Any]
    frames: Frames
    items: Items
    images: np.ndarray
    image_ids: np.ndarray
    class_names: list[str]
    k_list: list[int]

    def item_snr_set_db(self) -> np.ndarray:
        """The SNR set for each item's frame, in dB, shape (items,); NaN where ``frames.csv`` lacks the frame."""
        if not len(self.frames):
            return np.full(len(self.items), np.nan)
        place = np.searchsorted(self.frames.index, self.items.frame_index).clip(max=len(self.frames) - 1)
        found = self.frames.index[place] == self.items.frame_index
        return np.where(found, self.frames.snr_set_db[place], np.nan)


def _summary(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SdrScError(f"{path} is not valid JSON ({error}); the run was cut short or the file was edited.") from None
    if not isinstance(content, dict):
        raise SdrScError(f"{path} holds no JSON object; the run was cut short or the file was edited.")
    kinds = {"config": dict, "accounting": dict, "machine": dict, "rows": list}
    for key, kind in kinds.items():
        content[key] = content[key] if content.get(key) is not None else kind()
        if not isinstance(content[key], kind):
            raise SdrScError(f"{path}: '{key}' is not a JSON {'object' if kind is dict else 'list'}.")
    return content


def _columns(path: Path, names: tuple[str, ...]) -> tuple[dict[str, list[str]], list[int]]:
    """The named columns as text, and each row's line in the file."""
    columns: dict[str, list[str]] = {name: [] for name in names}
    lines = []
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream, restval="")
        missing = [name for name in names if name not in (reader.fieldnames or [])]
        if missing:
            raise SdrScError(f"{path} has no column {missing[0]!r}; it needs {', '.join(names)}.")
        for row in reader:
            lines.append(reader.line_num)
            for name in names:
                columns[name].append(row[name].strip())
    return columns, lines


def _numbers(path: Path, name: str, texts: list[str], lines: list[int], whole: bool = False) -> np.ndarray:
    """A column as float64, empty cells as NaN; or as int64, where an empty cell is a mistake."""
    values = np.empty(len(texts), dtype=float)
    kind = "whole number" if whole else "number"
    for row, text in enumerate(texts):
        try:
            values[row] = float(text) if text or whole else math.nan
            readable = not whole or float(values[row]).is_integer()
        except ValueError:
            readable = False
        if not readable:
            raise SdrScError(f"{path}, line {lines[row]}: {name} {text!r} is not a {kind}.")
    return values.astype(np.int64) if whole else values


def _frames(path: Path) -> Frames:
    columns, lines = _columns(path, FRAME_COLUMNS)
    for status, line in zip(columns["status"], lines, strict=True):
        if status not in _STATES:
            raise SdrScError(f"{path}, line {line}: status {status!r} is neither 'delivered' nor 'lost'.")
    index = _numbers(path, "frame_index", columns["frame_index"], lines, whole=True)
    order = np.argsort(index, kind="stable")
    floats = {
        name: _numbers(path, name, columns[name], lines)[order]
        for name in ("snr_set_db", "snr_est_db", "k", "latency_ms")
    }
    return Frames(
        index=index[order],
        n_items=_numbers(path, "n_items", columns["n_items"], lines, whole=True)[order],
        delivered=np.array([status == "delivered" for status in columns["status"]], dtype=bool)[order],
        **floats,
    )


def _items(path: Path) -> Items:
    columns, lines = _columns(path, ITEM_COLUMNS)
    whole = {
        name: _numbers(path, name, columns[name], lines, whole=True)
        for name in ("item_id", "frame_index", "label", "answer", "correct")
    }
    order = np.lexsort((np.arange(len(lines)), whole["frame_index"]))
    correct = (whole.pop("correct") == 1) & (whole["answer"] >= 0)
    floats = {name: _numbers(path, name, columns[name], lines)[order] for name in ("k", "confidence")}
    if len(lines) and whole["label"].min() < 0:
        raise SdrScError(f"{path}, line {lines[int(whole['label'].argmin())]}: a label is below 0.")
    return Items(correct=correct[order], **{name: values[order] for name, values in whole.items()}, **floats)


def _images(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            images, ids = archive["images"], archive["item_id"]
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise SdrScError(f"{path} is not an archive of 'images' and 'item_id' ({error}).") from None
    if images.ndim != 3 or images.dtype != np.uint8 or ids.shape != images.shape[:1]:
        raise SdrScError(
            f"{path} has images {images.dtype} {images.shape} and item_id {ids.shape}: "
            "uint8 (m, height, width) and (m,) are needed."
        )
    return images, ids.astype(np.int64)


def _class_names(config: dict[str, Any], items: Items) -> list[str]:
    given = config.get("class_names")
    names = [str(name) for name in given] if isinstance(given, list) else []
    highest = max([len(names) - 1, *items.label.tolist(), *items.answer.tolist()])
    return names + [f"class {number}" for number in range(len(names), highest + 1)]


def load_run(folder: Path) -> Run:
    """Read a run folder: ``summary.json``, ``frames.csv``, ``items.csv``, ``images.npz``.

    Raises:
        SdrScError: a file is missing, or does not hold what it should; the message says which and what.
    """
    for name in ("summary.json", "frames.csv", "items.csv", "images.npz"):
        if not (folder / name).is_file():
            raise SdrScError(f"The run folder {folder} has no {name}, which a report needs: run the experiment again.")
    try:
        summary = _summary(folder / "summary.json")
        frames, items = _frames(folder / "frames.csv"), _items(folder / "items.csv")
        images, image_ids = _images(folder / "images.npz")
    except OSError as error:
        raise SdrScError(f"The run folder {folder} cannot be read: {error.strerror or error}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SdrScError(f"The tables in {folder} cannot be read as CSV text ({error}).") from error
    used = set(frames.k[np.isfinite(frames.k)].astype(int).tolist())
    offered = summary["config"].get("k_list")
    listed = {int(k) for k in offered if isinstance(k, (int, float)) and k > 0} if isinstance(offered, list) else set()
    k_list = sorted(k for k in used | listed if k > 0)
    names = _class_names(summary["config"], items)
    return Run(folder.resolve().name, summary, frames, items, images, image_ids, names, k_list)
