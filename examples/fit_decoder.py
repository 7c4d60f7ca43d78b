# SPDX-License-Identifier: GPL-3.0-or-later
"""Fits a decoder to the features of a recording, and judges it on another recording. Needs no GNU Radio and no torch.

    sdr-sc record sim train -k 8 --images 4000 --snr-db 10 --seed 1
    sdr-sc record sim test -k 8 --images 1000 --snr-db 10 --seed 2
    python examples/fit_decoder.py train test

Every frame of a recording is received again and comes with what is noted of it: here number and class of each
item. Both recordings draw from the same images, so those that were fitted to are left out when it is judged. The
decoder is ridge regression on random Fourier features (Rahimi and Recht, "Random features for large-scale kernel
machines", NIPS 2007), a page of numpy in the place of a network.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np

from sdr_sc.capture import open_capture
from sdr_sc.capture.receive import received_frames
from sdr_sc.errors import SdrScError

RIDGE, WIDTH, RANDOM_FEATURES, SEED = 1e-2, 0.35, 600, 1


class Items(NamedTuple):
    """What a recording holds of n items.

    Attributes:
        features: complex64 (n, k), as received.
        number, label: of each, int64 (n,): which image it is, and its class.
        answer: class that was answered live, int64 (n,).
    """

    features: np.ndarray
    number: np.ndarray
    label: np.ndarray
    answer: np.ndarray

    def where(self, chosen: np.ndarray) -> Items:
        """Some of them."""
        return Items(*(values[chosen] for values in self))


def items_of(path: str) -> Items:
    """All items of a recording of which nothing was erased; its frames have to have one and the same k."""
    found = []
    with open_capture(path) as capture:
        for note, frame in received_frames(capture):
            if note is None or note.label is None or note.item_id is None or note.answer is None:
                continue
            items = Items(frame.features, np.array(note.item_id), np.array(note.label), np.array(note.answer))
            found.append(items.where(~frame.erased.any(axis=1)))
    if len({items.features.shape[1] for items in found}) != 1:
        raise SdrScError(f"{path} has frames of several k, or none; record with -k.")
    return Items(*map(np.concatenate, zip(*found, strict=True)))


class RandomFeatureDecoder:
    """Classes from feature symbols.

    Args:
        k: feature symbols an item.
        classes: how many.
    """

    def __init__(self, k: int, classes: int) -> None:
        rng = np.random.default_rng(SEED)
        self._directions = WIDTH * rng.standard_normal((2 * k, RANDOM_FEATURES))
        self._phases = rng.uniform(0, 2 * np.pi, RANDOM_FEATURES)
        self._weights = np.zeros((RANDOM_FEATURES, classes))

    def _lifted(self, features: np.ndarray) -> np.ndarray:
        real = np.ascontiguousarray(features, np.complex64).view(np.float32)
        return np.cos(real @ self._directions + self._phases)

    def fit(self, features: np.ndarray, labels: np.ndarray) -> None:
        """Least squares to one-hot classes, with a penalty on the weights."""
        lifted = self._lifted(features)
        targets = np.eye(self._weights.shape[1])[labels]
        gram = lifted.T @ lifted + RIDGE * len(lifted) / RANDOM_FEATURES * np.eye(RANDOM_FEATURES)
        self._weights = np.linalg.solve(gram, lifted.T @ targets)

    def decode(self, features: np.ndarray) -> np.ndarray:
        """Class of each item."""
        return (self._lifted(features) @ self._weights).argmax(axis=1)


def main(train: str, test: str) -> float:
    """Fit, judge, and print; returns the accuracy, 0..1."""
    known, unseen = items_of(train), items_of(test)
    unseen = unseen.where(~np.isin(unseen.number, known.number))
    k = known.features.shape[1]
    decoder = RandomFeatureDecoder(k, int(known.label.max()) + 1)
    decoder.fit(known.features, known.label)
    accuracy = float(np.mean(decoder.decode(unseen.features) == unseen.label))
    live = float(np.mean(unseen.answer == unseen.label))
    print(f"fitted to {len(known.label)} images of {train}, k={k}")
    print(f"on {len(unseen.label)} other images of {test}: {100 * accuracy:.1f} %, the live decoder {100 * live:.1f} %")
    return accuracy


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except SdrScError as error:
        sys.exit(f"error: {error}")
