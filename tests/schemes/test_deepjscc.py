# SPDX-License-Identifier: GPL-3.0-or-later
"""The learned image codec over the air."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sweeps import tasks_of

from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import ImageSet
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.phy.numerology import Numerology
from sdr_sc.schemes.catalogue import make_scheme
from sdr_sc.schemes.deepjscc import JsccScheme
from sdr_sc.schemes.jscc.fit import over_noise, train
from sdr_sc.schemes.jscc.networks import ImageLink
from sdr_sc.schemes.link import LinkResult, run_scheme
from sdr_sc.schemes.scheme import Scheme
from sdr_sc.sweep.config import config_from
from sdr_sc.sweep.points import measure


@pytest.fixture(scope="module")
def data() -> ImageSet:
    return fashion_mnist.load("test").first(300)


@pytest.fixture(scope="module")
def jscc() -> JsccScheme:
    return make_scheme("deepjscc")


def run(scheme: Scheme, data: ImageSet, snr_db: float, k: int | None, items: int = 100) -> LinkResult:
    result = run_scheme(scheme, data.images[:items], data.labels[:items], "", snr_db, k, Numerology(), seed=3)
    assert result.items == items == result.confusion.sum() == result.items_by_frame.sum()
    return result


def test_the_learned_codec_s_power_is_one_an_item_and_its_pictures_improve(jscc: JsccScheme, data: ImageSet) -> None:
    for k in jscc.k_list or ():
        sent = jscc.send(data.images[:20], data.labels[:20], 10.0, k)[0].payload
        assert sent.shape == (20, k)
        np.testing.assert_allclose(np.mean(np.abs(sent) ** 2, axis=1), 1, rtol=1e-4)
    few, many = (run(jscc, data, 10.0, k, 300).correct for k in (2, 32))
    assert many > few
    with pytest.raises(SdrScError, match="k=5 is not in the list of scheme deepjscc"):
        jscc.send(data.images[:2], data.labels[:2], 10.0, 5)


def test_one_point_of_a_sweep_and_again_the_same() -> None:
    config = config_from({"schemes": [{"scheme": "deepjscc", "k": [16]}], "channels": {"awgn": ""}, "snr_db": [10],
                          "items": 200, "items_per_frame": 50})  # fmt: skip
    first, again = (measure(task) for _ in range(2) for task in tasks_of(config))
    assert first.correct > 0.7 * 200 and first.channel_uses == 200 * 16
    assert (first.confusion == again.confusion).all()


def test_lost_frames_are_wrong(jscc: JsccScheme, data: ImageSet) -> None:
    result = run(jscc, data, -25.0, 8)
    assert (result.frames_lost, result.lost, result.correct) == (result.frames, 100, 0)


def test_weights_that_are_damaged_and_other_data_sets_are_refused(tmp_path: Path, jscc: JsccScheme) -> None:
    for number, content in enumerate((b"", b"nothing", jscc._path.read_bytes()[:-100])):
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(content)
        with pytest.raises(ContractError, match="holds no learned image codec"):
            JsccScheme(path, "deepjscc")
    with pytest.raises(SdrScError, match="leave scheme deepjscc out"):
        make_scheme("deepjscc", "cifar10")


def test_training_reaches_the_encoder_through_the_class_and_sends_each_k_at_unit_power() -> None:
    data = fashion_mnist.load("train").first(256)
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels.astype(np.int64))
    torch.manual_seed(1)
    link = ImageLink(10)
    before = {name: one.clone() for name, one in link.state_dict().items()}
    train(link, images, labels, torch.zeros(256, 10), epochs=1)
    moved = {name.partition(".")[0] for name, one in link.named_parameters() if not torch.equal(one, before[name])}
    assert moved == {"encoder", "decoder", "classifier"}
    link.zero_grad()
    pictures = over_noise(link, images[:32, None].float() / 255, torch.full((32,), 8), torch.full((32,), 10.0))
    torch.nn.functional.cross_entropy(link.logits(pictures), labels[:32]).backward()
    assert all(float(one.grad.abs().sum()) > 0 for one in link.encoder.parameters() if one.grad is not None)
    assert link.encoder.linear.weight.grad is not None and link.encoder.c1.weight.grad is not None
    # Without noise to speak of, what is received of k symbols has their power, and nothing beyond them.
    seen = []
    link.decoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    k = torch.tensor([2, 8, 32])
    over_noise(link.eval(), images[:3, None].float() / 255, k, torch.full((3,), 60.0))
    np.testing.assert_allclose((seen[0] ** 2).sum(1).detach() / k, 1, rtol=0.02)
    assert all(not seen[0][row, 2 * count :].any() for row, count in enumerate(k.tolist()))
