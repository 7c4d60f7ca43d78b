# SPDX-License-Identifier: GPL-3.0-or-later
"""What all channel models have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sdr_sc.errors import ChannelError


class ChannelModel(Protocol):
    """What every model offers.

    A model is a stream: state goes on from call to call, and cutting the input differently changes no bit of the
    output. The same seed gives the same channel.
    """

    @property
    def mean_power(self) -> float:
        """Mean power gain on the occupied subcarriers, over all realisations."""
        ...

    def process(self, samples: np.ndarray) -> np.ndarray:
        """The next samples through the channel.

        Args:
            samples: complex64 (n,).

        Returns:
            complex64 (n,); from `ClockOffset` and `SampleGaps` another number of samples, in the long run and from
            call to call.
        """
        ...


@dataclass
class Chain:
    """Models one after the other; itself a model.

    Attributes:
        models: in the order in which the signal meets them.
    """

    models: Sequence[ChannelModel]

    @property
    def mean_power(self) -> float:
        """Product of the models' mean power gains."""
        return math.prod(model.mean_power for model in self.models)

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) through all models; complex64, as many as they leave."""
        for model in self.models:
            samples = model.process(samples)
        return samples


def check(name: str, value: float, low: float, high: float, unit: str = "") -> None:
    """Raise `ChannelError` unless a parameter is a finite number in ``low..high``."""
    if not (abs(value) < math.inf and low <= value <= high):  # isfinite takes no whole number above a float's range
        unit = f" {unit}" if unit else ""
        upper = f" to {high:g}" if math.isfinite(high) else " or more"
        raise ChannelError(f"channel: {name} is {value}; use {low:g}{upper}{unit}.")


def check_rate(sample_rate_hz: float) -> None:
    """Raise `ChannelError` unless a sample rate is a finite number above 0."""
    if not (math.isfinite(sample_rate_hz) and sample_rate_hz > 0):
        raise ChannelError(f"channel: sample_rate_hz is {sample_rate_hz}; use a number above 0.")


def generator(seed: int) -> np.random.Generator:
    """Source of a model's randomness.

    Raises:
        ChannelError: the seed is not a whole number of 0 or more.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ChannelError(f"channel: seed is {seed!r}; use a whole number of 0 or more.")
    return np.random.default_rng(seed)
