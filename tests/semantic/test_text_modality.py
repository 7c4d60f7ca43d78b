# SPDX-License-Identifier: GPL-3.0-or-later
"""What networks see of texts, how texts are shown, and the tasks beside classification."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdr_sc.data.ragged import LONGEST
from sdr_sc.data.texts import text_items
from sdr_sc.errors import ContractError
from sdr_sc.semantic.modalities.base import display_of, modality_of
from sdr_sc.semantic.modalities.text_tokens import PIECE_BYTES, TokenSizes, token_numbers
from sdr_sc.semantic.specs import ModalitySpec, TaskSpec
from sdr_sc.semantic.tasks.base import task_by_wire_id, task_of
from sdr_sc.semantic.tasks.retrieval import recall

SIZES = TokenSizes(words=6, word_rows=1 << 15, piece_rows=1 << 13, pieces=8)


def slots(*texts: str | bytes, longest: int = 64) -> np.ndarray:
    return text_items(texts, longest).batch.slots(longest)


def numbers(*texts: str) -> np.ndarray:
    return token_numbers(slots(*texts), SIZES)


def test_equal_words_have_equal_numbers_wherever_they_stand() -> None:
    one, other, third = numbers("the dog sees THE cat", "dog", "...cat--dog!")
    assert one[0, 0] == one[3, 0] and one[1, 0] == other[0, 0] == third[1, 0] and one[4, 0] == third[0, 0]
    assert len({int(row[0]) for row in one[:5]}) == 4 and not one[5].any() and not other[1:].any()
    assert np.array_equal(one[1], other[0]), "pieces too"


def test_pieces_are_those_of_a_word_with_its_ends() -> None:
    """Written out with Python's slices: equal pieces have equal numbers, and different ones different numbers."""
    words = ["banana", "an", "ban", "a", "nan", "bananas"]
    known: dict[tuple[int, str], int] = {}
    for word, row in zip(words, numbers(" ".join(words))[0], strict=True):
        marked = f"<{word}>"
        for place, width in enumerate(PIECE_BYTES):
            pieces = [marked[at : at + width] for at in range(len(marked) - width + 1)][: SIZES.pieces]
            found = row[1 + place * SIZES.pieces : 1 + (place + 1) * SIZES.pieces]
            assert np.count_nonzero(found) == len(pieces)
            for piece, number in zip(pieces, found, strict=False):
                assert known.setdefault((width, piece), int(number)) == number
    assert len(set(known.values())) >= len(known) - 1, "hashes meet at times"


def test_numbers_are_spread_over_their_rows() -> None:
    words = [f"word{number}" for number in range(6000)]
    found = token_numbers(slots(*words), SIZES)[:, 0, 0]
    counts = np.bincount(found, minlength=SIZES.word_rows)
    assert counts[0] == 0 and counts.max() < 7
    expected = 6000 - 6000**2 / 2 / SIZES.word_rows
    assert abs(np.count_nonzero(counts) - expected) < 0.02 * 6000


def test_only_the_first_words_count_and_none_is_zero() -> None:
    long, empty = numbers("a b c d e f g h", "")
    assert long[:, 0].all() and not empty.any() and long.shape == (6, 25)
    assert np.array_equal(long, numbers("a b c d e f")[0])


def test_other_scripts_and_emoji_are_words() -> None:
    found = numbers("\u05e9\u05dc\u05d5\u05dd \U0001f600 caf\u00e9 \U0001f600")[0]
    assert np.count_nonzero(found[:, 0]) == 4 and found[1, 0] == found[3, 0]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(min_size=66, max_size=66), min_size=1, max_size=5))
def test_any_slot_has_numbers_in_their_ranges(raw: list[bytes]) -> None:
    found = token_numbers(np.frombuffer(b"".join(raw), np.uint8).reshape(-1, 66), SIZES)
    assert found.shape == (len(raw), 6, 25) and found.min() >= 0
    assert found[:, :, 0].max() < SIZES.word_rows and found[:, :, 1:].max(initial=0) < SIZES.piece_rows
    for words in found[:, :, 0]:
        assert all(after == 0 or before for before, after in pairwise(words)), "words come first"


