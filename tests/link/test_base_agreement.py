# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames name entries only while the receiver is known to hold the same base: through losses, updates and restarts."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.errors import BlockError
from sdr_sc.link.adaptation import STALE_TIMEOUTS, LinkAdaptation
from sdr_sc.link.base_agreement import (
    MOST_FRAMES,
    Agreement,
    BaseAgreement,
    announcement,
    read_announcement,
)
from sdr_sc.link.entry_sender import EntrySender
from sdr_sc.link.frame_sender import FrameSender
from sdr_sc.link.frames.decodable import refusal
from sdr_sc.link.in_flight import InFlight
from sdr_sc.link.network.pdu_schema import BASE, INDEXED, SCHEMAS
from sdr_sc.link.network.pdu_wire import Refusal, write_pdu
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO
from sdr_sc.phy.frame.indexed import Indexed
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.semantic.knowledge.both_ends.entries import SharedEntries
from sdr_sc.semantic.knowledge.both_ends.payload import Unread, read_payload
from sdr_sc.semantic.knowledge.both_ends.tag import BaseTag
from sdr_sc.semantic.weights import read_contract

CONTRACT = read_contract("multitask_student", "encoder")
TIMEOUT_S = 0.25
TAG = BaseTag("0123456789abcdef", 3, "ab" * 32)
NEWER = BaseTag("0123456789abcdef", 4, "cd" * 32)
OTHERS = {
    Agreement.OTHER_BASE: BaseTag("f" * 16, 3, "ab" * 32),
    Agreement.OTHER_VERSION: NEWER,
    Agreement.OTHER_CONTENT: BaseTag("0123456789abcdef", 3, "cd" * 32),
}


def vectors(seed: int, count: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 2 * CONTRACT.k_max)).astype(np.float32)


def shared(tag: BaseTag = TAG) -> SharedEntries:
    """A newer version has further entries."""
    parts = [vectors(version) for version in range(TAG.version, tag.version + 1)]
    return SharedEntries.of_vectors(np.concatenate(parts), tag, 10.0)


class Ends:
    """A transmitter with a base, and a receiver with its own, which feeds back what it is said to."""

    def __init__(self, own: SharedEntries | None = None) -> None:
        entries = EntrySender(CONTRACT, own or shared(), ("retrieval",), 0.5, TIMEOUT_S)
        adaptation = LinkAdaptation(CONTRACT)
        in_flight = InFlight(1, TIMEOUT_S, FRAME_NUM_MODULO)
        self.sender = FrameSender(CONTRACT, adaptation, in_flight, 0, entries=entries)
        self.entries, self.now = entries, 0.0
        self.items = np.repeat(shared().symbols[:1], 20, axis=0)

    def frame(self) -> tuple[dict, np.ndarray]:
        """The next frame's PDU; its items are entries of the base itself."""
        assert self.sender.in_flight.may_send(self.now)
        setting, _ = self.sender.setting(self.now, len(self.items), None)
        made = self.sender.indexed(
            lambda snr_db: self.items, lambda chosen: self.items[chosen, : setting.k], setting, self.now
        )
        if made is None:
            symbols = self.items.view(np.float32)
            made = self.sender.frame(symbols, self.items[:, : setting.k], setting, self.now)
        self.now += 0.01
        return made

    def received(self, meta: dict, tag: BaseTag | None, read: bool | None = None) -> None:
        """The receiver got the frame: its SNR comes back, and with it the base that it holds."""
        self.sender.take({"snr_db": 10.0, "frame_num": meta["frame_num"]}, np.empty(0, np.float32), self.now)
        if tag is not None:
            self.sender.take(announcement(tag, meta["frame_num"], read), np.empty(0, np.uint8), self.now)
        self.now += 0.01


