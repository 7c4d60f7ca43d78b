# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks where more than a model's first task is asked for, with texts."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pmt
import pytest
import toy_texts
from block_messages import DEADLINE_S, messages, post, run_messages
from gnuradio import blocks, gr

from sdr_sc.blocks.item_source import item_order, item_source
from sdr_sc.blocks.runtime import failures
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.blocks.semantic_decoder import semantic_decoder
from sdr_sc.blocks.semantic_encoder import semantic_encoder
from sdr_sc.blocks.task_sink import task_sink
from sdr_sc.blocks.text_source import text_source
from sdr_sc.data.texts import text_of
from sdr_sc.errors import BlockError, ContractError, DataSetError, SdrScError
from sdr_sc.flowgraph.harness import run_flowgraph
from sdr_sc.link.frames import decodable
from sdr_sc.link.frames.frame_news import sent_meta, task_targets_meta, truth_meta
from sdr_sc.link.frames.frame_record import FrameRecord
from sdr_sc.link.frames.task_answers import answers_meta, answers_of, targets_of
from sdr_sc.semantic.asked_tasks import AskedTasks
from sdr_sc.semantic.gallery import Gallery, unit_rows
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.tasks.base import TaskAnswer

toy_texts.register()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    model, gallery = toy_texts.make_model(tmp_path_factory.mktemp("toy"))
    return str(model), str(gallery)


def test_the_decoder_publishes_the_answers_to_all_tasks_from_the_same_symbols(made: tuple[str, str]) -> None:
    model, gallery = made
    encoder, data, places = SemanticEncoder(model), toy_texts.load("test"), np.arange(60)
    features = encoder.encode(data.items(places), 20.0, 8)
    features[59] = np.nan  # lost
    meta = {"frame_num": 5, "k": 8, "n_items": 60, "model_id": encoder.contract.wire_id, "snr_db": 20.0}
    sent = make_pdu(meta, features.ravel())
    decoder = semantic_decoder(model, tasks=toy_texts.TASKS, gallery=gallery)
    (several,) = run_messages(decoder, "frames", [sent], "answers")
    (one,) = run_messages(semantic_decoder(model), "frames", [sent], "answers")
    (meta, ids), (plain, plain_ids) = read_pdu(several, "answers"), read_pdu(one, "answers")
    assert np.array_equal(ids, plain_ids) and np.array_equal(meta["confidence"], plain["confidence"])
    each = {f"{what}_{name}" for what in ("ids", "confidence") for name in ("subgroup", "retrieval")}
    assert {*meta} == {*plain} | {"tasks", "each_retrieval", "entries_retrieval"} | each
    found = answers_of(meta, 60)
    assert found["retrieval"].ids.shape == (60, 5) and found["subgroup"].ids.shape == (60, 1)
    assert (found["retrieval"].best[:59] == places[:59]).mean() > 0.9
    assert (found["subgroup"].best[:59] == data.targets("subgroup", places[:59])).mean() > 0.9
    assert found["retrieval"].ids[59].tolist() == [-1] * 5 and found["subgroup"].best[59] == -1
    outputs = SemanticDecoder(model).outputs(features, 20.0)
    alone = AskedTasks.of(encoder.contract, "retrieval", gallery).answers(outputs)["retrieval"]
    assert np.array_equal(alone.ids, found["retrieval"].ids)
    assert np.allclose(alone.confidence, found["retrieval"].confidence)


