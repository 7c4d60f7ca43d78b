# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn `bler_tables` of channels: random symbols in frames, never an image, at seeds that no sweep uses.

Nothing is decoded, as hundreds of modes and lengths would take hours. A codeword over symbols of different SNR is lost
as often as one over white noise whose bits hold as much information (L. Wan, S. Tsai and M. Almgren, "A
fading-insensitive performance metric for a unified link quality model", IEEE WCNC 2006), and what is lost over white
noise is known (`sdr_sc.phy.coding.thresholds`). The SNRs are those that the receiver reports of a frame's symbols, less
what their errors were larger than reported.

Over a channel that stays as it is, `SMOOTHING`, the transmitter averages the estimates of past frames, and the table is
of such means.

Run as ``python -m sdr_sc.schemes.learn [CHANNEL ...]`` it renews or adds tables in the file that comes with the
package; a channel is a line of `sdr_sc.phy.channels.parse_chain`, '' noise alone.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import ndtr

from sdr_sc.errors import SdrScError
from sdr_sc.files import write_whole
from sdr_sc.link.adaptation import SnrSmoother
from sdr_sc.phy.coding.ldpc_qam import unbiased
from sdr_sc.phy.coding.modes import MODES
from sdr_sc.phy.coding.qam import modulate
from sdr_sc.phy.coding.thresholds import GRID_DB, LENGTHS, information, waterfall
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver
from sdr_sc.schemes.bler_tables import FILE, LOST, ErrorRates, read_tables, to_json
from sdr_sc.schemes.link import GAP_SAMPLES, frames_to_settle, noisy_channel
from sdr_sc.schemes.scheme import as_matrix
from sdr_sc.sealed import sidecar, sidecar_line

SNR_DB = (-8.0, 31.0)
SEED = 7_000_000
"""Far from the small seeds of sweeps."""
SMOOTHING = {"": 0.9}
"""Weight of the past in the estimates, by channel."""
_LINKS, _LINKS_SMOOTHED = 2400, 1200
_SHORT, _LONG = 48, LENGTHS[-1]
_CFO_HZ = 700.0
_AT_DB = np.arange(-9.0, 36.01, 0.05)
_NARROW_DB, _WIDE_DB = 0.2, 0.8  # of the windows that losses are averaged over
_NARROW_SMOOTHED_DB = 0.06  # smoothed estimates spread by less
_STEEP_DB = 3.0
_NEIGHBOURS = 11.0  # modes, of 0.11 dB mostly


@lru_cache(maxsize=8)
def _waterfalls(symbols: int) -> tuple[np.ndarray, np.ndarray]:
    """float64 (modes,) each: middles and widths in dB."""
    found = [waterfall(place, symbols) for place in range(len(MODES))]
    return np.array([one.middle_db for one in found]), np.array([one.width_db for one in found])


def lost_by_mode(snr_db: np.ndarray) -> np.ndarray:
    """float64 (modes,): chance that each mode's codeword over symbols of these SNRs is lost.

    >>> lost = lost_by_mode(np.full(512, 10.0))
    >>> bool(lost[0] < 1e-6 and lost[-1] > 0.999 and (np.diff(lost) > -0.02).all())
    True
    """
    middles, widths = _waterfalls(len(snr_db))
    effective_db = np.empty(len(MODES))
    places: dict[tuple[int, int | None], list[int]] = defaultdict(list)
    for place, mode in enumerate(MODES):
        places[mode.bits_per_symbol, mode.shape_db].append(place)
    for constellation, some in places.items():
        told = information(*constellation)
        effective_db[some] = np.interp(np.interp(snr_db, GRID_DB, told).mean(), told, GRID_DB)
    return ndtr((middles - effective_db) / widths)


def learn(channel: str, links: int = 0, lengths: tuple[int, ...] = LENGTHS, seed: int = SEED) -> ErrorRates:
    """Measure the table of one channel.

    A realisation that stays as it is informs about itself alone: how much of a codeword a notch takes, say. So each
    counted frame has a channel of its own.

    Args:
        channel: a line of `sdr_sc.phy.channels.parse_chain`.
        links: channels drawn, at SNRs spread evenly over `SNR_DB`; 0 for as many as the table needs.
        lengths: symbols of a codeword, rising.
    """
    rng, smoothing = np.random.default_rng(seed), SMOOTHING.get(channel, 0.0)
    links = links or (_LINKS_SMOOTHED if smoothing else _LINKS)
    told: list[float] = []
    lost: list[np.ndarray] = []
    for place, one in enumerate(np.random.SeedSequence(seed).generate_state(links, np.uint64)):
        snr_db = SNR_DB[0] + (SNR_DB[1] - SNR_DB[0]) * (place + 0.5) / links
        found = _one_link(channel, snr_db, int(one), rng, smoothing)
        if found is not None:
            told.append(found[0])
            starts = [int(rng.integers(_LONG - symbols + 1)) for symbols in lengths]
            parts = zip(starts, lengths, strict=True)
            lost.append(np.stack([lost_by_mode(found[1][start : start + symbols]) for start, symbols in parts]))
    narrow_db = _NARROW_SMOOTHED_DB if smoothing else _NARROW_DB
    curves = _curves(np.array(told), np.stack(lost).reshape(len(lost), -1), narrow_db)
    curves = curves.reshape(len(lengths), len(MODES), len(LOST))
    return ErrorRates(channel, np.array(lengths), smooth_along_the_ladder(curves, lengths), smoothing)


def smooth_along_the_ladder(curves: np.ndarray, lengths: tuple[int, ...]) -> np.ndarray:
    """SNRs (lengths, modes, `LOST`) whose distance from what the mode needs over white noise is that of its neighbours,
    too: each has its own luck with the links that happened to be near its threshold."""
    needed = np.stack([_waterfalls(symbols)[0] for symbols in lengths])[:, :, None]
    smooth = gaussian_filter1d(curves - needed, _NEIGHBOURS, axis=1, mode="nearest") + needed
    return np.maximum.accumulate(smooth, axis=2)


def _one_link(
    channel: str, snr_db: float, seed: int, rng: np.random.Generator, smoothing: float
) -> tuple[float, np.ndarray] | None:
    """The SNR estimate of a short frame, or of several, smoothed, and float64 (`_LONG`,), the SNR of each symbol of the
    next, dB; None where one of them is lost."""
    numerology, smoother = Numerology(), SnrSmoother(smoothing)
    air, receiver = noisy_channel(channel, snr_db, _CFO_HZ, seed, numerology), Receiver(numerology)

    def exchange(count: int, frame: int) -> tuple[np.ndarray, ReceivedFrame] | None:
        sent = modulate(rng.integers(0, 2, (1, 2 * count), np.uint8), 2)[0]
        payload = as_matrix(sent)
        header = Header(1, payload.shape[1], payload.shape[0], frame)
        samples = np.concatenate((build_frame(payload, header, numerology), np.zeros(GAP_SAMPLES, np.complex64)))
        found = next((one for one in receiver.push(air.process(samples)) if one.header == header), None)
        return None if found is None else (sent, found)

    told_db = 0.0
    for frame in range(frames_to_settle(smoothing)):
        first = exchange(_SHORT, frame)
        if first is None:
            return None
        told_db = smoother.smooth(first[1].snr_db)
    second = exchange(_LONG, frame + 1)
    if second is None:
        return None
    sent, received = second
    error = np.abs(unbiased(received.features, received.noise_variance).ravel()[:_LONG] - sent) ** 2
    variance = received.noise_variance.ravel()[:_LONG].astype(np.float64)
    good = np.isfinite(error) & np.isfinite(variance) & (variance > 0)
    if not good.any():
        return None
    larger = float(np.mean(error[good] / variance[good]))
    reported_db = np.full(_LONG, GRID_DB[0])
    reported_db[good] = -10 * np.log10(larger * variance[good])
    return told_db, reported_db


def _curves(told_db: np.ndarray, lost: np.ndarray, narrow_db: float) -> np.ndarray:
    """float64 (codes, `LOST`): the SNR estimate at which each share is lost, from chances (links, codes)."""
    smooth = {}
    for width_db in (_WIDE_DB, narrow_db):
        window = np.exp(-(((_AT_DB[:, None] - told_db) / width_db) ** 2) / 2) + 1e-12
        weights = window.sum(axis=1)
        smooth[width_db] = (window @ lost / weights[:, None], weights)
    out = np.empty((lost.shape[1], len(LOST)))
    for code in range(lost.shape[1]):
        for width_db in (_WIDE_DB, narrow_db):
            means, weights = smooth[width_db]
            curve = falling(means[:, code], weights)
            out[code] = [_AT_DB[min(int(np.argmax(curve <= share)) or _last(curve, share), len(_AT_DB) - 1)]
                         for share in LOST]  # fmt: skip
            if out[code, 6] - out[code, 1] > _STEEP_DB:  # fading: few links tell more about a wide window
                break
    return np.maximum.accumulate(out, axis=1)


def _last(curve: np.ndarray, share: float) -> int:
    """Where a share is reached at once, the first place; where never, the last."""
    return 0 if curve[0] <= share else len(curve) - 1


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
