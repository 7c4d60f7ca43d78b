# SPDX-License-Identifier: GPL-3.0-or-later
"""Students and teachers as ONNX: agreement with torch, files that do not fit, and the link that runs on them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command import assert_one_line_error, environment, sdr_sc

from sdr_sc.data import fashion_mnist
from sdr_sc.distill.efficientnet import EfficientNetLite2, TeacherCard, load, save
from sdr_sc.distill.onnx_check import TOLERANCE, Agreement, Coder, accuracy, agreement, check_agreement
from sdr_sc.distill.onnx_export import StudentExporter
from sdr_sc.distill.onnx_write import trace, with_metadata, write_whole
from sdr_sc.distill.teacher import load_teacher
from sdr_sc.distill.teacher_export import compare, export_teacher
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.experiments.grc_compile import compile_flowgraph
from sdr_sc.experiments.harness import watch_flowgraph
from sdr_sc.experiments.loopback import LOOPBACK, account, run_loopback
from sdr_sc.experiments.run_generated import build, load_module, top_block_class
from sdr_sc.semantic import onnx_file, weights
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

CONTRACT = weights.read_contract(weights.DEFAULT_MODEL)
POINTS = 0.5


@pytest.fixture(scope="module")
def test_set() -> fashion_mnist.ImageSet:
    return fashion_mnist.load("test").first(1000)


@pytest.fixture(scope="module")
def exporter() -> StudentExporter:
    return StudentExporter(weights.DEFAULT_MODEL)


@pytest.fixture(scope="module")
def pair(exporter: StudentExporter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("float32") / "student.onnx"
    write_whole(exporter.float32(path))
    return path


@pytest.fixture(scope="module")
def quantised(exporter: StudentExporter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("int8") / "student.onnx"
    write_whole(exporter.int8(path, fashion_mnist.load("train").images[:256]))
    return path


def coder(model: str | Path) -> Coder:
    return Coder(str(model), SemanticEncoder(model), SemanticDecoder(model))


def copied(pair: Path, folder: Path, *parts: onnx_file.Part) -> Path:
    """Some parts of a pair under another name."""
    target = folder / "copy.onnx"
    for part in parts:
        onnx_file.part_path(target, part).write_bytes(onnx_file.part_path(pair, part).read_bytes())
    return target


# The student


def test_the_pair_agrees_with_the_weights_for_every_k_and_snr(pair: Path, test_set: fashion_mnist.ImageSet) -> None:
    found = agreement(coder(weights.DEFAULT_MODEL), coder(pair), test_set.images[:100])
    assert found.symbols <= TOLERANCE and found.logits <= TOLERANCE
    check_agreement(found, "pair")
    for bad in (1e-3, float("nan")):
        with pytest.raises(ContractError, match="was not written"):
            check_agreement(replace(found, symbols=bad), "pair")
        with pytest.raises(ContractError, match="was not written"):
            check_agreement(Agreement(0.0, bad, 1), "pair")


def test_onnx_and_torch_parts_work_together(pair: Path, test_set: fashion_mnist.ImageSet) -> None:
    mixed = Coder("mixed", SemanticEncoder(pair), SemanticDecoder(weights.DEFAULT_MODEL))
    assert mixed.encoder.contract.wire_id == mixed.decoder.contract.wire_id
    found, whole = (
        accuracy(one, test_set.images, test_set.labels, 20.0) for one in (mixed, coder(weights.DEFAULT_MODEL))
    )
    assert np.sum(found.right != whole.right) <= 1


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_int8_keeps_the_accuracy(pair: Path, quantised: Path, snr_db: float) -> None:
    data = fashion_mnist.load("test").first(4000)  # of 1,000 a fair part of 0.5 points is chance
    one, two = (accuracy(coder(model), data.images, data.labels, snr_db) for model in (pair, quantised))
    assert 100 * (one.right.mean() - two.right.mean()) <= POINTS
    for part in onnx_file.PARTS:
        sizes = [onnx_file.part_path(model, part).stat().st_size for model in (quantised, pair)]
        assert sizes[0] < 0.75 * sizes[1]


def test_erased_symbols_and_threads_are_as_with_torch(pair: Path, test_set: fashion_mnist.ImageSet) -> None:
    encoder, decoder, reference = SemanticEncoder(pair, 2), SemanticDecoder(pair, 2), SemanticDecoder()
    features = encoder.encode(test_set.images[:3], 5.0, CONTRACT.k_max)
    features[0] = np.nan
    features[1, 1:] = np.nan
    logits = decoder.decode(features, 5.0)
    assert np.isnan(logits[0]).all() and np.isfinite(logits[1:]).all()
    assert np.allclose(logits[1:], reference.decode(features, 5.0)[1:], atol=TOLERANCE)
    with pytest.raises(ContractError, match="have to be uint8"):
        encoder.encode(test_set.images[:1].astype(np.float32), 5.0, CONTRACT.k_max)


def test_the_pair_needs_no_torch(pair: Path) -> None:
    program = (
        "import sys, numpy as np\n"
        "from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder, answers\n"
        "encoder, decoder = SemanticEncoder(sys.argv[1]), SemanticDecoder(sys.argv[1])\n"
        "k = encoder.contract.k_list[0]\n"
        "items = np.zeros((2, *encoder.contract.item_shape), np.uint8)\n"
        "assert answers(decoder.decode(encoder.encode(items, 10.0, k), 10.0))[0].shape == (2,)\n"
        "assert not {'torch', 'onnx', 'safetensors'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(pair)], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# The files


def test_each_file_carries_contract_part_and_precision(pair: Path, quantised: Path) -> None:
    for model, precision in ((pair, "float32"), (quantised, "int8")):
        for part in onnx_file.PARTS:
            path = onnx_file.part_path(model, part)
            file = onnx_file.read(path, part)
            assert (file.part, file.precision) == (part, precision)
            assert weights.read_contract(path) == weights.read_contract(model, part) == CONTRACT
            assert weights.resolve(path) == weights.resolve(model, part) == path
    assert SemanticEncoder(pair.with_name("student.encoder.onnx")).network.precision == "float32"


def test_one_part_is_enough_for_its_own_side(pair: Path, tmp_path: Path) -> None:
    for own, other in (onnx_file.PARTS, onnx_file.PARTS[::-1]):
        (tmp_path / own).mkdir()
        model = copied(pair, tmp_path / own, own)
        assert weights.read_contract(model) == weights.read_contract(model, own) == CONTRACT
        with pytest.raises(ContractError, match=f"has no {other} here: .*copy.{other}.onnx is missing"):
            weights.resolve(model, other)


def test_the_other_part_is_refused(pair: Path) -> None:
    with pytest.raises(ContractError, match="is the decoder of a model where the encoder is needed"):
        SemanticEncoder(pair.with_name("student.decoder.onnx"))
    with pytest.raises(ContractError, match="is the encoder of a model where the decoder is needed"):
        SemanticDecoder(pair.with_name("student.encoder.onnx"))


def test_parts_of_different_models_are_refused(exporter: StudentExporter, pair: Path, tmp_path: Path) -> None:
    model = copied(pair, tmp_path, "encoder")
    tensors = {name: value * 2 for name, value in weights.read_tensors(exporter.path).items()}
    weights.save(tmp_path / "other.safetensors", tensors, CONTRACT)
    decoder = onnx_file.part_path(model, "decoder")
    decoder.write_bytes(StudentExporter(tmp_path / "other.safetensors").float32(model)[decoder])
    with pytest.raises(ContractError, match="were exported from different models"):
        weights.read_contract(model)


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9, 1.0])
def test_a_changed_byte_is_noticed(pair: Path, tmp_path: Path, place: float) -> None:
    path = onnx_file.part_path(copied(pair, tmp_path, "encoder"), "encoder")
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    path.write_bytes(content)
    with pytest.raises(ContractError, match="not an ONNX file that can be run|is not as 'sdr-sc export' wrote it"):
        SemanticEncoder(path)


def test_files_that_are_no_model_are_refused(pair: Path, tmp_path: Path) -> None:
    class Square(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images * images

    foreign = trace(Square(), {"images": torch.zeros(2, 1, 28, 28)}, ["symbols"])
    told = {onnx_file.CONTRACT_KEY: CONTRACT.to_json(), onnx_file.PART_KEY: "encoder"}
    whole = pair.with_name("student.encoder.onnx").read_bytes()
    path = tmp_path / "bad.onnx"
    for content, sentence in (
        (b"", "not an ONNX file"),
        (b"garbage", "not an ONNX file"),
        (whole[:-5000], "not an ONNX file that can be run|carries no model contract"),
        (foreign, "carries no model contract"),
        (with_metadata(foreign, told), "is not as 'sdr-sc export' wrote it"),
        (onnx_file.seal(with_metadata(foreign, told)), "maps images to"),
        (onnx_file.seal(with_metadata(foreign, told | {onnx_file.PART_KEY: "x"})), "does not say which part"),
    ):
        path.write_bytes(content)
        with pytest.raises(ContractError, match=sentence) as error:
            SemanticEncoder(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(ContractError, match="neither a file nor a shipped model"):
        weights.resolve(tmp_path / "none.onnx")
    with pytest.raises(ContractError, match="is an exported model"):
        weights.read_tensors(pair)


def test_files_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(SdrScError, match="cannot be written"):
        write_whole({tmp_path / "a.onnx": b"a", Path("/proc/none/b.onnx"): b"b"})
    assert list(tmp_path.iterdir()) == []


# The link


def answers_of(folder: Path) -> list[tuple[str, ...]]:
    with open(folder / "frames.csv", newline="") as file:
        frames = sorted(csv.DictReader(file), key=lambda frame: int(frame["frame_index"]))
    return [tuple(frame[key] for key in ("frame_index", "status", "k", "correct", "n_items")) for frame in frames]


def test_the_link_answers_as_with_torch(pair: Path, tmp_path: Path) -> None:
    settings = {"images": 60, "items_per_frame": 4, "snr_db": 8.0, "seed": 3}
    for name, model in (("torch", weights.DEFAULT_MODEL), ("onnx", pair)):
        done = run_loopback(40, model=str(model), folder=str(tmp_path / name), **settings)
        assert done.discrepancies == [] and done.items_answered == 60
    generated = compile_flowgraph(LOOPBACK, tmp_path)
    parameters = {**settings, "model": str(pair), "folder": str(tmp_path / "mixed")}
    tb = build(top_block_class(load_module(generated), generated), parameters)
    tb.decoder.model = weights.DEFAULT_MODEL
    watch_flowgraph(tb, 40)
    tb.results.stop()
    assert (account(tb).items_answered, account(tb).frames_refused) == (60, 0)
    assert answers_of(tmp_path / "torch") == answers_of(tmp_path / "onnx") == answers_of(tmp_path / "mixed")


def test_the_commands_take_a_pair_and_tell_mistakes_in_one_line(pair: Path, tmp_path: Path) -> None:
    k = str(CONTRACT.k_list[-1])
    options = ["--images", "50", "--snr", "15", "--k", k]
    done = sdr_sc("evaluate", "--model", pair, *options)
    assert done.returncode == 0, done.stderr
    half = pair.with_name("student.decoder.onnx")
    assert_one_line_error(sdr_sc("evaluate", "--model", half, *options), "where the encoder is needed")
    assert_one_line_error(sdr_sc("run", LOOPBACK, "--model", half, "--timeout", 40), "where the encoder is needed")
    alone = copied(pair, tmp_path, "encoder")
    assert_one_line_error(sdr_sc("evaluate", "--model", alone, *options), "has no decoder here")
    assert_one_line_error(sdr_sc("evaluate", "--model", "none.onnx"), "neither a file nor a shipped model")


def test_the_export_command(tmp_path: Path) -> None:
    out, figures = tmp_path / "new" / "my.onnx", tmp_path / "f.json"
    small = ["--precision", "int8", "--calibration-images", 128, "--check-images", 4000]
    done = sdr_sc("export", "--out", out, *small, "--json", figures, OMP_NUM_THREADS="1")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert {path.name for path in out.parent.iterdir()} == {"my.encoder.onnx", "my.decoder.onnx"}
    assert weights.read_contract(out) == CONTRACT
    rows = {row["name"]: row for row in json.loads(figures.read_text())["rows"]}
    assert rows["symbols, largest difference to torch"]["ok"] and rows["accuracy lost by int8, AWGN 20 dB"]["ok"]
    assert_one_line_error(sdr_sc("export", "--out", tmp_path / "my.encoder.onnx"), "has to end in .onnx, without")
    assert_one_line_error(sdr_sc("export", "none", "--out", out), "neither a file nor a shipped model")
    assert_one_line_error(sdr_sc("export", out, "--out", tmp_path / "b.onnx"), "is an exported model already")


# The teacher


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory, test_set: fashion_mnist.ImageSet) -> Path:
    path = tmp_path_factory.mktemp("teacher") / "small.safetensors"
    torch.manual_seed(1)
    network = EfficientNetLite2(32, 2, 10, pretrained=False)
    with torch.no_grad():  # without statistics of real maps its answers are all but zero
        for _ in range(20):
            network(torch.tensor(test_set.images[:32]).unsqueeze(1))
    torch.nn.init.normal_(network.head.weight, std=0.3)
    save(path, network.eval(), TeacherCard(32, 2, fashion_mnist.CLASS_NAMES, "none", "0" * 64))
    return path


def test_an_exported_teacher_answers_as_the_fitted_one(
    teacher: Path, tmp_path: Path, test_set: fashion_mnist.ImageSet
) -> None:
    out, images = tmp_path / "small.onnx", torch.tensor(test_set.images[:64])
    found = export_teacher(teacher, out, images[:8])
    one, other = (load_teacher(str(path), "cpu", classes=10) for path in (teacher, out))
    assert one.ask(images).logits.std() > 0.1
    apart = compare(one, other, images)
    assert max(found.logits, apart.logits, apart.features) <= 1e-3
    assert other.feature_dim == one.feature_dim and [path.name for path in tmp_path.iterdir()] == ["small.onnx"]
    with pytest.raises(SdrScError, match="has to end in .onnx"):
        export_teacher(teacher, tmp_path / "small.txt", images[:8])
    assert load(teacher)[1].image_size == 32


def test_the_teacher_export_command(teacher: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.onnx"
    done = sdr_sc("teacher", "export", teacher, "--out", out, "--check-images", 20, OMP_NUM_THREADS="1")
    assert done.returncode == 0 and out.is_file(), done.stderr
    assert_one_line_error(sdr_sc("teacher", "export", "none.safetensors", "--out", out), "none.safetensors")
