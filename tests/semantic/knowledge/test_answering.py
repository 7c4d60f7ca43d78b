# SPDX-License-Identifier: GPL-3.0-or-later
"""Bases in a receiver: what is answered, what switches them off, and what becomes of files that change meanwhile."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from knowledge_answering import CONTRACT, NEW, OWN, SPACE, K, cut, decoded, entry, make_base, make_rules

from sdr_sc.errors import ContractError, KnowledgeError
from sdr_sc.sealed import sealed
from sdr_sc.semantic.knowledge.answering import sources
from sdr_sc.semantic.knowledge.answering.answers import KnowledgeAnswers
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.fusion.posterior import Kernel
from sdr_sc.semantic.knowledge.fusion.rule import OFF, FusionRule
from sdr_sc.semantic.knowledge.local import LocalBase
from sdr_sc.semantic.knowledge.rules.book import Rules
from sdr_sc.semantic.weights import read_contract


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    base, rules = tmp_path / "base.kb", tmp_path / "base.rules"
    make_rules(rules, make_base(base))
    return base, rules


def opened(files: tuple[Path, Path], **more) -> KnowledgeAnswers:
    said: list[str] = []
    found = KnowledgeAnswers(CONTRACT, *files, log=said.append, **more)
    found.said = said
    return found


def test_what_the_base_alone_knows_is_answered_with_its_source(files):
    answering = opened(files)
    frame = decoded([100, 3, 101, 5], [2, 3, 7, -1], sure=1.0)
    found = answering.answers(frame)
    assert found.state == "used" and answering.counts == {"used": 4} and not answering.said
    assert found.names == (NEW[0], OWN[3], NEW[1], "")
    assert found.ids.tolist() == [10, 3, 11, -1] and found.decoder_ids.tolist() == [2, 3, 7, -1]
    assert [answering.names[number] for number in found.ids[:3]] == list(found.names[:3])
    first = answering.entry(int(found.entries[0, 0]))
    assert first.source == "test 100" and found.similarity[0, 0] > 0.9 > found.similarity[0, 1]
    assert found.shares[0, 0] > 0.9 and found.weight[0] > 0.9 and 0.9 < found.confidence[0] <= 1.0
    assert found.entries[3].tolist() == [-1] * 5 and found.weight[3] == found.confidence[3] == 0.0
    assert found.entries.dtype == np.int32 and found.ids.dtype == np.int32 and found.shares.dtype == np.float32


def test_a_base_of_one_entry_and_one_that_does_not_answer_the_task(tmp_path):
    one, rules = tmp_path / "one.kb", tmp_path / "one.rules"
    make_rules(rules, make_base(one, {100: "owl"}))
    found = opened((one, rules)).answers(decoded([100, 3], [2, 3], sure=1.0))
    assert found.names == ("owl", OWN[3]) and found.entries[:, 1:].tolist() == [[-1] * 4] * 2
    other = tmp_path / "other.kb"
    state = KnowledgeBase.create(other, SPACE, [replace(entry(1, "owl"), answers={"subgroup": "owl"})])
    make_rules(rules, state)
    found = opened((other, rules)).answers(decoded([1, 3], [2, 3], sure=1.0))
    assert found.names == (OWN[2], OWN[3]) and found.state == "used" and not found.weight.any()


def test_where_the_decoder_has_a_margin_the_base_has_no_say(files):
    found = opened(files).answers(decoded([100, 101], [2, 7], sure=6.0))
    assert found.ids.tolist() == [2, 7] and not found.weight.any() and not found.shares.any()


def test_answers_are_numbered_by_given_names_and_new_ones_keep_their_numbers(files):
    given = ("owl", "Bag", "nothing that anybody knows")
    found = opened(files, names=given)
    answers = found.answers(decoded([100, 3, 101], [2, 3, 7], sure=1.0))
    assert answers.names == ("owl", OWN[3], "saw") and answers.ids[0] == 0 and answers.ids[2] == len(found.names) - 1
    assert answers.decoder_ids[1] == answers.ids[1] == found.names.index(OWN[3])
    with KnowledgeBase(files[0]) as base:
        make_rules(files[1], base.change(add=[entry(102, "ant")]))
    again = found.answers(decoded([100, 102, 101], [2, 3, 7], sure=1.0))
    assert again.names == ("owl", "ant", "saw") and again.ids[[0, 2]].tolist() == answers.ids[[0, 2]].tolist()
    assert again.base_version == 2 and found.names[again.ids[1]] == "ant"


def test_a_base_changed_by_another_process_is_off_until_its_rules_are_made_again(files):
    answering = opened(files)
    frame = decoded([100, 102], [2, 3], sure=1.0)
    assert answering.answers(frame).names == ("owl", OWN[3])
    with KnowledgeBase(files[0]) as base:
        state = base.change(add=[entry(102, "ant")])
    off = answering.answers(frame)
    assert off.state == "other version" and off.ids.tolist() == [2, 3] and off.base_version == 2
    assert len(answering.said) == 1 and "version 1" in answering.said[0] and "sdr-sc kb fit" in answering.said[0]
    make_rules(files[1], state)
    on = answering.answers(frame)
    assert on.names == ("owl", "ant") and answering.counts == {"used": 4, "other version": 2}
    os.replace(files[0], files[0].with_suffix(".away"))
    assert answering.answers(frame).state == "damaged"
    make_base(files[0])
    assert answering.answers(frame).state == "rules of other base"
    os.replace(files[0].with_suffix(".away"), files[0])
    assert answering.answers(frame).names == ("owl", "ant")
    files[0].write_bytes(b"SQLite format 3\0" + bytes(5000))
    last = answering.answers(frame)
    assert last.state == "damaged" and np.array_equal(last.confidence, frame.confidence)


def test_while_others_write_the_base_answers_on_and_two_writers_are_two_versions(files):
    answering, frame = opened(files), decoded([100, 102], [2, 3], sure=1.0)
    with KnowledgeBase(files[0]) as one, KnowledgeBase(files[0]) as other:
        with one.store.writing():
            assert answering.answers(frame).state == "used"
        one.change(add=[entry(102, "ant")])
        with pytest.raises(KnowledgeError, match="changed to version 2 by another process"):
            other.change(add=[entry(103, "bee")])
        assert answering.answers(frame).state == "other version"
        make_rules(files[1], one.state)
    assert answering.answers(frame).names == ("owl", "ant")


def changed_state(base: Path) -> None:
    KnowledgeBase.create(base, replace(SPACE, model_id="0" * 16), [entry(1, "owl")])


def other_contract(base: Path) -> None:
    KnowledgeBase.create(base, replace(SPACE, contract_sha256="0" * 64), [entry(1, "owl")])


def emptied(base: Path) -> None:
    KnowledgeBase.create(base, SPACE, [])


def other_vectors(base: Path) -> None:
    KnowledgeBase.create(base, replace(SPACE, name="something else"), [entry(1, "owl")])


def torn(base: Path) -> None:
    base.write_bytes(base.read_bytes()[:-3000])


@pytest.mark.parametrize("change, state, words", [
    (changed_state, "other model", "is for model 0000000000000000"),
    (other_contract, "other contract", "build it again"),
    (emptied, "empty", "is empty"),
    (other_vectors, "other vectors", "something else"),
    (torn, "damaged", "get it again"),
])  # fmt: skip
def test_a_base_that_does_not_fit_is_off_and_the_decoder_answers(files, change, state, words):
    content = files[0].read_bytes()
    files[0].unlink()
    if change is torn:
        files[0].write_bytes(content)
    change(files[0])
    answering = opened(files)
    frame = decoded([100, 3, 5], [2, 3, -1], sure=1.0)
    found = answering.answers(frame)
    assert found.state == state and answering.counts == {state: 3}
    assert found.ids.tolist() == found.decoder_ids.tolist() == [2, 3, -1]
    assert np.array_equal(found.confidence, frame.confidence) and not found.weight.any()
    assert (found.entries == -1).all()
    assert len(answering.said) == 1 and words in answering.said[0] and answering.said[0].count("\n") == 0
    answering.answers(frame)
    assert len(answering.said) == 1


@pytest.mark.parametrize("changed, state", [
    ({"model_id": "0" * 16}, "rules of other model"),
    ({"contract_sha256": "0" * 64}, "rules of other model"),
    ({"base_id": "0" * 16}, "rules of other base"),
    ({"task": "subgroup"}, "rules of other base"),
    ({"version": 7}, "other version"),
    ({"checksum": "0" * 64}, "other version"),
])  # fmt: skip
def test_rules_that_are_for_something_else_switch_the_base_off(files, changed, state):
    with KnowledgeBase(files[0]) as base:
        make_rules(files[1], base.state, **changed)
    answering = opened(files)
    assert answering.answers(decoded([100], [2], sure=1.0)).state == state and "sdr-sc kb fit" in answering.said[0]


def test_a_signature_that_is_required(files, tmp_path):
    from sdr_sc.semantic.knowledge.storage.signatures import make_pair

    public, secret = make_pair(tmp_path / "me")
    answering = opened(files, require_signature=str(public))
    frame = decoded([100], [2], sure=1.0)
    assert answering.answers(frame).state == "not signed as required"
    with KnowledgeBase(files[0]) as base:
        base.sign(secret)
    assert answering.answers(frame).names == ("owl",)
    assert opened(files, require_signature=str(make_pair(tmp_path / "other")[0])).answers(frame).ids.tolist() == [2]


def test_a_large_base_without_its_index_library_is_off(files, monkeypatch):
    monkeypatch.setattr(sources, "EXACT_LIMIT", 5)
    answering = opened(files)
    assert answering.answers(decoded([100], [2], sure=1.0)).state == "no index" and "faiss" in answering.said[0]


def test_frames_that_no_rule_is_for_are_answered_by_the_decoder(files):
    answering = opened(files)
    assert answering.answers(cut(decoded([100], [2], sure=1.0), 4)).state == "no rule for this k"
    assert answering.answers(decoded([100], [2], sure=1.0, snr_db=-20.0)).state == "SNR below the rules"
    assert answering.answers(replace(decoded([100], [2]), snr_db=np.nan)).state == "SNR below the rules"
    assert answering.answers(decoded([100, 101], [-1, -1])).state == "lost frame"
    unsure = answering.answers(decoded([100], [2], sure=0.5, snr_db=-1.5))
    assert unsure.state == "used" and unsure.confidence[0] < 0.9


def test_missing_files_and_other_tasks_are_refused_in_a_line(files, tmp_path):
    for given, words in (
        ((tmp_path / "none", files[1]), "make it with 'sdr-sc kb build'"),
        ((files[0], tmp_path / "none"), "make them with 'sdr-sc kb fit'"),
    ):
        with pytest.raises(KnowledgeError, match=words):
            opened(given)
    with pytest.raises(ContractError):
        opened(files, task="retrieval")
    asking = read_contract("easy_vqa_student")
    with pytest.raises(ContractError, match="no classes"):
        KnowledgeAnswers(asking, *files)
    with pytest.raises(ContractError, match="logits of shape"):
        opened(files).answers(replace(decoded([1], [1]), logits=np.zeros((1, 3), np.float32)))


def test_rules_come_back_from_their_file_and_damaged_ones_are_refused(tmp_path):
    state, path = make_base(tmp_path / "base.kb"), tmp_path / "base.rules"
    rules = make_rules(path, state, made={"data set": "toy", "snrs": (1.0, np.inf)})
    found = Rules.load(path)
    assert found.by_k == rules.by_k and found.local == rules.local and found.fits(state)
    text = path.read_text()
    value = json.loads(text)
    wrong = [
        text.replace('"version": 1', '"version": 2'), text[:-40], "[]", "", json.dumps({**value, "kind": "other"}),
        json.dumps(sealed({**value, "format": 2})), json.dumps(sealed({**value, "by_k": {"x": {}}})),
        json.dumps(sealed({**value, "by_k": {"4": {}}})), json.dumps(sealed({**value, "version": "1"})),
    ]  # fmt: skip
    kernel = json.loads(text)
    kernel["by_k"][str(K)]["kernel"] = [-1.0, 1.0, 0.0]
    for content in (*wrong, json.dumps(sealed(kernel))):
        path.write_text(content)
        with pytest.raises(KnowledgeError):
            Rules.load(path)
    answering = KnowledgeAnswers(CONTRACT, tmp_path / "base.kb", path, log=lambda line: None)
    assert answering.answers(decoded([100], [2])).state == "rules damaged"


def test_rules_of_changed_bytes_are_refused_or_the_same(tmp_path):
    rng, path = np.random.default_rng(5), tmp_path / "base.rules"
    rules = make_rules(path, make_base(tmp_path / "base.kb"))
    whole = path.read_bytes()
    for _ in range(400):
        raw = bytearray(whole)
        for place in rng.integers(len(raw), size=rng.integers(1, 4)).tolist():
            raw[place] = int(rng.integers(256))
        path.write_bytes(raw if rng.random() < 0.8 else raw[: rng.integers(len(raw))])
        try:
            assert Rules.load(path).by_k == rules.by_k
        except KnowledgeError as error:
            assert "\n" not in str(error) and "sdr-sc kb fit" in str(error)


def test_what_was_sure_is_kept_and_helps_with_later_receptions(files, tmp_path):
    answering = opened(files, local=tmp_path / "seen.kb", capacity=3)
    seen = answering.seen
    answering.answers(decoded([50, 51, 52, 53], [2, 4, 6, -1], sure=5.0))
    assert seen.counts()["stored"] == 3 and seen.skipped == {"not agreed on": 1} and len(seen.base) == 3
    answering.answers(decoded([54], [1], sure=5.0, snr_db=3.0))
    answering.answers(decoded([55], [1], sure=0.5))
    assert seen.skipped["below the SNR"] == 1 and seen.counts()["unsure"] == 1 and len(seen.base) == 3
    again = answering.answers(decoded([50, 51], [8, 8], sure=0.5, noise_seed=2))  # now the decoder is wrong
    assert again.ids.tolist() == [2, 4] and again.is_local[:, 0].tolist() == [1, 1] and (again.weight > 0.5).all()
    assert (again.shares[:, 0] > 0.5).all()
    found = answering.entry(int(again.entries[0, 0]), is_local=True)
    assert found.answers == {"classification": OWN[2]} and found.source == "toy frame"
    assert len(seen.base) == 3  # what decoder and bases do not agree on is not kept
    answering.answers(decoded([60, 61], [0, 1], sure=5.0))
    assert len(seen.base) == 3 and seen.counts()["evicted"] == 2
    with pytest.raises(KnowledgeError, match="give each receiver its own file"):
        opened(files, local=tmp_path / "seen.kb")
    answering.close()
    with LocalBase(tmp_path / "seen.kb", None) as base:
        assert len(base) == 3


def test_both_bases_in_one_answer(files, tmp_path):
    """The local base moves the probabilities of the decoder's classes, the global one has its say after that."""
    answering = opened(files, local=tmp_path / "seen.kb")
    answering.answers(decoded([50], [2], sure=5.0))
    frame = decoded([50, 100], [8, 8], sure=1.0, noise_seed=2)
    found = answering.answers(frame)
    assert found.names == (OWN[2], "owl") and found.is_local[:, 0].tolist() == [1, 0]
    alone = opened(files).answers(frame)
    assert alone.ids.tolist() == [8, 10] and found.weight[0] > alone.weight[0]
    for one in (found, alone):  # a mixture: each weight bounds what the bases can add
        assert (one.shares.sum(axis=1) * one.confidence <= one.weight + 1e-5).all()
        assert ((one.weight >= 0) & (one.weight <= 1)).all()
    sure = answering.answers(decoded([50, 100], [8, 8], sure=6.0))
    assert sure.ids.tolist() == [8, 8] and not sure.weight.any()
    kept = answering.answers(decoded([101], [4], sure=5.0))  # a mistake with margin, which the local base keeps
    assert kept.names == (OWN[4],) and len(answering.seen.base) == 4
    again, without = (one.answers(decoded([101], [8], sure=1.0)) for one in (answering, opened(files)))
    assert again.names == without.names == ("saw",) and again.weight[0] >= without.weight[0]
    one_rule = {K: FusionRule(K, Kernel(0.05, entry_noise=0.1), OFF, OFF)}
    with KnowledgeBase(files[0]) as base:
        make_rules(files[1], base.state, local=one_rule)
    np.testing.assert_allclose(answering.answers(frame).confidence, alone.confidence, atol=1e-6)


def test_a_kill_leaves_what_was_confirmed(files, tmp_path):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            answering = opened(files, local=tmp_path / "seen.kb")
            for number in range(10_000):
                answering.answers(decoded([200 + number], [number % 10], sure=6.0))
                os.write(writer, b".")
        finally:
            os._exit(1)
    os.close(writer)
    done = len(os.read(reader, 1)) + sum(len(os.read(reader, 1)) for _ in range(20))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(reader, 1000):
        done += len(more)
    answering = opened(files, local=tmp_path / "seen.kb")
    assert done <= len(answering.seen.base) <= done + 1
    found = answering.answers(decoded([200, 201], [5, 5], sure=0.5, noise_seed=3))
    assert found.ids.tolist() == [0, 1] and not answering.seen.base.faults()
