# SPDX-License-Identifier: GPL-3.0-or-later
"""Training: the channel it goes through, augmentation, resume, and what it ships."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command import assert_one_line_error, sdr_sc

from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.channel import lmmse_channel
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.epoch import EpochReport
from sdr_sc.distill.export.finish import ship
from sdr_sc.distill.objective import feasibility
from sdr_sc.distill.split import split
from sdr_sc.distill.targets.prestore import PrestoreConfig, Prestorer
from sdr_sc.distill.targets.teacher_targets import Batch, NoTeacher, Prestored, TeacherInTheLoop
from sdr_sc.distill.teachers.base import TeacherAnswer
from sdr_sc.distill.train import Trainer
from sdr_sc.errors import SdrScError
from sdr_sc.semantic import weights
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.modalities.image_views import ViewPolicy, apply_views, draw_views

SMALL = DistillConfig(
    epochs=2,
    batch_items=64,
    limit_items=256,
    validation_items=128,
    k_list=(4, 8),
    decoder_width=32,
    precision="float32",
)
LABELS = NoTeacher(ViewPolicy())


@pytest.fixture(scope="module")
def data() -> ImageSet:
    return fashion_mnist.load("train").first(512)


@pytest.mark.parametrize("fading", [0.0, 1.0])
def test_training_channel_has_the_lmmse_error_of_theory(fading: float) -> None:
    generator = torch.Generator().manual_seed(1)
    symbols = torch.randn(20_000, 8, 2, generator=generator) / 2**0.5
    received, *_ = lmmse_channel(symbols, torch.full((20_000,), 5.0), generator, fading)
    error = (received - symbols).square().sum(2).mean().item()
    noise = 10 ** (-0.5)
    gains = np.random.default_rng(2).exponential(size=400_000) if fading else np.ones(1)
    assert error == pytest.approx(np.mean(noise / (noise + gains)), rel=0.03)


def test_training_channel_is_seeded_and_differentiable() -> None:
    symbols = torch.ones(4, 4, 2, requires_grad=True)
    snr = torch.zeros(4)
    one, *_ = lmmse_channel(symbols, snr, torch.Generator().manual_seed(3))
    other, *_ = lmmse_channel(symbols, snr, torch.Generator().manual_seed(3))
    assert torch.equal(one, other)
    one.sum().backward()
    assert symbols.grad is not None and (symbols.grad > 0).all()


def test_training_channel_with_a_bank_has_the_error_of_its_gains() -> None:
    generator = torch.Generator().manual_seed(1)
    symbols = torch.randn(20_000, 8, 2, generator=generator) / 2**0.5
    gains = np.random.default_rng(2).uniform(0.2, 3.0, (50, 48)).astype(np.float32)
    received, snr_db, _ = lmmse_channel(symbols, torch.full((20_000,), 5.0), generator, 1.0, torch.from_numpy(gains))
    error = (received - symbols).square().sum(2).mean().item()
    noise = 10 ** (-0.5)
    assert error == pytest.approx(np.mean(noise / (noise + gains)), rel=0.03)
    assert 10 ** (snr_db / 10).mean().item() == pytest.approx(10**0.5 * gains.mean(), rel=0.1)


def test_a_run_can_train_on_the_channels_of_the_link(data: ImageSet) -> None:
    trainer = Trainer(data, replace(SMALL, epochs=1, channel="tdl_c(delay_spread_ns=300, doppler_hz=0)"), LABELS)
    assert trainer.objective.bank is not None and trainer.objective.bank.shape[1] == 48
    assert trainer.objective.bank.mean().item() == pytest.approx(1.0, abs=0.1)
    assert np.isfinite(trainer.run_epoch().losses["loss"])
    assert Trainer(data, SMALL, LABELS).objective.bank is None


def test_a_mistake_in_the_channel_is_reported_before_training() -> None:
    with pytest.raises(SdrScError, match="'tdl_x' is unknown"):
        DistillConfig(channel="tdl_x()")
    assert_one_line_error(sdr_sc("distill", "--labels-only", "--channel", "tdl_x()"), "'tdl_x' is unknown")


def test_augmentation_moves_and_keeps_content() -> None:
    images = torch.zeros(400, 28, 28, dtype=torch.uint8)
    images[:, 14, 10] = 1
    moved = apply_views(images, draw_views(ViewPolicy(shift=2, erase=0), (28, 28), 400, np.random.default_rng(4)))
    assert torch.equal(moved.sum(dim=(1, 2)), torch.ones(400))
    rows, columns = moved.nonzero()[:, 1], moved.nonzero()[:, 2]
    assert set(rows.tolist()) == {12, 13, 14, 15, 16}
    assert {8, 12} <= set(columns.tolist()) and {15, 19} <= set(columns.tolist())  # with and without the flip


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_resumed_training_equals_uninterrupted(tmp_path: Path, data: ImageSet, precision: str) -> None:
    config = replace(SMALL, precision=precision, bottleneck_weight=1e-3)
    whole = Trainer(data, config, LABELS).run()
    path = tmp_path / "checkpoint.pt"

    def stop(_report: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trainer(data, config, LABELS, checkpoint=path).run(on_epoch=stop)
    second = Trainer(data, config, LABELS, checkpoint=path)
    assert second.epoch == 1 and len(second.history) == 1
    resumed = second.run()
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_decision_epochs_resume_and_leave_the_convolutions_alone(tmp_path: Path, data: ImageSet) -> None:
    config = replace(SMALL, epochs=1, decision_epochs=2, decision_weight=10.0)
    before = Trainer(data, replace(config, decision_epochs=0), LABELS).run()
    whole = Trainer(data, config, LABELS)
    after = whole.run()
    assert [set(report.losses) for report in whole.history] == [{"label", "loss"}, *[{"error", "label", "loss"}] * 2]
    for name, value in before.state_dict().items():
        still = name.startswith(("encoder.features", "encoder.pool"))
        assert torch.equal(value, after.state_dict()[name]) == still, name
    path = tmp_path / "checkpoint.pt"

    for last in (1, 2):

        def stop(report: EpochReport, last: int = last) -> None:
            if report.epoch == last:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Trainer(data, config, LABELS, checkpoint=path).run(on_epoch=stop)
    resumed = Trainer(data, config, LABELS, checkpoint=path).run()
    for one, other in zip(after.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_checkpoints_of_other_settings_are_refused(tmp_path: Path, data: ImageSet) -> None:
    path = tmp_path / "checkpoint.pt"
    Trainer(data, replace(SMALL, epochs=1), LABELS, checkpoint=path).run()
    with pytest.raises(SdrScError, match="belongs to other settings"):
        Trainer(data, SMALL, LABELS, checkpoint=path)
    path.write_bytes(b"garbage")
    with pytest.raises(SdrScError, match="cannot be read"):
        Trainer(data, SMALL, LABELS, checkpoint=path)


def test_training_channel_with_an_estimate_has_the_error_of_its_formula() -> None:
    """Against a numpy average of |h'* (x + n) / (|h'|^2 + N0) - x|^2 with h' = 1 + e."""
    generator = torch.Generator().manual_seed(5)
    symbols = torch.randn(40_000, 4, 2, generator=generator) / 2**0.5
    received, *_ = lmmse_channel(symbols, torch.zeros(40_000), generator, 0.0, estimate_noise=0.1)
    error = (received - symbols).square().sum(2).mean().item()
    rng = np.random.default_rng(6)

    def circular(power: float) -> np.ndarray:
        return (rng.standard_normal(400_000) + 1j * rng.standard_normal(400_000)) * np.sqrt(power / 2)

    x, n, h = circular(1.0), circular(1.0), 1 + circular(0.1)
    wanted = np.mean(np.abs(h.conj() * (x + n) / (np.abs(h) ** 2 + 1) - x) ** 2)
    assert wanted > 0.52 and error == pytest.approx(wanted, rel=0.02)


