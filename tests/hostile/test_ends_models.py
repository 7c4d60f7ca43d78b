# SPDX-License-Identifier: GPL-3.0-or-later
"""A model's own faults are its own: they are neither the channel's nor the transmitter's."""

from __future__ import annotations

import csv
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pmt
import pytest
from block_messages import frame_pdu
from command import assert_one_line_error, sdr_sc
from gnuradio import blocks, gr
from onnx_pairs import other_model

from sdr_sc.blocks.runtime import failures
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.blocks.semantic_decoder import semantic_decoder
from sdr_sc.blocks.semantic_encoder import semantic_encoder
from sdr_sc.blocks.task_sink import task_sink
from sdr_sc.errors import BlockError, ContractError, ModelFaultError
from sdr_sc.flowgraph.harness import run_flowgraph
from sdr_sc.flowgraph.loopback import LOOPBACK
from sdr_sc.semantic import onnx_file, weights
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder, answers
from sdr_sc.semantic.onnx_weights import real_weights
from sdr_sc.semantic.tasks.base import LOST, NOT_A_NUMBER

DEADLINE_S = 200.0
SHIPPED = weights.DEFAULT_MODEL


def with_value(folder: Path, part: str, value: float) -> tuple[Path, str]:
    """The shipped model with one weight replaced, and the tensor's name."""
    tensors, contract = weights.read_tensors(SHIPPED), weights.read_contract(SHIPPED)
    name = next(name for name, one in tensors.items() if name.startswith(part) and name.endswith("weight"))
    changed = {**tensors, name: tensors[name].copy()}
    changed[name].ravel()[3] = value
    weights.save(folder / "broken.safetensors", changed, contract)
    return folder / "broken.safetensors", name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(("part", "coder"), [("encoder.", SemanticEncoder), ("decoder.", SemanticDecoder)])
def test_weights_that_are_no_numbers_are_refused_by_name(value: float, part: str, coder: Any, tmp_path: Path) -> None:
    path, name = with_value(tmp_path, part, value)
    with pytest.raises(ModelFaultError, match=f"broken.safetensors.*{name}.*no finite numbers"):
        coder(path)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_onnx_weights_that_are_no_numbers_are_refused_by_name(part: onnx_file.Part, tmp_path: Path) -> None:
    import onnx

    pair = other_model(tmp_path)
    path = onnx_file.part_path(pair, part)
    model = onnx.load(path)
    metadata = {one.key: one.value for one in model.metadata_props if one.key != onnx_file.CHECKSUM_KEY}
    weight = model.graph.initializer[0]
    values = onnx.numpy_helper.to_array(weight).copy()
    values.ravel()[0] = np.nan
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.helper.set_model_props(model, metadata)
    path.write_bytes(onnx_file.seal(model.SerializeToString()))
    with pytest.raises(ModelFaultError, match=f"{path.name}.*no finite numbers"):
        SemanticEncoder(pair) if part == "encoder" else SemanticDecoder(pair)


@pytest.mark.parametrize("kind", ["FLOAT", "FLOAT16", "DOUBLE", "BFLOAT16", "raw", "INT64"])
def test_onnx_weights_are_read_as_onnx_does(kind: str) -> None:
    import onnx

    values = np.array([1.5, -2.0, np.nan, np.inf, 0.0])
    if kind == "raw":
        tensor = onnx.numpy_helper.from_array(values.astype(np.float32), "w")
    elif kind == "BFLOAT16":
        words = (values.astype(np.float32).view(np.uint32) >> 16).astype("<u2")
        tensor = onnx.helper.make_tensor("w", onnx.TensorProto.BFLOAT16, [5], words.tobytes(), raw=True)
    elif kind == "FLOAT16":
        tensor = onnx.numpy_helper.from_array(values.astype(np.float16), "w")
    elif kind == "INT64":
        tensor = onnx.helper.make_tensor("w", onnx.TensorProto.INT64, [5], [1, 2, 3, 4, 5])
    else:
        tensor = onnx.helper.make_tensor("w", getattr(onnx.TensorProto, kind), [5], values)
    graph = onnx.helper.make_graph([], "g", [], [], [tensor])
    content = onnx.helper.make_model(graph).SerializeToString()
    found = real_weights(content)
    assert (found == {}) if kind == "INT64" else np.array_equal(found["w"], values, equal_nan=True)
    for length in range(len(content)):
        try:
            real_weights(content[:length])
        except ContractError:
            pass  # in a sentence, and nothing else


