# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of a learned image codec after E. Bourtsoulatze, D. B. Kurka and D. Gunduz, "Deep joint source-channel
coding for wireless image transmission", IEEE Trans. Cogn. Commun. Netw. 5 (2019) 567-579; both ends know the SNR, as in
J. Xu et al., "Wireless image transmission using deep source channel coding with attention modules", IEEE Trans.
Circuits Syst. Video Technol. 32 (2022) 2315-2328, here as scales of the channels.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from sdr_sc.schemes.thumbnail.classifier import ThumbnailNet

K_LIST = (2, 4, 8, 16, 32)
SNR_RANGE_DB = (-7.0, 25.0)
_CHANNELS, _INNER, _SIDE = 32, 16, 7


class Conditioned(nn.Module):
    """Scales and shifts channels by the SNR and k."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(2, 16), nn.Linear(16, 2 * channels)

    def forward(self, values: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """Of values (n, channels, height, width), by SNR and k (n, 2) as `told` gives them."""
        scale, shift = self.out(functional.relu(self.hidden(told)))[:, :, None, None].chunk(2, 1)
        return values * (1 + scale) + shift


class ImageEncoder(nn.Module):
    """Images to symbols; the first 2 k real parts are sent."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(1, 24, 5, 2, 2), nn.Conv2d(24, _CHANNELS, 3, 2, 1)
        self.c3, self.c4 = nn.Conv2d(_CHANNELS, _CHANNELS, 3, 1, 1), nn.Conv2d(_CHANNELS, _INNER, 3, 1, 1)
        self.condition = Conditioned(_CHANNELS)
        self.linear = nn.Linear(_INNER * _SIDE**2, 2 * K_LIST[-1])

    def forward(self, images: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """float (n, 2 * largest k) of float (n, 1, 28, 28), 0..1."""
        values = functional.relu(self.c2(functional.relu(self.c1(images))))
        values = functional.relu(self.condition(self.c3(values), told))
        return self.linear(functional.relu(self.c4(values)).flatten(1))


class ImageDecoder(nn.Module):
    """What arrives to images."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * K_LIST[-1], _INNER * _SIDE**2)
        self.c1, self.c2 = nn.Conv2d(_INNER, _CHANNELS, 3, 1, 1), nn.Conv2d(_CHANNELS, _CHANNELS, 3, 1, 1)
        self.condition = Conditioned(_CHANNELS)
        self.c3, self.c4 = nn.Conv2d(_CHANNELS, 24, 3, 1, 1), nn.Conv2d(24, 1, 3, 1, 1)

    def forward(self, received: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """float (n, 1, 28, 28), 0..1, of float (n, 2 * largest k), zeros for what was not sent."""
        values = self.linear(received).reshape(-1, _INNER, _SIDE, _SIDE)
        values = functional.relu(self.condition(self.c1(functional.relu(values)), told))
        values = functional.relu(self.c2(values))
        values = functional.relu(self.c3(functional.interpolate(values, scale_factor=2, mode="bilinear")))
        return torch.sigmoid(self.c4(functional.interpolate(values, scale_factor=2, mode="bilinear")))


class ImageLink(nn.Module):
    """Encoder, decoder, and the classifier of reconstructions at half size."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder, self.decoder, self.classifier = ImageEncoder(), ImageDecoder(), ThumbnailNet(classes)

    def symbols(self, images: torch.Tensor, told: torch.Tensor, k: int) -> torch.Tensor:
        """float (n, 2 k), of mean power 1 a complex symbol of each item."""
        return unit_power(self.encoder(images, told)[:, : 2 * k], k)

    def pictures(self, received: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """float (n, 1, 28, 28) of float (n, 2 k)."""
        return self.decoder(functional.pad(received, (0, 2 * K_LIST[-1] - received.shape[1])), told)

    def logits(self, pictures: torch.Tensor) -> torch.Tensor:
        """float (n, classes) of what `pictures` gave."""
        return self.classifier(functional.avg_pool2d(pictures, 2))


def unit_power(parts: torch.Tensor, k: int | torch.Tensor) -> torch.Tensor:
    """Real parts (n, any) of k complex symbols each, all others 0, at mean power 1 of these."""
    return parts * (k / (parts**2).sum(1, keepdim=True).clamp(min=1e-9)) ** 0.5


def told(snr_db: torch.Tensor, k: int | torch.Tensor) -> torch.Tensor:
    """float (n, 2): SNR in dB (n,) and k, one or (n,), as the networks take them."""
    snr = snr_db.clamp(*SNR_RANGE_DB) / 10
    return torch.stack((snr, torch.ones_like(snr) * k / K_LIST[-1]), 1)