class _Pixels:
    """A teacher that answers with a linear map of the pixels."""

    name, classes, feature_dim, fingerprint = "pixels", 10, 20, "f" * 64

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(7)
        self.logits = torch.randn(784, 10, generator=generator) / 20
        self.features = torch.randn(784, 20, generator=generator) / 20

    def ask(self, images: torch.Tensor) -> TeacherAnswer:
        pixels = images.float().flatten(1) / 255
        return TeacherAnswer(pixels @ self.logits, pixels @ self.features)


def test_prestored_and_asked_knowledge_are_of_the_views_that_the_student_sees(data: ImageSet, tmp_path: Path) -> None:
    teacher, policy = _Pixels(), ViewPolicy(shift=1, erase=0)
    settings = PrestoreConfig(views=3, labels="float32", features="pca4x32", policy=policy, shard_items=100)
    stored = Prestored(Prestorer(teacher, data, settings, tmp_path / "k").run())
    items = np.random.default_rng(8).permutation(len(data))[:64]
    images = torch.tensor(data.images[items])
    for knowledge in (stored, TeacherInTheLoop(teacher, policy)):
        batch = knowledge.batch(images, items, np.random.default_rng(9))
        wanted = torch.log_softmax(teacher.ask(batch.images).logits, 1)
        assert batch.log_probabilities is not None and torch.allclose(batch.log_probabilities, wanted, atol=1e-4)
        assert 5 < (batch.images != images).flatten(1).any(1).sum() < 64, "some views are the plain images"
    assert stored.feature_dim == 4 and "3 views" in stored.name and "pca4x32" in stored.name


