# SPDX-License-Identifier: GPL-3.0-or-later
"""The stranger's corpus of 'sdr-sc bench hostile'."""

from __future__ import annotations

import pytest

from sdr_sc.bench.hardening.hostile import _rate, _standstill
from sdr_sc.bench.hardening.hostile_load import Progress, Seen, corpus
from sdr_sc.bench.hardening.hostile_samples import samples_rows
from sdr_sc.link.network.pdu_schema import SCHEMAS, sent_schema
from sdr_sc.link.network.pdu_wire import Refusal
from sdr_sc.link.network.zmq_sockets import GREETING


def test_a_corpus_is_distinct_the_same_by_its_seed_and_never_right() -> None:
    raws = corpus(2000, seed=1)
    assert len(set(raws)) == len(raws) == 2000 and GREETING not in raws
    assert raws == corpus(2000, seed=1) and raws != corpus(2000, seed=2)
    for raw in raws:
        for schema in (SCHEMAS["feedback"], sent_schema(784)):
            with pytest.raises(Refusal):
                schema.read(raw)


def test_an_address_of_samples_is_tried_too() -> None:
    rows = samples_rows(2000, 1, lambda text: None)
    assert [row.ok for row in rows] == [True] * 3 and rows[0].value == 2000


def test_a_standstill_is_seen_at_either_end() -> None:
    frames = [0.1 * i for i in range(100)]
    greetings = [0.25 * i for i in range(41)]
    seen = Seen(frames, greetings)
    assert _rate(seen, 0.0, 10.0) == pytest.approx(10.0) and _standstill(seen, 0.0, 10.0) < 0.2
    assert _standstill(Seen(frames[:50], greetings), 0.0, 10.0) == pytest.approx(5.1)
    assert _standstill(Seen(frames, greetings[:20]), 0.0, 10.0) == pytest.approx(5.0)


def test_progress_is_said_now_and_then_with_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, said = 100.0, list[str]()
    monkeypatch.setattr("sdr_sc.bench.hardening.hostile_load.time.monotonic", lambda: now_s)
    progress = Progress("messages refused", 4000, said.append)
    for done, now_s in ((0, 115.0), (500, 105.0), (1000, 130.0), (1200, 131.0)):  # noqa: B007
        progress.at(done)
    assert said == ["1,000 of 4,000 messages refused after 30 s, about 1.5 min to go"]
