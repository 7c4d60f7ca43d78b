# SPDX-License-Identifier: GPL-3.0-or-later
"""What mapping by importance gains over interleaving: frames, reports and receiver as they are, over the report's age.

In each draw of the channel a frame is received and its channel reported; some time later, frames of the same features
are sent over what the channel has become, one interleaved, the other mapped by the report, with the same noise. What
the receiver gives out is answered with its noise variance. A draw whose first frame is lost has no report, and a flat
one is not mapped by: there both frames are interleaved, and the gain is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sdr_sc.bench.power_by_gain import gain_by_frame, responses
from sdr_sc.data.dataset import Dataset
from sdr_sc.link.mapping import ChannelReport, ImportanceMapper
from sdr_sc.phy.channels.fading import Rician
from sdr_sc.phy.channels.measured import Measured
from sdr_sc.phy.channels.paths import PathChannel, delay_filters
from sdr_sc.phy.channels.tdl import Tdl
from sdr_sc.phy.frame.framing import FrameBuilder
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.channel_report import channel_report
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver
from sdr_sc.results.rows import Row, mean_interval
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

Log = Callable[[str], None]
DRAWS = 2000
ITEMS = 50
DELAY_SPREAD_NS, DOPPLER_HZ = 300.0, 5.0
AGES_MS = (2.0, 20.0, 50.0)
"""Of the report when a frame is sent by it. At 5 Hz of Doppler the gains then correlate by 0.999, 0.90 and 0.47."""
POINTS = ((5.0, 4, ITEMS), (5.0, 4, 48), (5.0, 4, 4), (0.0, 16, ITEMS), (10.0, 4, ITEMS))
"""SNR, dB, k, and items in a frame; 48 items at k=4 fill whole symbols, where there is no filler to put aside."""
_GAP = 160
_CFO_HZ = 700.0
_NO_SPREAD_DB = 60.0  # K factor of a channel that does not fade


@dataclass(frozen=True)
class Case:
    """A channel and the ages to measure over.

    Attributes:
        name: for the rows.
        model: what the gains are drawn from, at the numerology's sample rate.
    """

    name: str
    numerology: Numerology
    model: PathChannel
    ages_ms: Sequence[float] = AGES_MS


def cases(measured: str | None) -> list[Case]:
    """Noise alone, TDL-C at two rates, and a measured channel where there is a file of one."""
    narrow, wide = Numerology(), Numerology(sample_rate_hz=20e6)
    found = [Case("AWGN", narrow, Rician(_NO_SPREAD_DB, DOPPLER_HZ, narrow.sample_rate_hz), AGES_MS[:1])]
    for numerology in (narrow, wide):
        rate_hz = numerology.sample_rate_hz
        model: PathChannel = Tdl("C", DELAY_SPREAD_NS, DOPPLER_HZ, rate_hz)
        found.append(Case(f"TDL-C {DELAY_SPREAD_NS:g} ns, {rate_hz / 1e6:g} MS/s", numerology, model))
    if measured is not None:
        model = Measured(measured, narrow.sample_rate_hz, frequency_scaled=True)
        found.append(Case("measured channel", narrow, model))
    return found


@dataclass
class Arm:
    """One of two ways to map, with a receiver of its own.

    Attributes:
        prefixes, variance, snr_db: what was received of all draws; the noise variance is infinite where it was lost.
        received: bool (draws,), whether the frame was.
    """

    numerology: Numerology
    prefixes: np.ndarray
    variance: np.ndarray
    snr_db: np.ndarray
    received: np.ndarray
    receiver: Receiver = field(init=False)

    def __post_init__(self) -> None:
        self.receiver = Receiver(self.numerology)

    @classmethod
    def of(cls, numerology: Numerology, draws: int, items: int, k: int, k_max: int) -> Arm:
        """With nothing received."""
        variance = np.full((draws, items, k), np.inf, np.float32)
        prefixes, received = np.zeros((draws, items, k_max), np.complex64), np.zeros(draws, bool)
        return cls(numerology, prefixes, variance, np.zeros(draws), received)

    def receive(self, samples: np.ndarray, header: Header) -> ReceivedFrame | None:
        """The frame of that header."""
        return next((frame for frame in self.receiver.push(samples) if frame.header == header), None)

    def keep(self, draw: int, frame: ReceivedFrame | None) -> None:
        """What was received in a draw."""
        if frame is not None:
            self.received[draw] = True
            self.prefixes[draw, :, : frame.features.shape[1]] = np.where(frame.erased, 0, frame.features)
            self.variance[draw], self.snr_db[draw] = frame.noise_variance, frame.snr_db

    def correct(self, classes: np.ndarray, decoder: SemanticDecoder) -> np.ndarray:
        """Share of the items answered correctly in each draw, %."""
        draws, items, k = self.variance.shape
        answer = decoder.answer_prefixes(
            self.prefixes.reshape(draws * items, -1),
            np.repeat(self.snr_db, items),
            np.full(draws * items, k),
            self.variance.reshape(draws * items, k),
        )
        return 100 * (answer.best.reshape(draws, items) == classes).mean(axis=1)


class Air:
    """Frames over two moments of a channel's draws."""

    def __init__(self, case: Case, snr_db: float, age_ms: float, seed: int) -> None:
        model, self._seed = case.model, seed
        self._rng, self._gains, self._age_s = np.random.default_rng(seed), model.path_gains, age_ms * 1e-3
        self._filters = delay_filters(model.delays_s * model.sample_rate_hz)[0]
        self._noise = np.sqrt(10 ** (-snr_db / 10) / 2)
        self._turn = 2j * np.pi * _CFO_HZ / model.sample_rate_hz

    def draw(self) -> np.ndarray:
        """Taps at both moments, complex128 (2, taps)."""
        return self._gains.draw(self._rng).gains(0.0, self._age_s, 2) @ self._filters

    def send(self, samples: np.ndarray, taps: np.ndarray, *moment: int) -> np.ndarray:
        """Samples through the channel, with the noise of that moment of the draw."""
        out = np.convolve(samples, taps) * np.exp(self._turn * np.arange(len(samples) + len(taps) - 1))
        white = np.random.default_rng((self._seed, *moment)).standard_normal((2, len(out)))
        return (out + self._noise * (white[0] + 1j * white[1])).astype(np.complex64)