def test_training_on_prestored_knowledge_resumes_and_distinguishes_it_from_other_knowledge(
    data: ImageSet, tmp_path: Path
) -> None:
    def stored(seed: int) -> Prestored:
        settings = PrestoreConfig(views=2, features="pca4x4", seed=seed, shard_items=200)
        return Prestored(Prestorer(_Pixels(), data, settings, tmp_path / f"k{seed}").run())

    config, path = replace(SMALL, soft_weight=0.9, feature_weight=0.3), tmp_path / "c.pt"
    whole = Trainer(data, config, stored(1)).run()

    def stop(_report: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trainer(data, config, stored(1), checkpoint=path).run(on_epoch=stop)
    with pytest.raises(SdrScError, match="other settings or knowledge"):
        Trainer(data, config, stored(2), checkpoint=path)
    resumed = Trainer(data, config, stored(1), checkpoint=path).run()
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_without_cam_the_shipped_networks_do_not_hear_the_snr(data: ImageSet, tmp_path: Path) -> None:
    trainer = Trainer(data, replace(SMALL, epochs=1, adaptive=False), LABELS)
    trainer.run()
    ship(trainer, data, tmp_path / "m.safetensors", "abc")
    encoder, decoder = SemanticEncoder(tmp_path / "m.safetensors"), SemanticDecoder(tmp_path / "m.safetensors")
    low, high = (encoder.encode(data.images[:5], snr_db, 8) for snr_db in (-5.0, 20.0))
    assert np.allclose(low, high) and np.allclose(decoder.decode(low, -5.0), decoder.decode(low, 20.0))


class _Oracle:
    """Knows the labels of a data set, and is sure of them."""

    name, knows_classes, feature_dim, known_items = "oracle", True, 3, None

    def __init__(self, data: ImageSet) -> None:
        self.labels = torch.from_numpy(data.labels)

    def batch(self, images: torch.Tensor, items: np.ndarray, rng: np.random.Generator) -> Batch:
        probability = torch.nn.functional.one_hot(self.labels[items], 10).float().mul(0.9).add(0.01)
        return Batch(images, probability.log(), torch.ones(len(items), 3))


def test_every_weighted_term_of_the_loss_reaches_the_weights(data: ImageSet) -> None:
    config = replace(SMALL, soft_weight=0.5, feature_weight=0.1, bottleneck_weight=0.01)
    trainer = Trainer(data, config, _Oracle(data))
    batch = trainer.knowledge.batch(trainer.images[:64], np.arange(64), np.random.default_rng(1))
    losses, _ = trainer.objective.losses(batch, trainer.labels[:64], torch.Generator().manual_seed(1))
    assert set(losses) == {"label", "soft", "feature", "bottleneck", "loss"}
    assert losses["loss"].item() == pytest.approx(sum(v.item() for n, v in losses.items() if n != "loss"), rel=1e-5)
    first_layer = next(trainer.objective.student.encoder.parameters())
    for name, value in losses.items():
        (gradient,) = torch.autograd.grad(value, first_layer, retain_graph=True)
        assert gradient.abs().max() > 0, name


def test_a_teacher_that_knows_the_labels_teaches_without_them(data: ImageSet) -> None:
    config = replace(SMALL, epochs=12, soft_weight=1.0, temperature=1.0)
    trainer = Trainer(data, config, _Oracle(data))
    trainer.labels = trainer.labels.roll(1)  # wrong ones, that have no weight
    trainer.run()
    first, last = trainer.history[0], trainer.history[-1]
    assert last.losses["soft"] < 0.8 * first.losses["soft"] and last.accuracy < 0.3


def test_labels_beyond_the_labelled_items_change_nothing(data: ImageSet) -> None:
    config = replace(SMALL, limit_items=0, labelled_items=200, epochs=1, soft_weight=0.5, bottleneck_weight=1e-3)
    parts = split(data, config)
    assert len(parts.training) - len(parts.unlabelled) == 200
    hidden, seen = data.labels.copy(), data.labels.copy()
    hidden[parts.unlabelled] = (hidden[parts.unlabelled] + 1) % 10
    seen[np.setdiff1d(parts.training, parts.unlabelled)[0]] += 1
    runs = []
    for labels in (data.labels, hidden, seen % 10):
        trainer = Trainer(replace(data, labels=labels), config, _Oracle(data))
        trainer.run()
        runs.append(trainer.objective.student.encoder.symbols.weight)
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])


