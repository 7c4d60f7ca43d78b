# SPDX-License-Identifier: GPL-3.0-or-later
"""An epoch as a function of arrays: it goes on bit by bit, federates, and refuses arrays of others."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command import ROOT
from torch import Tensor, nn

from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.accuracy import evaluate_state
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.epoch import Learner, new_state, train_epoch
from sdr_sc.distill.state import TrainState
from sdr_sc.distill.train import Trainer
from sdr_sc.errors import SdrScError
from sdr_sc.semantic.networks.base import OwnEncoder
from sdr_sc.semantic.networks.registry import allow_encoder

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = DistillConfig(
    epochs=2,
    batch_items=64,
    limit_items=256,
    validation_items=128,
    k_list=(4, 8),
    decoder_width=32,
    precision="float32",
    bottleneck_weight=1e-3,
    decision_epochs=2,
    decision_weight=10.0,
)


class Dropping(nn.Module):
    """A network that draws from torch's global generator, and names its parts."""

    width = 16

    def __init__(self, k_max: int, item_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.k_max = k_max
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(16, 2 * k_max)

    def pooled(self, images: Tensor) -> Tensor:
        return self.body(images)

    def from_pooled(self, pooled: Tensor, snr_db: Tensor) -> Tensor:
        return self.head(pooled + 0.01 * snr_db.unsqueeze(1)).view(-1, self.k_max, 2)

    def forward(self, images: Tensor, snr_db: Tensor) -> Tensor:
        return self.from_pooled(self.pooled(images), snr_db)

    def adamw_modules(self) -> list[nn.Module]:
        return [self.body[1]]

    def backbone(self) -> list[nn.Module]:
        return [self.body]

    def for_inference(self) -> nn.Module:
        made = Dropping(self.k_max, ())
        made.load_state_dict(self.state_dict())
        made.body = made.body[:3]
        return made


KIND = f"{__name__}:Dropping"


@pytest.fixture(scope="module")
def data() -> ImageSet:
    return fashion_mnist.load("train").first(512)


def through_a_file(state: TrainState) -> TrainState:
    """The state from arrays that were written and read again."""
    stream = io.BytesIO()
    np.savez(stream, **state.to_arrays())
    stream.seek(0)
    with np.load(stream, allow_pickle=False) as arrays:
        return TrainState.from_arrays(dict(arrays))


def assert_same(one: TrainState, other: TrainState) -> None:
    first, second = one.to_arrays(), other.to_arrays()
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert value.dtype == second[name].dtype and value.tobytes() == second[name].tobytes(), name


@pytest.mark.parametrize("encoder", ["dense", "small", KIND])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_epochs_from_arrays_are_the_whole_run_bit_by_bit(data: ImageSet, precision: str, encoder: str) -> None:
    allow_encoder(KIND)
    config = replace(SMALL, precision=precision, encoder=encoder)
    whole = Trainer(data, config)
    whole.run()
    state, reports = new_state(data, config), []
    for epoch in range(4):
        torch.manual_seed(epoch)  # whatever the caller draws is no matter
        state, report = train_epoch(through_a_file(state), data, config)
        reports.append(report)
    assert_same(state, whole.state())
    assert [one.losses for one in reports] == [one.losses for one in whole.history]
    assert [one.accuracy for one in reports] == [one.accuracy for one in whole.history]
    assert reports[0].items == 256 and state.epoch == 4
    with pytest.raises(SdrScError, match="all 4 epochs of this run are done"):
        train_epoch(state, data, config)


def test_an_epoch_leaves_its_state_and_the_callers_generator_alone(data: ImageSet) -> None:
    state = new_state(data, SMALL)
    before = {name: value.copy() for name, value in state.to_arrays().items()}
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    after, _ = train_epoch(state, data, SMALL)
    assert torch.equal(torch.rand(3), wanted)
    for name, value in state.to_arrays().items():
        assert np.array_equal(value, before[name]), name
    assert not np.array_equal(
        after.weights["student.encoder.hidden.weight"], before["weights/student.encoder.hidden.weight"]
    )


def test_a_client_keeps_the_modality_of_the_state(data: ImageSet) -> None:
    dark = replace(data, images=data.images // 4)
    state = new_state(data, SMALL)
    after, _ = train_epoch(state, dark, SMALL)
    assert after.modality == state.modality != new_state(dark, SMALL).modality


def test_the_example_of_the_page_federates(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "distillation.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    found: dict[str, object] = {}
    exec(code, found)
    assert isinstance(found["accuracy"], float) and found["accuracy"] > 0.4  # chance is 0.1
    given, counts = found["given"], found["counts"]
    assert isinstance(given, list) and counts == [950, 950]
    name = "weights/student.decoder.logits.weight"
    assert not np.array_equal(given[0][name], given[1][name]), "two clients learn from data of their own"
    assert np.allclose(found["arrays"][name], (given[0][name] + given[1][name]) / 2)  # type: ignore[index]


def test_an_average_is_scored_like_the_student_that_it_is(data: ImageSet) -> None:
    trainer = Trainer(data, replace(SMALL, epochs=15, decision_epochs=0, limit_items=0))
    student = trainer.run()
    assert evaluate_state(trainer.state(), data, SMALL) > 0.3
    with torch.no_grad():
        for weight in student.decoder.logits.parameters():
            weight.zero_()
    assert abs(evaluate_state(trainer.state(), data, SMALL) - np.mean(data.labels == 0)) < 1e-6
    with pytest.raises(SdrScError, match="images of shape"):
        evaluate_state(trainer.state(), replace(data, images=data.images[:, :20, :20]), SMALL)


def test_a_network_names_its_optimiser_groups_and_its_inference_form(data: ImageSet) -> None:
    allow_encoder(KIND)
    learner = Learner(data, replace(SMALL, encoder=KIND))
    muon, adamw = ({id(p) for group in one.param_groups for p in group["params"]} for one in learner.optimisers)
    encoder = learner.objective.student.encoder
    assert isinstance(encoder, OwnEncoder) and isinstance(encoder.network, Dropping)
    assert id(encoder.network.head.weight) in muon and id(encoder.network.body[1].weight) in adamw
    learner.begin_decisions()
    assert not encoder.network.body[1].weight.requires_grad and encoder.network.head.weight.requires_grad
    made = encoder.for_inference()
    assert isinstance(made, OwnEncoder) and len(made.network.body) == 3  # type: ignore[arg-type]
    images, snr_db = torch.rand(3, 1, 28, 28), torch.zeros(3)
    assert torch.equal(made(images, snr_db), encoder.eval()(images, snr_db))


def changed(name: str, value: object) -> Callable[[dict], dict]:
    return lambda arrays: {**arrays, name: value}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (changed("weights/student.encoder.hidden.bias", np.zeros(3, np.float32)), r"float32 \(3,\) where \(64,\)"),
        (changed("weights/student.encoder.hidden.bias", np.zeros(64, "U1")), "where"),
        (changed("weights/student.encoder.hidden.bias", np.full(64, np.nan, np.float32)), "no finite numbers"),
        (changed("weights/more", np.zeros(1)), "have 'more'"),
        (changed("optimisers/more/step", np.zeros(1)), "have 'more/step'"),
        (changed("other/x", np.zeros(1)), "has no array 'other/x'"),
        (changed("epoch", np.array(-1)), "'epoch'"),
        (changed("epoch", np.array(9)), "epoch 9 of 4"),
        (changed("modality", np.array([1, 2], np.uint8)), "is not JSON"),
        (changed("modality", np.frombuffer(b'{"name": 3}', np.uint8)), "'modality'"),
        (lambda arrays: {n: v for n, v in arrays.items() if n != "epoch"}, "'epoch'"),
        (
            lambda arrays: {n: v for n, v in arrays.items() if "hidden.bias" not in n},
            "lack 'student.encoder.hidden.bias'",
        ),
        (lambda arrays: {}, "'epoch'"),
    ],
)
def test_arrays_of_another_run_are_refused_in_one_sentence(data: ImageSet, change: Callable, words: str) -> None:
    arrays = new_state(data, SMALL).to_arrays()
    with pytest.raises(SdrScError, match=words) as caught:
        train_epoch(TrainState.from_arrays(change(arrays)), data, SMALL)
    assert "\n" not in str(caught.value)


def test_items_of_another_shape_than_the_states_are_refused(data: ImageSet) -> None:
    with pytest.raises(SdrScError, match=r"of images of shape \(28, 28\), the data set of images of shape \(20, 20\)"):
        train_epoch(new_state(data, SMALL), replace(data, images=data.images[:, :20, :20]), SMALL)
