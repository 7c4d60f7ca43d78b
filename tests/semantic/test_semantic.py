# SPDX-License-Identifier: GPL-3.0-or-later
"""Student, contract, weights, CAM and inference."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import ImageSet
from sdr_sc.errors import ContractError
from sdr_sc.sealed import sealed
from sdr_sc.semantic import weights
from sdr_sc.semantic.cam import CamTarget, choose_k, look_up, table_for
from sdr_sc.semantic.complexity import count_flops, count_parameters
from sdr_sc.semantic.contract_reading import read_contract_text
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder, answers
from sdr_sc.semantic.networks.dense import StudentEncoder
from sdr_sc.semantic.networks.symbols import normalise_prefix

CONTRACT = weights.read_contract(weights.DEFAULT_MODEL)
VERSION_1 = (Path(__file__).parent / "contract_version_1.json").read_text()
"""Of the shipped model, as the first version of contracts wrote it."""


@pytest.fixture(scope="module")
def encoder() -> SemanticEncoder:
    return SemanticEncoder()


@pytest.fixture(scope="module")
def decoder() -> SemanticDecoder:
    return SemanticDecoder()


@pytest.fixture(scope="module")
def test_set() -> ImageSet:
    return fashion_mnist.load("test").first(1000)


def tampered(tmp_path: Path, **changes) -> Path:
    """A copy of the shipped model whose contract says something else, under a checksum that fits."""
    from safetensors.numpy import load_file, save_file

    source = weights.resolve(weights.DEFAULT_MODEL)
    raw = {**json.loads(VERSION_1), **changes}
    path = tmp_path / "tampered.safetensors"
    save_file(load_file(source), path, metadata={weights.CONTRACT_KEY: json.dumps(sealed(raw))})
    return path


def with_cam(**changes) -> dict:
    """Changes for `tampered` within the CAM's table."""
    return {"cam": {**json.loads(VERSION_1)["cam"], **changes}}


def test_encoder_is_small_enough() -> None:
    net = StudentEncoder()
    assert count_parameters(net) <= 60_000
    assert count_flops(net, torch.zeros(1, 1, 28, 28), torch.zeros(1)) <= 6e6
    assert weights.resolve(weights.DEFAULT_MODEL).stat().st_size <= 2e6


def test_flops_are_counted_two_for_a_multiply_add() -> None:
    layer = torch.nn.Conv2d(4, 8, 3, padding=1, groups=2)
    assert count_flops(layer, torch.zeros(2, 4, 10, 10)) == 2 * (2 * 9) * (2 * 8 * 100)


def test_features_are_nested_with_unit_power(encoder: SemanticEncoder, test_set: ImageSet) -> None:
    items = test_set.images[:8]
    longest = encoder.encode(items, 10.0, 32)
    for k in (4, 8, 16, 32):
        features = encoder.encode(items, 10.0, k)
        assert features.shape == (8, k) and features.dtype == np.complex64
        assert np.allclose(np.mean(np.abs(features) ** 2, axis=1), 1.0, atol=1e-4)
        ratio = features / longest[:, :k]
        assert np.allclose(ratio, ratio[:, :1], atol=1e-3)  # the same symbols, scaled