def test_knowledge_that_the_settings_need_and_that_is_not_there_is_reported(data: ImageSet) -> None:
    with pytest.raises(SdrScError, match="can only be learned from a teacher"):
        Trainer(data, replace(SMALL, labelled_items=100), LABELS)
    with pytest.raises(SdrScError, match="no teacher"):
        Trainer(data, replace(SMALL, soft_weight=0.5), LABELS)
    with pytest.raises(SdrScError, match="sdr-sc prestore --features"):
        Trainer(data, replace(SMALL, feature_weight=0.5), LABELS)


def test_feasibility_spares_points_without_capacity() -> None:
    snr_db = torch.tensor([-5.0, 0.0, 25.0])
    weight = feasibility((2, 32), snr_db, 10)
    assert weight.shape == (2, 3) and (weight[1] == 1.0).all()
    assert weight[0, 1] == pytest.approx(2 / (2 * np.log2(10)), rel=1e-3) and weight[0, 2] == 1.0


def test_without_the_cam_the_networks_are_reported_nothing_of_the_snr(data: ImageSet) -> None:
    trainer = Trainer(data, replace(SMALL, adaptive=False), LABELS)
    told = trainer.objective._told(torch.tensor([-5.0, 20.0]), 1.0, torch.Generator().manual_seed(1))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 0},
        {"k_list": (8, 4)},
        {"k_list": (4, 300)},
        {"limit_items": -1},
        {"snr_min_db": 30.0},
        {"soft_weight": 1.5},
        {"temperature": 0.0},
        {"bottleneck_weight": -1.0},
        {"precision": "int4"},
        {"validation_items": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict) -> None:
    with pytest.raises(SdrScError):
        DistillConfig(**settings)


def test_command_trains_and_ships_a_model_that_loads(tmp_path: Path) -> None:
    out = tmp_path / "tiny.safetensors"
    logs = tmp_path / "logs"
    arguments = ["--out", str(out), "--checkpoint", str(tmp_path / "c.pt"), "--epochs", "1", "--limit-items", "512"]
    few = ["--validation-items", "200", "--k-list", "4,8", "--tensorboard", str(logs)]
    result = sdr_sc("distill", "--labels-only", *arguments, *few)
    assert result.returncode == 0, result.stderr
    contract = weights.read_contract(out)
    assert contract.k_list == (4, 8) and contract.training["limit_items"] == 512
    assert contract.data_set_sha256 == fashion_mnist.load("train").sha256
    assert "512 items" in out.with_suffix(".md").read_text()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from sdr_sc.semantic.inference import SemanticEncoder

    log = EventAccumulator(str(logs)).Reload()
    assert [event.step for event in log.Scalars("loss/label")] == [1]
    assert SemanticEncoder(out).encode(np.zeros((1, 28, 28), np.uint8), 0.0, 8).shape == (1, 8)


@pytest.mark.parametrize("option", ["--out", "--checkpoint", "--tensorboard"])
def test_places_that_cannot_be_written_are_reported_before_training(option: str, tmp_path: Path) -> None:
    nowhere = "/proc/none/x.safetensors"
    places = {"--out": str(tmp_path / "m.safetensors"), "--checkpoint": str(tmp_path / "c.pt"), option: nowhere}
    result = sdr_sc("distill", "--labels-only", *(part for pair in places.items() for part in pair))
    assert_one_line_error(result, f"{nowhere}", "cannot be written")


def test_a_weights_file_of_another_kind_is_refused() -> None:
    assert_one_line_error(sdr_sc("distill", "--labels-only", "--out", "x.onnx"), "has to end in .safetensors")


def test_the_source_of_knowledge_has_to_be_one() -> None:
    assert_one_line_error(sdr_sc("distill"), "--prestored, --teacher and --labels-only")
    assert_one_line_error(sdr_sc("distill", "--labels-only", "--teacher", "x.onnx"), "give one of")
    assert_one_line_error(sdr_sc("distill", "--teacher", "x.onnx"), "x.onnx is missing")
