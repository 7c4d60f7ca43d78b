# SPDX-License-Identifier: GPL-3.0-or-later
"""A base is bound to what makes its vectors: a calibration of the model leaves it valid, another encoder does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from command import sdr_sc
from knowledge_entries import made_entry
from PIL import Image

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic import weights
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.features import FeatureMaker, FeatureVectors, usual_vectors
from sdr_sc.semantic.knowledge.storage.state import contract_checksum

MODEL = "fashion_mnist_student"
CONTRACT = weights.read_contract(MODEL)
SPACE = usual_vectors(CONTRACT).space(CONTRACT)


def calibrated(contract: ModelContract) -> ModelContract:
    """The model after another calibration, with fewer k and under another name."""
    cam = replace(contract.cam, max_loss_points=3.0, k=(contract.k_max,) * len(contract.cam.k),
                  accuracy=tuple(row[-2:] for row in contract.cam.accuracy))  # fmt: skip
    return replace(
        contract, name="mine", k_list=contract.k_list[-2:], cam=cam, calibration=None, refinement=None,
        training={**contract.training, "note": "calibrated"},
    )  # fmt: skip


def made(path, space=SPACE, count: int = 3):
    KnowledgeBase.create(path, space, [made_entry(number, space=space) for number in range(count)], "toy")
    return path


def test_a_calibrated_model_makes_the_same_vectors_and_has_the_same_bases(tmp_path):
    weights.save(tmp_path / "mine.safetensors", weights.read_tensors(MODEL), calibrated(CONTRACT))
    before, after = FeatureMaker(MODEL), FeatureMaker(tmp_path / "mine.safetensors")
    assert contract_checksum(before.contract) != contract_checksum(after.contract)
    items = np.random.default_rng(1).integers(0, 256, (4, 28, 28), np.uint8)
    assert np.array_equal(before.vectors(items), after.vectors(items)) and before.space == after.space
    with KnowledgeBase(made(tmp_path / "a.kb"), after.contract) as base:
        assert base.space == after.space


@pytest.mark.parametrize(
    "changed",
    [
        {"architecture": {**CONTRACT.architecture, "encoder": "other"}},
        {"modality": replace(CONTRACT.modality, parameters={"mean": 0.3, "std": 0.35})},
        {"training_snr_db": (-5.0, 25.0)},
        {"model_id": "0" * 16},
    ],
)
def test_another_encoder_has_other_bases(tmp_path, changed):
    other = replace(CONTRACT, **changed)
    assert usual_vectors(other).space(other) != SPACE
    path = made(tmp_path / "a.kb")
    with pytest.raises(KnowledgeError, match=r"is for (another contract of model 'fashion_mnist_student'|model )"):
        KnowledgeBase(path, other)


def test_a_base_of_an_earlier_program_is_for_the_very_contract(tmp_path):
    old = made(tmp_path / "old.kb", replace(SPACE, contract_sha256=contract_checksum(CONTRACT)))
    with KnowledgeBase(old, CONTRACT) as base:
        assert len(base) == 3
    with pytest.raises(KnowledgeError, match="earlier program made the base and the model was calibrated since"):
        KnowledgeBase(old, calibrated(CONTRACT))


def test_a_base_of_an_earlier_program_gets_new_versions(tmp_path):
    old = made(tmp_path / "old.kb", replace(SPACE, contract_sha256=contract_checksum(CONTRACT)))
    for part in ("train", "test"):
        for name, grey in {"dark": 40, "light": 200}.items():
            (tmp_path / "mine" / part / name).mkdir(parents=True)
            Image.new("L", (28, 28), grey).save(tmp_path / "mine" / part / name / "one.png")
    for option, count in {"--add-to": 5, "--continues": 2}.items():
        new = tmp_path / f"new{option}.kb"
        done = sdr_sc("kb", "build", tmp_path / "mine", "-o", new, option, old)
        assert done.returncode == 0 and f"version 2), {count} entries" in done.stdout, done.stderr
        assert sdr_sc("kb", "diff", old, new, "-o", tmp_path / f"{option}.increment").returncode == 0
        with KnowledgeBase(new, CONTRACT) as base:
            assert len(base) == count
    done = sdr_sc("kb", "build", tmp_path / "mine", "-o", tmp_path / "x.kb", "--continues", old, "--k", 16)
    assert done.returncode == 1 and "another model or kind" in done.stderr
    assert FeatureVectors(16, 10.0).space(CONTRACT) != SPACE