def spec(longest: int = 64, **parameters: object) -> ModalitySpec:
    return ModalitySpec("text", (2 + longest,), parameters)


def test_what_networks_see_of_words_and_of_bytes() -> None:
    items = slots("dog", "")
    words = modality_of(spec(words=6, pieces=8))
    seen = words.network_input(items)
    assert seen.dtype == np.float32 and np.array_equal(seen, token_numbers(items, SIZES))
    assert torch.equal(words.training_input(torch.from_numpy(items)), torch.from_numpy(seen))
    plain = modality_of(spec(words=0)).network_input(slots("do\u00e9", ""))
    assert plain.dtype == np.float32 and plain.shape == (2, 64) and not plain[1].any()
    assert plain[0, :5].tolist() == [101, 112, 196, 170, 0]
    default = modality_of(spec())
    assert default.refusal() == "" and default.network_input(items).shape == (2, 28, 31)
    assert type(default).parameters_of(items) == TokenSizes()._asdict()


@pytest.mark.parametrize("parameters, words", [
    ({"words": -1}, "words of -1"), ({"words": 1.5}, "words of 1.5"), ({"words": "many"}, "words of nan"),
    ({"words": 10**9}, "words of 1000000000"), ({"word_rows": 1}, "word_rows of 1"),
    ({"pieces": True}, "pieces of nan"), ({"piece_rows": float("inf")}, "piece_rows of inf"),
    ({"piece_rows": 1 << 21}, "from 2 to 1048576"),
])  # fmt: skip
def test_parameters_that_make_no_sense_are_refused(parameters: dict, words: str) -> None:
    assert words in modality_of(spec(**parameters)).refusal()


@pytest.mark.parametrize("shape", [(2,), (2 + LONGEST + 1,), (28, 28)])
def test_a_shape_that_is_no_slot_is_refused(shape: tuple[int, ...]) -> None:
    assert f"items of shape {list(shape)}" in modality_of(ModalitySpec("text", shape)).refusal()


@pytest.mark.parametrize("text, shown", [
    ("a dog", "a dog"), ("", ""), ("\u202edog", "\\u202edog"), ("\u05e9\u05dc", "\u05e9\u05dc"),
    ("x" * 300, "x" * 100 + "\u2026" + "x" * 99),
])  # fmt: skip
def test_how_a_text_is_shown(text: str, shown: str) -> None:
    modality = display_of("text")
    assert modality.text(slots(text, longest=400)[0]) == shown and modality.thumbnail(slots(text)[0]) is None


def test_a_slot_that_is_none_is_shown_as_bytes() -> None:
    assert display_of("text").text(np.full(6, 255, np.uint8)) == "6 bytes: ff ff ff ff ff ff"


@pytest.mark.parametrize("name, wire_id", [("classification", 0), ("subgroup", 1), ("retrieval", 2), ("question", 3)])
def test_tasks_by_name_and_on_the_wire(name: str, wire_id: int) -> None:
    task = task_of(name)
    assert task.wire_id == wire_id and task_by_wire_id(wire_id) is task
    spec = TaskSpec(name, ("a", "b", "c"))
    answer = task.answer(np.array([[0.0, 3.0, 1.0], [np.nan] * 3], np.float32), spec, 2)
    assert answer.ids.tolist() == [[1, 2], [-1, -1]] and answer.confidence[1] == 0
    assert task.score(answer.best, np.array([1, 1])).tolist() == [1, 0] and task.outputs(spec) == 3


def test_recall_counts_the_first_answers() -> None:
    ids, targets = np.array([[3, 1, 0], [2, 0, 1], [-1, -1, -1]]), np.array([1, 1, 1])
    assert [recall(ids, targets, first).tolist() for first in (1, 2, 3)] == [
        [False, False, False], [True, False, False], [True, True, False]
    ]  # fmt: skip
    for first in (0, 4):
        with pytest.raises(ValueError, match=f"R@{first} of 3 answers"):
            recall(ids, targets, first)


def test_an_unknown_task_is_refused_with_the_known_ones() -> None:
    known = "classification, keywords, question, reconstruction, retrieval, subgroup"
    with pytest.raises(ContractError, match=f"knows .*{known}"):
        task_of("smell")
