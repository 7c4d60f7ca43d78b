# SPDX-License-Identifier: GPL-3.0-or-later
"""OFDM receiver: samples to features."""

from __future__ import annotations

import sys
import time as clock
from collections.abc import Callable
from dataclasses import astuple, replace

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.ofdm_tx import as_numerology
from sdr_sc.blocks.runtime.guard import guarded, guarded_start, guarded_stop
from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.blocks.runtime.rx_time import RX_TIME, DeviceTime, read_time, samples_missing
from sdr_sc.diagnosis import LONGEST, Strongest
from sdr_sc.errors import BlockError
from sdr_sc.link.level import LevelMeter
from sdr_sc.link.network.pdu_schema import INDEXED
from sdr_sc.link.parameters import require_number, require_text
from sdr_sc.link.sample_limit import SampleLimit
from sdr_sc.link.timing.device_clock import DeviceClock
from sdr_sc.phy.frame.modes import frame_layout
from sdr_sc.phy.kernels import is_compiled
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.detect import DEFAULT_THRESHOLD
from sdr_sc.phy.receive.equalise import equalise
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver, warm_up
from sdr_sc.phy.receive.snr import DEFAULT_ESTIMATOR, ESTIMATORS
from sdr_sc.phy.receive.sync import CFO_RANGE_SUBCARRIERS, MOST_CFO_RANGE_SUBCARRIERS

_CHUNK = 131_072
_FRAMES = pmt.intern("frames")
_DEAF_S = 2.0
_FULL_SCALE = 0.999  # a converter's largest code is a little below 1


