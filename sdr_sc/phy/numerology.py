# SPDX-License-Identifier: GPL-3.0-or-later
"""The OFDM numerology: sizes that transmitter, receiver and channel have to share."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np

from sdr_sc.documents import read_yaml, whole_number
from sdr_sc.errors import NumerologyError
from sdr_sc.shown import shown


@dataclass(frozen=True)
class Numerology:
    """OFDM sizes; the defaults are those of an 802.11a symbol.

    Subcarriers are numbered from ``-used/2`` to ``used/2`` without 0 (DC is empty). The FFT is scaled by
    ``1/sqrt(fft_size)`` both ways, so that a subcarrier of power 1 stays a subcarrier of power 1, and white noise
    has the same variance per sample and per subcarrier.

    Attributes:
        fft_size: samples of the useful part of a symbol: a power of two, 32..1024.
        cyclic_prefix: samples repeated in front of it.
        data_subcarriers, pilot_subcarriers: how many of each, both even.
        detection_symbols: symbol durations that the detection part of the preamble lasts.
        header_symbols: symbol durations that the header lasts.
        sample_rate_hz: complex samples per second.
        early_window: samples by which the receiver's FFT window starts before the symbol's useful part.

    Raises:
        NumerologyError: sizes that do not fit one another.

    >>> Numerology().subcarrier_spacing_hz
    15625.0
    >>> Numerology().pilot_positions.tolist()
    [-21, -7, 7, 21]
    """

    fft_size: int = 64
    cyclic_prefix: int = 16
    data_subcarriers: int = 48
    pilot_subcarriers: int = 4
    detection_symbols: int = 4
    header_symbols: int = 8
    sample_rate_hz: float = 1e6
    early_window: int = 4

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            kinds = (int, float) if field.name == "sample_rate_hz" else (int,)
            if isinstance(value, bool) or not isinstance(value, kinds):
                raise NumerologyError(f"numerology: {field.name} is {shown(repr(value), 80)}, which is not a number.")
        n, used = self.fft_size, self.used
        self._require(n in (32, 64, 128, 256, 512, 1024), f"fft_size is {n}; use a power of two from 32 to 1024.")
        self._require(
            self.data_subcarriers > 0 and self.pilot_subcarriers > 1 and used % 2 == 0 and used < n - 4,
            f"{self.data_subcarriers} data and {self.pilot_subcarriers} pilot subcarriers do not fit {n} bins; "
            f"use at least 2 pilots, and an even sum below {n - 4}.",
        )
        self._require(used >= 16, f"{used} occupied subcarriers are too few to find frames by; use 16 or more.")
        self._require(self.pilot_subcarriers % 2 == 0, "pilot_subcarriers has to be even.")
        self._require(
            n // 8 <= self.cyclic_prefix <= n // 2,
            f"cyclic_prefix is {self.cyclic_prefix}; use {n // 8} to {n // 2} for fft_size {n}.",
        )
        self._require(
            0 <= self.early_window <= self.cyclic_prefix // 2,
            f"early_window is {self.early_window}; use 0 to half of the cyclic prefix.",
        )
        self._require(2 <= self.detection_symbols <= 16, "detection_symbols has to be 2 to 16.")
        self._require(
            self.header_symbols * self.data_subcarriers >= 216,
            f"a header of {self.header_symbols} symbols has fewer places than its 216 coded bits; use more.",
        )
        self._require(self.header_symbols <= 64, f"header_symbols is {self.header_symbols}; use 64 or fewer.")
        self._require(1e3 <= self.sample_rate_hz <= 1e9, "sample_rate_hz has to be 1e3 to 1e9.")

    @staticmethod
    def _require(condition: bool, sentence: str) -> None:
        if not condition:
            raise NumerologyError(f"numerology: {sentence}")

    @cached_property
    def used(self) -> int:
        """Occupied subcarriers, data and pilots."""
        return self.data_subcarriers + self.pilot_subcarriers

    @cached_property
    def symbol_samples(self) -> int:
        """Samples of one OFDM symbol with its cyclic prefix."""
        return self.fft_size + self.cyclic_prefix

    @property
    def subcarrier_spacing_hz(self) -> float:
        """Distance between neighbouring subcarriers."""
        return self.sample_rate_hz / self.fft_size

    @cached_property
    def preamble_samples(self) -> int:
        """Samples of detection part and channel-estimation part together."""
        return (self.detection_symbols + 2) * self.symbol_samples

    @cached_property
    def payload_offset(self) -> int:
        """Samples from the start of a frame to its first payload symbol."""
        return self.preamble_samples + self.header_symbols * self.symbol_samples

    @property
    def mean_sample_power(self) -> float:
        """Mean power of a time sample when every occupied subcarrier has power 1."""
        return self.used / self.fft_size

    @cached_property
    def positions(self) -> np.ndarray:
        """int64 (used,): signed numbers of the occupied subcarriers, rising."""
        half = self.used // 2
        return np.concatenate((np.arange(-half, 0), np.arange(1, half + 1)))

    @cached_property
    def pilot_index(self) -> np.ndarray:
        """int64 (pilot_subcarriers,): places of the pilots within `positions`, evenly spread."""
        if self.used == 52 and self.pilot_subcarriers == 4:  # the places that 802.11a has
            return np.searchsorted(self.positions, [-21, -7, 7, 21])
        spacing = self.used / self.pilot_subcarriers
        return (spacing * (np.arange(self.pilot_subcarriers) + 0.5)).astype(np.int64)

    @cached_property
    def data_index(self) -> np.ndarray:
        """int64 (data_subcarriers,): places of the data subcarriers within `positions`."""
        return np.setdiff1d(np.arange(self.used), self.pilot_index)

    @property
    def pilot_positions(self) -> np.ndarray:
        """Signed numbers of the pilot subcarriers."""
        return self.positions[self.pilot_index]

    @cached_property
    def bins(self) -> np.ndarray:
        """int64 (used,): FFT bins of `positions`."""
        return self.positions % self.fft_size

    def payload_symbols(self, feature_symbols: int) -> int:
        """OFDM symbols that carry ``feature_symbols`` complex feature symbols."""
        return -(-feature_symbols // self.data_subcarriers)

    def frame_samples(self, feature_symbols: int) -> int:
        """Samples of a whole frame with ``feature_symbols`` complex feature symbols."""
        return self.payload_offset + self.payload_symbols(feature_symbols) * self.symbol_samples

    @classmethod
    def from_yaml(cls, path: str | Path) -> Numerology:
        """Read a YAML file of field names and values; fields left out have their defaults.

        Raises:
            NumerologyError: no such file, not YAML, an unknown field, or sizes that do not fit.
        """
        raw = read_yaml(path, "numerology file", "correct it", NumerologyError)
        if not isinstance(raw, dict):
            raise NumerologyError(f"numerology file {shown(path)} has to hold lines of 'field: value'.")
        known = {field.name for field in fields(cls)}
        unknown = sorted(shown(key, 80) for key in set(raw) - known)
        if unknown:
            raise NumerologyError(
                f"numerology file {shown(path)} has unknown field {unknown[0]!r}; known: {sorted(known)}."
            )
        sizes = {key: value for key, value in raw.items() if key != "sample_rate_hz"}
        return cls(**{**raw, **{key: value for key, one in sizes.items() if (value := whole_number(one)) is not None}})

    def to_dict(self) -> dict:
        """Field names and values, for result files."""
        return asdict(self)
