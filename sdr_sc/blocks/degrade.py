# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a recording worse: noise, carrier offset, channel models, a lower rate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.ofdm_tx import as_numerology
from sdr_sc.blocks.runtime.guard import guarded
from sdr_sc.blocks.runtime.rx_time import RX_FREQ, RX_RATE, RX_TIME
from sdr_sc.errors import BlockError, ChannelError
from sdr_sc.link.parameters import require_number, require_text, require_whole
from sdr_sc.phy.channels import Awgn, CarrierOffset, Chain, ChannelModel, SampleGaps, parse_chain
from sdr_sc.phy.decimate import Decimator
from sdr_sc.phy.numerology import Numerology

_KEPT = (RX_TIME, RX_FREQ, RX_RATE)
_SEED_KEY = 0x5245504C  # the seed that a recording was made with must not give the same noise again


class degrade(gr.basic_block):
    """Adds to what a recording has been through already; with nothing to add, samples pass bit for bit.

    Tuning comes first, then the lower rate, models, carrier offset, noise, and the models after ``noise()``. Where the
    ``rx_time`` tags of a USRP source mark a gap, the filter of the lower rate starts again.

    Input 0, output 0: complex64 samples; the tags ``rx_time``, ``rx_freq`` and ``rx_rate`` pass.

    Args:
        noise_power: mean power of the noise that is added, full scale 1; 0 for none.
        cfo_hz: carrier frequency offset, Hz, within half the rate that is left after decimation.
        models: '' for nothing, or a line as the channel block takes it; what refers to the signal's level there, such
            as ``clip``, means a signal with subcarriers of power 1.
        decimation: 1 to 64; a lower rate than the signal's own loses it.
        sample_rate_hz: at the input.
        seed: of noise and fading.
        numerology: as in the receiver.
        tune_hz: where a signal off the middle lies, Hz from the recording's centre: it is moved to the middle before
            the rate goes down. The tag ``rx_freq`` follows.

    Raises:
        BlockError, NumerologyError: a parameter makes no sense.
    """

    def __init__(
        self,
        noise_power: float = 0.0,
        cfo_hz: float = 0.0,
        models: str = "",
        decimation: int = 1,
        sample_rate_hz: float = 1e6,
        seed: int = 1,
        numerology: Numerology | str = "",
        tune_hz: float = 0.0,
    ) -> None:
        gr.basic_block.__init__(self, "sdr_sc_degrade", in_sig=[np.complex64], out_sig=[np.complex64])
        require_number(
            "degrade", noise_power=noise_power, cfo_hz=cfo_hz, sample_rate_hz=sample_rate_hz, tune_hz=tune_hz
        )
        require_text("degrade", models=models)
        require_whole("degrade", decimation=decimation, seed=seed)
        if noise_power < 0 or sample_rate_hz <= 0:
            raise BlockError(
                f"degrade: noise_power is {noise_power}, sample_rate_hz {sample_rate_hz}; use 0 or more, and a rate "
                "above 0."
            )
        try:
            self._decimator = Decimator(int(decimation))
            rate_hz = sample_rate_hz / decimation
            _refuse_beyond_band(tune_hz, cfo_hz, sample_rate_hz, decimation)
            self._tuning = CarrierOffset(-tune_hz, sample_rate_hz) if tune_hz else None
            own_seed = int(np.random.SeedSequence([_SEED_KEY, int(seed)]).generate_state(1)[0])
            parsed = parse_chain(models, rate_hz, own_seed, as_numerology(numerology))
            if any(isinstance(model, SampleGaps) and model.tagged for model in parsed.models):
                raise ChannelError(
                    "degrade: gaps cannot be tagged here, the recording has its own times; leave tagged out."
                )
            inner: list[ChannelModel] = [CarrierOffset(cfo_hz, rate_hz)] if cfo_hz else []
            if noise_power:
                inner.append(Awgn(-10.0 * math.log10(noise_power), own_seed))
        except ChannelError as error:
            raise BlockError(str(error)) from error
        self._chain = Chain([*parsed.before.models, *inner, *parsed.after.models])
        self._tune_hz = float(tune_hz)
        self._nothing = not self._chain.models and decimation == 1 and self._tuning is None
        self._pending = np.empty(0, np.complex64)  # found no room in the output yet
        self._tags: list[tuple[int, Any, Any]] = []  # place in the output, key, value
        self._made = 0
        if decimation > 1:
            self.set_relative_rate(1, int(decimation))
        self.set_tag_propagation_policy(gr.TPP_DONT)

    @property
    def samples_in(self) -> int:
        """Samples that have come in and gone out again."""
        return int(self.nitems_read(0)) - int(len(self._pending) > 0)

    @property
    def samples_out(self) -> int:
        """Samples that have left for these; reported before ``samples_in`` is, so the two never miss each other."""
        return self._made - len(self._pending)

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        return [0 if len(self._pending) else 1] * ninputs

    @guarded
    def general_work(self, input_items: list, output_items: list) -> int:
        out = output_items[0]
        if self._nothing:
            return self._pass(input_items[0], out)
        if not len(self._pending):
            count = min(len(input_items[0]), len(out) * self._decimator.factor)
            self._pending = self._cross(input_items[0][:count])
            self._made += len(self._pending)
            self.consume(0, count)
        leaving = min(len(self._pending), len(out))
        out[:leaving] = self._pending[:leaving]
        self._pending = self._pending[leaving:]
        limit = self.nitems_written(0) + leaving
        while self._tags and self._tags[0][0] < limit:
            self.add_item_tag(0, *self._tags.pop(0))
        return leaving

    def _pass(self, samples: np.ndarray, out: np.ndarray) -> int:
        count, shift = min(len(samples), len(out)), self.nitems_written(0) - self.nitems_read(0)
        out[:count] = samples[:count]
        for key in _KEPT:
            for tag in self.get_tags_in_window(0, 0, count, key):
                self.add_item_tag(0, tag.offset + shift, key, tag.value)
        self._made += count
        self.consume(0, count)
        return count

    def _cross(self, samples: np.ndarray) -> np.ndarray:
        first, place, parts, made = self.nitems_read(0), 0, [], self._made
        tags = [tag for key in _KEPT for tag in self.get_tags_in_window(0, 0, len(samples), key)]
        for tag in sorted(tags, key=lambda tag: tag.offset):
            start = tag.offset - first
            parts.append(self._worsened(samples[place:start]))
            if start > place:
                parts.append(self._chain.process(self._decimator.flush()))
            place = start
            value = tag.value
            if pmt.equal(tag.key, RX_RATE):
                value = pmt.from_double(pmt.to_double(value) / self._decimator.factor)
            elif pmt.equal(tag.key, RX_FREQ) and self._tune_hz:
                value = pmt.from_double(pmt.to_double(value) + self._tune_hz)
            self._tags.append((made + sum(map(len, parts)), tag.key, value))
        parts.append(self._worsened(samples[place:]))
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _worsened(self, samples: np.ndarray) -> np.ndarray:
        tuned = samples if self._tuning is None else self._tuning.process(samples)
        return self._chain.process(self._decimator.process(tuned))


def _refuse_beyond_band(tune_hz: float, cfo_hz: float, sample_rate_hz: float, decimation: int) -> None:
    if abs(tune_hz) > sample_rate_hz / 2:
        raise BlockError(
            f"degrade: tune_hz is {tune_hz:g}, and the recording has nothing beyond {sample_rate_hz / 2:g} Hz on "
            "either side of its centre."
        )
    half_hz = sample_rate_hz / decimation / 2
    if abs(cfo_hz) < half_hz or not cfo_hz:
        return
    after = f" after the decimation by {decimation}" if decimation > 1 else ""
    raise BlockError(
        f"degrade: cfo_hz is {cfo_hz:g}, which moves the signal out of the band of {half_hz:g} Hz on either side that "
        f"is there{after}; to receive a signal that lies off the centre, tune to it before the rate goes down: tune_hz "
        f"(--tune-hz) {-cfo_hz:.10g}."
    )
