# SPDX-License-Identifier: GPL-3.0-or-later
"""One point of a sweep through the physical layer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.errors import SdrScError
from sdr_sc.link.mode_choice import fixed_mode
from sdr_sc.link.outer_loop import OuterLoop
from sdr_sc.link.return_path import outer_loop
from sdr_sc.phy.numerology import Numerology
from sdr_sc.schemes.link import FrameOutcome, Link, noisy_channel
from sdr_sc.schemes.scheme import Acknowledging, Scheme
from sdr_sc.sweep.config import SchemeEntry
from sdr_sc.sweep.grid import Task
from sdr_sc.sweep.items import fingerprint, items_of, test_set
from sdr_sc.sweep.tally import PointResult, Tally

SETTLING_FRAMES = 30
"""Of a link with acknowledgements, before those that count."""
_NOT_COUNTED = 1 << 31
_loaded = threading.local()  # a scheme has state, and a Dask worker may have several threads


def load_scheme(entry: SchemeEntry, data_set: str = DEFAULT_DATA_SET) -> Scheme:
    """The scheme of an entry for a data set, made once in a thread.

    Raises:
        SdrScError: the catalogue does not know it, or a model of it cannot be used.
    """
    from sdr_sc.schemes.catalogue import make_scheme

    key = repr((entry.scheme, sorted(entry.parameters.items()), data_set))
    known = _loaded.__dict__.setdefault("schemes", {})
    if key not in known:
        known[key] = make_scheme(entry.scheme, data_set, **entry.parameters)
    return known[key]


def describe(scheme: Scheme) -> dict[str, Any]:
    """What a scheme says of itself when it knows of no channel: the same before and after it was used."""
    scheme.begin("")
    return scheme.describe()


def measure(task: Task) -> PointResult:
    """Measure one point, on whichever machine.

    Raises:
        SdrScError: program or scheme are not those that were asked for, or the point cannot be measured.
    """
    here = fingerprint(task.config.data_set)
    if task.fingerprint and task.fingerprint != here:
        raise SdrScError(f"a worker runs {here} where this program is {task.fingerprint}; let both be the same.")
    _check_scheme(task)
    if task.config.air == "flowgraph":
        from sdr_sc.sweep.flowgraph import measure_flowgraph

        return measure_flowgraph(task)
    begun, tally = time.thread_time(), Tally(task)
    _send_all(task, tally)
    return tally.result(time.thread_time() - begun)


def _check_scheme(task: Task) -> None:
    """Raise `SdrScError` if a file of the scheme is another one than where the sweep began."""
    found = describe(load_scheme(task.scheme, task.config.data_set))
    for name, value in task.described.items():
        if found.get(name) != value:
            raise SdrScError(
                f"{task.point}: the scheme's {name} is {found.get(name)!r} at a worker, and {value!r} where the sweep "
                "began; let both have the same files, and leave them alone while it runs."
            )


def _send_all(task: Task, tally: Tally) -> None:
    """All items of a point, or as many as its stop rule asks for."""
    stop = task.scheme.stop or task.config.stop
    for outcomes in _blocks(task):
        for outcome in outcomes:
            tally.add(outcome)
            if not task.channel.realisation_items:
                tally.end_block()
                if tally.is_enough(stop):
                    return
        tally.end_block()
        if tally.is_enough(stop):
            return


def _blocks(task: Task) -> Iterator[Iterator[FrameOutcome]]:
    """The frames of each channel realisation; of all items where there is one realisation alone."""
    config, point = task.config, task.point
    scheme = load_scheme(task.scheme, config.data_set)
    order = items_of(point.seed, config.items, config.data_set)
    step = task.channel.realisation_items or len(order)
    loop = outer_loop(task.channel.feedback) if isinstance(scheme, Acknowledging) else None
    if loop is not None:
        _settle(task, scheme, order, loop)
    for number, first in enumerate(range(0, len(order), step)):
        yield _block(task, scheme, order[first : first + step], number, loop)


def _settle(task: Task, scheme: Scheme, order: np.ndarray, loop: OuterLoop) -> None:
    """Frames that do not count, over channels of their own, until a loop's margin has found its place."""
    per_frame = task.config.items_per_frame
    several = np.resize(order, SETTLING_FRAMES * per_frame)
    step = task.channel.realisation_items or len(several)
    for number, first in enumerate(range(0, len(several), step)):
        for _ in _block(task, scheme, several[first : first + step], _NOT_COUNTED + number, loop):
            pass


def _block(
    task: Task, scheme: Scheme, chosen: np.ndarray, number: int, loop: OuterLoop | None
) -> Iterator[FrameOutcome]:
    """The frames of one channel realisation, of the items at these places of the test set."""
    config, point, numerology = task.config, task.point, Numerology()
    # Of seed and place alone: every scheme, k and SNR meets the same channel, and the same noise scaled.
    seed = int(np.random.SeedSequence((point.seed, number)).generate_state(1, np.uint64)[0])
    air = noisy_channel(task.channel.models, point.snr_db, config.carrier_offset_hz, seed, numerology)
    scheme.begin(task.channel.models)
    link = Link(
        scheme, air, point.k, config.items_per_frame, numerology, mode=fixed_mode("sweep", task.scheme.mode),
        feedback=task.channel.feedback, seed=seed, loop=loop,
    )  # fmt: skip
    data = test_set(config.data_set)
    images, labels = data.items(chosen), data.targets(scheme.task, chosen).astype(np.int64)
    link.sound(images, labels)
    return link.send(images, labels)
