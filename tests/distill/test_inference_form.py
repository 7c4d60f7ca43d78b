# SPDX-License-Identifier: GPL-3.0-or-later
"""The encoder in the form that it is exported in is the same function."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sdr_sc.semantic.networks.dense import SmallEncoder, StudentEncoder
from sdr_sc.semantic.networks.fused import FusedEncoder


# With a negative weight, batch norm makes the largest of four values the least: then it has to stay behind the pooling.
@pytest.mark.parametrize("seed, least_norm_weight", [(1, 0.5), (2, 0.5), (3, -1.5)])
@pytest.mark.parametrize("kind", [StudentEncoder, SmallEncoder])
def test_the_fused_encoder_is_the_encoder(seed: int, least_norm_weight: float, kind: type[StudentEncoder]) -> None:
    torch.manual_seed(seed)
    encoder = kind(16)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, least_norm_weight, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    for parameter in encoder.film.parameters():  # as they are made, they do nothing
        nn.init.normal_(parameter, std=0.3)
    encoder.eval()
    images, snr_db = torch.randn(32, 1, 28, 28), torch.empty(32).uniform_(-10.0, 30.0)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with torch.inference_mode():
        wanted, other = encoder(images, snr_db), encoder(images, snr_db.flip(0))
        fused = FusedEncoder(encoder)
        found = fused(images, snr_db)
    assert wanted.std() > 0.1 and (wanted - other).abs().max() > 0.1, "the test's network hears the SNR"
    before_pooling = [type(layer) for layer in fused.features].index(nn.MaxPool2d) - 1
    assert isinstance(fused.features[before_pooling], nn.ReLU) == (least_norm_weight > 0)
    assert (found - wanted).abs().max() <= 1e-5
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