class Network:
    """Gives what it is asked to."""

    precision = "float32"

    def __init__(self, value: float, shape: tuple[int, ...], rows: slice) -> None:
        self.value, self.shape, self.rows = value, shape, rows

    def run(self, *inputs: np.ndarray) -> np.ndarray:
        out = np.ones((len(inputs[0]), *self.shape), np.float32)
        out[self.rows] = self.value
        return out


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_encoder_that_gives_no_numbers_is_blamed_itself(value: float) -> None:
    encoder = SemanticEncoder(SHIPPED)
    encoder.network = Network(value, (encoder.contract.k_max, 2), slice(1, 2))
    with pytest.raises(ModelFaultError, match=f"encoder of model '{SHIPPED}' gives features"):
        encoder.encode(np.zeros((3, 28, 28), np.uint8), 10.0, 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_answers_that_are_no_numbers_are_the_models_fault_and_lost_ones_are_not(value: float) -> None:
    decoder = SemanticDecoder(SHIPPED)
    decoder.network = Network(value, (10,), slice(1, 3))
    features = np.ones((4, 4), np.complex64)
    features[2] = np.nan
    with pytest.raises(ModelFaultError, match=f"decoder of model '{SHIPPED}' gives answers"):
        decoder.decode(features, 10.0)
    classes, confidence = answers(decoder.decode(features, 10.0, strict=False))
    assert classes.tolist() == [0, NOT_A_NUMBER, LOST, 0] and confidence[1] == confidence[2] == 0
    none = np.zeros((4, 4), bool)
    assert answers(decoder.decode(features, 10.0, none, strict=False))[0].tolist() == classes.tolist()
    features[1] = np.nan  # then the model is not to blame
    assert answers(decoder.decode(features, 10.0))[0].tolist() == [0, LOST, LOST, 0]


def test_a_model_that_gives_no_numbers_is_counted_apart_and_the_runs_error(tmp_path: Path) -> None:
    with failures.watching():
        decoder, sink, got = semantic_decoder(), task_sink(str(tmp_path)), []
        decoder.load()
        decoder.models.loaded[decoder.contract.wire_id].network = Network(np.nan, (10,), slice(1, 2))
        decoder.message_port_pub = lambda port, message: got.append(message)  # type: ignore[method-assign]
        decoder.handle_frame(frame_pdu(k=4, n_items=3, frame_num=0))
        item = {"item_id": np.arange(3, dtype=np.int32), "label": np.zeros(3, np.int32)}
        meta = {"frame_index": 0, "k": 4, "n_items": 3, "time_ns": 0, **item}
        sink.handle_sent(make_pdu(meta, np.zeros(3 * 784, np.uint8)))
        sink.handle_answers(got[0])
        assert read_pdu(got[0], "answers")[1].tolist() == [0, NOT_A_NUMBER, 0]
        decoder.stop()
        sink.stop()
        assert failures.first() is None
        (fault,) = failures.faults()
    assert "1 items got no answer" in str(fault) and f"'{SHIPPED}'" in str(fault)
    record = sink.record
    assert (record.items_answered, record.items_correct, record.items_lost, record.items_not_a_number) == (2, 2, 0, 1)
    assert "1 for which the model gave no number" in record.summary()
    with open(tmp_path / "frames.csv", newline="") as file:
        assert [row["not_a_number"] for row in csv.DictReader(file)] == ["1"]
    with open(tmp_path / "items.csv", newline="") as file:
        assert [row["answer"] for row in csv.DictReader(file)] == ["0", "-2", "0"]


@pytest.mark.parametrize(
    "meta",
    [{"n_items": 0}, {"n_items": 3}, {"erased": np.zeros(3, np.uint8)}, {"k": 7}],
)
def test_a_frame_whose_data_do_not_fit_is_refused_by_the_decoder(meta: dict[str, Any]) -> None:
    with failures.watching():
        decoder = semantic_decoder()
        decoder.load()
        fields = {"frame_num": 5, "k": 4, "n_items": 2, "model_id": decoder.contract.wire_id, "snr_db": 9.0, **meta}
        decoder.handle_frame(make_pdu(fields, np.ones(8, np.complex64)))
        assert failures.first() is None and (decoder.frames_refused, decoder.frames_answered) == (1, 0)


def tagged(offsets: list[int], key: str = "item_id") -> list[gr.tag_t]:
    tags = []
    for number, offset in enumerate(offsets):
        tag = gr.tag_t()
        tag.offset, tag.key, tag.value = offset, pmt.intern(key), pmt.from_long(number)
        tags.append(tag)
    return tags


def run_encoder(length: int, tags: list[gr.tag_t], model: str = SHIPPED) -> semantic_encoder:
    tb, debug = gr.top_block(), blocks.message_debug()
    tb.source = blocks.vector_source_b([0] * length, False, 1, tags)
    tb.encoder = semantic_encoder(model, items_per_frame=2, max_frames_in_flight=0, feedback_timeout_s=0.05)
    tb.connect(tb.source, tb.encoder)
    tb.msg_connect(tb.encoder, "sent", debug, "store")
    run_flowgraph(tb, DEADLINE_S)
    return tb.encoder


@pytest.mark.parametrize(
    "side", [14, 27, 29, 56, 64], ids=["smaller, fits", "a little smaller", "a little larger", "larger, fits", "larger"]
)
def test_items_of_another_size_are_an_error_and_no_number(side: int) -> None:
    with pytest.raises(BlockError, match="^block 'encoder' failed: items arrive that are of another size.*28, 28"):
        run_encoder(8 * side * side, tagged([i * side * side for i in range(8)]))


@pytest.mark.parametrize("length", [784 * 5 + 1, 784 * 2 + 700, 500])
def test_a_stream_that_ends_within_an_item_is_an_error(length: int) -> None:
    with pytest.raises(BlockError, match=f"ended {length % 784 if length > 784 else 0} bytes after the start"):
        run_encoder(length, [])


def test_a_stream_of_whole_items_without_tags_is_fine() -> None:
    assert run_encoder(784 * 5, []).items_sent == 5
    assert run_encoder(784 * 5, tagged([784 * i for i in range(5)])).items_sent == 5


def test_a_flowgraph_with_a_model_for_other_items_gives_an_error(tmp_path: Path) -> None:
    pair = other_model(tmp_path, (64, 64), 10)
    done = sdr_sc("run", LOOPBACK, "--", "--model", pair, "--images", 20, timeout_s=DEADLINE_S)
    assert_one_line_error(done, "4096 bytes" if "4096" in done.stderr else "64")


def test_a_model_with_a_nan_ends_a_run_with_its_name(tmp_path: Path) -> None:
    path, name = with_value(tmp_path, "encoder.", float("nan"))
    done = sdr_sc("run", LOOPBACK, "--", "--model", path, "--images", 20, timeout_s=DEADLINE_S)
    assert_one_line_error(done, str(path), name, "no finite numbers")


def test_what_refuses_a_model_is_a_contract_error() -> None:
    assert issubclass(ModelFaultError, ContractError)  # every reader of models shows it as one sentence


def test_a_model_that_cannot_be_opened_for_want_of_file_handles_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The safetensors library says that there is no such file, whatever the cause."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    weights.read_tensors(weights.DEFAULT_MODEL)  # all modules are imported
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limit[1]))
    try:
        with pytest.raises(ContractError, match="Too many open files"):
            weights.read_contract(weights.DEFAULT_MODEL)
        with pytest.raises(ContractError, match="Too many open files"):
            weights.read_tensors(weights.DEFAULT_MODEL)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)


@pytest.mark.parametrize("block", [semantic_encoder, semantic_decoder])
def test_a_model_that_is_replaced_while_a_run_is_being_built_is_noticed(block: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    tensors, contract = weights.read_tensors(SHIPPED), weights.read_contract(SHIPPED)
    weights.save(path, tensors, contract)
    built = block(model=str(path))
    built.load()
    built = block(model=str(path))
    weights.save(path, {name: np.float32(0.5) * one for name, one in tensors.items()}, contract)
    with pytest.raises(ContractError, match="was replaced while it was being loaded"):
        built.load()
