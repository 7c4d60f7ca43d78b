# SPDX-License-Identifier: GPL-3.0-or-later
"""Items of data sets as entries, and a user's text or picture as an item to ask with."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from sdr_sc.data.dataset import Dataset, warn_once
from sdr_sc.data.image_folder import decode_picture
from sdr_sc.data.joint.slots import picture_slots, side_of
from sdr_sc.data.own_options import OwnOptions
from sdr_sc.data.texts import text_items
from sdr_sc.documents import read_bytes
from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic.inference import SemanticEncoder
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.entries import LONGEST_NAME, LONGEST_SOURCE, LONGEST_TEXT, LONGEST_TITLE, MOST_COPIES
from sdr_sc.semantic.knowledge.features import FeatureMaker
from sdr_sc.semantic.knowledge.interface import Entry
from sdr_sc.semantic.modalities.base import display_of
from sdr_sc.semantic.model_items import fitted
from sdr_sc.shown import reason_of, shown

_BLOCK = 128
_LARGEST_FILE = 64 << 20
_NOT_KEPT = ("question", "reconstruction")
"""Tasks whose answers are not the item's own."""


class DatasetEntries:
    """Entries of a data set's items; items of equal bytes are one entry, the first one's.

    Args:
        data: the items.
        maker: of their vectors.
        places: of the items that are taken, int64; None for all.
        earlier: a version whose entries keep their time where nothing else of them has changed.

    Attributes:
        progress: called with the number of items that were looked at.
        repeats: items that were left out as they are in the base already.
        copies: items that were left out as `MOST_COPIES` others have the same vector.

    Raises:
        ContractError: the model takes no such items.
    """

    def __init__(
        self,
        data: Dataset,
        maker: FeatureMaker,
        places: np.ndarray | None = None,
        earlier: KnowledgeBase | None = None,
    ) -> None:
        fitted(data.items(np.arange(min(1, len(data)))), data.modality, maker.contract)
        self._data, self._maker, self._earlier = data, maker, earlier
        self.progress: Callable[[int], None] = lambda done: None
        self._places = np.arange(len(data)) if places is None else places
        self._display = display_of(maker.contract.modality.name)
        self._names = {task: data.names(task) for task in data.tasks if task not in _NOT_KEPT}
        self.repeats, self.copies = 0, 0

    @property
    def left_out(self) -> int:
        """Items that are no entries of their own."""
        return self.repeats + self.copies

    def __iter__(self) -> Iterator[Entry]:
        self.repeats, self.copies = 0, 0
        seen: set[str] = set()
        vectors_seen: dict[bytes, int] = {}
        now = time.time()
        for start in range(0, len(self._places), _BLOCK):
            index = self._places[start : start + _BLOCK]
            items = fitted(self._data.items(index), self._data.modality, self._maker.contract)
            vectors, answers = self._maker.vectors(items), self._answers(index)
            for place, item, vector, own in zip(index.tolist(), items, vectors, answers, strict=True):
                key = hashlib.sha256(np.ascontiguousarray(item).tobytes()).hexdigest()[:32]
                raw = vector.tobytes()
                if key in seen:
                    self.repeats += 1
                elif vectors_seen.get(raw, 0) >= MOST_COPIES:
                    self.copies += 1
                else:
                    seen.add(key)
                    vectors_seen[raw] = vectors_seen.get(raw, 0) + 1
                    yield self._timed(self._entry(key, place, item, vector, own, now))
            self.progress(start + len(index))

    def _answers(self, index: np.ndarray) -> list[dict[str, str]]:
        """Names of the items' classes, by task."""
        found: list[dict[str, str]] = [{} for _ in index]
        for task, names in self._names.items():
            targets = self._data.targets(task, index)
            if targets.ndim != 1:  # such as keywords, of which an item has several
                continue
            for own, target in zip(found, targets.tolist(), strict=True):
                if 0 <= target < len(names) and 1 <= len(names[target]) <= LONGEST_NAME:
                    own[task] = names[target]
        return found

    def _entry(
        self, key: str, place: int, item: np.ndarray, vector: np.ndarray, answers: dict[str, str], now: float
    ) -> Entry:
        picture = self._display.thumbnail(item)
        text = "" if picture is not None else self._display.text(item)[:LONGEST_TEXT]
        title = text or answers.get("retrieval") or next(iter(answers.values()), key)
        source = f"{self._data.name} {self._data.split} {place}"
        png = b"" if picture is None else png_of(picture)
        return Entry(key, title[:LONGEST_TITLE], vector, answers, source[:LONGEST_SOURCE], text, png, now)

    def _timed(self, entry: Entry) -> Entry:
        """With its earlier time where the earlier version has all the rest."""
        if self._earlier is None:
            return entry
        number = self._earlier.store.number_of(entry.key)
        if number is None:
            return entry
        old = self._earlier.entry(number)
        timed = Entry(entry.key, entry.title, entry.vector, entry.answers, entry.source, entry.text, entry.picture,
                      old.added_s)  # fmt: skip
        same = np.array_equal(old.vector, entry.vector) and (
            (old.title, dict(old.answers), old.source, old.text, old.picture)
            == (entry.title, dict(entry.answers), entry.source, entry.text, entry.picture)
        )
        return timed if same else entry


