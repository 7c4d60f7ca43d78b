# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn `error_rates` of channels: random bits in frames, never an image, at seeds that no sweep uses.

Run as ``python -m sdr_sc.schemes.learn [CHANNEL ...]`` it renews or adds tables in the file that comes
with the package; a channel is a line of `sdr_sc.phy.channels.parse_chain`, '' noise alone.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.special import expit

from sdr_sc.errors import SdrScError
from sdr_sc.files import write_whole
from sdr_sc.phy.channels import Chain
from sdr_sc.phy.coding.ldpc_qam import CRC_BITS, MODES, code_for, unbiased, with_crc
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver
from sdr_sc.schemes.bler_tables import FILE, ErrorRates, read_tables, to_json
from sdr_sc.schemes.link import GAP_SAMPLES, noisy_channel
from sdr_sc.schemes.scheme import as_matrix
from sdr_sc.sealed import sidecar, sidecar_line

LENGTHS = (24, 48, 128, 512, 2048)
SNR_DB = np.arange(-8, 30)
FRAME_SYMBOLS = 4096
SEED = 7_000_000
"""Far from the small seeds of sweeps."""
_LINKS = 150
_BELIEF = 5.0  # codewords
_BATCH = 256
_POOL = 100
_ABOVE_DB, _BELOW_DB = 2.0, 13.0
_CFO_HZ = 700.0


def needed_db(mode: int) -> float:
    """About what a mode needs over noise alone: Shannon's bound and 2 dB."""
    return 10 * float(np.log10(2 ** MODES[mode].bits_per_use - 1)) + 2.0


class _Counter:
    """Codewords sent and received, kept until all of a mode are decoded together."""

    def __init__(self, symbols: int, pools: dict[int, np.ndarray]) -> None:
        self.symbols, self.pools = symbols, pools
        self._kept: dict[int, list[tuple[int, np.ndarray, np.ndarray]]] = defaultdict(list)
        self.lost = np.zeros((len(MODES), len(SNR_DB)))
        self.sent = np.zeros((len(MODES), len(SNR_DB)))

    def keep(self, modes: np.ndarray, told_db: float, received: ReceivedFrame) -> None:
        count = self.symbols * len(modes)
        symbols = unbiased(received.features, received.noise_variance).ravel()[:count].reshape(len(modes), -1)
        variance = received.noise_variance.ravel()[:count].reshape(len(modes), -1)
        place = int(np.clip(np.floor(told_db) - SNR_DB[0], 0, len(SNR_DB) - 1))
        for i, mode in enumerate(modes):
            self._kept[mode].append((place, symbols[i].copy(), variance[i].copy()))
            if len(self._kept[mode]) == _BATCH:
                self.decode(mode)

    def decode(self, mode: int) -> None:
        kept = self._kept.pop(mode, [])
        if kept:
            code = code_for(MODES[mode].info_bits(self.symbols), self.symbols, MODES[mode].bits_per_symbol)
            _, right = code.decode(np.stack([one[1] for one in kept]), np.stack([one[2] for one in kept]))
            places = [one[0] for one in kept]
            np.add.at(self.sent[mode], places, 1)
            np.add.at(self.lost[mode], places, ~right)

    def rates(self) -> np.ndarray:
        """float64 (modes, bins), falling with the SNR."""
        for mode in list(self._kept):
            self.decode(mode)
        return np.stack([waterfall(self.lost[m], self.sent[m], needed_db(m)) for m in range(len(MODES))])


def waterfall(lost: np.ndarray, sent: np.ndarray, needed_db: float) -> np.ndarray:
    """Share of codewords lost by SNR, falling, from counts.

    The likeliest curve ``1 / (1 + exp((SNR - threshold) / width))`` counts as `_BELIEF` codewords at each SNR, beside
    those that were sent: channels with notches lose some codewords far above the threshold, which no such curve has.
    Threshold and width have weak priors, around what the mode is known to need and 0.5 dB, for SNRs without counts.

    Args:
        lost, sent: float64 (bins,), codewords by bin of `SNR_DB`.
        needed_db: dB.

    Returns:
        float64 (bins,).

    >>> sent = np.full(len(SNR_DB), 100.0)
    >>> curve = waterfall(sent * (SNR_DB < 5) + 5.0 * (SNR_DB == 7), sent, 5.0)
    >>> [round(float(curve[SNR_DB == snr_db][0]), 2) for snr_db in (3, 4, 5, 6, 7, 8)]
    [1.0, 1.0, 0.02, 0.02, 0.02, 0.0]
    """
    middle = SNR_DB + 0.5
    thresholds, widths = np.arange(-12.0, 36.0, 0.1), np.geomspace(0.15, 3.0, 16)
    rate = expit((thresholds[:, None, None] - middle) / widths[:, None]).clip(1e-4, 1 - 1e-4)
    likelihood = (lost * np.log(rate) + (sent - lost) * np.log1p(-rate)).sum(axis=2)
    prior = -(((thresholds - needed_db) / 3) ** 2)[:, None] / 2 - (np.log(widths / 0.5) / 0.7) ** 2 / 2
    best = np.unravel_index(np.argmax(likelihood + prior), likelihood.shape)
    curve = expit((thresholds[best[0]] - middle) / widths[best[1]])
    return falling((lost + _BELIEF * curve) / (sent + _BELIEF), sent + _BELIEF)


