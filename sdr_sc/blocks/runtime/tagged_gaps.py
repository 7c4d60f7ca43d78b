# SPDX-License-Identifier: GPL-3.0-or-later
"""Device times after the gaps of a simulated channel, as the tags of a USRP source say them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sdr_sc.blocks.runtime.rx_time import DeviceTime
from sdr_sc.errors import ChannelError
from sdr_sc.phy.channels import ChannelModel, ClockOffset, SampleGaps


class TaggedGaps:
    """Places in the channel's output that need a tag.

    Args:
        model: the gaps; None for none.
        rate_hz: samples per second.

    >>> import numpy as np
    >>> model = SampleGaps(gap_samples=3, every_samples=100, seed=1, tagged=True)
    >>> kept = model.process(np.zeros(300, np.complex64))
    >>> times = TaggedGaps(model, 1e6).times(len(kept))
    >>> [(place, round(whole + fraction, 6)) for place, (whole, fraction) in times][:2]
    [(0, 0.0), (104, 0.000107)]
    """

    def __init__(self, model: SampleGaps | None, rate_hz: float) -> None:
        self._model, self._rate_hz = model, rate_hz
        self._next = -1  # the beginning, then the gaps

    def times(self, stop: int) -> Iterator[tuple[int, DeviceTime]]:
        """Place in the output and device time of what lies before ``stop`` and was not reported yet."""
        if self._model is None:
            return
        while self._next < len(self._model.starts):
            lost = self._model.gap_samples
            start = self._model.starts[self._next] if self._next >= 0 else 0
            place, sample = (start - self._next * lost, start + lost) if self._next >= 0 else (0, 0)
            if place >= stop:
                return
            self._next += 1
            whole, rest = divmod(sample, self._rate_hz)
            yield place, (int(whole), rest / self._rate_hz)


def tagged_gaps(models: Sequence[ChannelModel], rate_hz: float) -> TaggedGaps:
    """The gaps of a chain of models that are to be reported.

    Raises:
        ChannelError: a model after them changes the number of samples, so that their places are not known.
    """
    places = [i for i, model in enumerate(models) if isinstance(model, SampleGaps) and model.tagged]
    if not places:
        return TaggedGaps(None, rate_hz)
    if any(isinstance(model, (ClockOffset, SampleGaps)) for model in models[places[0] + 1 :]):
        raise ChannelError("channel: gaps(tagged=True) has to be the last model that adds or drops samples; move it.")
    model = models[places[0]]
    assert isinstance(model, SampleGaps)
    return TaggedGaps(model, rate_hz)