def test_prefix_power_does_not_depend_on_the_scale() -> None:
    symbols = torch.randn(3, 8, 2, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(normalise_prefix(symbols, 4), normalise_prefix(100 * symbols, 4), atol=1e-5)


def test_noiseless_accuracy(encoder: SemanticEncoder, decoder: SemanticDecoder, test_set: ImageSet) -> None:
    features = encoder.encode(test_set.images, 25.0, 16)
    classes, confidence = answers(decoder.decode(features, 25.0))
    assert np.mean(classes == test_set.labels) > 0.91
    assert ((confidence > 0) & (confidence <= 1)).all()


def test_inference_takes_no_gradient_and_one_thread(encoder: SemanticEncoder) -> None:
    features = encoder.encode(np.zeros((1, 28, 28), np.uint8), 0.0, 4)
    assert torch.get_num_threads() == 1
    assert isinstance(features, np.ndarray)
    assert not any(p.grad is not None for p in encoder.network.module.parameters())


def test_lost_items_are_reported_as_lost(decoder: SemanticDecoder) -> None:
    features = np.ones((2, 8), np.complex64)
    features[1] = np.nan
    classes, confidence = answers(decoder.decode(features, 10.0))
    assert classes[0] >= 0
    assert (classes[1], confidence[1]) == (-1, 0)


def test_partly_erased_items_are_answered(
    encoder: SemanticEncoder, decoder: SemanticDecoder, test_set: ImageSet
) -> None:
    features = encoder.encode(test_set.images[:300], 15.0, 32)
    erased = np.zeros(features.shape, bool)
    erased[:, 20:] = True
    features[erased] = np.nan
    classes, _ = answers(decoder.decode(features, 15.0, erased))
    assert np.mean(classes == test_set.labels[:300]) > 0.85


@pytest.mark.parametrize("k", [0, 5, 64])
def test_k_outside_the_list_is_refused(encoder: SemanticEncoder, decoder: SemanticDecoder, k: int) -> None:
    with pytest.raises(
        ContractError, match=r"k=\d+ is not in the list .* choose one of 1, 2, 3, 4, 6, 8, 12, 16, 24, 32"
    ):
        encoder.encode(np.zeros((1, 28, 28), np.uint8), 0.0, k)
    with pytest.raises(ContractError, match="is not in the list"):
        decoder.decode(np.zeros((1, k), np.complex64), 0.0)


def test_items_of_another_shape_are_refused(encoder: SemanticEncoder) -> None:
    with pytest.raises(ContractError, match=r"takes items of shape \(28, 28\)"):
        encoder.encode(np.zeros((1, 32, 32), np.uint8), 0.0, 4)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"format_version": 3}, "contract version 3"),
        ({"power_norm": "peak"}, "power norm 'peak'"),
        ({"k_list": [8, 4]}, "has to rise|must rise"),
        ({"k_list": [4, 8]}, "CAM table that does not fit"),
        ({"model_id": "xyz"}, "16 hexadecimal digits"),
        ({"model_id": "0" * 16}, "other weights than its contract"),
        ({"architecture": {"encoder": "dense", "decoder_width": 64}}, "do not fit the student network"),
        ({"architecture": {"encoder": "sparse", "decoder_width": 160}}, "encoder of kind 'sparse' is unknown"),
        ({"cam": None}, "no contract that can be read"),
        (with_cam(accuracy=[]), "not 33 rows of 5"),
        (with_cam(accuracy=[[0.5] * 4] * 33), "not 33 rows of 5"),
        (with_cam(accuracy=[[0.5] * 5] * 32), "not 33 rows of 5"),
        (with_cam(accuracy=[[0.5] * 5] * 32 + [[0.5] * 6]), "not 33 rows of 5"),
        (with_cam(snr_db=[0.0] * 33), "CAM table whose SNRs .* do not rise"),
        (with_cam(snr_db=[*range(32), float("nan")]), "CAM table whose SNRs .* do not rise"),
        (with_cam(snr_db=[*range(32), float("inf")]), "CAM table whose SNRs .* do not rise"),
        ({"training_snr_db": [25.0, -7.0]}, "training SNRs .* must be two and rise"),
        ({"training_snr_db": [-7.0]}, "training SNRs .* must be two and rise"),
        ({"training_snr_db": [-7.0, float("inf")]}, "training SNRs .* must be two and rise"),
        ({"normalisation": [0.3, 0.0]}, "normalisation .* above 0"),
        ({"normalisation": [0.3, float("nan")]}, "normalisation .* above 0"),
        ({"normalisation": [float("nan"), 0.3]}, "normalisation .* above 0"),
        ({"normalisation": [0.3]}, "normalisation .* above 0"),
        ({"item_shape": []}, "whole numbers above 0"),
        ({"item_shape": [28, 0]}, "whole numbers above 0"),
        ({"item_shape": [28, 2.5]}, "whole numbers above 0"),
        ({"item_shape": [28, 129]}, "encoder takes grey or RGB images of 16 to 128 pixels a side"),
        ({"item_shape": [28, 28, 3]}, "encoder takes grey or RGB images of 16 to 128 pixels a side"),
    ],
)
def test_a_contract_that_does_not_fit_is_refused(tmp_path: Path, changes: dict, sentence: str) -> None:
    path = tampered(tmp_path, **changes)
    with pytest.raises(ContractError, match=sentence) as error:
        SemanticEncoder(path), SemanticDecoder(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", [*weights.MODELS_FOLDER.glob("*.safetensors")], ids=lambda path: path.stem)
def test_shipped_models_load(path: Path) -> None:
    assert SemanticEncoder(path).contract == SemanticDecoder(path).contract == weights.read_contract(path)


def test_the_encoder_takes_the_sides_that_it_says() -> None:
    for side in StudentEncoder.sides:
        for shape in ((side, 28), (3, 40, side)):
            net = StudentEncoder(4, shape).eval()
            images = torch.zeros(1, 3 if len(shape) == 3 else 1, *shape[-2:])
            rows = net.features(images).shape[2:]
            assert tuple(rows) == tuple(net.pool.weight.shape[1:]) and max(rows) <= 5
            assert net(images, torch.zeros(1)).shape == (1, 4, 2)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    garbage = tmp_path / "garbage.safetensors"
    garbage.write_bytes(b"not a model")
    with pytest.raises(ContractError, match="not a safetensors file"):
        weights.read_contract(garbage)
    bare = tmp_path / "bare.safetensors"
    save_file({"x": np.zeros(3, np.float32)}, bare)
    with pytest.raises(ContractError, match="no model contract"):
        weights.read_contract(bare)
    with pytest.raises(ContractError, match="neither a file nor a shipped model"):
        weights.read_contract("no_such_model")


def test_damaged_weights_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "damaged.safetensors"
    raw = bytearray(weights.resolve(weights.DEFAULT_MODEL).read_bytes())
    raw[-100] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ContractError, match="other weights"):
        weights.read_tensors(path)