class ofdm_rx(gr.basic_block):
    """Detects frames, corrects the carrier offset, equalises, and estimates the SNR of each frame.

    Input 0: complex64 samples. Message output ``frames``: for each frame a PDU of the equalised complex64 features,
    those of the new items one after the other and then those of refinements, with ``frame_num``, ``k``, ``n_items``,
    ``model_id``, ``task``, ``refined_symbols``, ``request``, ``mode``, ``snr_db``, ``cfo_hz``, ``clock_offset_ppm``,
    ``noise_variance`` and ``erased`` (vectors as long as the features), ``channel`` (one gain for each occupied
    subcarrier), ``start_sample``, for a frame that is mapped by importance ``report_age``, for one with indices into a
    knowledge base ``indexed`` (int32, the fields of `sdr_sc.phy.frame.indexed.Indexed`; its features are all of the
    payload), for both see `sdr_sc.phy.frame.header.Header`, and ``received_ns``, when the frame was given out
    (nanoseconds of the machine's monotonic clock). A frame that the end of the stream cuts is counted, not given out.

    Where a ``rx_time`` tag says that samples are missing (a USRP source sets one after an overflow), the frame in
    progress is given out with what was lost erased, and the search restarts: a gap is not taken for data. With
    `set_clock`, PDUs also carry ``air_ms``: from the frame's last sample at the antenna to the giving out.

    Args:
        numerology: a `Numerology`, a path of a YAML file, or '' for the default.
        threshold: square root of the detection metric, 0.1..0.9; lower finds weaker frames at more cost.
        snr_estimator: name of one of `sdr_sc.phy.receive.snr.ESTIMATORS`.
        sample_rate_hz: of the stream; 0 for the numerology's.
        cfo_range_subcarriers: largest carrier offset either way, 2 to 8 subcarriers; the price is in docs/receiver.md.
        swap_iq: whether I and Q are exchanged, which inverts the spectrum.

    Attributes:
        level: of the samples against the full scale of 1.
        gaps, samples_missing: by the ``rx_time`` tags.
        unheard: the strongest stretch of what has arrived since nothing is received: from the start, or from 2 s after
            the latest frame.
        sample_limit: where it stops to take samples, for recordings that have to end where the receiver does.

    Raises:
        BlockError, NumerologyError: a parameter makes no sense.
    """

    def __init__(
        self,
        numerology: Numerology | str = "",
        threshold: float = DEFAULT_THRESHOLD,
        snr_estimator: str = DEFAULT_ESTIMATOR,
        sample_rate_hz: float = 0.0,
        cfo_range_subcarriers: float = CFO_RANGE_SUBCARRIERS,
        swap_iq: bool = False,
    ) -> None:
        gr.basic_block.__init__(self, "sdr_sc_ofdm_rx", in_sig=[np.complex64], out_sig=None)
        require_number(
            "OFDM receiver",
            threshold=threshold,
            sample_rate_hz=sample_rate_hz,
            cfo_range_subcarriers=cfo_range_subcarriers,
        )
        require_text("OFDM receiver", snr_estimator=snr_estimator)
        if not 0.1 <= threshold <= 0.9:
            raise BlockError(f"OFDM receiver: threshold is {threshold}; use 0.1 to 0.9.")
        low, high = CFO_RANGE_SUBCARRIERS, MOST_CFO_RANGE_SUBCARRIERS
        if not low <= cfo_range_subcarriers <= high:
            raise BlockError(
                f"OFDM receiver: cfo_range_subcarriers is {cfo_range_subcarriers}; use {low:g} to {high:g}."
            )
        if sample_rate_hz < 0:
            raise BlockError(f"OFDM receiver: sample_rate_hz is {sample_rate_hz}; use 0 or more.")
        self.numerology = as_numerology(numerology)
        if sample_rate_hz:
            self.numerology = replace(self.numerology, sample_rate_hz=sample_rate_hz)
        if snr_estimator not in ESTIMATORS:
            raise BlockError(f"OFDM receiver: snr_estimator is {snr_estimator!r}; use one of {', '.join(ESTIMATORS)}.")
        self.level = LevelMeter(_FULL_SCALE)
        self.gaps = self.samples_missing = 0
        self._known_time: tuple[int, DeviceTime] | None = None  # of a sample in the receiver's count
        self.sample_limit = SampleLimit()
        self.unheard = Strongest(LONGEST)
        self._delivered = self._deaf_samples = 0
        self._clock: DeviceClock | None = None
        self.receiver = Receiver(
            self.numerology,
            threshold,
            snr_estimator,
            cfo_range_subcarriers=cfo_range_subcarriers,
            swap_iq=bool(swap_iq),
        )
        # A call of a Python block costs 0.2 ms, so it should get many samples at once. Buffers are sized by this rate
        # before the blocks start; start() takes it back, since the scheduler would wait for that many samples.
        self.set_relative_rate(1, _CHUNK)
        self.message_port_register_out(_FRAMES)

    def set_clock(self, read_s: Callable[[], float]) -> None:
        """Where the device's time comes from, for ``air_ms``."""
        self._clock = DeviceClock(read_s)

    @property
    def samples_taken(self) -> int:
        """Samples that have come in."""
        return self.receiver.counters.samples

    def load(self) -> None:
        """Load the compiled kernels, which takes a second: before the start where a device would not wait for it."""
        if not is_compiled(equalise):
            print("compiling the receiver's kernels, about a minute, once", file=sys.stderr, flush=True)
        warm_up(self.numerology)

    @guarded_start
    def start(self) -> bool:
        self.set_relative_rate(1, 1)
        self.load()
        return True

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        return [1] * ninputs

    @guarded
    def general_work(self, input_items: list, output_items: list) -> int:
        first, done = self.nitems_read(0), 0
        samples, consumed = self.sample_limit.take(input_items[0], first)
        self.level.add(samples)
        for tag in self.get_tags_in_window(0, 0, len(samples), RX_TIME):
            self._push(samples[done : tag.offset - first])
            done = tag.offset - first
            self._note_time(read_time(tag.value))
        self._push(samples[done:])
        self._keep_unheard(samples)
        self.sample_limit.done = self.sample_limit.taken
        self.consume(0, consumed)
        return 0

    @guarded_stop
    def stop(self) -> bool:
        self.receiver.abandon()  # the blocks that would take a last, cut frame have ended
        return True

    def _push(self, samples: np.ndarray) -> None:
        for frame in self.receiver.push(samples):
            self._publish(frame)

    def _keep_unheard(self, samples: np.ndarray) -> None:
        """Keep a stretch to find out from why nothing is received; costs nothing while frames arrive."""
        delivered = self.receiver.counters.delivered
        if delivered != self._delivered:
            self._delivered, self._deaf_samples = delivered, 0
            self.unheard.clear()
            return
        self._deaf_samples += len(samples)
        if not delivered or self._deaf_samples > _DEAF_S * self.numerology.sample_rate_hz:
            self.unheard.add(samples.conj() if self.receiver.swap_iq else samples)

    def _note_time(self, time: DeviceTime) -> None:
        """The next sample was received at this device time."""
        place = self.receiver.counters.samples
        if self._known_time is not None:
            missing = samples_missing(self._known_time, (place, time), self.numerology.sample_rate_hz)
            if missing:
                self.gaps += 1
                self.samples_missing += max(missing, 0)
                for frame in self.receiver.flush():
                    self._publish(frame)
        self._known_time = place, time

    def _air_ms(self, frame: ReceivedFrame) -> float | None:
        if self._clock is None or self._known_time is None:
            return None
        place, time = self._known_time
        layout = frame_layout(self.numerology, frame.header.mode)
        end = frame.start_sample + layout.frame_samples(frame.header.feature_symbols)
        return 1e3 * (self._clock.now_s() - sum(time) - (end - place) / self.numerology.sample_rate_hz)

    def _publish(self, frame: ReceivedFrame) -> None:
        header = frame.header
        meta = {
            "frame_num": header.frame_num,
            "k": header.k,
            "n_items": header.n_items,
            "model_id": header.model_id,
            "task": header.task,
            "refined_symbols": header.refined_symbols,
            "request": header.request,
            "mode": int(header.mode),
            "snr_db": frame.snr_db,
            "cfo_hz": frame.cfo_hz,
            "clock_offset_ppm": frame.clock_offset_ppm,
            "noise_variance": _joined(frame.noise_variance, frame.refinement_variance),
            "erased": _joined(frame.erased, frame.refinement_erased).view(np.uint8),
            "channel": frame.channel,
            "start_sample": frame.start_sample,
            "received_ns": clock.monotonic_ns(),
        }
        if header.report_age:
            meta["report_age"] = header.report_age
        if header.indexed is not None:
            meta[INDEXED] = np.array(astuple(header.indexed), np.int32)
        air_ms = self._air_ms(frame)
        if air_ms is not None:
            meta["air_ms"] = air_ms
        self.message_port_pub(_FRAMES, make_pdu(meta, _joined(frame.features, frame.refinement)))


def _joined(of_new: np.ndarray, of_refinement: np.ndarray) -> np.ndarray:
    """Values of new items (n_items, k) and those of refinements (n,) after them, (n_items k + n,)."""
    return np.concatenate((of_new.ravel(), of_refinement)) if len(of_refinement) else of_new.ravel()
