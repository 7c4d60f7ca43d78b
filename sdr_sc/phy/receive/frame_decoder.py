# SPDX-License-Identifier: GPL-3.0-or-later
"""From the samples of one synchronised frame to its header, then to its features."""

from __future__ import annotations

import cmath
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum, auto
from typing import NamedTuple

import numpy as np

from sdr_sc.phy.frame import header_symbols
from sdr_sc.phy.frame.framing import pilot_values
from sdr_sc.phy.frame.header import MAX_FEATURE_SYMBOLS, PROTOCOL_VERSION, VERSIONS, Header, is_intact, unpack
from sdr_sc.phy.frame.importance import importance_mapping
from sdr_sc.phy.frame.interleave import feature_mapping
from sdr_sc.phy.frame.modes import FrameLayout, FrameMode
from sdr_sc.phy.receive.bundles import Carriers, Estimates, Pilots, Prior
from sdr_sc.phy.receive.channel_estimate import planes, smoother
from sdr_sc.phy.receive.header_channel import full_channel, known_symbol_gains, learn_from_header
from sdr_sc.phy.receive.header_stage import (
    HeaderTables,
    header_evidence,
    header_soft_values,
    refined_soft_values,
)
from sdr_sc.phy.receive.image import ImageCanceller
from sdr_sc.phy.receive.payload_stage import receive_payload
from sdr_sc.phy.receive.pilot_tracking import CLOCK_OFFSET_STD
from sdr_sc.phy.receive.preamble_estimate import PreambleEstimate, PreambleEstimator
from sdr_sc.phy.receive.preamble_fit import PreambleFit, cached_fit
from sdr_sc.phy.receive.snr import (
    DEFAULT_ESTIMATOR,
    ESTIMATORS,
    PowerEstimate,
    SnrObservation,
    known_symbols,
    repeated_symbols,
)
from sdr_sc.phy.receive.snr import pilots as pilots_estimator
from sdr_sc.phy.receive.sync import Synchronisation
from sdr_sc.phy.receive.windows import early_window_ramp, spectra

_ALL = slice(None)
# A payload of so few symbols that seems to come of clocks so many standard deviations apart, more than the tracking's
# reach, is not what the header announced: the few pilots after a hole or a slip look like such clocks (found by the
# fuzz of `bench phy`).
_SHORT, _IMPLAUSIBLE = 16, 5.25
_ROUNDS = 3  # of decoding a header of the latest version again with the channel that it shows
# Evidence (see `header_evidence`) above which a header whose check has passed is not decoded again: its median over
# white noise at -2 dB in the normal mode. Of wrong decisions at -3 dB 1 % have more than 370.
_SURE = 400.0
# Of a header of an earlier version. Right ones have 102 or more (4,000 frames at -3 to -7 dB); noise, and the symbols
# of a later version, decoded as one, in half of the cases more than 82, in 6 % more than this.
_LEAST = 95.0


class HeaderResult(NamedTuple):
    """What preamble and header of a frame gave.

    Attributes:
        header: the fields.
        channel: complex64 (used,), smoothed unless echoes outlast the cyclic prefix, with the phase in the middle of
            the known symbols; of the samples divided by the frame's amplitude.
        cycles_per_sample: carrier offset over the sample rate, refined over the header.
        power: signal and noise power per occupied subcarrier over the known symbols, of the divided samples.
        observation: for the SNR estimators, still without payload.
    """

    header: Header
    channel: np.ndarray
    cycles_per_sample: float
    power: PowerEstimate
    observation: SnrObservation


class HeaderFault(Enum):
    """Why a header is refused: its check failed, or the check is right but the fields are of no version or mode that
    this receiver knows."""

    CHECK = auto()
    UNKNOWN = auto()


class PayloadResult(NamedTuple):
    """The features of a frame, those of new items first; shapes (feature_symbols,).

    Attributes:
        features: complex64, LMMSE estimates; NaN where erased.
        noise_variance: float32, variance of the noise on the unbiased estimate; infinite where erased. The LMMSE
            weight is 1/(1 + noise_variance).
        erased: bool, True where the samples did not arrive, or were not those of the payload.
        symbols: payload symbols up to the last one that was there; more were announced if the frame was cut.
        power: signal and noise power per occupied subcarrier, of the samples divided by the frame's amplitude, by the
            estimator that was chosen. The equaliser always takes the noise, interference included, that
            `known_symbols` sees.
        clock_offset_ppm: by how much the receiver takes more samples than the transmitter sends; near 0 for a short
            frame, which does not hold it.
    """

    features: np.ndarray
    noise_variance: np.ndarray
    erased: np.ndarray
    symbols: int
    power: PowerEstimate
    clock_offset_ppm: float


