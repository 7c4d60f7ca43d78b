# SPDX-License-Identifier: GPL-3.0-or-later
"""Symbols on the air for each item, counted whole: what frame modes and refinement save against normal frames.

The rival is the link before there were modes: normal frames, and a channel-adaptive module that chooses k from 2, 4, 8,
16 and 32. A link goes on for all frames of a point, while its channel is drawn `_DRAWS` times, the same draws for every
way: the first frame after that is sent for the SNR of the draw before. The frames of refinements that the end of the
link needs count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sdr_sc.bench.phy.detection import workers
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.phy.channels import ChannelModel
from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.numerology import Numerology
from sdr_sc.results.pool import map_jobs
from sdr_sc.results.rows import Row
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.link import Link, noisy_channel
from sdr_sc.schemes.refined import RefinedScheme
from sdr_sc.semantic import weights
from sdr_sc.semantic.cam import choose_k
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

Log = Callable[[str], None]
SNRS_DB = (0.0, 5.0, 10.0, 20.0)
ITEMS = (50, 16, 4)
"""Items in a frame."""
EARLIER_K = (2, 4, 8, 16, 32)
GAIN_GOAL = 1.6
GOAL_ITEMS = 50
MAX_LESS_POINTS = 0.2
"""Accuracy below the rival's that still counts as the same quality, points."""
CFO_HZ = 700.0
FRAMES = 2000
"""Frames of a point, unless asked for otherwise."""
_DRAWS, _QUICK_DRAWS, _QUICK_FRAMES = 40, 2, 24
_RESAMPLES = 2000


class Way(NamedTuple):
    """How items are sent.

    Attributes:
        name: in rows.
        refined: with incremental refinement.
        earlier: normal frames, and k from `EARLIER_K`.
        most: of items in a frame; 0 for as many as the row says.
        filled: as many items up to the most as give the fewest symbols an item, so that a payload fills its last OFDM
            symbol.
    """

    name: str
    refined: bool = False
    earlier: bool = False
    most: int = 0
    filled: bool = False


RIVAL = Way("before", earlier=True)
WHOLE = Way("CAM, modes and refinement", refined=True)
WAYS = (RIVAL, Way("CAM and modes"), WHOLE)
IDEAS = (
    Way("CAM, modes and refinement, last symbol filled", refined=True, filled=True),
    Way("before, 64 items a frame, its most", earlier=True, most=64),
    Way("CAM, modes and refinement, up to 255 items a frame", refined=True, most=255, filled=True),
)
"""Measured beside the others at `GOAL_ITEMS`, over AWGN."""


class Place(NamedTuple):
    """A point of the bench: channel, with its name in rows, SNR in dB, items in a frame."""

    channel: str
    where: str
    snr_db: float
    items: int


class Draw(NamedTuple):
    """What one way sent over one draw of a channel: items, those answered correctly, used subcarriers, frames."""

    items: int
    correct: int
    on_air: int
    frames: int


class _Drawn:
    """An air that is the next of ``airs`` after one frame that sounds and ``frames`` others, and so on."""

    mean_power = 1.0

    def __init__(self, airs: Iterator[ChannelModel], frames: int) -> None:
        self._airs, self._frames = airs, frames
        self._air, self._left = next(airs), frames + 1

    def process(self, samples: np.ndarray) -> np.ndarray:
        """A frame through the air of its draw; see `ChannelModel`."""
        if not self._left:
            self._air, self._left = next(self._airs, self._air), self._frames
        self._left -= 1
        return self._air.process(samples)


def channels(measured: str | None) -> list[tuple[str, str]]:
    """Names and lines of the channels; with a file of a measured one, that too."""
    found = [("AWGN", ""), ("TDL-C 300 ns", "tdl_c(delay_spread_ns=300, doppler_hz=5)")]
    if measured is not None:
        found.append(("measured channel", f"measured(file={measured!r}, frequency_scaled=True)"))
    return found


def as_before(contract: ModelContract) -> ModelContract:
    """The contract with k from `EARLIER_K` alone, and the CAM's table that follows from the same accuracies."""
    columns = [contract.k_list.index(k) for k in EARLIER_K if k in contract.k_list]
    k_list = tuple(contract.k_list[column] for column in columns)
    accuracy = np.array(contract.cam.accuracy)[:, columns]
    table = replace(
        contract.cam,
        k=choose_k(accuracy, k_list, contract.cam.max_loss_points),
        accuracy=tuple(map(tuple, accuracy.tolist())),
    )
    return replace(contract, k_list=k_list, cam=table, calibration=None, refinement=None)


def fewest_an_item(most: int, k: int, others: int, mode: FrameMode, numerology: Numerology) -> int:
    """Items of k symbols beside ``others`` symbols that cost the fewest OFDM symbols an item, ``most`` or fewer.

    >>> [fewest_an_item(50, k, 0, FrameMode.SHORT, Numerology()) for k in (2, 4, 12)]
    [48, 48, 48]
    """
    counts = np.arange(1, most + 1)
    layout = frame_layout(numerology, mode)
    cost = [layout.frame_symbols(int(count) * k + others) / count for count in counts]
    return int(counts[::-1][np.argmin(cost[::-1])])


class _Filling:
    """Of a scheme: chooses how many items a frame takes."""

    def frame_items(self, snr_db: float | None, k: int | None, most: int) -> int:
        """See `Scheme.frame_items`."""
        if snr_db is None:
            return most
        sender = getattr(self, "sender", None)
        table = self._adaptation.table  # type: ignore[attr-defined]
        place = max(int(np.searchsorted(table.snr_db, snr_db, side="right")) - 1, 0)
        waiting = 0 if sender is None else sender.symbols_waiting
        return fewest_an_item(most, table.k[place], waiting, FrameMode.NORMAL, Numerology())


