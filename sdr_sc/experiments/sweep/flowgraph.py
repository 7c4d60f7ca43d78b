# SPDX-License-Identifier: GPL-3.0-or-later
"""One point of a sweep through the GNU Radio flowgraphs: both ends of a link over the simulated USRP, in lock-step."""

from __future__ import annotations

import csv
import math
import tempfile
import time
from itertools import groupby
from pathlib import Path

import numpy as np

from sdr_sc.errors import SdrScError
from sdr_sc.experiments.baselines.link import FrameOutcome
from sdr_sc.experiments.sweep.config import SweepConfig
from sdr_sc.experiments.sweep.grid import Task
from sdr_sc.experiments.sweep.points import PointResult, Tally
from sdr_sc.experiments.usrp_pair import PairResult, run_pair
from sdr_sc.phy.channels import parse_chain
from sdr_sc.phy.numerology import Numerology
from sdr_sc.simusrp import levels
from sdr_sc.simusrp.taps import write_taps

SCHEME = "ours"
_AMPLITUDE = 0.2  # of the transmitter
_STEP_IDLE_S = 0.05  # silence that the air needs behind a burst, an argument of the device
_PATIENCE_S = 10.0
_SNAPSHOT_S = 1e-3


def check_flowgraph(config: SweepConfig) -> None:
    """Refuse what the flowgraphs cannot send.

    Raises:
        SdrScError: another scheme than ours, a stop rule, or a channel that is drawn anew.
    """
    for entry in config.schemes:
        if entry.scheme != SCHEME:
            raise SdrScError(f"scheme {entry.label!r} has no flowgraph; use {SCHEME!r}, or air: phy.")
    for channel in config.channels:
        if channel.realisation_items:
            raise SdrScError(
                f"channel {channel.label!r} is drawn anew, which the flowgraph's air is not; use air: phy."
            )
    if config.stop is not None or any(entry.stop for entry in config.schemes):
        raise SdrScError("a flowgraph sends all its items; leave 'stop' out, or use air: phy.")


def measure_flowgraph(task: Task) -> PointResult:
    """Measure a point with ``sdr-sc tx`` and ``sdr-sc rx``, in processes of their own.

    The items, their order, frames, coder and CAM are those of the physical layer's points; noise and channel are of the
    simulated USRP. The first frame, which is sent without knowledge of the SNR, is counted.

    Raises:
        SdrScError: an end fails, or the channel cannot be put on the air.
    """
    config, point, begun = task.config, task.point, time.monotonic()
    model = task.scheme.parameters.get("model", "fashion_mnist_student")
    tx = ["--images", str(config.items), "--items-per-frame", str(config.items_per_frame), "--seed", str(point.seed)]
    tx += ["-k", str(point.k or 0), "--feedback-timeout", str(_PATIENCE_S), "--amplitude", str(_AMPLITUDE)]
    numerology = Numerology()
    with tempfile.TemporaryDirectory(prefix="sdr_sc_") as scratch:
        folder = Path(scratch)
        device, power = _channel(task, numerology, folder / "channel.taps")
        rms_dbfs = 20 * math.log10(_AMPLITUDE) + 10 * math.log10(numerology.mean_sample_power * power)
        occupied = numerology.used / numerology.fft_size
        loss_db = levels.path_loss_for_snr(point.snr_db, rms_dbfs, numerology.sample_rate_hz, occupied=occupied)
        device += f",pace=step,path_loss_db={loss_db:.4f},cfo_hz={config.carrier_offset_hz:g},seed={point.seed}"
        rx = ["--smoothing", "0", "--model", model]
        pair = run_pair(folder, None, [*tx, "--model", model], rx, ",pace=step", device)
        check_pair(pair, str(point))
        tally = Tally(task)
        for outcome in _outcomes(folder, numerology):
            tally.add(outcome)
            tally.end_block()
    result = tally.result(time.monotonic() - begun)
    if result.items != config.items:
        raise SdrScError(f"{point}: {result.items} of {config.items} items were accounted for; run the sweep again.")
    return result


def check_pair(pair: PairResult, point: str) -> None:
    """Refuse a run in which the transmitter went without an answer that was only late: time in the air stands still
    while programs compute, but not the time that the transmitter waits.

    Raises:
        SdrScError: the machine was too busy.
    """
    late = pair.transmitter["frames_without_feedback"] - pair.receiver["frames_lost"]
    if late > 0:
        raise SdrScError(
            f"{point}: the answers to {late} frames took longer than {_PATIENCE_S:g} s, so their SNR was not told in "
            "time; run the sweep again with fewer --workers."
        )


def _channel(task: Task, numerology: Numerology, path: Path) -> tuple[str, float]:
    """Device arguments of the receiver for a channel, and the channel's mean power gain."""
    if not task.channel.models.strip():
        return "", 1.0
    seed = int(np.random.SeedSequence((task.point.seed, 0)).generate_state(1, np.uint64)[0])
    chain = parse_chain(task.channel.models, numerology.sample_rate_hz, seed, numerology)
    frames = -(-task.config.items // task.config.items_per_frame)
    longest = numerology.frame_samples(task.config.items_per_frame * (task.point.k or 32)) / numerology.sample_rate_hz
    write_taps(path, chain, numerology.sample_rate_hz, frames * (longest + 2 * _STEP_IDLE_S) + 1.0, _SNAPSHOT_S)
    return f",taps={path}", chain.subcarrier_power


def _outcomes(folder: Path, numerology: Numerology) -> list[FrameOutcome]:
    """The frames that the receiver wrote down."""
    (frames_file,), (items_file,) = ((folder / "rx").glob(f"*/{name}.csv") for name in ("frames", "items"))
    with open(frames_file, newline="") as file:
        frames = {row["frame_index"]: row for row in csv.DictReader(file)}
    with open(items_file, newline="") as file:
        items = list(csv.DictReader(file))
    found = []
    for index, rows in groupby(items, key=lambda row: row["frame_index"]):
        of_frame, frame = list(rows), frames[index]
        uses = int(frame["k"]) * int(frame["n_items"])
        on_air = numerology.frame_samples(uses) // numerology.symbol_samples * numerology.used
        truth, answers = (np.array([int(row[name]) for row in of_frame]) for name in ("label", "answer"))
        snr_db = float(frame["snr_est_db"]) if frame["snr_est_db"] else None
        found.append(FrameOutcome(truth, answers, snr_db, uses, on_air))
    return found
