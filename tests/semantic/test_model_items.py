# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's own pictures or texts as the items of a model that takes both, wherever a data set meets a model."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from gnuradio import blocks, gr
from PIL import Image

from sdr_sc.blocks.item_source import item_order, item_source
from sdr_sc.data.asked import QUESTION, asked_items
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import ImageSet, Targets, TextSet, warn_once
from sdr_sc.data.joint.slots import PICTURE, TEXT, planes_of
from sdr_sc.data.texts import Texts, text_of
from sdr_sc.errors import ContractError, DataSetError, SdrScError
from sdr_sc.flowgraph.fitting_model import contract_for_images
from sdr_sc.semantic import weights
from sdr_sc.semantic.model_items import FittedSet, check_items, in_model_form, load_items, spec_for
from sdr_sc.sweep.items import items_of

MODEL = "multitask_student"
CONTRACT = weights.read_contract(MODEL)
KNOWN = "Food & Drink"


@pytest.fixture
def folder(tmp_path):
    """Pictures of 40 x 48 pixels, of a class that the model has and one that it has not."""
    rng = np.random.default_rng(1)
    for part in ("train", "test"):
        for name in (KNOWN, "my cat"):
            (tmp_path / "mine" / part / name).mkdir(parents=True)
            for number in range(3):
                pixels = rng.integers(0, 256, (48, 40, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "mine" / part / name / f"{number}.png")
    return tmp_path / "mine"


def test_a_folder_of_pictures_becomes_slots_with_the_classes_of_the_model(folder, caplog):
    warn_once.cache_clear()
    spec = spec_for(MODEL, str(folder))
    assert spec == f"{folder},model={MODEL}"
    with caplog.at_level(logging.WARNING):
        data = load_items(spec, "test")
    assert "has no class 'my cat' of data set mine" in caplog.text
    own = load_dataset(str(folder), "test")
    every = np.arange(len(own))
    slots = data.items(every)
    assert slots.shape == (6, *CONTRACT.item_shape) and (slots[:, 0] == PICTURE).all()
    means = planes_of(slots).mean(axis=(2, 3))
    assert np.abs(means - own.items(every).reshape(6, 3, -1).mean(axis=2)).max() < 1.0
    labels, classes = data.targets("classification", every), data.names("classification")
    assert classes == CONTRACT.tasks[0].names
    for label, wanted in zip(labels.tolist(), own.labels.tolist(), strict=True):
        assert (classes[label] if label >= 0 else "my cat") == own.class_names[wanted]
    assert spec_for(MODEL, spec) == spec
    contract_for_images(MODEL, spec)


def test_what_fits_stays_and_what_cannot_is_refused(folder):
    fitting = load_dataset("fashion_mnist", "test")
    own = weights.read_contract("fashion_mnist_student")
    assert (
        in_model_form(own, fitting) is fitting and spec_for("fashion_mnist_student", "fashion_mnist") == "fashion_mnist"
    )
    with pytest.raises(ContractError, match=r"takes items of shape \(28, 28\)"):
        spec_for("fashion_mnist_student", str(folder))
    with pytest.raises(ContractError, match=f"write the data set as .*,model={MODEL}"):
        contract_for_images(MODEL, str(folder))
    with pytest.raises(SdrScError, match="are of no class of the model"):
        items_of(1, 6, f"{folder},model={MODEL}")
    for spec, said in {f"{folder},model=nosuch": "'nosuch' is neither", f"nosuch,model={MODEL}": "is unknown"}.items():
        for use in (check_items, load_items):
            with pytest.raises(SdrScError, match=said):
                use(spec)


def test_texts_become_slots_and_names_of_joined_sets_are_told_apart():
    texts = Texts.of(["a fruit", "", "x" * 258])
    labels = np.array([1, 0, 1])
    data = TextSet(texts, 258, labels, ("noun.animal", "other"), "ab" * 32, "lines", "test", "")
    found = FittedSet(data, CONTRACT)
    assert [text_of(slot[1:]) for slot in found.items(np.arange(3))] == list(texts)
    assert (found.items(np.arange(3))[:, 0] == TEXT).all()
    place = CONTRACT.tasks[0].names.index("noun.animal")
    assert found.targets("classification", np.arange(3)).tolist() == [-1, place, -1]
    two = replace(CONTRACT.tasks[0], names=("other", "other (lines)", *CONTRACT.tasks[0].names[2:]))
    contract = replace(CONTRACT, tasks=(two, *CONTRACT.tasks[1:]))
    assert FittedSet(data, contract, "lines").targets("classification", np.arange(1)).tolist() == [1]
    assert FittedSet(data, contract).targets("classification", np.arange(1)).tolist() == [0]
    with pytest.raises(ContractError, match="takes items of shape"):
        FittedSet(replace(data, longest=1 << 13), CONTRACT).items(np.arange(1))


def test_entries_stay_those_of_the_data_set_and_other_tasks_are_refused():
    more = {"retrieval": Targets(np.array([2, 0]), ("a", "b", "c"))}
    data = ImageSet(np.zeros((2, 3, 20, 20), np.uint8), np.zeros(2, np.int64), (KNOWN,), "ab" * 32, more=more)
    found = FittedSet(data, CONTRACT)
    assert found.tasks == ("classification", "retrieval") and found.names("retrieval") == ("a", "b", "c")
    assert found.targets("retrieval", np.array([0, 1])).tolist() == [2, 0]
    assert asked_items(found) is None and len(found) == 2
    for task in ("subgroup", QUESTION):
        for use in (found.names, lambda name: found.targets(name, np.arange(2))):
            with pytest.raises(DataSetError, match="has no targets for the task"):
                use(task)


def test_the_item_source_sends_own_pictures_in_slots(folder):
    spec = f"{folder},model={MODEL}"
    source = item_source(items=6, seed=3, data_set=spec)
    assert source.item_bytes == CONTRACT.item_shape[0]
    graph, sink = gr.top_block(), blocks.vector_sink_b()
    graph.connect(source, sink)
    graph.run()
    sent = np.array(sink.data(), np.uint8).reshape(6, -1)
    assert np.array_equal(sent, load_items(spec, "test").items(item_order(6, 3)))