def falling(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The nearest falling sequence by weighted squares: neighbours that rise are pooled until none do.

    >>> falling(np.array([5.0, 1.0, 3.0, 0.0]), np.array([1.0, 3.0, 1.0, 1.0])).tolist()
    [5.0, 1.5, 1.5, 0.0]
    """
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        count = 1
        while pools and pools[-1][0] < value:
            other, its, more = pools.pop()
            value, weight, count = (value * weight + other * its) / (weight + its), weight + its, count + more
        pools.append((value, weight, count))
    return np.repeat([value for value, _, _ in pools], [count for _, _, count in pools])


def learn(channel: str, links: int = _LINKS, lengths: tuple[int, ...] = LENGTHS, seed: int = SEED) -> ErrorRates:
    """Measure the table of one channel.

    A realisation that stays as it is informs about itself alone: how much of a codeword a notch takes, say. So each
    counted frame has a channel of its own.

    Args:
        channel: a line of `sdr_sc.phy.channels.parse_chain`.
        links: channels drawn at every decibel, for every length.
        lengths: symbols of a codeword, rising.
    """
    rates: list[np.ndarray] = []
    known: list[np.ndarray] = []
    for symbols in lengths:
        rng = np.random.default_rng((seed, symbols))
        possible = np.array([mode for mode in range(len(MODES)) if MODES[mode].info_bits(symbols)])
        counter = _Counter(symbols, {mode: _codewords(mode, symbols, rng) for mode in possible})
        for step, snr_db in enumerate(SNR_DB):
            seeds = np.random.SeedSequence((seed, symbols, step))
            _one_level(counter, possible, channel, float(snr_db) + 0.5, links, seeds, rng)
        rates.append(counter.rates())
        known.append(np.isin(np.arange(len(MODES)), possible))
    for mode in range(len(MODES)):  # where a length has no code: as the nearest that has one
        having = [i for i in range(len(lengths)) if known[i][mode]]
        for i in range(len(lengths)):
            if having:
                rates[i][mode] = rates[min(having, key=lambda j: abs(j - i))][mode]
    return ErrorRates(channel, SNR_DB, np.array(lengths), np.stack(rates))


def _one_level(
    counter: _Counter,
    possible: np.ndarray,
    channel: str,
    snr_db: float,
    links: int,
    seeds: np.random.SeedSequence,
    rng: np.random.Generator,
) -> None:
    """Links of two frames over a channel of their own: a short one brings the estimate, the other counts."""
    numerology = Numerology()
    gap = np.zeros(GAP_SAMPLES, np.complex64)
    needed = np.array([needed_db(mode) for mode in possible])
    for seed in seeds.generate_state(links, np.uint64):
        air, receiver = noisy_channel(channel, snr_db, _CFO_HZ, int(seed), numerology), Receiver(numerology)

        def received(symbols: np.ndarray, frame: int, air: Chain = air, receiver: Receiver = receiver):
            payload = as_matrix(symbols)
            header = Header(1, payload.shape[1], payload.shape[0], frame)
            samples = np.concatenate((build_frame(payload, header, numerology), gap))
            return next((one for one in receiver.push(air.process(samples)) if one.header == header), None)

        first = received(counter.pools[possible[0]][0], 0)
        if first is None:
            continue
        near = (needed < first.snr_db + _ABOVE_DB) & (needed > first.snr_db - _BELOW_DB)
        wanted = possible[near] if near.any() else possible[:1]
        modes = rng.permutation(wanted)[: FRAME_SYMBOLS // counter.symbols]
        second = received(np.concatenate([counter.pools[mode][rng.integers(_POOL)] for mode in modes]), 1)
        if second is not None:
            counter.keep(modes, first.snr_db, second)


def _codewords(mode: int, symbols: int, rng: np.random.Generator) -> np.ndarray:
    """complex64 (`_POOL`, symbols): codewords of random messages, to draw from."""
    bits = MODES[mode].info_bits(symbols)
    messages = rng.integers(0, 2, (_POOL, bits - CRC_BITS), np.uint8)
    words = np.stack([with_crc(message, bits) for message in messages])
    return code_for(bits, symbols, MODES[mode].bits_per_symbol).encode(words)


def main(channels: list[str], path: Path = FILE) -> None:
    """Learn channels and write them among the tables that the file has."""
    try:
        tables = dict(read_tables(path)) if path.exists() else {}
    except SdrScError:
        tables = {}
    for channel in channels:
        tables[channel] = learn(channel)
        print(f"learned {channel!r}", flush=True)
    content = to_json(list(tables.values())).encode()
    write_whole({path: content, sidecar(path): sidecar_line(path, content)})


if __name__ == "__main__":
    main(sys.argv[1:] or [""])