class _FilledModel(_Filling, ModelScheme):
    pass


class _FilledRefined(_Filling, RefinedScheme):
    pass


@lru_cache(maxsize=1)
def _coders(model: str) -> tuple[SemanticEncoder, SemanticDecoder]:
    return SemanticEncoder(model, 1), SemanticDecoder(model, 1)


def _scheme(model: str, way: Way) -> ModelScheme:
    coders = _coders(model)
    if way.earlier:
        contract = as_before(coders[0].contract)
        copies = SemanticEncoder.__new__(SemanticEncoder), SemanticDecoder.__new__(SemanticDecoder)
        for copy, coder in zip(copies, coders, strict=True):
            copy.__dict__.update({**coder.__dict__, "contract": contract})
        return (_FilledModel if way.filled else ModelScheme)(*copies)
    if way.refined:
        return (_FilledRefined if way.filled else RefinedScheme)(*coders)
    return ModelScheme(*coders)


def _draws(job: tuple[Way, Place], model: str, draws: int, frames: int, seed: int) -> list[Draw]:
    """One way over all draws of a place. Items, channel and noise are those of every other way."""
    way, place = job
    scheme, data, numerology = _scheme(model, way), load_dataset(DEFAULT_DATA_SET, "test"), Numerology()
    seeds = np.random.SeedSequence(seed).generate_state(draws, np.uint64).tolist()
    airs = (noisy_channel(place.channel, place.snr_db, CFO_HZ, own, numerology) for own in seeds)
    most = way.most or place.items
    chosen = np.arange(draws * frames * place.items) % len(data)
    items, targets = data.items(chosen), data.targets(scheme.task, chosen).astype(np.int64)
    scheme.begin(place.channel)
    air = _Drawn(airs, max(frames * place.items // most, 1))
    link = Link(scheme, air, None, most, numerology, mode=FrameMode.NORMAL if way.earlier else None)
    link.sound(items, targets)
    outcomes = list(link.send(items, targets))
    parts = np.array_split(np.arange(len(outcomes)), draws)
    return [
        Draw(
            sum(len(outcomes[n].truth) for n in part),
            sum(outcomes[n].correct for n in part),
            sum(outcomes[n].symbols_on_air for n in part),
            len(part),
        )
        for part in parts
    ]


def air_rows(
    model: str, measured: str | None, quick: bool, seed: int, log: Log, frames: int | None = None
) -> list[Row]:
    """All rows.

    Args:
        model: name or path of the model.
        measured: file of a measured channel, see `sdr_sc.phy.channels.measured_file`; None to leave it out.
        quick: a few frames a point.
        seed: of channels and noise.
        log: called with what is measured next.
        frames: of each point; None for `FRAMES`.

    Raises:
        ContractError: the model has no rounds of refinement.
        ChannelError: the file is no measured channel.
    """
    weights.read_contract(model)
    frames = frames or (_QUICK_FRAMES if quick else FRAMES)
    draws = min(_QUICK_DRAWS if quick else _DRAWS, frames)
    rows = []
    for name, channel in channels(measured):
        for items in ITEMS:
            ways = WAYS + (IDEAS if items == GOAL_ITEMS and not channel else ())
            jobs = [(way, Place(channel, name, snr_db, items)) for snr_db in SNRS_DB for way in ways]
            log(f"{name}, {items} items a frame: {len(jobs)} x {frames} frames")
            found = dict(
                zip(jobs, map_jobs(_draws, jobs, (model, draws, frames // draws, seed), workers(quick)), strict=True)
            )
            for way, place in jobs:
                rows += _rows(way, place, found[way, place], found[RIVAL, place])
    return rows


def _rows(way: Way, place: Place, found: Sequence[Draw], rival: Sequence[Draw]) -> list[Row]:
    at = f"{way.name}, {place.where}, {place.snr_db:g} dB, {place.items} items a frame"
    own, other = np.array(found, float), np.array(rival, float)
    n = int(own[:, 3].sum())
    rng = np.random.default_rng(len(own))
    every = rng.integers(0, len(own), (_RESAMPLES, len(own)))

    def figure(of: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> tuple[float, tuple[float, float]]:
        """A figure of the sums over draws, and its interval by the bootstrap over draws, paired with the rival's."""
        value = float(of(own.sum(axis=0), other.sum(axis=0)))
        drawn = of(own[every].sum(axis=1).T, other[every].sum(axis=1).T)
        return value, (float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975)))

    air, air_interval = figure(lambda a, b: a[2] / a[0])
    right, right_interval = figure(lambda a, b: 100 * a[1] / a[0])
    rows = [
        Row(f"symbols on air an item, {at}", air, "", n=n, ci95=air_interval),
        Row(f"accuracy, {at}", right, "%", n=n, ci95=right_interval),
    ]
    if way == RIVAL:
        return rows
    more, more_interval = figure(lambda a, b: 100 * (a[1] / a[0] - b[1] / b[0]))
    gain, gain_interval = figure(lambda a, b: b[2] / b[0] / (a[2] / a[0]))
    goal = ok = None
    if place.items == GOAL_ITEMS and way == WHOLE:
        goal = f">= {GAIN_GOAL:g} times, accuracy {MAX_LESS_POINTS:g} points below at most"
        ok = gain >= GAIN_GOAL and more >= -MAX_LESS_POINTS
    return [
        *rows,
        Row(f"accuracy above that before, {at}", more, "points", n=n, ci95=more_interval),
        Row(f"times fewer symbols than before, {at}", gain, "times", goal, ok, n, gain_interval),
    ]