def test_frames_name_entries_once_the_receiver_has_announced_the_same_base() -> None:
    ends = Ends()
    first, features = ends.frame()
    assert INDEXED not in first and len(features) == first["k"] * 20
    ends.received(first, TAG)
    second, payload = ends.frame()
    indexed = Indexed(*second[INDEXED].tolist())
    assert len(payload) == indexed.payload_symbols < len(features) / 4 and second["n_items"] == 20
    found = read_payload(indexed, 20, payload, np.full(len(payload), 0.01, np.float32), shared(), CONTRACT.k_list)
    assert isinstance(found, tuple) and (found[1].entries == found[1].entries[0]).all()
    assert ends.entries.counts()["base_items"] == {"entry": 20, "residual": 0, "plain": 0}
    assert ends.sender.counts()["base_frames"] == {"no base announced": 1, "agreed": 1}
    assert ends.sender.items_sent == 40 and ends.sender.frames_sent == 2


@pytest.mark.parametrize("state", OTHERS)
def test_another_base_is_not_named(state: Agreement) -> None:
    ends = Ends()
    ends.received(ends.frame()[0], OTHERS[state])
    assert INDEXED not in ends.frame()[0]
    assert ends.entries.agreement.frames[state.value] == 1


def test_without_announcements_frames_are_sent_as_ever() -> None:
    ends = Ends()
    for _ in range(5):
        meta, _ = ends.frame()
        assert INDEXED not in meta
        ends.received(meta, None)
    assert ends.entries.agreement.frames == {Agreement.NOT_ANNOUNCED.value: 5}


def test_a_lost_frame_ends_the_agreement_until_the_next_announcement() -> None:
    ends = Ends()
    ends.received(ends.frame()[0], TAG)
    assert INDEXED in ends.frame()[0]
    ends.now += 2 * TIMEOUT_S  # no feedback for that one
    meta, _ = ends.frame()
    assert INDEXED not in meta and meta["mode"] == FrameMode.ROBUST
    assert ends.entries.agreement.frames[Agreement.STALE.value] == 1
    ends.received(meta, TAG)
    assert INDEXED in ends.frame()[0]


def test_a_lost_announcement_alone_is_bridged_for_some_frames_and_not_for_ever() -> None:
    ends = Ends()
    ends.received(ends.frame()[0], TAG)
    named = []
    for _ in range(MOST_FRAMES + 5):
        meta, _ = ends.frame()
        named.append(INDEXED in meta)
        ends.received(meta, None)  # the SNR arrives, the announcement does not: or the receiver has no base any more
    assert named == [True] * (MOST_FRAMES + 1) + [False] * 4


def test_an_announcement_grows_old() -> None:
    agreement = BaseAgreement(TAG, TIMEOUT_S)
    agreement.arrived(TAG, 0, 1.0, 0)
    assert agreement.state(1.0 + STALE_TIMEOUTS * TIMEOUT_S, 0, 0) is Agreement.AGREED
    assert agreement.state(1.1 + STALE_TIMEOUTS * TIMEOUT_S, 0, 0) is Agreement.STALE


def test_an_update_of_one_end_alone_ends_the_agreement_and_that_of_both_begins_it_again() -> None:
    ends = Ends()
    ends.received(ends.frame()[0], TAG)
    assert INDEXED in (meta := ends.frame()[0])
    ends.received(meta, TAG)
    ends.entries.set_entries(shared(NEWER))
    assert INDEXED not in (meta := ends.frame()[0])
    assert ends.entries.agreement.frames[Agreement.OTHER_VERSION.value] == 1
    ends.received(meta, NEWER)
    assert INDEXED in ends.frame()[0]
    ends.entries.set_entries(None)
    ends.now += 2 * TIMEOUT_S
    assert INDEXED not in ends.frame()[0]
    assert ends.entries.agreement.frames[Agreement.NO_BASE.value] == 1


def test_frames_under_way_to_a_receiver_that_was_updated_are_not_read_and_the_next_is_plain() -> None:
    ends = Ends()
    ends.received(ends.frame()[0], TAG)
    meta, payload = ends.frame()
    variance = np.full(len(payload), 0.01, np.float32)
    found = read_payload(Indexed(*meta[INDEXED].tolist()), 20, payload, variance, shared(NEWER), CONTRACT.k_list)
    assert found in (Unread.OTHER_BASE, Unread.CHECK)
    ends.received(meta, NEWER, read=False)
    assert INDEXED not in ends.frame()[0]