def test_what_the_model_or_its_gallery_cannot_do_is_one_sentence_at_the_start(
    made: tuple[str, str], tmp_path: Path
) -> None:
    model, gallery = made
    names = ("a", "b", "c")
    vectors = unit_rows(np.random.default_rng(1).normal(size=(3, 5)))
    Gallery(names, vectors, "toy").save(tmp_path / "five")
    wide = unit_rows(np.random.default_rng(1).normal(size=(3, toy_texts.DIMENSIONS)))
    Gallery(names, wide, "another").save(tmp_path / "other")
    (tmp_path / "none").write_text("no gallery")
    five, other, none, missing = (str(tmp_path / name) for name in ("five", "other", "none", "missing"))
    for tasks, file, kind, words in (
        ("question", "", ContractError, "has no task 'question'; it answers classification, subgroup, retrieval"),
        ("subgroup", gallery, ContractError, "none of the tasks 'subgroup' searches one"),
        ("", gallery, ContractError, "none of the tasks '' searches one"),
        ("retrieval", five, ContractError, "of 5 numbers, and model 'toy' gives 8"),
        ("retrieval", other, ContractError, "vectors of 'another', and model 'toy' gives those of 'toy'"),
        ("retrieval", none, SdrScError, "none.*(cannot be read|is no gallery)"),
        ("retrieval", missing, SdrScError, "missing"),
        (7, "", BlockError, "tasks is 7; use text"),
    ):
        with pytest.raises(kind, match=words) as caught:
            semantic_decoder(model, tasks=tasks, gallery=file)
        assert "\n" not in str(caught.value)
    alone = shutil.copy(model, tmp_path / "alone.safetensors")
    with pytest.raises(ContractError, match="'retrieval' searches a gallery, and none is given, .*alone.gallery is"):
        semantic_decoder(str(alone), tasks="retrieval")
    beside = semantic_decoder(model, tasks="retrieval")
    assert beside.asked[beside.contract.wire_id].gallery.names == tuple(toy_texts.load("test").names("retrieval"))
    with pytest.raises(ContractError, match="has no task 'retrieval'"):
        semantic_decoder(tasks="retrieval", gallery=gallery)
    with pytest.raises(ContractError, match="gallery .* is given, and model 'fashion_mnist_student' needs none for"):
        semantic_decoder(gallery=gallery)
    with pytest.raises(BlockError, match="further tasks are not answered with refinement"):
        semantic_decoder(model, refine="confidence", tasks="subgroup")
    first_alone = semantic_decoder(refine="confidence", tasks="classification")
    assert first_alone.asked[first_alone.contract.wire_id].names == ()


def test_the_sink_publishes_answers_beside_what_is_right_and_how_good_each_task_is() -> None:
    data, places = toy_texts.load("test"), np.array([3, 8])
    tb, sink, debug = gr.top_block(), task_sink(), blocks.message_debug()
    for port, store in (("results", "store"), ("quality", "store")):
        tb.msg_connect(sink, port, debug, store)
    tb.sink = sink
    tb.start()
    none = np.empty(0, np.uint8)
    label, entries = data.targets("classification", places), data.targets("retrieval", places)
    post(sink, "truth", make_pdu(task_targets_meta(places, "retrieval", entries), none))
    items = data.items(places)
    post(sink, "truth", make_pdu(truth_meta(places, label, "text", data.item_shape), items.ravel()))
    frame = FrameRecord(0, 8, places, np.full(2, -1, np.int32), np.empty((2, 0), np.uint8), time_ns=1)
    post(sink, "sent", make_pdu(sent_meta(frame), none))
    each = np.array([[0.5, 0.25], [0.5, 0.125]], np.float32)
    found = {"retrieval": TaskAnswer(np.array([[entries[0], 1], [2, entries[1]]]), each[:, 0], each)}
    meta = {"frame_num": 0, "k": 8, "confidence": np.ones(2, np.float32), "snr_db": 9.0, **answers_meta(found)}
    deadline = time.monotonic() + DEADLINE_S
    while sink.record.frames_sent < 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    post(sink, "answers", make_pdu(meta, label.astype(np.int32)))
    while debug.num_messages() < 2:
        assert time.monotonic() < deadline and getattr(sink, "error", None) is None
        time.sleep(0.01)
    tb.stop()
    tb.wait()
    (meta, raw), (figures, shares) = (read_pdu(one, "results") for one in messages(debug)[:2])
    assert raw.tobytes() == items.tobytes() and meta["modality"] == "text"
    assert tuple(meta["item_shape"]) == data.item_shape
    assert targets_of(meta, "retrieval", 2).tolist() == entries.tolist()
    again = answers_of(meta, 2)["retrieval"]
    assert np.array_equal(again.ids, found["retrieval"].ids) and np.array_equal(again.each, each)
    assert figures == {"figures": "classification: accuracy,retrieval: R@1,retrieval: R@5", "frames": 1}
    assert shares.tolist() == [100.0, 50.0, 100.0]


