# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames that name entries of a knowledge base in a running flowgraph: agreed over the feedback, counted, given up."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.blocks.semantic_decoder import semantic_decoder
from sdr_sc.blocks.semantic_encoder import semantic_encoder
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.errors import BlockError, KnowledgeError
from sdr_sc.flowgraph.loopback import MULTITASK_LOOPBACK, Accounting, run_loopback
from sdr_sc.link.frames.entry_frames import EntryFrames
from sdr_sc.link.network.pdu_schema import BASE
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.both_ends.tag import BaseTag
from sdr_sc.semantic.knowledge.features import FeatureMaker
from sdr_sc.semantic.knowledge.items import DatasetEntries

MODEL, EMOJI, DEADLINE_S = "multitask_student", "wordnet+noto_emoji+easy_vqa,only=noto_emoji", 300.0
ITEMS, EACH = 120, 12
FRAMES = ITEMS // EACH
SETTINGS: dict[str, Any] = {
    "model": MODEL,
    "data_set": EMOJI,
    "items": ITEMS,
    "items_per_frame": EACH,
    "snr_db": 12.0,
    "feedback_timeout_s": 20.0,
    "tasks": "retrieval",
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the pictures that are sent."""
    path = tmp_path_factory.mktemp("bases") / "emoji.kb"
    maker, data = FeatureMaker(MODEL), load_dataset(EMOJI, "test")
    KnowledgeBase.create(path, maker.space, DatasetEntries(data, maker))
    return path


def over_the_loopback(prepare: Any = lambda tb: None, **settings: Any) -> tuple[Any, Accounting]:
    seen: list[Any] = []

    def keep(tb: Any) -> None:
        seen.append(tb)
        prepare(tb)

    accounting = run_loopback(DEADLINE_S, prepare=keep, flowgraph=MULTITASK_LOOPBACK, **{**SETTINGS, **settings})
    accounting.raise_if_faulty()
    assert accounting.items_sent == ITEMS and not accounting.answers_unknown
    return seen[0], accounting


def test_known_items_are_sent_by_their_entries_once_the_base_is_announced(base: Path) -> None:
    payloads: list[int] = []

    def watch(tb: Any) -> None:
        handle = tb.transmitter.handle_frame

        def seen(message: Any) -> None:
            payloads.append(len(read_pdu(message, "frames")[1]))
            handle(message)

        tb.transmitter.handle_frame = seen

    tb, accounting = over_the_loopback(watch, knowledge_base=str(base))
    counts, read = tb.encoder.sender.counts(), tb.decoder.refinement_counts
    assert counts["frames_indexed"] >= FRAMES - 3 and counts["frames_indexed"] == read["frames_indexed_read"]
    assert not read["frames_indexed_unread"] and not counts["base_announcements_refused"]
    assert counts["base_items"]["entry"] == EACH * counts["frames_indexed"]
    assert accounting.items_answered == ITEMS and accounting.items_lost == 0
    few = [one for one in payloads if 0 < one < 8 * EACH]
    assert len(few) == counts["frames_indexed"] and max(payloads) >= 16 * EACH
    plain, alone = over_the_loopback()
    assert plain.encoder.sender.entries is None
    assert abs(accounting.items_correct - alone.items_correct) <= 12
    listed = [one.tasks["retrieval"]["items_listed"] for one in (accounting, alone)]
    assert abs(listed[0] - listed[1]) <= 12 and min(listed) > 25


def test_a_decoder_without_the_base_is_sent_features(base: Path) -> None:
    def only_encoder(tb: Any) -> None:
        tb.decoder.models._base, tb.decoder.models.entries = "", None

    tb, accounting = over_the_loopback(only_encoder, knowledge_base=str(base))
    assert tb.encoder.sender.counts()["base_frames"] == {"no base announced": FRAMES}
    assert accounting.items_answered == ITEMS


def test_a_decoder_with_another_version_is_sent_features(base: Path, tmp_path: Path) -> None:
    other = tmp_path / "later.kb"
    other.write_bytes(base.read_bytes())
    with KnowledgeBase(other) as later:
        later.change(delete=[later.entry(1).key])

    def update(tb: Any) -> None:
        tb.decoder.models.entries = EntryFrames(other, tb.decoder.contract)

    tb, accounting = over_the_loopback(update, knowledge_base=str(base))
    states = tb.encoder.sender.counts()["base_frames"]
    assert states["other version"] >= FRAMES - 3 and set(states) <= {"other version", "no base announced"}
    assert accounting.items_answered == ITEMS and tb.encoder.sender.counts()["frames_indexed"] == 0


def test_frames_are_lost_and_counted_where_an_announcement_is_not_true(base: Path, tmp_path: Path) -> None:
    """A receiver, or somebody else, announces the transmitter's base without holding it."""
    other = tmp_path / "later.kb"
    other.write_bytes(base.read_bytes())
    with KnowledgeBase(base) as first:
        tag = BaseTag.of_state(first.state)
    with KnowledgeBase(other) as later:
        later.change(delete=[later.entry(1).key])

    def lie(tb: Any) -> None:
        tb.decoder.models.entries = EntryFrames(other, tb.decoder.contract)
        handle = tb.encoder.handle_snr

        def changed(message: Any) -> None:
            meta, data = read_pdu(message, "snr")
            if BASE in meta:
                meta = {**meta, BASE: np.frombuffer(tag.to_bytes(), np.uint8)}
            handle(make_pdu(dict(meta), data))

        tb.encoder.handle_snr = changed

    tb, accounting = over_the_loopback(lie, knowledge_base=str(base))
    unread = Counter(tb.decoder.refinement_counts["frames_indexed_unread"])
    assert unread.total() == tb.encoder.sender.counts()["frames_indexed"] > 0
    assert set(unread) <= {"other base", "check"} and accounting.items_lost == EACH * unread.total()
    assert accounting.items_answered == ITEMS - accounting.items_lost


def test_a_selective_channel_and_little_signal_lose_nothing_silently(base: Path) -> None:
    tb, accounting = over_the_loopback(
        knowledge_base=str(base), snr_db=3.0, channel_models="multipath(taps=[0.8, 0, 0, 0, 0.5j])"
    )
    read = tb.decoder.refinement_counts
    settled = read["frames_indexed_read"] + sum(read["frames_indexed_unread"].values())
    assert settled > 0 and accounting.items_answered + accounting.items_lost == ITEMS
    assert accounting.items_lost >= EACH * sum(read["frames_indexed_unread"].values())


def test_bad_parameters_end_with_a_sentence(base: Path, tmp_path: Path) -> None:
    for block in (semantic_encoder, semantic_decoder):
        with pytest.raises(BlockError, match="text in quotes"):
            block(MODEL, knowledge_base=7)
        with pytest.raises(BlockError, match="leave one of them out"):
            block("fashion_mnist_student", refine="confidence", knowledge_base=str(base))
        with pytest.raises(KnowledgeError, match=r"nowhere\.kb"):
            block(MODEL, knowledge_base=str(tmp_path / "nowhere.kb")).load()
        with pytest.raises(KnowledgeError, match="model"):
            block("wordnet_student", knowledge_base=str(base)).load()
    with pytest.raises(BlockError, match="one model"):
        semantic_decoder(f"{MODEL},wordnet_student", knowledge_base=str(base))
