# SPDX-License-Identifier: GPL-3.0-or-later
"""What the model card says of a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.export.model_card import model_card
from sdr_sc.distill.objective import Student
from sdr_sc.semantic import weights
from sdr_sc.semantic.specs import TaskSpec

CONTRACT = weights.read_contract(weights.DEFAULT_MODEL)
OLD = {name: value for name, value in CONTRACT.training.items() if name != "labelled_items"}


def card(tmp_path: Path, training: dict, class_names: tuple[str, ...] = CONTRACT.class_names) -> str:
    out = tmp_path / "m.safetensors"
    out.write_bytes(bytes(1000))
    contract = replace(CONTRACT, tasks=(TaskSpec("classification", class_names),), training=training)
    student = Student(DistillConfig(k_list=CONTRACT.k_list), len(class_names)).eval()
    return model_card(student, contract, out)


def test_the_card_names_the_classes_of_its_model(tmp_path: Path) -> None:
    text = card(tmp_path, OLD, ("cat", "dog", "horse"))
    assert "It knows 3 classes alone" in text and "cat, dog, horse." in text and "ten" not in text.split("Use and")[1]


@pytest.mark.parametrize(
    ("training", "told"),
    [
        (OLD, "(all but 5000 items, which are held out)"),
        (OLD | {"labelled_items": 0}, "(all but 5000 items, which are held out)"),
        (OLD | {"labelled_items": 30_250}, "(all but 5000 items, which are held out; labels of the first 30250 alone)"),
        (OLD | {"limit_items": 600, "labelled_items": 100}, "(600 items; labels of the first 100 alone)"),
    ],
)
def test_the_card_reports_how_much_of_the_data_was_used(tmp_path: Path, training: dict, told: str) -> None:
    assert f"| data | {CONTRACT.data_set} {told} |" in card(tmp_path, training)