def test_a_receiver_that_restarts_says_what_it_holds_now() -> None:
    """An announcement that was overtaken by a later one does not bring the old base back."""
    agreement = BaseAgreement(TAG)
    agreement.arrived(NEWER, 7, 1.0, 0)
    agreement.arrived(TAG, 6, 1.1, 0)
    assert agreement.state(1.2, 0, 7) is Agreement.OTHER_VERSION
    agreement.arrived(TAG, 8, 1.3, 0)
    assert agreement.state(1.4, 0, 8) is Agreement.AGREED


def test_foreign_announcements_are_counted_and_change_nothing() -> None:
    ends = Ends()
    ends.received(ends.frame()[0], TAG)
    good = announcement(TAG, 0)
    assert read_announcement(good) == TAG
    for bad in (b"", b"x" * 48, bytes(48), good[BASE].astype(np.int32), good[BASE][None], good[BASE][:-1], 7, None):
        value = np.frombuffer(bad, np.uint8) if isinstance(bad, bytes) else bad
        ends.sender.take({BASE: value, "frame_num": 0}, np.empty(0, np.uint8), ends.now)
    for number in (4000, "0", None):
        ends.sender.take({BASE: good[BASE], "frame_num": number}, np.empty(0, np.uint8), ends.now)
    assert ends.entries.agreement.refused > 8 and INDEXED in ends.frame()[0]
    plain = FrameSender(CONTRACT, LinkAdaptation(CONTRACT), InFlight(1, TIMEOUT_S, FRAME_NUM_MODULO), 0)
    plain.take(good, np.empty(0, np.uint8), 0.0)
    assert plain.bases_ignored == 1


def test_codewords_that_are_not_read_get_a_larger_margin() -> None:
    ends = Ends()
    ends.received(ends.frame()[0], TAG)
    before = Indexed(*ends.frame()[0][INDEXED].tolist())
    for _ in range(4):
        ends.received({"frame_num": (ends.sender.frames_sent - 1) % FRAME_NUM_MODULO}, TAG, read=False)
        after, _ = ends.frame()
    assert Indexed(*after[INDEXED].tolist()).code_mode.bits_per_use < before.code_mode.bits_per_use


def test_an_announcement_crosses_the_network_and_nothing_like_it_does() -> None:
    schema = SCHEMAS["feedback"]
    meta, _ = schema.read(write_pdu(announcement(TAG, 9, True), np.empty(0, np.uint8)))
    assert read_announcement(meta) == TAG and meta["entries_read"] == 1
    good = announcement(TAG, 9)
    for bad in ({**good, "frame_num": 5000}, {**good, "entries_read": 2}, {**good, "snr_db": 1.0}, {BASE: good[BASE]},
                {**good, BASE: good[BASE][:-1]}):  # fmt: skip
        with pytest.raises(Refusal):
            schema.read(write_pdu(bad, np.empty(0, np.uint8)))


def received(**more: object) -> dict:
    meta = {"frame_num": 3, "n_items": 2, "k": 1, "model_id": CONTRACT.wire_id, "task": 0, "snr_db": 9.0}
    return {**meta, INDEXED: np.array([1, 30, 20, 12], np.int32), **more}


def test_a_frame_with_indices_needs_a_base_and_a_payload_of_its_length() -> None:
    contracts, data = {CONTRACT.wire_id: CONTRACT}, np.ones(192, np.complex64)
    assert refusal(received(), data, contracts, True) == ""
    assert "no base" in refusal(received(), data, contracts)
    assert "192 features" not in refusal(received(), data[1:], contracts, True) != ""
    assert "made for model" in refusal(received(model_id=1), data, contracts, True)
    for bad in (7, np.ones(4), np.ones(3, np.int32), np.array([1, 30, 20, 0], np.int32), np.full(4, -1, np.int32)):
        with pytest.raises(BlockError, match="none"):
            refusal(received(**{INDEXED: bad}), data, contracts, True)