def compare(
    case: Case, snr_db: float, age_ms: float, features: np.ndarray, k_max: int, seed: int
) -> tuple[Arm, Arm, int]:
    """Receive both frames of all draws.

    Args:
        features: complex64 (draws, items, k).
        k_max: of the model.

    Returns:
        The interleaved arm, the mapped one, and how many frames were mapped.
    """
    draws, items, k = features.shape
    numerology = case.numerology
    builder, mapper, air = FrameBuilder(numerology), ImportanceMapper(numerology), Air(case, snr_db, age_ms, seed)
    arms = [Arm.of(numerology, draws, items, k, k_max) for _ in range(2)]
    for draw in range(draws):
        taps, first = air.draw(), Header(1, k, items, 2 * draw % FRAME_NUM_MODULO)
        sounding = air.send(builder.build(features[draw - 1], first, 1.0, _GAP), taps[0], draw, 0)
        seen = arms[1].receive(sounding, first)
        plain = header = Header(1, k, items, (2 * draw + 1) % FRAME_NUM_MODULO)
        levels = None if seen is None else channel_report(seen.channel)
        if levels is not None:
            header = mapper.header(plain, ChannelReport(first.frame_num, levels))
        for arm, used in zip(arms, (plain, header), strict=True):
            report = levels if used.report_age else None
            samples = builder.build(features[draw], used, 1.0, _GAP, report=report)
            arm.keep(draw, arm.receive(air.send(samples, taps[1], draw, 1), used))
    return arms[0], arms[1], mapper.mapped


def mapping_rows(model: str, data: Dataset, measured: str | None, quick: bool, seed: int, log: Log) -> list[Row]:
    """Accuracy with interleaving, and what mapping by importance gains over it, in points; paired over draws in which
    both frames are received.

    Args:
        model: name or path of the model.
        data: the items, test split.
        measured: file of a measured channel; None for none.
        quick: a twentieth of the draws.
        seed: of items, channels and noise.
        log: called with what is measured next.
    """
    draws = DRAWS // (20 if quick else 1)
    encoder, decoder = SemanticEncoder(model), SemanticDecoder(model)
    rows: list[Row] = []
    everything = np.arange(len(data))
    truth = data.targets("classification", everything)
    for snr_db, k, items in POINTS:
        symbols = encoder.encode(data.items(everything), snr_db, k)
        chosen = np.random.default_rng(seed).integers(0, len(data), (draws, items))
        features, classes = symbols[chosen], truth[chosen]
        for case in cases(measured):
            where = f"{case.name}, {snr_db:g} dB, k={k}, {items} items"
            log(where)
            for age_ms in case.ages_ms:
                plain, mapped, count = compare(case, snr_db, age_ms, features, decoder.contract.k_max, seed)
                both = plain.received & mapped.received
                without, gain = plain.correct(classes, decoder)[both], mapped.correct(classes, decoder)[both]
                gain -= without
                if age_ms == case.ages_ms[0]:
                    lost = [100 * float(1 - arm.received.mean()) for arm in (plain, mapped)]
                    rows += [
                        Row(f"{where}: accuracy, interleaved", float(without.mean()), "%", n=int(both.sum()),
                            ci95=mean_interval(without)),
                        Row(f"{where}: frames mapped", 100 * count / draws, "%", n=draws),
                        Row(f"{where}: frames lost, interleaved", lost[0], "%", n=draws),
                        Row(f"{where}: frames lost, by importance", lost[1], "%", n=draws),
                    ]  # fmt: skip
                rows.append(Row(f"{where}: gain by importance, report {age_ms:g} ms old", float(gain.mean()), "points",
                                n=int(both.sum()), ci95=mean_interval(gain)))  # fmt: skip
        if items == ITEMS:
            for rate_hz in (1e6, 20e6):
                channels = responses(draws, rate_hz, DELAY_SPREAD_NS, seed)
                level = gain_by_frame(symbols[chosen].reshape(-1, k), classes.ravel(), snr_db, channels, decoder, seed)
                name = f"TDL-C {DELAY_SPREAD_NS:g} ns, {rate_hz / 1e6:g} MS/s, {snr_db:g} dB, k={k}, {items} items"
                rows.append(Row(f"{name}: gain of power by gain, ideal", float(level.mean()), "points", n=draws,
                                ci95=mean_interval(level)))  # fmt: skip
    return rows