def test_a_decoder_that_is_too_slow_leaves_the_oldest_frames_out_and_says_so(
    made: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decodable, "MOST_WAITING", 5)
    contract = SemanticDecoder(made[0]).contract
    block = semantic_decoder(made[0])
    warnings: list[str] = []
    block.logger = SimpleNamespace(warn=warnings.append)
    meta = {"k": 8, "n_items": 1, "model_id": contract.wire_id, "snr_db": 20.0}
    sent = [make_pdu({**meta, "frame_num": number}, np.ones(8, np.complex64)) for number in range(20)]
    answers = [read_pdu(one, "answers")[0]["frame_num"] for one in run_messages(block, "frames", sent, "answers")]
    assert answers == list(range(20 - len(answers), 20)) and 5 <= len(answers) <= 7, "all wait when it begins"
    assert block.frames_behind == block.frames_refused == 20 - len(answers)
    assert len(warnings) == 1 and "too many wait" in warnings[0]


def test_k_is_what_the_most_demanding_task_needs() -> None:
    alone = semantic_encoder("wordnet_student").sender.adaptation.table
    both = semantic_encoder("wordnet_student", tasks="retrieval, subgroup").sender.adaptation.table
    assert all(more >= less for more, less in zip(both.k, alone.k, strict=True)) and both.k[-1] >= 16 > alone.k[-1]
    assert semantic_encoder("wordnet_student", tasks="subgroup").sender.adaptation.table.k == alone.k, "not measured"
    with pytest.raises(BlockError, match="tasks is 7; use text"):
        semantic_encoder(tasks=7)  # type: ignore[arg-type]


def published(tasks: str) -> tuple[list[dict], list[bytes], np.ndarray]:
    """Metadata and data of what a source of 60 texts publishes, and its items."""
    tb, sink, debug = gr.top_block(), blocks.vector_sink_b(), blocks.message_debug()
    tb.source = item_source(items=60, seed=4, data_set=toy_texts.NAME, tasks=tasks)
    tb.connect(tb.source, sink)
    tb.msg_connect(tb.source, "truth", debug, "store")
    run_flowgraph(tb, DEADLINE_S)
    pdus = [read_pdu(message, "truth") for message in messages(debug)]
    sent = np.array(sink.data(), np.uint8).reshape(60, -1)
    return [meta for meta, _ in pdus], [data.tobytes() for _, data in pdus], sent


def test_texts_leave_the_source_in_their_slots_with_the_targets_of_the_tasks_asked_for() -> None:
    data, order = toy_texts.load("test"), item_order(60, 4)
    metas, raw, sent = published("retrieval, classification")
    assert np.array_equal(sent, data.items(order))
    targets = [meta for meta in metas if "target" in meta]
    assert {meta["task"] for meta in targets} == {"retrieval"}
    ids = np.concatenate([meta["item_id"] for meta in targets])
    assert np.array_equal(ids, order)
    assert np.array_equal(np.concatenate([meta["target"] for meta in targets]), data.targets("retrieval", order))
    assert "target" in metas[0] and "label" in metas[1], "targets come before the items that they are of"
    plain, plain_raw, _ = published("")
    assert [{*meta} for meta in plain] == [{"item_id", "label", "modality", "item_shape"}] * len(plain)
    assert b"".join(plain_raw) == b"".join(raw) == sent.tobytes(), "receivers of earlier versions get what they know"
    with pytest.raises(DataSetError, match="has no targets for the task 'question'"):
        item_source(data_set=toy_texts.NAME, tasks="question")
    with pytest.raises(DataSetError):
        item_source(split="validation")


