# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts as items: what is cleaned, where they are cut, and what counts as the same."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from sdr_sc.data.ragged import LONGEST, ItemBatch
from sdr_sc.data.splits import Groups, alike, normalised, part_of, perceptual_hashes
from sdr_sc.data.texts import (
    LARGEST_INPUT,
    Texts,
    clean_text,
    cut_text,
    is_plain_utf8,
    other_encoding,
    text_items,
    text_of,
)  # fmt: skip
from sdr_sc.errors import DataSetError

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
HEBREW = "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd"


def one(text: str | bytes, longest: int = 256) -> tuple[str, int]:
    found = text_items([text], longest)
    return text_of(found.batch.slots(longest)[0]), int(found.cut[0])


@pytest.mark.parametrize("text, wanted", [
    ("", ""), (b"", ""), ("   \t\n ", ""), ("a\0b", "a b"), ("a\r\n\u2028b\u00a0 c", "a b c"), (b"a\xffb", "a\ufffdb"),
    ("a\ud800b", "a\ufffdb"), (b"\xe2\x82", "\ufffd"), (HEBREW, HEBREW), (FAMILY, FAMILY), ("\x1b[2J", "[2J"),
    ("na\u00efve", "na\u00efve"), (HEBREW.encode(), HEBREW), ("\u202eabc", "\u202eabc"),
])  # fmt: skip
def test_what_a_text_becomes(text: str | bytes, wanted: str) -> None:
    assert one(text) == (wanted, 0)


@pytest.mark.parametrize("text, longest, kept, lost", [
    ("1234567890", 10, "1234567890", 0),
    ("1234567890", 9, "123456789", 1),
    ("\u00e9\u00e9\u00e9", 5, "\u00e9\u00e9", 1),
    ("ae\u0301x", 2, "a", 3),  # not between a letter and its accent
    ("ae\u0301x", 4, "ae\u0301", 1),
    ("\U0001f44b\U0001f3fd!", 5, "", 3),  # nor between a hand and its skin tone
    ("a" + FAMILY, 12, "a", 5),
    (HEBREW, 5, "\u05e9\u05dc", 7),
    ("a" + 300 * "\u0301", 181, "a" + 90 * "\u0301", 210),  # more marks than any character has
    ("x" * 10_000, 256, "x" * 256, 9744),
    ("\U0001f600" * 10_000, 256, "\U0001f600" * 64, 9936),
])  # fmt: skip
def test_where_a_text_is_cut_and_what_that_costs(text: str, longest: int, kept: str, lost: int) -> None:
    assert one(text, longest) == (kept, lost)


def test_a_text_beyond_all_bounds_is_cut_before_it_is_cleaned() -> None:
    assert one("x" * (LARGEST_INPUT + 1000)) == ("x" * 256, LARGEST_INPUT + 1000 - 256)


@pytest.mark.parametrize("encoding, name", [
    ("utf-16", "UTF-16"), ("utf-32", "UTF-32"), ("utf-8-sig", ""), ("utf-8", ""), ("latin-1", ""), ("utf-16-le", ""),
])  # fmt: skip
def test_texts_of_other_encodings_are_known(encoding: str, name: str) -> None:
    raw = "caf\u00e9".encode(encoding)
    assert other_encoding(raw) == name
    assert is_plain_utf8(raw) == encoding.startswith("utf-8")


def test_a_character_at_the_bound_of_a_text_is_no_fault() -> None:
    assert is_plain_utf8(b"x" * (LARGEST_INPUT - 1) + "\u00e9".encode())
    assert not is_plain_utf8(b"x" * (LARGEST_INPUT - 2) + b"\xe9x") and not is_plain_utf8(b"x\xc3")


@pytest.mark.parametrize("longest", [0, -1, LONGEST + 1])
def test_a_limit_that_no_slot_has_is_refused(longest: int) -> None:
    with pytest.raises(DataSetError, match=f"texts cannot be cut to {longest} bytes; give 1 to {LONGEST}"):
        text_items(["a"], longest)


