# SPDX-License-Identifier: GPL-3.0-or-later
"""The held-out items of a model, coded once an SNR, and sent over plain noise as often as wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdr_sc.data.dataset import Dataset
from sdr_sc.distill.split import held_out
from sdr_sc.documents import whole_number
from sdr_sc.errors import SdrScError
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder, unit_power

_ESTIMATE_NOISE = 0.04
_BATCH = 500


@dataclass(frozen=True)
class Model:
    """Both halves of a model; items and targets to measure it with.

    Attributes:
        items: uint8 (n, *item_shape).
        targets: int64 (n,), of the first task.
    """

    encoder: SemanticEncoder
    decoder: SemanticDecoder
    items: np.ndarray
    targets: np.ndarray

    def symbols(self, snr_db: float) -> np.ndarray:
        """float32 (n, 2 k_max), see `SemanticEncoder.symbols`."""
        parts = np.array_split(self.items, max(1, len(self.items) // _BATCH))
        return np.concatenate([self.encoder.symbols(part, snr_db) for part in parts])

    def logits(self, prefixes: np.ndarray, snr_db: float) -> np.ndarray:
        """Of received prefixes, complex64 (n, k)."""
        items, k = prefixes.shape
        padded = np.zeros((items, self.encoder.contract.k_max), np.complex64)
        padded[:, :k] = prefixes
        return self.decoder.run(padded, np.full(items, snr_db), np.full(items, k))

    def right(self, logits: np.ndarray) -> np.ndarray:
        """bool (n,): which answers are right."""
        task = self.decoder.task
        found = task.answer(logits, self.decoder.contract.tasks[0]).best
        return task.right(found, self.targets)


def load(model: str, data: Dataset, threads: int = 1) -> Model:
    """A model with the items of the training set that its training held out.

    Args:
        model: weights file or name of a shipped model, made by ``sdr-sc distill``.
        data: the training set.

    Raises:
        ContractError: the model cannot be used.
        SdrScError: its contract does not say which items were held out, or it was trained on other data.
    """
    encoder, decoder = SemanticEncoder(model, threads), SemanticDecoder(model, threads)
    contract = encoder.contract
    contract.check_data(data.item_shape, len(data.names(contract.tasks[0].name)))
    count = whole_number(contract.training.get("validation_items"), 1, len(data) - 1)
    seed = whole_number(contract.training.get("validation_seed"), 0)
    if count is None or seed is None:
        raise SdrScError(
            f"model {contract.name!r} does not say which training items were held out; give a model that 'sdr-sc "
            "distill' made."
        )
    if contract.data_set_sha256 != data.sha256:
        raise SdrScError(
            f"model {contract.name!r} was trained on other items than those of {data.name}, so that its held-out items "
            "are not among these; choose the --data-set that it was trained on."
        )
    _, used = held_out(len(data), count, seed)
    return Model(encoder, decoder, data.items(used), data.targets(contract.tasks[0].name, used))


def over_noise(features: np.ndarray, snr_db: float, rng: np.random.Generator) -> np.ndarray:
    """LMMSE estimates of unit-power symbols after plain noise, with the channel estimated as training does it.

    Args:
        features: complex64 (n, k).
        snr_db: dB.

    Returns:
        complex64 (n, k).
    """
    noise_power = 10.0 ** (-snr_db / 10.0)
    items, k = features.shape
    gain = 1.0 + np.repeat(_circular(rng, (items, -(-k // 2)), _ESTIMATE_NOISE * noise_power), 2, axis=1)[:, :k]
    received = features + _circular(rng, features.shape, noise_power)
    return (gain.conj() * received / (np.abs(gain) ** 2 + noise_power)).astype(np.complex64)


def over_fading(
    features: np.ndarray, snr_db: float, bank: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """As `over_noise`, each item over a channel of its own and each of its symbols on another subcarrier.

    Args:
        features: complex64 (n, k), k no more than there are subcarriers.
        snr_db: of the frame, which is the mean over the channel's subcarriers, dB.
        bank: float (channels, subcarriers), power gains of unit mean over the subcarriers.

    Returns:
        complex64 (n, k), and float64 (n, k), the noise variance that the receiver reports of the unbiased estimates.
    """
    noise_power = 10.0 ** (-snr_db / 10.0)
    items, k = features.shape
    places = rng.random((items, bank.shape[1])).argsort(axis=1)[:, :k]
    gain = np.sqrt(bank[rng.integers(0, len(bank), (items, 1)), places])
    received = gain * features + _circular(rng, features.shape, noise_power)
    known = gain + _circular(rng, features.shape, _ESTIMATE_NOISE * noise_power)
    power = np.maximum(np.abs(known) ** 2, 1e-12)
    return (known.conj() * received / (power + noise_power)).astype(np.complex64), noise_power / power


def prefix(symbols: np.ndarray, first: int, end: int) -> np.ndarray:
    """Symbols ``first`` to ``end`` of each item at unit mean power over the item: complex64 (n, end - first)."""
    return unit_power(np.ascontiguousarray(symbols[:, 2 * first : 2 * end]))[0].view(np.complex64)


def energy_shares(symbols: np.ndarray) -> tuple[float, ...]:
    """Mean share of each symbol in the energy of an item's; the sum is 1."""
    energy = np.square(symbols.astype(np.float64)).reshape(len(symbols), -1, 2).sum(axis=2)
    shares = (energy / np.maximum(energy.sum(axis=1, keepdims=True), 1e-30)).mean(axis=0)
    return tuple(float(share) for share in np.maximum(shares, 1e-6) / np.maximum(shares, 1e-6).sum())


def snr_grid(training_snr_db: Sequence[float], below: int = 0) -> tuple[float, ...]:
    """Steps of 1 dB over the SNRs of training, and ``below`` more under them.

    >>> snr_grid((-0.5, 2.0), 1)
    (-1.0, 0.0, 1.0, 2.0)
    """
    first = int(np.ceil(training_snr_db[0])) - below
    return tuple(float(snr_db) for snr_db in range(first, int(np.floor(training_snr_db[1])) + 1))


def _circular(rng: np.random.Generator, shape: tuple[int, ...], power: float) -> np.ndarray:
    pair = rng.standard_normal((2, *shape), np.float32)
    return (pair[0] + 1j * pair[1]) * np.float32(np.sqrt(power / 2))
