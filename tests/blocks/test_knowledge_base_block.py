# SPDX-License-Identifier: GPL-3.0-or-later
"""The block Knowledge Base and what is around it: the decoder's evidence, other models' frames, foreign messages."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from block_messages import frame_pdu, run_messages
from knowledge_answering import CONTRACT, OWN, K, decoded, make_base, make_rules

from sdr_sc.blocks.knowledge_base import knowledge_base
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.blocks.semantic_decoder import semantic_decoder
from sdr_sc.blocks.task_sink import task_sink
from sdr_sc.errors import BlockError, ContractError, KnowledgeError, SdrScError
from sdr_sc.link.frames.base_answers import EVIDENCE, base_answers_of
from sdr_sc.semantic.knowledge.answering.known import Decoded


@pytest.fixture
def base(tmp_path: Path) -> Path:
    make_rules(tmp_path / "base.rules", make_base(tmp_path / "base.kb"))
    return tmp_path / "base.kb"


def answers_pdu(frame: Decoded, **changed):
    meta = {
        "frame_num": 5, "k": K, "n_items": len(frame.ids), "snr_db": frame.snr_db, "confidence": frame.confidence,
        "model_id": CONTRACT.wire_id, "logits": frame.logits.ravel(), "features": frame.features.ravel(),
        "noise_variance": frame.noise_variance.ravel(), "inference_ms": 1.5,
    }  # fmt: skip
    meta = {key: value for key, value in (meta | changed).items() if value is not None}
    return make_pdu(meta, frame.ids.astype(np.int32))


def test_the_decoder_publishes_what_its_answers_were_made_from() -> None:
    features = np.random.default_rng(1).normal(size=(2, 8, 2)).astype(np.float32) @ np.array([1, 1j], np.complex64)
    features[1] = np.nan
    (said,) = run_messages(semantic_decoder(evidence=True), "frames", [_with(features)], "answers")
    (plain,) = run_messages(semantic_decoder(), "frames", [_with(features)], "answers")
    (meta, ids), (bare, plain_ids) = read_pdu(said, "answers"), read_pdu(plain, "answers")
    assert {*meta} - {*bare} == {*EVIDENCE} and np.array_equal(ids, plain_ids) and ids[1] == -1
    assert np.array_equal(meta["features"].reshape(2, 8)[0], features[0])
    assert np.isinf(meta["noise_variance"].reshape(2, 8)[1]).all() and meta["model_id"] == CONTRACT.wire_id
    logits = meta["logits"].reshape(2, len(OWN))
    assert logits[0].argmax() == ids[0] and np.isnan(logits[1]).all()


def _with(features: np.ndarray):
    meta, _ = read_pdu(frame_pdu(), "frames")
    return make_pdu(meta, features.ravel().astype(np.complex64))


def test_evidence_does_not_go_with_refinement_or_questions() -> None:
    with pytest.raises(BlockError, match="set refine to 'none'"):
        semantic_decoder(refine="confidence", evidence=True)
    with pytest.raises(BlockError, match="has no classes that a knowledge base could answer"):
        semantic_decoder("easy_vqa_student", question="what shape is it?", evidence=True)


def test_frames_pass_with_fused_answers_and_without_their_evidence(base: Path) -> None:
    frame, other = decoded([100, 3, 5], [2, 3, -1], sure=1.0), decoded([100], [2], sure=1.0)
    block = knowledge_base(base=str(base))
    said = run_messages(block, "answers", [answers_pdu(frame), answers_pdu(other, model_id=1)], "answers")
    (meta, ids), (of_other, other_ids) = (read_pdu(one, "answers") for one in said)
    assert ids.tolist() == [10, 3, -1] and meta["inference_ms"] == 1.5 and not {*EVIDENCE} & {*meta}
    found = base_answers_of(meta, ids)
    assert found is not None and found.names == ("owl", OWN[3], "") and found.decoder_ids.tolist() == [2, 3, -1]
    assert found.entries.shape == (3, 5) and found.state == "used" and found.base_version == 1
    assert other_ids.tolist() == [2] and of_other["base_state"] == "other model"
    assert block.counts == {"items": {"used": 3, "other model": 1}}


@pytest.mark.parametrize("changed, words", [
    ({"logits": None}, "switch the parameter Evidence of the semantic decoder on"),
    ({"features": np.zeros(3, np.complex64)}, "'features' does not fit its items"),
    ({"noise_variance": np.zeros(2, np.float32)}, "'features' do not fit its items"),
    ({"logits": np.zeros(4, np.float32)}, "do not fit a model of 10 classes"),
])  # fmt: skip
def test_answers_without_evidence_are_refused_in_a_line(base: Path, changed: dict, words: str) -> None:
    frame = decoded([100, 3], [2, 3], sure=1.0)
    with pytest.raises(SdrScError, match=words):
        run_messages(knowledge_base(base=str(base)), "answers", [answers_pdu(frame, **changed)], "answers")


def test_parameters_that_make_no_sense(base: Path, tmp_path: Path) -> None:
    for more, kind, words in (
        ({"capacity": 0}, BlockError, "use 1 to 100000"),
        ({"base": 3}, SdrScError, "base"),
        ({"model": "nothing"}, ContractError, "nothing"),
        ({"rules": str(tmp_path / "none")}, KnowledgeError, "sdr-sc kb fit"),
        ({"base": str(tmp_path / "none")}, KnowledgeError, "sdr-sc kb build"),
    ):
        with pytest.raises(kind, match=words):
            knowledge_base(**({"base": str(base)} | more))
    for more, words in (
        ({"numbering": "nothing at all"}, "is unknown"),
        ({"model": "easy_vqa_student"}, "has no classes that a base could answer"),
    ):
        with pytest.raises(SdrScError, match=words):
            run_messages(knowledge_base(**({"base": str(base)} | more)), "answers", [], "answers")


def test_the_task_sink_refuses_what_does_not_fit_and_counts_what_does(base: Path, tmp_path: Path) -> None:
    frame = decoded([100, 3, 5], [2, 3, -1], sure=1.0)
    (said,) = run_messages(knowledge_base(base=str(base)), "answers", [answers_pdu(frame)], "answers")
    meta, ids = read_pdu(said, "answers")
    sink = task_sink(str(tmp_path / "out"), without_truth=True)
    sink.handle_answers(said)
    assert sink.stop() and sink.record.counts()["knowledge"]["items"] == {"used": 3}
    with open(tmp_path / "out" / "knowledge.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["answer_name"] for row in rows] == ["owl", OWN[3], ""] and rows[2]["entry_1"] == ""
    assert rows[0]["correct"] == rows[0]["decoder_correct"] == "" and float(rows[0]["share_1"]) > 0.5
    assert "knowledge base used for 3 items" in sink.record.summary()
    for changed in (
        {"base_entries": np.zeros(4, np.int32)},
        {"base_weight": np.zeros(3, np.int32)},
        {"decoder_ids": None},
        {"base_answers": np.frombuffer(b"owl\n", np.uint8)},
        {"base_answers": np.frombuffer(b"x" * 10_000 + b"\n\n\n", np.uint8)},
        {"base_version": -1},
        {"base_state": "x" * 1000},
    ):
        wrong = {key: value for key, value in (meta | changed).items() if value is not None}
        with pytest.raises(BlockError, match="port 'answers'"):
            base_answers_of(wrong, ids)