def test_contract_survives_json() -> None:
    assert read_contract_text(CONTRACT.to_json(), "test") == CONTRACT
    beside = weights.MODELS_FOLDER / f"{weights.DEFAULT_MODEL}.contract.json"
    assert read_contract_text(beside.read_text(), "file") == CONTRACT


def test_cam_sends_more_where_the_channel_is_worse() -> None:
    choices = [look_up(CONTRACT.cam, snr_db) for snr_db in range(-10, 31)]
    assert choices == sorted(choices, reverse=True)
    assert choices[0] > choices[-1]


def test_choice_never_rises_with_the_snr() -> None:
    accuracy = np.array([[0.5, 0.8], [0.9, 0.9], [0.8, 0.9]])
    assert choose_k(accuracy, (4, 8), 1.0) == (8, 8, 8)


def test_data_set_errors_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fashion_mnist.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(fashion_mnist.DataSetError, match="apt-get install dataset-fashion-mnist"):
        fashion_mnist.load("test")
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8bgarbage")
    with pytest.raises(fashion_mnist.DataSetError, match="cannot be read"):
        fashion_mnist.load("test")


def test_a_renamed_model_keeps_its_id(tmp_path: Path) -> None:
    contract = weights.save(
        tmp_path / "copy.safetensors", weights.read_tensors(weights.DEFAULT_MODEL), replace(CONTRACT, name="copy")
    )
    assert contract.model_id == CONTRACT.model_id


