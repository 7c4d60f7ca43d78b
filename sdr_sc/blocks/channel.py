# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated channel."""

from __future__ import annotations

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.ofdm_tx import as_numerology
from sdr_sc.blocks.runtime.guard import guarded, guarded_handler
from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.blocks.runtime.rx_time import RX_TIME, time_value
from sdr_sc.blocks.runtime.tagged_gaps import tagged_gaps
from sdr_sc.errors import BlockError, ChannelError
from sdr_sc.link.parameters import require_number, require_text, require_whole
from sdr_sc.link.timing.schedule import SnrSchedule
from sdr_sc.phy.channels import Awgn, CarrierOffset, Chain, delay, parse_chain
from sdr_sc.phy.numerology import Numerology

_FRAME_INDEX = pmt.intern("frame_index")


class channel(gr.basic_block):
    """Adds delay, fading, hardware impairments, carrier offset and noise; SNR and offset can change while it runs.

    Input 0, output 0: complex64 samples; no tag passes. Clock offset and gaps give another number of samples. Gaps that
    are tagged (``gaps(..., tagged=True)``) have ``rx_time`` tags after them, as a USRP source has after an overflow.
    Message input ``set``: a dictionary with ``snr_db`` or ``cfo_hz``.
    Message output ``truth``: a PDU with ``frame_index``, ``snr_db`` and ``cfo_hz`` for each frame that the input's tags
    announce.

    Args:
        snr_db: received Es/N0 on the occupied subcarriers, for a transmitter of amplitude 1; with fading, its mean.
        models: what the signal crosses besides delay, carrier offset and noise: '' for nothing, or models with commas
            between such as ``tdl_c(delay_spread_ns=300, doppler_hz=5), clock_offset(ppm=20)``; what stands after a
            ``noise()`` comes after the noise. `sdr_sc.phy.channels.parse_chain` says more.
        cfo_hz: carrier frequency offset, Hz; comes directly in front of the noise.
        delay_samples: delay, samples; comes first.
        snr_schedule: '' for none, or ``frame:snr_db`` pairs with commas between, such as ``0:25, 100:0``: from that
            frame on, that SNR.
        sample_rate_hz: complex samples per second.
        seed: of noise and fading.
        numerology: as in the transmitter; says which subcarriers the SNR is counted on.

    Raises:
        BlockError, NumerologyError: a parameter makes no sense.
    """

    def __init__(
        self,
        snr_db: float = 20.0,
        models: str = "",
        cfo_hz: float = 0.0,
        delay_samples: int = 0,
        snr_schedule: str = "",
        sample_rate_hz: float = 1e6,
        seed: int = 1,
        numerology: Numerology | str = "",
    ) -> None:
        gr.basic_block.__init__(self, "sdr_sc_channel", in_sig=[np.complex64], out_sig=[np.complex64])
        require_number("channel", snr_db=snr_db, cfo_hz=cfo_hz, sample_rate_hz=sample_rate_hz)
        require_whole("channel", delay_samples=delay_samples, seed=seed)
        require_text("channel", models=models, snr_schedule=snr_schedule)
        if sample_rate_hz <= 0:
            raise BlockError(f"channel: sample_rate_hz is {sample_rate_hz}; use a number above 0.")
        self._schedule = SnrSchedule.parse(snr_schedule)
        try:
            parsed = parse_chain(models, sample_rate_hz, seed, as_numerology(numerology))
            self._noise = Awgn(snr_db, seed, parsed.subcarrier_power)
            self._offset = CarrierOffset(cfo_hz, sample_rate_hz)
            first = [delay(delay_samples)] if delay_samples else []
            self._chain = Chain([*first, *parsed.before.models, self._offset, self._noise, *parsed.after.models])
            self._gaps = tagged_gaps(self._chain.models, sample_rate_hz)
        except ChannelError as error:
            raise BlockError(str(error)) from error
        self._pending = np.empty(0, np.complex64)  # came out of the chain, and found no room yet
        self.frames_seen = 0
        self.set_tag_propagation_policy(gr.TPP_DONT)
        self.message_port_register_in(pmt.intern("set"))
        self.message_port_register_out(pmt.intern("truth"))
        self.set_msg_handler(pmt.intern("set"), self.handle_set)

    def set_snr_db(self, snr_db: float) -> None:
        """Es/N0 from the next samples on, dB."""
        require_number("channel", snr_db=snr_db)
        self._noise.snr_db = float(snr_db)

    def set_cfo_hz(self, cfo_hz: float) -> None:
        """Carrier frequency offset from the next samples on, Hz."""
        require_number("channel", cfo_hz=cfo_hz)
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

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        """Any input will do; none is needed while samples wait, which so get out after the input has ended."""
        return [0 if len(self._pending) else 1] * ninputs

    @guarded
    def general_work(self, input_items: list, output_items: list) -> int:
        out = output_items[0]
        if not len(self._pending):
            # Never much more than there is room for: what waits is samples that late changes of SNR do not reach.
            count = min(len(input_items[0]), len(out))
            self._pending = self._cross(input_items[0][:count])
            self.consume(0, count)
        made = min(len(self._pending), len(out))
        out[:made] = self._pending[:made]
        for offset, time in self._gaps.times(self.nitems_written(0) + made):
            self.add_item_tag(0, offset, RX_TIME, time_value(time))
        self._pending = self._pending[made:]
        return made

    def _cross(self, samples: np.ndarray) -> np.ndarray:
        """The samples through the chain, each frame announced before its first sample goes in."""
        first, place, parts = self.nitems_read(0), 0, []
        for tag in self.get_tags_in_window(0, 0, len(samples), _FRAME_INDEX):
            start = tag.offset - first
            parts.append(self._chain.process(samples[place:start]))
            place = start
            self._announce(pmt.to_long(tag.value))
        parts.append(self._chain.process(samples[place:]))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _announce(self, frame_index: int) -> None:
        self.frames_seen += 1
        scheduled = self._schedule.at(frame_index)
        if scheduled is not None:
            self._noise.snr_db = scheduled
        truth = {"frame_index": frame_index, "snr_db": self._noise.snr_db, "cfo_hz": self._offset.cfo_hz}
        self.message_port_pub(pmt.intern("truth"), make_pdu(truth, np.empty(0, np.uint8)))