def with_earlier(entries: Iterable[Entry], earlier: KnowledgeBase) -> Iterator[Entry]:
    """Entries, and after them those of an earlier version whose keys are none of theirs."""
    keys: set[str] = set()
    for entry in entries:
        keys.add(entry.key)
        yield entry
    for entry in earlier.entries():
        if entry.key not in keys:
            yield entry


def png_of(picture: np.ndarray) -> bytes:
    """A picture, uint8 (height, width) or (3, height, width), as PNG."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture if picture.ndim == 2 else np.ascontiguousarray(picture.transpose(1, 2, 0))).save(
        stream, "PNG"
    )
    return stream.getvalue()


def item_of(encoder: SemanticEncoder, asked: str) -> np.ndarray:
    """A text, or the picture in a file of that name, as an item of the model.

    Args:
        encoder: of the model.
        asked: where a file has this name and the model takes pictures, that picture; otherwise a text, whose end is
            left out with a warning where it is too long.

    Returns:
        uint8 (1, *item_shape).

    Raises:
        KnowledgeError: the model takes neither, the file is no picture, or the text is empty.
    """
    modality, shape = encoder.modality, encoder.contract.item_shape
    side = side_of(shape[0]) if len(shape) == 1 else 0
    takes_pictures = len(shape) > 1 or side > 0 and modality.name == "image_text"
    if takes_pictures and _is_there(asked):
        size = side or shape[-1]
        if len(shape) > 1 and shape[-1] != shape[-2]:
            raise KnowledgeError(f"the model takes pictures of {shape[-1]} x {shape[-2]} pixels, which are not square.")
        values = _picture(Path(asked), OwnOptions(size, "grey" if len(shape) == 2 else "rgb"))
        planes = values[None] if values.ndim == 2 else np.ascontiguousarray(values.transpose(2, 0, 1))[None]
        return picture_slots(planes, side) if side else planes
    if not modality.longest_text:
        raise KnowledgeError(
            f"{shown(repr(asked), 80)} is no file, and the model takes pictures alone; give a picture's file."
        )
    found = text_items([asked], modality.longest_text)
    if not found.batch.lengths[0]:
        raise KnowledgeError("nothing is asked: the text is empty; give a text, or a picture's file.")
    if found.cut[0]:
        warn_once(
            f"the text is longer than the {modality.longest_text} bytes that model {shown(encoder.contract.name)!r} "
            f"looks at: {found.cut[0]:,} characters at its end are left out"
        )
    return modality.items_of_texts(found.batch.slots(modality.longest_text))


def _is_there(name: str) -> bool:
    try:
        return Path(name).exists() and not Path(name).is_dir()
    except (OSError, ValueError):
        return False


def _picture(path: Path, options: OwnOptions) -> np.ndarray:
    raw = read_bytes(path, "picture", "give a picture", KnowledgeError, _LARGEST_FILE)
    try:
        return decode_picture(raw, options)
    except Exception as error:  # whatever a decoder of Pillow makes of bytes that are none
        raise KnowledgeError(f"picture {shown(path)} cannot be decoded ({reason_of(error)}); give another.") from None
