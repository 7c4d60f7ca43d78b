# SPDX-License-Identifier: GPL-3.0-or-later
"""What a trained run reaches on the test set, through the physical layer with estimated channel; kept beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.bench.distillation.runs import Run
from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import ImageSet
from sdr_sc.documents import read_json, real_number, whole_number
from sdr_sc.errors import SdrScError
from sdr_sc.files import write_whole
from sdr_sc.phy.numerology import Numerology
from sdr_sc.results.pool import run_jobs
from sdr_sc.results.rows import git_commit
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.link import run_scheme
from sdr_sc.schemes.scheme import Scheme
from sdr_sc.sealed import sealed, unsealed
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder, answers
from sdr_sc.shown import shown

VERSION = 3
QUICK_IMAGES = 500
ITEMS_PER_FRAME = 50
ROUNDS = 12
"""How often an item is sent at most, until its frame is found."""
CFO_HZ = 700.0
SWEEP_SNR_DB = tuple(float(s) for s in np.arange(-5.0, 25.1, 2.5))
COMPARED = ((-5.0, 32), (-5.0, 16), (0.0, 16), (10.0, 16), (20.0, 16), (20.0, 4))
"""Points at which all schemes are compared, as (SNR in dB, k)."""


@dataclass(frozen=True)
class Point:
    """What came of one operating point.

    Items of a lost frame are sent again, so that the figures of the frames that were found hold for all items, and
    schemes are compared on the same ones.

    Attributes:
        correct, lost, items: answered correctly, lost with their frame, and sent; each transmission of an item counts.
        uses_per_item: feature symbols sent for an item, on average.
        on_air_per_item: the same with preamble, header and pilots.
    """

    correct: int
    lost: int
    items: int
    uses_per_item: float
    on_air_per_item: float

    @property
    def accuracy(self) -> float:
        """Per cent; a lost item is a wrong one."""
        return 100.0 * self.correct / self.items

    @property
    def accuracy_found(self) -> float:
        """Per cent of the items whose frame was found."""
        return 100.0 * self.correct / max(1, self.items - self.lost)


def key(snr_db: float | None, k: int | None) -> str:
    """Name of a point; no SNR is no channel, no k is the CAM's choice.

    >>> key(-5.0, 16), key(None, 32), key(0.0, None)
    ('-5 dB k=16', 'no channel k=32', '0 dB k=CAM')
    """
    where = "no channel" if snr_db is None else f"{snr_db:g} dB"
    return f"{where} k={'CAM' if k is None else k}"


def measure(run: Run, points: Sequence[tuple[float | None, int | None]], images: int = 0) -> dict[str, Point]:
    """Results at the points, from the file beside the weights where it has them; another one for part of the images.

    Args:
        points: (SNR in dB or None, k or None), as for `key`; a k that the model has not is left out.
        images: the first test images alone; 0 for all.

    Raises:
        SdrScError: the run has not been trained.
    """
    contract = run.contract()
    path = run.weights.with_suffix(f".points{images or ''}.json")
    about = {"version": VERSION, "model_id": contract.model_id, "images": images}
    known = _stored(path, about)
    wanted = [(snr_db, k) for snr_db, k in points if k is None or k in contract.k_list]
    missing = [point for point in wanted if key(*point) not in known]
    if missing:
        encoder, decoder = SemanticEncoder(run.weights), SemanticDecoder(run.weights)
        data = fashion_mnist.load("test")
        data = data.first(images or len(data))
        git = git_commit()
        for snr_db, k in missing:
            known[key(snr_db, k)] = {**vars(_point(encoder, decoder, data, snr_db, k, run.seed)), "git": git}
            write_whole({path: (json.dumps(sealed({**about, "points": known}), indent=1) + "\n").encode()})
    fields = Point.__dataclass_fields__
    return {key(*point): Point(**{name: known[key(*point)][name] for name in fields}) for point in wanted}


def _stored(path: Path, about: dict) -> dict[str, dict]:
    """Points of a file that was written for the same model and images; none from any other."""
    if not path.exists():
        return {}
    what, fix = "file of points", "delete it"
    stored = read_json(path, what, fix)
    if not isinstance(stored, dict):
        raise SdrScError(f"{what} {shown(path)} holds no JSON object; {fix}.")
    stored, _ = unsealed(stored, f"{what} {shown(path)}", fix)
    if {name: stored.get(name) for name in about} != about:
        return {}
    points: Any = stored.get("points")
    counts, shares = ("correct", "lost", "items"), ("uses_per_item", "on_air_per_item")
    plausible = isinstance(points, dict) and all(
        isinstance(one, dict)
        and all(whole_number(one.get(name), 0) is not None for name in counts)
        and all(real_number(one.get(name), 0.0) is not None for name in shares)
        and one["correct"] + one["lost"] <= one["items"]
        for one in points.values()
    )
    if not plausible:
        raise SdrScError(f"{shown(path)} holds no points that can be read; {fix}.")
    return dict(points)


def _point(
    encoder: SemanticEncoder,
    decoder: SemanticDecoder,
    data: ImageSet,
    snr_db: float | None,
    k: int | None,
    seed: int,
) -> Point:
    if snr_db is None:
        assert k is not None
        best_db = encoder.contract.training_snr_db[1]
        correct = 0
        for first in range(0, len(data), 500):
            features = encoder.encode(data.images[first : first + 500], best_db, k)
            found, _ = answers(decoder.decode(features, best_db))
            correct += int((found == data.labels[first : first + 500]).sum())
        return Point(correct, 0, len(data), float(k), float(k))
    # Of the point alone, so that a figure does not depend on which others were asked for before.
    words = (seed, round(100 * (snr_db + 1000)), k or 0)
    noise = int(np.random.SeedSequence(words).generate_state(1)[0])
    return send_until_found(ModelScheme(encoder, decoder), data.images, data.labels, snr_db, k, noise)


def send_until_found(
    scheme: Scheme, images: np.ndarray, labels: np.ndarray, snr_db: float, k: int | None, seed: int
) -> Point:
    """Send items over noise, and those of lost frames again, `ROUNDS` times at most.

    Args:
        scheme: one that sends items in their order.
        images: uint8 (n, *item_shape).
        labels: int (n,).
        snr_db, k, seed: as for `sdr_sc.schemes.link.run_scheme`.
    """
    found = run_scheme(
        scheme, images, labels, None, snr_db, k, Numerology(), ITEMS_PER_FRAME, seed, CFO_HZ, rounds=ROUNDS
    )
    return Point(
        correct=found.correct,
        lost=found.items_in_lost_frames,
        items=found.items,
        uses_per_item=found.channel_uses / found.items,
        on_air_per_item=found.symbols_on_air / found.items,
    )


def measure_all(
    runs: Sequence[Run],
    points: Sequence[tuple[float | None, int | None]],
    workers: int,
    on_done: Callable[[Run], None] = lambda run: None,
    images: int = 0,
) -> dict[tuple[str, int], dict[str, Point]]:
    """`measure` for several runs at once, by (scheme, seed).

    Raises:
        SdrScError: a run has not been trained.
    """
    for run in runs:
        run.contract()
    found: dict[tuple[str, int], dict[str, Point]] = {}

    def keep(run: Run, measured: dict[str, Point]) -> None:
        found[run.scheme.name, run.seed] = measured
        on_done(run)

    run_jobs(measure, runs, (points, images), workers, keep)
    return found
