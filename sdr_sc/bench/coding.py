# SPDX-License-Identifier: GPL-3.0-or-later
"""The coded baselines' LDPC and soft demapping against published curves, and what the receiver costs them.

Published: AFF3CT's error rate references (https://github.com/aff3ct/error_rate_references), file
``LDPC/AWGN/BPSK/BP_FLOODING/SPA/LDPC_N1024_K512_flooding_SPA_i20_5G.txt``: the 5G NR code of 1024 bits, 512 of them
information, over BPSK and white noise, 20 iterations of sum-product, flooding. QPSK with Gray labels is two BPSK
channels, so its curve over Eb/N0 is the same. For 16-QAM that reference has none; there the published point is carried
over by the mutual information of the bits: a code needs about as much of it in whatever modulation (S. ten Brink, G.
Kramer and A. Ashikhmin, "Design of low-density parity-check codes for modulation and detection", IEEE Trans. Commun. 52
(2004) 670-678). That is a derived figure, and its row says so. It holds for bits that are spread evenly over a symbol's
places, so it is compared without the standard's bit interleaver; what that one gains shows in the schemes' own row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdr_sc.phy.coding.ldpc_qam import LdpcQam, unbiased, with_crc
from sdr_sc.phy.coding.modes import CRC_BITS, MODES
from sdr_sc.phy.coding.shaping import bit_information
from sdr_sc.phy.coding.thresholds import codeword_of, measure, waterfall
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import Receiver
from sdr_sc.results.rows import Row
from sdr_sc.schemes.link import GAP_SAMPLES, noisy_channel
from sdr_sc.schemes.scheme import as_matrix

Log = Callable[[str], None]
INFO_BITS, CODE_BITS = 512, 1024
PUBLISHED_ITERATIONS = 20
PUBLISHED_BER = ((1.25, 1.35e-2), (1.50, 3.46e-3), (1.75, 6.05e-4), (2.00, 9.35e-5), (2.25, 1.18e-5))
"""(Eb/N0 in dB, bit error rate)."""
TARGET_BER = 1e-4
GOAL_DB = 0.3
LADDER_GOAL_DB, LADDER_SYMBOLS = 1.5, 4096
_BATCH = 200
_LEAST_WORDS = 5


@dataclass(frozen=True)
class BerPoint:
    """Eb/N0 in dB, bit error rate, codewords with an error, and codewords sent."""

    ebn0_db: float
    ber: float
    words: int
    sent: int = 0


def crossing_db(points: list[BerPoint]) -> tuple[float, float]:
    """Eb/N0 at which the bit error rate is `TARGET_BER`, by a straight line of its logarithm, and its standard error.

    >>> round(crossing_db([BerPoint(1.0, 1e-3, 100), BerPoint(2.0, 1e-5, 100)])[0], 3)
    1.5
    """
    known = [point for point in points if point.words >= _LEAST_WORDS]
    if len(known) < 2:
        return math.nan, math.nan
    below = next((i for i, point in enumerate(known) if point.ber < TARGET_BER), len(known) - 1)
    first, last = known[max(below - 1, 0)], known[max(below, 1)]
    slope = (math.log10(last.ber) - math.log10(first.ber)) / (last.ebn0_db - first.ebn0_db)
    place = first.ebn0_db + (math.log10(TARGET_BER) - math.log10(first.ber)) / slope
    error = 0.434 / math.sqrt(min(first.words, last.words)) / abs(slope)
    return place, error


def ber_over_awgn(
    code: LdpcQam, ebn0_db: float, most_words: int, enough_errors: int, rng: np.random.Generator
) -> BerPoint:
    """Bit error rate of the information bits over white noise of known variance.

    Args:
        most_words: codewords at most.
        enough_errors: stop when so many codewords had an error.
    """
    symbols = code.symbols
    variance = 10 ** (-ebn0_db / 10) * symbols / INFO_BITS
    words = wrong_words = wrong_bits = 0
    while words < most_words and wrong_words < enough_errors:
        sent = rng.integers(0, 2, (_BATCH, INFO_BITS), np.uint8)
        noise = rng.standard_normal((_BATCH, 2 * symbols), np.float32).view(np.complex64) * np.sqrt(variance / 2)
        received = (code.encode(sent) + noise).astype(np.complex64)
        found = code.decode_llrs(code.llrs(received, np.full(received.shape, variance, np.float32)))
        errors = (found != sent).sum(axis=1)
        words += _BATCH
        wrong_words += int((errors > 0).sum())
        wrong_bits += int(errors.sum())
    return BerPoint(ebn0_db, wrong_bits / (words * INFO_BITS), wrong_words, words)


def carried_over_db(ebn0_db: float, bits_per_symbol: int) -> float:
    """Eb/N0 at which a bit of the modulation has as much information as a bit of QPSK at ``ebn0_db``, rate 1/2."""
    wanted = bit_information(1, ebn0_db) / 2  # rate 1/2 and two bits: Es is Eb
    low, high = -10.0, 30.0
    for _ in range(25):
        middle = (low + high) / 2
        low, high = (
            (middle, high)
            if bit_information(bits_per_symbol // 2, middle) / bits_per_symbol < wanted
            else (low, middle)
        )
    return low - 10 * math.log10(bits_per_symbol / 2)


def _waterfall(bits_per_symbol: int, is_published: bool, reference_db: float, quick: bool, seed: int) -> list[BerPoint]:
    """Points around a reference, as published or as the schemes have it (decoder, bit interleaver)."""
    rng = np.random.default_rng((seed, bits_per_symbol, int(is_published)))
    symbols = CODE_BITS // bits_per_symbol
    if is_published:
        code = LdpcQam(INFO_BITS, symbols, bits_per_symbol, PUBLISHED_ITERATIONS, False, is_layered=False)
    else:
        code = LdpcQam(INFO_BITS, symbols, bits_per_symbol)
    most, enough = (600, 20) if quick else (12_000, 60)
    offsets = (-0.5, -0.25, 0.0) if is_published else (-0.9, -0.65, -0.4)  # more iterations, and the interleaver
    return [ber_over_awgn(code, reference_db + offset, most, enough, rng) for offset in offsets]


def _waterfall_rows(
    name: str, bits_per_symbol: int, told: str, reference_db: float, quick: bool, seed: int
) -> list[Row]:
    points = _waterfall(bits_per_symbol, True, reference_db, quick, seed)
    found, error = crossing_db(points)
    gap, half, words = found - reference_db, 1.96 * error, sum(point.sent for point in points)
    rows = [Row(f"{name}: BER at {point.ebn0_db:.2f} dB Eb/N0", point.ber, "", n=point.sent) for point in points]
    rows.append(Row(f"{name}: Eb/N0 at BER 1e-4", found, "dB", n=words, ci95=(found - half, found + half)))
    rows.append(Row(f"{name}: {told}", reference_db, "dB"))
    met = bool(abs(gap) <= GOAL_DB)
    rows.append(Row(f"{name}: difference", gap, "dB", f"within {GOAL_DB:g} dB", met, words, (gap - half, gap + half)))
    points = _waterfall(bits_per_symbol, False, reference_db, quick, seed)
    used, error = crossing_db(points)
    interval, words = (used - 1.96 * error, used + 1.96 * error), sum(point.sent for point in points)
    rows.append(Row(f"{name}: Eb/N0 at BER 1e-4, as the schemes have it", used, "dB", n=words, ci95=interval))
    return rows


def receiver_loss_rows(quick: bool, seed: int) -> list[Row]:
    """What estimated timing, offset, channel and noise cost a codeword in a frame: SNR for one lost in ten."""
    numerology, symbols = Numerology(), CODE_BITS // 2
    code = LdpcQam(INFO_BITS, symbols, 2)
    rng, frames = np.random.default_rng((seed, 3)), 20 if quick else 120
    grid = np.arange(0.0, 4.01, 0.5 if quick else 0.25)
    lost = {True: [], False: []}  # type: dict[bool, list[float]]
    for step, snr_db in enumerate(grid):
        kept: dict[bool, list[tuple[np.ndarray, np.ndarray]]] = {True: [], False: []}
        air, receiver = noisy_channel(None, float(snr_db), 700.0, seed + 100 * step, numerology), Receiver(numerology)
        variance = np.float32(10 ** (-snr_db / 10))
        for frame in range(frames):
            words = [with_crc(rng.integers(0, 2, INFO_BITS - CRC_BITS, np.uint8), INFO_BITS) for _ in range(4)]
            sent = code.encode(np.stack(words))
            payload = as_matrix(sent.ravel())
            header = Header(1, payload.shape[1], payload.shape[0], frame % FRAME_NUM_MODULO)
            samples = np.concatenate((build_frame(payload, header, numerology), np.zeros(GAP_SAMPLES, np.complex64)))
            for one in receiver.push(air.process(samples)):
                if one.header == header:
                    known = unbiased(one.features, one.noise_variance).reshape(4, -1)
                    kept[True].append((known, one.noise_variance.reshape(4, -1)))
            noise = rng.standard_normal((4, 2 * symbols), np.float32).view(np.complex64) * np.sqrt(variance / 2)
            kept[False].append((sent + noise, np.full(sent.shape, variance)))
        for place, pairs in kept.items():
            _, right = code.decode(np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs]))
            lost[place].append(1.0 - float(right.mean()))
    ideal, real = (_one_in_ten(grid, np.array(lost[place])) for place in (False, True))
    count = 4 * frames * len(grid)
    return [
        Row("QPSK 1/2: SNR for one codeword lost in ten, noise known", ideal, "dB", n=count),
        Row("QPSK 1/2: the same in frames, through the receiver", real, "dB", n=count),
        Row("QPSK 1/2: what the receiver costs", real - ideal, "dB", n=count),
    ]


def _one_in_ten(snr_db: np.ndarray, lost: np.ndarray) -> float:
    falling = np.minimum.accumulate(lost)
    return float(np.interp(-0.1, -falling, snr_db)) if falling[-1] < 0.1 < falling[0] else math.nan


def ladder_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    """How far from Shannon's capacity over white noise the ladder's modes are, for codewords of a frame's length.

    At an SNR between two modes the lower one is sent. So the distance of a mode counts from the SNR at which the next
    one takes over, which lies as much higher as their capacities differ.
    """
    rng, words = np.random.default_rng((seed, 4)), 8 if quick else 100
    rows, worst, count = [], -math.inf, 0
    for snr_db in np.linspace(0.0, 20.0, 3 if quick else 9):
        log(f"ladder of modes, {snr_db:g} dB")
        place = max(i for i in range(len(MODES)) if waterfall(i, LADDER_SYMBOLS).snr_db(0.01) <= snr_db)
        mode, step_db = MODES[place], MODES[place + 1].capacity_db - MODES[place].capacity_db
        first_db = waterfall(place, LADDER_SYMBOLS).middle_db
        needed_db = measure(mode, LADDER_SYMBOLS, words, rng, first_db).snr_db(0.01)
        bits, _ = codeword_of(mode, LADDER_SYMBOLS)
        distance_db = needed_db - mode.capacity_db
        name = f"LDPC ladder: {mode.name}, {bits} bits: SNR for 1 % frame loss, from capacity"
        rows.append(Row(name, distance_db, "dB", n=4 * words))
        worst, count = max(worst, distance_db + step_db), count + 4 * words
    name = "LDPC ladder: distance from capacity at 1 % frame loss, 0..20 dB"
    return [*rows, Row(name, worst, "dB", f"at most {LADDER_GOAL_DB:g} dB", bool(worst <= LADDER_GOAL_DB), count)]


def bench_coding(quick: bool, seed: int, log: Log) -> list[Row]:
    """All rows; ``quick`` measures the same on fewer codewords.

    Args:
        log: called with what is measured next.
    """
    published, _ = crossing_db([BerPoint(db, ber, 100) for db, ber in PUBLISHED_BER])
    log("QPSK, against the published curve")
    rows = _waterfall_rows("QPSK 1/2, 5G LDPC (1024, 512)", 2, "published (AFF3CT)", published, quick, seed)
    log("16-QAM, against the published curve carried over by mutual information")
    told = "published for BPSK, carried over to 16-QAM"
    rows += _waterfall_rows("16-QAM 1/2, 5G LDPC (1024, 512)", 4, told, carried_over_db(published, 4), quick, seed)
    log("loss of the receiver")
    rows += receiver_loss_rows(quick, seed)
    return rows + ladder_rows(quick, seed, log)
