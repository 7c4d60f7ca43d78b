# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated channel."""

from __future__ import annotations

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks._guard import guarded, guarded_handler
from sdr_sc.blocks._pdu import make_pdu
from sdr_sc.blocks._schedule import SnrSchedule
from sdr_sc.blocks.ofdm_tx import as_numerology
from sdr_sc.errors import BlockError
from sdr_sc.phy.channel_models import (
    Awgn,
    CarrierOffset,
    Chain,
    ChannelModel,
    Multipath,
    RayleighBlockFading,
    delay,
    power_on_subcarriers,
)
from sdr_sc.phy.numerology import Numerology

MODELS = ("awgn", "multipath", "rayleigh")


class channel(gr.sync_block):
    """Adds delay, multipath or fading, carrier offset and noise; SNR and offset can change while it runs.

    Input 0, output 0: complex64 samples; no tag passes.
    Message input ``set``: a dictionary with ``snr_db`` or ``cfo_hz``.
    Message output ``truth``: a PDU with ``frame_index`` and ``snr_db`` for each frame that the input's tags announce.

    Args:
        snr_db: received Es/N0 on the occupied subcarriers, for a transmitter of amplitude 1; with fading, its mean.
        model: ``awgn``, ``multipath`` (static ``taps``), or ``rayleigh`` (block fading).
        cfo_hz: carrier frequency offset, Hz.
        delay_samples: delay, samples.
        taps: complex gains one sample apart, for ``multipath``.
        fading_block_samples: samples that a Rayleigh realisation lasts.
        rms_delay_samples: delay spread of the Rayleigh model, samples.
        snr_schedule: '' for none, or ``frame:snr_db`` pairs with commas between, such as ``0:25, 100:0``: from that
            frame on, that SNR.
        sample_rate_hz: complex samples per second.
        seed: of noise and fading.
        numerology: as in the transmitter; says which subcarriers the SNR of a multipath channel is counted on.

    Raises:
        BlockError, NumerologyError: a parameter makes no sense.
    """

    def __init__(
        self,
        snr_db: float = 20.0,
        model: str = "awgn",
        cfo_hz: float = 0.0,
        delay_samples: int = 0,
        taps: tuple[complex, ...] = (1.0,),
        fading_block_samples: int = 20_000,
        rms_delay_samples: float = 2.0,
        snr_schedule: str = "",
        sample_rate_hz: float = 1e6,
        seed: int = 1,
        numerology: Numerology | str = "",
    ) -> None:
        gr.sync_block.__init__(self, "sdr_sc_channel", in_sig=[np.complex64], out_sig=[np.complex64])
        if model not in MODELS:
            raise BlockError(f"channel: model is {model!r}; use one of {', '.join(MODELS)}.")
        if min(delay_samples, seed) < 0 or sample_rate_hz <= 0 or not np.isfinite([snr_db, cfo_hz]).all():
            raise BlockError(
                "channel: delay_samples and seed have to be 0 or more, sample_rate_hz above 0, "
                "snr_db and cfo_hz finite."
            )
        self._schedule = SnrSchedule.parse(snr_schedule)
        self._noise = Awgn(snr_db, seed)
        self._offset = CarrierOffset(cfo_hz, sample_rate_hz)
        models: list[ChannelModel] = [delay(delay_samples)] if delay_samples else []
        try:
            if model == "multipath":
                models.append(Multipath(taps))
                self._noise.subcarrier_power = power_on_subcarriers(taps, as_numerology(numerology))
            elif model == "rayleigh":
                models.append(RayleighBlockFading(fading_block_samples, rms_delay_samples, seed + 1))
        except ValueError as error:
            raise BlockError(f"channel: {error}.") from error
        self._chain = Chain([*models, self._offset, self._noise])
        self.frames_seen = 0
        self.set_tag_propagation_policy(gr.TPP_DONT)
        self.message_port_register_in(pmt.intern("set"))
        self.message_port_register_out(pmt.intern("truth"))
        self.set_msg_handler(pmt.intern("set"), self.handle_set)

    def set_snr_db(self, snr_db: float) -> None:
        """Es/N0 from the next samples on, dB."""
        if not np.isfinite(snr_db):
            raise BlockError(f"channel: snr_db is {snr_db}; use a finite number.")
        self._noise.snr_db = float(snr_db)

    def set_cfo_hz(self, cfo_hz: float) -> None:
        """Carrier frequency offset from the next samples on, Hz."""
        if not np.isfinite(cfo_hz):
            raise BlockError(f"channel: cfo_hz is {cfo_hz}; use a finite number.")
        self._offset.cfo_hz = float(cfo_hz)

    @guarded_handler
    def handle_set(self, message: pmt.pmt_base) -> None:
        """Change the channel: a dictionary, or one pair, of ``snr_db`` or ``cfo_hz`` and a number."""
        value = pmt.to_python(message)
        settings = dict([value]) if isinstance(value, tuple) else value
        setters = {"snr_db": self.set_snr_db, "cfo_hz": self.set_cfo_hz}
        if not isinstance(settings, dict) or not settings or not set(settings) <= set(setters):
            raise BlockError("channel: port 'set' takes a dictionary with snr_db or cfo_hz.")
        for name, number in settings.items():
            if not isinstance(number, (int, float)):
                raise BlockError(f"channel: port 'set' got {name} {number!r}, which is not a number.")
            setters[name](number)

    @guarded
    def work(self, input_items: list, output_items: list) -> int:
        samples, out = input_items[0], output_items[0]
        count = min(len(samples), len(out))
        first, place = self.nitems_read(0), 0
        for tag in self.get_tags_in_window(0, 0, count, pmt.intern("frame_index")):
            start = tag.offset - first
            out[place:start] = self._chain.process(samples[place:start])
            place = start
            self._announce(pmt.to_long(tag.value))
        out[place:count] = self._chain.process(samples[place:count])
        return count

    def _announce(self, frame_index: int) -> None:
        self.frames_seen += 1
        scheduled = self._schedule.at(frame_index)
        if scheduled is not None:
            self._noise.snr_db = scheduled
        truth = {"frame_index": frame_index, "snr_db": self._noise.snr_db, "cfo_hz": self._offset.cfo_hz}
        self.message_port_pub(pmt.intern("truth"), make_pdu(truth, np.empty(0, np.uint8)))