@settings(max_examples=200, deadline=None)
@given(st.text() | st.binary(), st.integers(1, 40))
def test_any_text_becomes_an_item_that_is_utf_8(text: str | bytes, longest: int) -> None:
    found = text_items([text], longest)
    (item,) = found.batch
    plain = bytes(item).decode("utf-8")
    assert len(item) <= longest and not any(unicodedata.category(each) in ("Cc", "Cs") for each in plain)
    whole = clean_text(text)
    assert whole.startswith(plain) and len(plain) + found.cut[0] == len(whole)
    assert clean_text(whole) == whole and cut_text(whole, longest)[0] == bytes(item)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=9), st.data())
def test_many_texts_in_two_arrays(texts: list[str], data: st.DataObject) -> None:
    kept = Texts.of(texts)
    assert list(kept) == texts and len(kept) == len(texts) and kept[-1] == texts[-1] and kept[1:3] == texts[1:3]
    chosen = np.array(data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=9)), np.int64)
    slots = kept.slots(chosen, 80)
    assert slots.shape == (len(chosen), 82)
    assert [bytes(item).decode() for item in ItemBatch.from_slots(slots)] == [texts[place] for place in chosen]
    with pytest.raises(IndexError):
        kept[len(texts)]


def test_texts_that_do_not_fit_a_slot_are_refused() -> None:
    with pytest.raises(DataSetError, match="items of up to 5 bytes do not fit slots of 4"):
        Texts.of(["12345"]).slots(np.array([0]), 4)
    assert list(Texts.of([])) == [] and Texts.of([]).slots(np.empty(0, np.int64), 4).shape == (0, 6)


@pytest.mark.parametrize("texts, same", [
    (("A dog, the big one.", "dog -- big ONE"), True),
    (("caf\u00e9", "cafe\u0301"), True),
    (("a town in Texas", "a town in Taxes"), False),
    (("the", "a"), False),
    (("!", "?"), False),
    (("\U0001f600", "\U0001f603"), False),
    (("x 1", "x 2"), False),
])  # fmt: skip
def test_texts_that_say_the_same(texts: tuple[str, str], same: bool) -> None:
    assert (normalised(texts[0]) == normalised(texts[1])) is same


PARTS = ["train", "train", "test", "test"]
"""Of four words; the numbers of CRC-32 are everywhere the same."""


def test_parts_have_their_shares_and_never_change() -> None:
    parts = [part_of(f"word {number}") for number in range(20_000)]
    assert [round(parts.count(one) / 200) for one in ("train", "validation", "test")] == [90, 5, 5]
    assert [part_of(word) for word in ("dog", "\u00e9", "cat 5", "cat 13")] == PARTS
    assert part_of("a", 0, 100) == "validation" and part_of("a", 100, 0) == "train" and part_of("a", 0, 0) == "test"


def test_groups_join_through_others() -> None:
    groups = Groups(6)
    groups.join_alike(["x", None, "y", "x", None, "y"])
    groups.join(3, 2)
    assert groups.roots().tolist() == [0, 1, 0, 0, 4, 0]


def test_pictures_that_are_nearly_the_same_are_found() -> None:
    rng = np.random.default_rng(1)
    pictures = 128 + 900 * gaussian_filter(rng.standard_normal((20, 32, 32, 3)), (0, 3, 3, 0))
    pictures[7] = pictures[3] + rng.normal(0, 4, pictures[3].shape)
    pictures[11] = pictures[5][..., ::-1]  # the same shapes in other colours
    hashes = perceptual_hashes(pictures.mean(axis=3))
    assert hashes.shape == (20, 64) and hashes.sum(axis=1).tolist() == [32] * 20
    looks = pictures.reshape(20, -1)
    assert alike(hashes, looks, 6, 12.0).tolist() == [[3, 7]]
    assert alike(hashes, looks, 6, 1000.0).tolist() == [[3, 7], [5, 11]]
    assert alike(hashes[:1], looks[:1], 64, 1e9).tolist() == []
    with pytest.raises(ValueError, match="32 x 32"):
        perceptual_hashes(pictures[:, :16].mean(axis=3))
