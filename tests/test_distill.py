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
from sdr_sc.distill.augment import augment
from sdr_sc.distill.channel import lmmse_channel
from sdr_sc.distill.config import TrainConfig
from sdr_sc.distill.train import Trainer
from sdr_sc.errors import SdrScError
from sdr_sc.semantic import weights

SMALL = TrainConfig(epochs=2, batch_items=64, limit_items=256, k_list=(4, 8), encoder_width=32, decoder_width=32)


@pytest.fixture(scope="module")
def data() -> fashion_mnist.ImageSet:
    return fashion_mnist.load("train").first(512)


@pytest.mark.parametrize("fading", [0.0, 1.0])
def test_training_channel_has_the_lmmse_error_of_theory(fading: float) -> None:
    generator = torch.Generator().manual_seed(1)
    symbols = torch.randn(20_000, 8, 2, generator=generator) / 2**0.5
    received, _ = lmmse_channel(symbols, torch.full((20_000,), 5.0), generator, fading)
    error = (received - symbols).square().sum(2).mean().item()
    noise = 10 ** (-0.5)
    gains = np.random.default_rng(2).exponential(size=400_000) if fading else np.ones(1)
    assert error == pytest.approx(np.mean(noise / (noise + gains)), rel=0.03)


def test_training_channel_is_seeded_and_differentiable() -> None:
    symbols = torch.ones(4, 4, 2, requires_grad=True)
    snr = torch.zeros(4)
    one, _ = lmmse_channel(symbols, snr, torch.Generator().manual_seed(3))
    other, _ = lmmse_channel(symbols, snr, torch.Generator().manual_seed(3))
    assert torch.equal(one, other)
    one.sum().backward()
    assert symbols.grad is not None and (symbols.grad > 0).all()


def test_training_channel_with_a_bank_has_the_error_of_its_gains() -> None:
    generator = torch.Generator().manual_seed(1)
    symbols = torch.randn(20_000, 8, 2, generator=generator) / 2**0.5
    gains = np.random.default_rng(2).uniform(0.2, 3.0, (50, 48)).astype(np.float32)
    received, snr_db = lmmse_channel(symbols, torch.full((20_000,), 5.0), generator, 1.0, torch.from_numpy(gains))
    error = (received - symbols).square().sum(2).mean().item()
    noise = 10 ** (-0.5)
    assert error == pytest.approx(np.mean(noise / (noise + gains)), rel=0.03)
    assert 10 ** (snr_db / 10).mean().item() == pytest.approx(10**0.5 * gains.mean(), rel=0.1)


def test_a_run_can_train_on_the_channels_of_the_link(data: fashion_mnist.ImageSet) -> None:
    trainer = Trainer(data, replace(SMALL, epochs=1, channel="tdl_c(delay_spread_ns=300, doppler_hz=0)"))
    assert trainer.bank is not None and trainer.bank.shape[1] == 48
    assert trainer.bank.mean().item() == pytest.approx(1.0, abs=0.1)
    assert np.isfinite(trainer._run_epoch(lambda: None).loss)
    assert Trainer(data, SMALL).bank is None


def test_a_checkpoint_from_before_there_was_a_choice_of_channel_is_resumed(
    data: fashion_mnist.ImageSet, tmp_path: Path
) -> None:
    path = tmp_path / "run.pt"
    Trainer(data, SMALL, path)._save(path)
    state = torch.load(path, weights_only=True)
    del state["config"]["channel"]
    torch.save(state, path)
    assert Trainer(data, SMALL, path).epoch == 0
    with pytest.raises(SdrScError, match="belongs to other settings"):
        Trainer(data, replace(SMALL, channel="rayleigh()"), path)


def test_a_mistake_in_the_channel_is_told_before_training() -> None:
    with pytest.raises(SdrScError, match="'tdl_x' is unknown"):
        TrainConfig(channel="tdl_x()")
    assert_one_line_error(sdr_sc("train", "--channel", "tdl_x()"), "'tdl_x' is unknown")


def test_augmentation_moves_and_keeps_content() -> None:
    images = torch.zeros(400, 1, 28, 28)
    images[:, 0, 14, 10] = 1.0
    moved = augment(images, torch.Generator().manual_seed(4), erase=0)
    assert torch.equal(moved.sum(dim=(1, 2, 3)), torch.ones(400))
    rows, columns = moved[:, 0].nonzero()[:, 1], moved[:, 0].nonzero()[:, 2]
    assert set(rows.tolist()) == {12, 13, 14, 15, 16}
    assert {8, 12} <= set(columns.tolist()) and {15, 19} <= set(columns.tolist())  # with and without the flip


def test_resumed_training_equals_uninterrupted(tmp_path: Path, data: fashion_mnist.ImageSet) -> None:
    whole = Trainer(data, SMALL).run()
    first = Trainer(data, SMALL, tmp_path / "checkpoint.pt")

    def stop(_report: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run(on_epoch=stop)
    second = Trainer(data, SMALL, tmp_path / "checkpoint.pt")
    assert second.epoch == 1
    resumed = second.run()
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_checkpoints_of_other_settings_are_refused(tmp_path: Path, data: fashion_mnist.ImageSet) -> None:
    path = tmp_path / "checkpoint.pt"
    Trainer(data, replace(SMALL, epochs=1), path).run()
    with pytest.raises(SdrScError, match="belongs to other settings"):
        Trainer(data, SMALL, path)
    path.write_bytes(b"garbage")
    with pytest.raises(SdrScError, match="cannot be read"):
        Trainer(data, SMALL, path)


def test_training_lowers_the_loss(data: fashion_mnist.ImageSet) -> None:
    losses: list[float] = []
    Trainer(data, replace(SMALL, epochs=6, limit_items=512)).run(lambda report: losses.append(report.loss))
    assert losses[-1] < losses[0] - 0.2


@pytest.mark.parametrize(
    "settings", [{"epochs": 0}, {"k_list": (8, 4)}, {"k_list": (4, 300)}, {"limit_items": -1}, {"snr_min_db": 30.0}]
)
def test_settings_that_make_no_sense_are_refused(settings: dict) -> None:
    with pytest.raises(SdrScError):
        TrainConfig(**settings)


def test_command_trains_and_ships_a_model_that_loads(tmp_path: Path) -> None:
    out = tmp_path / "tiny.safetensors"
    arguments = ["--out", str(out), "--checkpoint", str(tmp_path / "c.pt"), "--epochs", "1", "--limit-items", "512"]
    result = sdr_sc("train", *arguments, "--k-list", "4,8")
    assert result.returncode == 0, result.stderr
    contract = weights.read_contract(out)
    assert contract.k_list == (4, 8) and contract.training["limit_items"] == 512
    assert contract.data_set_sha256 == fashion_mnist.load("train").sha256
    assert "first 512 items" in out.with_suffix(".md").read_text()
    from sdr_sc.semantic.inference import SemanticEncoder

    assert SemanticEncoder(out).encode(np.zeros((1, 28, 28), np.uint8), 0.0, 8).shape == (1, 8)


@pytest.mark.parametrize("option", ["--out", "--checkpoint"])
def test_places_that_cannot_be_written_are_told_before_training(option: str, tmp_path: Path) -> None:
    places = {"--out": str(tmp_path / "m.safetensors"), "--checkpoint": str(tmp_path / "c.pt"), option: "/proc/none/x"}
    result = sdr_sc("train", *(part for pair in places.items() for part in pair))
    assert_one_line_error(result, "/proc/none/x cannot be written")
