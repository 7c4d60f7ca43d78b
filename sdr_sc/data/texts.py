# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts as items: cleaned, cut to a limit, and laid into slots (`sdr_sc.data.ragged`).

* A text is UTF-8. Bytes that are none, and surrogates, become U+FFFD, one for each fault.
* NUL, other control characters, line ends and spaces of any kind become one space, at the ends none.
* Everything else stays as it is and in its logical order, emoji and right to left writing too.
* What is longer than the limit is cut after a whole character: not within one of several code points, such as a letter
  with its accents or an emoji with its skin tone. What was cut is counted.
* An empty text is an item of no bytes.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sdr_sc.data.ragged import LONGEST, ItemBatch
from sdr_sc.errors import DataSetError

LONGEST_TEXT = 256
"""Bytes of a text, UTF-8, unless a data set or a model says otherwise."""
LARGEST_INPUT = 1 << 20
"""Characters of a text that are looked at; what follows is cut with the rest."""
_MOST_MARKS = 64
_JOINER = "\u200d"
_OTHER_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF32_BE, "UTF-32"),  # before UTF-16, whose mark begins the first
    (codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"),
)  # fmt: skip


@dataclass(frozen=True)
class TextItems:
    """Texts as items.

    Attributes:
        batch: their bytes.
        cut: int32 (n,), characters (code points) that each lost at its end.
    """

    batch: ItemBatch
    cut: np.ndarray


def text_items(texts: Iterable[str | bytes], longest: int = LONGEST_TEXT) -> TextItems:
    """Texts as items of at most ``longest`` bytes.

    Raises:
        DataSetError: the limit is none that a slot can have.

    >>> found = text_items(["a  b\\0c", b"\\xff!", "", "1234567890"], 8)
    >>> [bytes(item) for item in found.batch], found.cut.tolist()
    ([b'a b c', b'\\xef\\xbf\\xbd!', b'', b'12345678'], [0, 0, 0, 2])
    """
    if not 1 <= longest <= LONGEST:
        raise DataSetError(f"texts cannot be cut to {longest} bytes; give 1 to {LONGEST}.")
    items, lost = [], []
    for text in texts:
        item, cut = cut_text(clean_text(text), longest)
        items.append(item)
        lost.append(cut + max(0, len(text) - LARGEST_INPUT))
    return TextItems(ItemBatch.of(items), np.array(lost, np.int32))


def other_encoding(head: bytes) -> str:
    """Which encoding a text is in by the byte order mark that it begins with; '' without one, and for UTF-8.

    >>> other_encoding("a".encode("utf-16")), other_encoding(b"a"), other_encoding("a".encode("utf-8-sig"))
    ('UTF-16', '', '')
    """
    return next((name for mark, name in _OTHER_MARKS if head.startswith(mark)), "")


def is_plain_utf8(text: bytes) -> bool:
    """Whether bytes are UTF-8 without a NUL; those of a text in another encoding, or of no text, mostly are not.

    >>> is_plain_utf8("\u00e9".encode()), is_plain_utf8("\u00e9".encode("latin-1")), is_plain_utf8(bytes((97, 0)))
    (True, False, False)
    """
    try:  # of a text beyond all bounds the last character may be cut
        codecs.getincrementaldecoder("utf-8")().decode(text[:LARGEST_INPUT], len(text) < LARGEST_INPUT)
    except UnicodeDecodeError:
        return False
    return b"\0" not in text


def clean_text(text: str | bytes) -> str:
    """A text without what no text has, see above; of a text beyond `LARGEST_INPUT` its beginning."""
    text = text[:LARGEST_INPUT]
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    if not (plain.isascii() and plain.isprintable()):
        plain = "".join(map(_plain, plain))
    return " ".join(plain.split())


def _plain(one: str) -> str:
    category = unicodedata.category(one)
    if category == "Cs":
        return "\ufffd"
    return " " if category in ("Cc", "Zl", "Zp") else one


def cut_text(text: str, longest: int) -> tuple[bytes, int]:
    """A clean text's UTF-8 in at most so many bytes, and how many characters that costs.

    >>> cut_text("nai\\u0308ve", 4), cut_text("\\u00e9t\\u00e9", 3)
    ((b'na', 4), (b'\\xc3\\xa9t', 1))
    """
    raw = text.encode("utf-8", "replace")
    if len(raw) <= longest:
        return raw, 0
    kept = len(raw[:longest].decode("utf-8", "ignore"))
    whole = kept
    while whole and kept - whole < _MOST_MARKS and (_continues(text[whole]) or text[whole - 1] == _JOINER):
        whole -= 1
    kept = whole if kept - whole < _MOST_MARKS else kept
    return text[:kept].encode("utf-8", "replace"), len(text) - kept


def _continues(one: str) -> bool:
    """Whether a code point belongs to the character before it."""
    return one == _JOINER or unicodedata.category(one) in ("Mn", "Me", "Mc") or "\U0001f3fb" <= one <= "\U0001f3ff"


def text_of(slot: np.ndarray) -> str:
    """The text in a slot, uint8 (`HEAD_BYTES` + longest,); of bytes that are no UTF-8, U+FFFD.

    >>> text_of(text_items(["yes"]).batch.slots(4)[0])
    'yes'
    """
    (item,) = ItemBatch.from_slots(slot)
    return bytes(item).decode("utf-8", "replace")


class Texts(Sequence[str]):
    """Many texts in two arrays, decoded where they are asked for.

    Args:
        data: uint8, the texts' UTF-8 one after the other.
        ends: int64 (n,), where each ends.
    """

    def __init__(self, data: np.ndarray, ends: np.ndarray) -> None:
        self.data, self.ends = data, ends

    @classmethod
    def of(cls, texts: Iterable[str]) -> Texts:
        """From texts as they are."""
        parts = [text.encode("utf-8", "replace") for text in texts]
        ends = np.cumsum([len(part) for part in parts], dtype=np.int64) if parts else np.empty(0, np.int64)
        return cls(np.frombuffer(b"".join(parts), np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, place):  # type: ignore[no-untyped-def, override]
        if isinstance(place, slice):
            return [self._raw(one).decode() for one in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return self._raw(int(place) % len(self)).decode()

    def __iter__(self) -> Iterator[str]:
        raw, begin = self.data.tobytes(), 0
        for end in self.ends.tolist():
            yield raw[begin:end].decode()
            begin = end

    def slots(self, index: np.ndarray, longest: int) -> np.ndarray:
        """Texts by place, in slots: uint8 (n, `HEAD_BYTES` + longest).

        Raises:
            DataSetError: one is longer than that.
        """
        index = np.asarray(index, np.int64)
        begins = np.where(index > 0, self.ends[index - 1], 0) if len(index) else index
        lengths = self.ends[index] - begins
        first = np.cumsum(lengths) - lengths
        places = np.repeat(begins - first, lengths) + np.arange(int(lengths.sum()))
        return ItemBatch(np.asarray(self.data[places]), lengths.astype(np.int32)).slots(longest)

    def _raw(self, place: int) -> bytes:
        return self.data[self.ends[place - 1] if place else 0 : self.ends[place]].tobytes()