def lines_sent(raw: bytes, model: str, folder: Path) -> tuple[list[str], list[dict], text_source]:
    """What a source of lines sends of a file: texts, the metadata that it publishes, and the block."""
    (folder / "lines").write_bytes(raw)
    tb, sink, debug = gr.top_block(), blocks.vector_sink_b(), blocks.message_debug()
    tb.source = text_source(str(folder / "lines"), model)
    tb.connect(tb.source, sink)
    tb.msg_connect(tb.source, "truth", debug, "store")
    run_flowgraph(tb, DEADLINE_S)
    slots = np.array(sink.data(), np.uint8).reshape(-1, tb.source.item_bytes)
    ids = [pmt.to_python(tag.value) for tag in sink.tags() if pmt.symbol_to_string(tag.key) == "item_id"]
    assert ids == list(range(len(slots)))
    assert [tag.offset for tag in sink.tags() if pmt.symbol_to_string(tag.key) == "last_item"] in (
        [tb.source.item_bytes * (len(slots) - 1)],
        [],
    )
    return [text_of(slot) for slot in slots], [read_pdu(one, "truth")[0] for one in messages(debug)], tb.source


def test_lines_of_any_content_are_sent_in_their_order_and_what_is_cut_is_counted(
    made: tuple[str, str], tmp_path: Path
) -> None:
    long = "a" * (toy_texts.LONGEST + 5)
    raw = f"a small cat\n\nשלום 🙂\n{long}\n".encode() + b"\xff\x00end"  # the last one without an end of line
    texts, metas, source = lines_sent(raw, made[0], tmp_path)
    assert texts == ["a small cat", "", "שלום 🙂", "a" * toy_texts.LONGEST, "\ufffd end"]
    assert (source.texts_sent, source.texts_cut, source.characters_cut) == (5, 1, 5)
    assert {meta["modality"] for meta in metas} == {"text"}
    assert np.concatenate([meta["label"] for meta in metas]).tolist() == [-1] * 5
    many = [f"line {number}" for number in range(1000)]
    assert lines_sent("\n".join(many).encode(), made[0], tmp_path)[0] == many


def test_lines_of_another_encoding_are_refused_or_counted(made: tuple[str, str], tmp_path: Path) -> None:
    for encoding, name in (("utf-16", "UTF-16"), ("utf-32", "UTF-32")):
        with pytest.raises(BlockError, match=f"lines is {name} text; give UTF-8, such as of 'iconv -f {name} -t"):
            lines_sent("a small cat\n".encode(encoding), made[0], tmp_path)
    texts, _, source = lines_sent("a small cat\n\ufeff\n".encode("utf-8-sig"), made[0], tmp_path)
    assert texts == ["a small cat", "\ufeff"] and source.texts_not_utf8 == 0
    texts, _, source = lines_sent("café\na\n\0b\n".encode("latin-1"), made[0], tmp_path)
    assert texts == ["caf\ufffd", "a", "b"] and source.texts_not_utf8 == 2


def test_a_source_of_lines_refuses_what_it_cannot_read_in_one_sentence(made: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(BlockError, match="takes items of the modality 'image'; choose a model of texts"):
        text_source("", "fashion_mnist_student")
    for file in (str(tmp_path), str(tmp_path / "missing")):
        tb = gr.top_block()
        tb.source = text_source(file, made[0])
        tb.connect(tb.source, blocks.null_sink(1))
        with pytest.raises(BlockError, match="is no file that can be read"):
            run_flowgraph(tb, DEADLINE_S)


def test_a_source_that_cannot_start_ends_the_flowgraph_without_a_harness_too(made: tuple[str, str]) -> None:
    with failures.watching():
        tb = gr.top_block()
        tb.source = text_source("/missing", made[0])
        tb.connect(tb.source, blocks.null_sink(1))
        running = threading.Thread(target=tb.run, daemon=True)
        running.start()
        running.join(DEADLINE_S)
        assert not running.is_alive(), "it waits for lines that never come"
        assert "is no file that can be read" in str(failures.first())
