# SPDX-License-Identifier: GPL-3.0-or-later
"""I/Q imbalance of the receiver: found by what the known symbols of a header leave, and taken out of the samples.

Two branches of unequal gain, or not in quadrature, add a share of the conjugate samples, so that each subcarrier gets
an image on the one of opposite number (Schenk, "RF Imperfections in High-rate Wireless Systems", 2008, 5.2). The
share is estimated by least squares on the spread of the known symbols, and frames are received from the samples less
that share of their conjugate. Nothing is done where no image stands out.
"""

from __future__ import annotations

import numpy as np

# An image's energy over the noise of its estimate. Noise alone exceeds it with a chance of exp(-20), 2e-9.
_STANDS_OUT = 20.0
_FIRST_FRAMES, _EVERY = (
    8,
    32,
)  # frames that are examined: the first ones, then one in so many
_MEMORY = 8
_JUMPED = 0.25  # of the share's magnitude
# Damage within a header, such as a step, an impulse, or another frame, can look like an image. A radio's is smaller
# than this (14 dB of rejection; 1 dB and 5 degrees are 0.07), and the same in every second symbol and in the others, to
# so many times the variance of the difference (exceeded by noise with a chance of exp(-12), 6e-6).
_LARGEST, _UNEQUAL = 0.2, 12.0


class ImageCanceller:
    """The share of the conjugate in the samples of one receiver.

    Attributes:
        share: complex; 0 as long as no image has stood out.
    """

    def __init__(self) -> None:
        self.share = 0j
        self._next = 0j  # from the next frame on
        self._frames = self._estimates = 0

    def begin(self, samples: np.ndarray) -> np.ndarray:
        """The samples of the next frame, corrected; see `correct`."""
        self.share = self._next
        return self.correct(samples)

    def correct(self, samples: np.ndarray) -> np.ndarray:
        """Samples less the image, complex64 (n,); themselves where there is none."""
        return samples - np.complex64(self.share) * samples.conj() if self.share else samples

    def is_due(self) -> bool:
        """Whether the frame whose header has just been read is to be examined; to be called once for each."""
        self._frames += 1
        return self._frames <= _FIRST_FRAMES or self._frames % _EVERY == 0

    def learn(self, symbols: np.ndarray, gains: np.ndarray, images: np.ndarray) -> bool:
        """Update the share by the symbols of a header.

        Args:
            symbols: complex64 (symbols, used), received on the occupied subcarriers.
            gains: complex64 (symbols, used), these over their known values, which have magnitude 1, with phases that
                make each column constant where there is neither noise nor image.
            images: complex64 (symbols, used), as ``symbols``, of the conjugate samples.

        Returns:
            Whether the share is a new one, so that the frame should be decoded again, from `begin` on.
        """
        turns = gains * symbols.conj()
        images = images * (turns / np.maximum(np.abs(turns), np.float32(1e-30)))
        spread, images = gains - gains.mean(axis=0), images - images.mean(axis=0)
        energy = float(np.sum(np.abs(images) ** 2))
        if energy <= 0.0:
            return False
        share = complex(np.sum(spread * images.conj())) / energy
        left = float(np.sum(np.abs(spread) ** 2)) - abs(share) ** 2 * energy
        noise = max(left / max(spread.size - spread.shape[1] - 1, 1), 1e-12 * energy)
        stands_out = abs(share) ** 2 * energy > _STANDS_OUT * noise
        is_jump = stands_out and abs(share) > _JUMPED * abs(self.share)
        if is_jump and (abs(self.share + share) > _LARGEST or not _is_steady(spread, images, noise)):
            return False
        if not self.share:
            self._next, self._estimates = (share, 1) if stands_out else (0j, 0)
            return stands_out
        if is_jump:
            self._next, self._estimates = self.share + share, 1
            return False
        self._estimates = min(self._estimates + 1, _MEMORY)
        self._next = self.share + share / self._estimates
        return False


def _is_steady(spread: np.ndarray, images: np.ndarray, noise: float) -> bool:
    """Whether the share is the same in every second symbol and in the others, as well as the noise shows."""
    energies = [float(np.sum(np.abs(images[i::2]) ** 2)) for i in range(2)]
    if min(energies) <= 0.0:
        return False
    shares = [complex(np.sum(spread[i::2] * images[i::2].conj())) / energies[i] for i in range(2)]
    return abs(shares[1] - shares[0]) ** 2 < _UNEQUAL * noise * (1.0 / energies[0] + 1.0 / energies[1])