def test_cam_meets_another_target() -> None:
    strict, lax = (table_for(CONTRACT, CamTarget(max_loss_points=points)) for points in (0.1, 5.0))
    assert all(a >= b for a, b in zip(strict.k, lax.k, strict=True)) and sum(strict.k) > sum(lax.k)
    budget = table_for(CONTRACT, CamTarget(max_k=8))
    assert max(budget.k) == 8
    assert table_for(CONTRACT, CamTarget()) == CONTRACT.cam


@pytest.mark.parametrize(
    ("target", "said"),
    [(CamTarget(max_k=0), "fits a budget of 0"), (CamTarget(max_loss_points=-1.0), "give 0 or more")],
)
def test_cam_targets_that_cannot_be_met_are_refused(target: CamTarget, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        table_for(CONTRACT, target)


def test_a_changed_digit_of_the_contract_is_refused(tmp_path: Path) -> None:
    source = weights.resolve(weights.DEFAULT_MODEL).read_bytes()
    path = tmp_path / "changed.safetensors"
    path.write_bytes(source.replace(b"0.9336", b"0.9346", 1))
    assert path.read_bytes() != source
    with pytest.raises(ContractError, match="damaged or was edited"):
        weights.read_contract(path)


def test_a_contract_of_an_earlier_version_is_read_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    raw = json.loads(VERSION_1)
    del raw["sha256"]
    earlier = read_contract_text(json.dumps(raw), "an earlier file")
    assert earlier.calibration is None and earlier.refinement is None and earlier.k_list == (2, 4, 8, 16, 32)
    assert earlier.model_id == CONTRACT.model_id and earlier.class_names == CONTRACT.class_names
    assert "an earlier file has no checksum" in caplog.text
    caplog.clear()
    read_contract_text(CONTRACT.to_json(), "a sealed file")
    assert not caplog.text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (with_cam(accuracy=[[float("nan")] * 5] * 33), "accuracy that is not between 0 and 1"),
        (with_cam(accuracy=[[1.01] * 5] * 33), "accuracy that is not between 0 and 1"),
        (with_cam(max_loss_points=-1), "gives away -1 accuracy points"),
        (with_cam(snr_db=[*range(32), 1e300]), "do not rise within 200 dB"),
        ({"class_names": []}, "0 class names"),
        ({"class_names": ["a", "a"]}, "2 class names, of which 1 differ"),
        ({"k_list": [2, 1e12]}, "k list"),
        ({"architecture": {"encoder": "dense", "decoder_width": 10**9}}, "architecture that this program does not"),
    ],
)
def test_an_implausible_contract_is_refused(tmp_path: Path, changes: dict, sentence: str) -> None:
    path = tampered(tmp_path, **changes)
    with pytest.raises(ContractError, match=sentence) as error:
        SemanticDecoder(path)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "[]", "null", '{"cam": 1}', "\x00"])
def test_a_contract_that_is_hostile_json_is_one_sentence(text: str) -> None:
    with pytest.raises(ContractError) as error:
        read_contract_text(text, "file")
    assert len(str(error.value)) < 400


def test_a_network_keeps_to_its_threads_wherever_it_is_called(tmp_path: Path) -> None:
    """OpenMP keeps the number for each calling thread: a block's would wake others, which wait at full speed."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, threading\n"
        "import numpy as np\n"
        "from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder\n"
        "encoder, decoder = SemanticEncoder(), SemanticDecoder()\n"
        "def work():\n"
        "    before = len(os.listdir('/proc/self/task'))\n"
        "    items = np.zeros((64, *encoder.contract.item_shape), np.uint8)\n"
        "    for _ in range(20):\n"
        "        decoder.outputs(encoder.encode(items, 5.0, 8), 5.0)\n"
        "    print(len(os.listdir('/proc/self/task')) - before)\n"
        "thread = threading.Thread(target=work)\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "4"}
    ran = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, env=environment, check=True, timeout=300
    )
    assert ran.stdout.strip() == "0", "threads that the network's own have started"
