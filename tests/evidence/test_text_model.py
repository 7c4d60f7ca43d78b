# SPDX-License-Identifier: GPL-3.0-or-later
"""Code lengths of texts, and the network that reads quantised vectors."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np

from sdr_sc.evidence.multitask.rivals import learned_reader
from sdr_sc.evidence.multitask.text_model import TextModel

TEXTS = ["a small dog", "a small cat", "the dog", "", "naïve", "a cat sees a dog"]


def by_hand(train: list[str], text: str, order: int) -> float:
    """The same from dictionaries, byte by byte."""
    counts: dict[bytes, Counter] = defaultdict(Counter)
    for one in train:
        raw = b"\0" + one.encode() + b"\0"
        for place in range(1, len(raw)):
            for length in range(order + 1):
                counts[bytes([length]) + raw[max(0, place - length) : place]][raw[place]] += 1
    raw, bits = b"\0" + text.encode() + b"\0", 0.0
    for place in range(1, len(raw)):
        chance = 1 / 256
        for length in range(order + 1):
            seen = counts[bytes([length]) + raw[max(0, place - length) : place]]
            if seen:
                chance = (seen[raw[place]] + len(seen) * chance) / (sum(seen.values()) + len(seen))
        bits -= math.log2(chance)
    return bits


def test_code_lengths_are_those_of_witten_and_bell() -> None:
    for order in (0, 1, 3):
        found = TextModel(TEXTS, order).bits(["a dog", "", "xyz", "naïve dog"])
        assert np.allclose(found, [by_hand(TEXTS, text, order) for text in ("a dog", "", "xyz", "naïve dog")])


def test_known_texts_cost_little_and_strange_ones_much() -> None:
    model = TextModel(TEXTS, 2)
    assert model.bits(["a small dog"])[0] < 25 < 40 < model.bits(["quixotic"])[0]


def test_a_reader_learns_what_the_quantiser_lost() -> None:
    rng = np.random.default_rng(1)
    wanted = rng.normal(size=(3000, 8)).astype(np.float32)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    quantised = np.round(2 * wanted @ rng.normal(size=(8, 8))).astype(np.float32)
    read = learned_reader(quantised[:2500], wanted[:2500], 1)(quantised[2500:])
    read /= np.linalg.norm(read, axis=1, keepdims=True)
    cosine = (read * wanted[2500:]).sum(axis=1).mean()
    plain = quantised[2500:] / np.maximum(np.linalg.norm(quantised[2500:], axis=1, keepdims=True), 1e-9)
    assert cosine > 0.9 > (plain * wanted[2500:]).sum(axis=1).mean()