class FrameDecoder:
    """Decodes frames of one numerology and mode; makes its tables once.

    Args:
        layout: of the mode.
        snr_estimator: name of one of `sdr_sc.phy.receive.snr.ESTIMATORS`.
        image: takes out the image of an I/Q imbalance; one for all modes of a receiver.
    """

    def __init__(
        self, layout: FrameLayout, snr_estimator: str = DEFAULT_ESTIMATOR, image: ImageCanceller | None = None
    ) -> None:
        self.layout, symbols_of_header = layout, layout.header_symbols
        n = self.numerology = layout.numerology
        self._image = ImageCanceller() if image is None else image
        self._versions = VERSIONS if layout.mode is FrameMode.NORMAL else VERSIONS[:1]
        self._estimate_snr = ESTIMATORS[snr_estimator]
        self._needs_pilots = self._estimate_snr is pilots_estimator
        self._preamble, self._fit = PreambleEstimator(layout), cached_fit(layout)
        useful = n.cyclic_prefix - n.early_window
        symbol_starts = layout.preamble_samples + useful + n.symbol_samples * np.arange(symbols_of_header)
        self._first_starts = np.concatenate((self._preamble.starts, symbol_starts)).astype(np.int64)
        header_times = (symbol_starts + n.early_window + n.fft_size / 2 - layout.preamble_samples) / n.symbol_samples
        # The known symbols' times count from their middle, where the channel estimate's phase is taken.
        self._training = len(layout.training_starts)
        known_times = np.concatenate((self._preamble.times[-self._training :], header_times))
        self._middle = float(known_times.mean())
        ramp = early_window_ramp(n)
        self._unramp = ramp.conj()
        longest = n.payload_symbols(MAX_FEATURE_SYMBOLS)
        known_pilots = pilot_values(symbols_of_header + longest, n)
        # Plain tuples: see `bundles`.
        self._header_tables = HeaderTables(
            bins=n.bins,
            ramp=ramp,
            data_index=n.data_index,
            pilot_index=n.pilot_index,
            pilots=known_pilots[:symbols_of_header],
            slope_times=np.concatenate((self._preamble.times, header_times)),
            known_times=known_times - self._middle,
            smoother=planes(smoother(n, np.ones(n.used))),
            detection_times=self._preamble.times[: -self._training] - self._middle,
            detection_weights=self._preamble.detection_weights,
            full_smoother=planes(smoother(n, len(known_times) + self._preamble.detection_weights)),
        )[:]
        self._data = Carriers(n.bins[n.data_index], n.data_index, n.positions[n.data_index])[:]
        self._pilots = Pilots(
            bins=n.bins[n.pilot_index],
            used_index=n.pilot_index,
            positions=n.pilot_positions.astype(np.float64),
            known=known_pilots[symbols_of_header:],
        )[:]
        self._payload_starts = layout.payload_offset + useful + n.symbol_samples * np.arange(longest)
        passed = float(np.sum(np.abs(smoother(n, np.ones(n.used))) ** 2))
        self._channel_error = passed / (n.used * len(known_times))
        self._unsmoothed = float(np.sum(np.abs(np.eye(n.used) - smoother(n, np.ones(n.used))) ** 2))
        self._middle_sample = layout.preamble_samples + self._middle * n.symbol_samples
        window_middles = self._payload_starts + n.early_window + n.fft_size / 2
        self._payload_times = (window_middles - self._middle_sample) / n.symbol_samples
        self._all_usable = np.ones(longest, np.bool_)
        self._known_weight = len(known_times) * n.used / n.pilot_subcarriers
        self._known_spread = float(known_times.std())
        guard = np.arange(n.used // 2 + 2, n.fft_size - n.used // 2 - 1)
        self._guard_bins = guard if len(guard) else np.array([n.fft_size // 2])
        self._slope_per_offset = 2 * np.pi * n.symbol_samples / n.fft_size

    def decode_header(self, samples: np.ndarray, sync: Synchronisation) -> HeaderResult | HeaderFault:
        """Estimate the channel from the preamble, read the header, and use it as further known symbols.

        Args:
            samples: complex64, from the frame's first sample, at least ``layout.payload_offset``.
            sync: the frame's carrier offset and amplitude.

        Returns:
            What it says, or why it was refused.
        """
        n, preamble_windows = self.numerology, len(self._preamble.starts)
        received, cycles = samples[: self.layout.payload_offset], sync.cycles_per_sample
        samples = self._image.begin(received)
        bins = spectra(samples, self._first_starts, n.fft_size, cycles, 1.0 / sync.amplitude)
        first_look = self._preamble.estimate(bins[:preamble_windows])
        symbols, soft = header_soft_values(bins[preamble_windows:], first_look[:], self._header_tables)
        decided = self._header_bits(symbols, soft, first_look)
        if decided is None:
            return HeaderFault.CHECK
        bits, sent = decided
        header = unpack(bits)
        if header is None or header.mode is not self.layout.mode:
            return HeaderFault.UNKNOWN
        gains, channel, slope, signal, noise, is_late = learn_from_header(
            symbols,
            sent,
            first_look[:],
            self._header_tables,
            self.layout.mode is FrameMode.SHORT,
            header.version > 1,
            self._channel_error,
            self._unsmoothed,
        )
        if self._image.is_due():
            starts = self._first_starts[preamble_windows:]
            mirrored = spectra(samples.conj(), starts, n.fft_size, cycles, 1.0 / sync.amplitude)[:, n.bins]
            if self._image.learn(symbols, gains[-len(symbols) :], mirrored * self._unramp.conj()):
                return self.decode_header(received, sync)
        power = PowerEstimate(signal, noise)
        refined = cycles + slope / (2 * np.pi * n.symbol_samples)
        observation = SnrObservation(
            training=first_look.training,
            known=gains,
            spectra=bins[preamble_windows - self._training :],
            guard_bins=self._guard_bins,
            pilots=np.empty((0, n.pilot_subcarriers), np.complex64),
            fitted_noise=None if self._fit is None else self._fitted_noise(self._fit, samples, refined, sync),
            version=header.version,
            powers=power,
        )
        if is_late:
            # Late echoes of the training symbols do not interfere, as these repeat; those of the header do.
            power = replace(power, noise=repeated_symbols(gains[self._training :], phases_removed=True).noise)
        return HeaderResult(header, channel, refined, power, observation)

    def _header_bits(
        self, symbols: np.ndarray, soft: np.ndarray, first_look: PreambleEstimate
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """The header's bits, and these on the air; None if no version has a decision whose check passes and that holds.

        A wrong decision passes its check once in 65,536 cases. A weak one is therefore decoded again with the channel
        that it shows: nearly all right ones come out as they were, half of the wrong ones do not.
        """
        per_value = self.layout.bits_per_value
        bits = header_symbols.decode_bits(soft, PROTOCOL_VERSION, per_value)
        if not is_intact(bits):
            for version in self._versions[1:]:
                earlier = header_symbols.decode_bits(soft, version, per_value)
                if is_intact(earlier):
                    sent = header_symbols.encode_bits(earlier, self.layout)
                    if header_evidence(soft, sent, per_value) >= _LEAST:
                        return earlier, sent
        for _ in range(_ROUNDS + 1):
            sent, passed = header_symbols.encode_bits(bits, self.layout), is_intact(bits)
            if passed and header_evidence(soft, sent, per_value) >= _SURE:
                return bits, sent
            gains, _, slope = known_symbol_gains(symbols, sent, first_look[:], self._header_tables)
            channel = full_channel(gains, slope, first_look[:], self._header_tables)
            soft = refined_soft_values(symbols, channel, slope, self._header_tables)
            again = header_symbols.decode_bits(soft, PROTOCOL_VERSION, per_value)
            if np.array_equal(again, bits):
                return (bits, sent) if passed else None
            bits = again
        return None

    def decode_payload(
        self,
        samples: np.ndarray,
        sync: Synchronisation,
        result: HeaderResult,
        damaged: Sequence[tuple[int, int]] = (),
        report: np.ndarray | None = None,
    ) -> PayloadResult:
        """Equalise the payload.

        Args:
            samples: complex64, from the frame's first sample; may end early, then features are erased.
            sync: as for `decode_header`.
            result: what `decode_header` returned.
            damaged: begin and end of spans of samples that are known to be worthless; their features are erased.
            report: the channel report that the header names; without it, the features of such a frame are erased.
        """
        n, header, samples = self.numerology, result.header, self._image.correct(samples)
        count = header.feature_symbols
        arrived = min(n.payload_symbols(count), max(0, (len(samples) - self.layout.payload_offset) // n.symbol_samples))
        features, variance = np.empty(count, np.complex64), np.empty(count, np.float32)
        if not arrived:
            _erase(features, variance)
            power = self._power(result, result.observation)
            return PayloadResult(features, variance, np.ones(count, np.bool_), 0, power, 0.0)
        starts = self._payload_starts[:arrived]
        bins = spectra(samples, starts, n.fft_size, result.cycles_per_sample, 1.0 / sync.amplitude)
        # The channel's phase holds in the middle of the known symbols; up to there the refined offset turns it.
        turns = self._middle_sample * (result.cycles_per_sample - sync.cycles_per_sample)
        channel = result.channel * self._unramp * np.complex64(cmath.exp(-2j * np.pi * turns))
        spread = self._known_spread if header.version > 1 else 0.0  # recordings of version 1 are answered as before
        noise = max(result.power.noise, 1e-12)  # with the interference that the features suffer
        usable = self._all_usable[:arrived]
        if damaged:
            usable = usable.copy()
            for begin, end in damaged:
                usable[(starts < end) & (starts + n.fft_size > begin)] = False
        complete = arrived == n.payload_symbols(count)
        if not complete:
            _erase(features, variance)
        if report is None:
            mapping = feature_mapping(count, header.power_scale_db)
        else:
            mapping = importance_mapping(report, n, header.n_items, header.k, header.power_scale_db)
            mapping = mapping._replace(places=mapping.places[:count])  # without the filler
        pilots = np.empty((arrived, n.pilot_subcarriers) if self._needs_pilots else (0, 0), np.complex64)
        there, is_whole, slope = receive_payload(
            bins,
            channel,
            self._pilots,
            self._data,
            self._payload_times[:arrived],
            usable,
            Prior(noise, self._slope_per_offset * CLOCK_OFFSET_STD, self._known_weight, spread)[:],
            mapping[:],
            Estimates(features, variance, pilots)[:],
        )
        observation = result.observation
        if self._needs_pilots:
            observation = observation._replace(pilots=pilots[np.isfinite(pilots).all(axis=1)])
        erased = np.zeros(count, np.bool_)
        if not (complete and is_whole):
            if there < arrived:  # what rides on later symbols
                _erase(features, variance, mapping.places >= there * n.data_subcarriers)
            erased = np.isnan(features)
            _erase(features, variance, erased)
        clock_offset = -slope / self._slope_per_offset
        is_implausible = arrived <= _SHORT and abs(clock_offset) > _IMPLAUSIBLE * CLOCK_OFFSET_STD
        if header.version > 1 and (is_implausible or (header.report_age and report is None)):
            _erase(features, variance)
            erased = np.ones(count, np.bool_)
        return PayloadResult(features, variance, erased, there, self._power(result, observation), 1e6 * clock_offset)

    def _fitted_noise(
        self, fit: PreambleFit, samples: np.ndarray, cycles_per_sample: float, sync: Synchronisation
    ) -> Callable[[], float]:
        preamble = samples[: self.layout.preamble_samples].copy()  # the receiver moves its samples when more come
        return lambda: fit.noise_power(preamble, cycles_per_sample, 1.0 / sync.amplitude)

    def _power(self, result: HeaderResult, observation: SnrObservation) -> PowerEstimate:
        return result.power if self._estimate_snr is known_symbols else self._estimate_snr(observation)


def _erase(features: np.ndarray, variance: np.ndarray, erased: np.ndarray | slice = _ALL) -> None:
    features[erased], variance[erased] = np.nan + 1j * np.nan, np.inf
