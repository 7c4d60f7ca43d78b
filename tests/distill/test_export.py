# SPDX-License-Identifier: GPL-3.0-or-later
"""Students as ONNX: agreement with torch, and files that do not fit."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command import environment
from onnx_pairs import coder, copied

from sdr_sc.bench.export import TOLERANCE, Agreement, Coder, accuracy, agreement, check_agreement
from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.export.onnx_export import StudentExporter
from sdr_sc.distill.export.onnx_write import trace, with_metadata
from sdr_sc.errors import ContractError
from sdr_sc.files import write_whole
from sdr_sc.semantic import onnx_file, weights
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

CONTRACT = weights.read_contract(weights.DEFAULT_MODEL)
POINTS = 0.5


@pytest.fixture(scope="module")
def test_set() -> ImageSet:
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


# The student


def test_the_pair_agrees_with_the_weights_for_every_k_and_snr(pair: Path, test_set: ImageSet) -> None:
    found = agreement(coder(weights.DEFAULT_MODEL), coder(pair), test_set.images[:100])
    assert found.symbols <= TOLERANCE and found.logits <= TOLERANCE
    check_agreement(found, "pair")
    for bad in (1e-3, float("nan")):
        with pytest.raises(ContractError, match="was not written"):
            check_agreement(replace(found, symbols=bad), "pair")
        with pytest.raises(ContractError, match="was not written"):
            check_agreement(Agreement(0.0, bad, 1), "pair")


def test_onnx_and_torch_parts_work_together(pair: Path, test_set: ImageSet) -> None:
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


def test_erased_symbols_and_threads_are_as_with_torch(pair: Path, test_set: ImageSet) -> None:
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
    for use in (weights.read_contract, SemanticEncoder, SemanticDecoder):
        with pytest.raises(ContractError, match="were exported from different models"):
            use(model)
    for part, use in (("encoder", SemanticEncoder), ("decoder", SemanticDecoder)):
        assert use(onnx_file.part_path(model, part)).contract.name == CONTRACT.name, "a file by itself is no pair"


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
