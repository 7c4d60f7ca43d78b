# SPDX-License-Identifier: GPL-3.0-or-later
"""One point of a sweep through the GNU Radio flowgraphs: both ends of a link over the simulated USRP, in lock-step."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np

from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph.usrp_pair import GRACE_S, PairResult, run_pair
from sdr_sc.link.mapping import INTERLEAVE
from sdr_sc.link.return_path import PERFECT
from sdr_sc.phy.channels import parse_chain
from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.numerology import Numerology
from sdr_sc.places import scratch_folder
from sdr_sc.results.run_folder import only_run, read_frames, read_items, rows_by_frame
from sdr_sc.schemes.link import FrameOutcome
from sdr_sc.semantic.weights import DEFAULT_MODEL
from sdr_sc.simusrp import levels
from sdr_sc.simusrp.build import SimusrpError
from sdr_sc.simusrp.taps import write_taps
from sdr_sc.sweep.config import SweepConfig
from sdr_sc.sweep.grid import Task
from sdr_sc.sweep.items import test_set
from sdr_sc.sweep.tally import PointResult, Tally

SCHEME = "ours"
_AMPLITUDE = 0.2  # of the transmitter
_STEP_IDLE_S = 0.05  # silence that the air needs after a burst, an argument of the device
_PATIENCE_S = (2.0, 10.0)  # of the transmitter, for an answer: what a lost frame costs; the latter on a busy machine
_FRAME_S = 1.0  # that a frame may take of its own
_SNAPSHOT_S = 1e-3


def check_flowgraph(config: SweepConfig) -> None:
    """Refuse what the flowgraphs cannot send.

    Raises:
        SdrScError: another scheme than ours, a stop rule, or a channel that is redrawn, or that the simulated USRP
            cannot filter by.
    """
    for entry in config.schemes:
        if entry.scheme != SCHEME:
            raise SdrScError(f"scheme {entry.label!r} has no flowgraph; use {SCHEME!r}, or air: phy.")
    for channel in config.channels:
        if channel.realisation_items:
            raise SdrScError(f"channel {channel.label!r} is redrawn, which the flowgraph's air is not; use air: phy.")
        if channel.feedback != PERFECT:
            raise SdrScError(
                f"channel {channel.label!r} has feedback of its own, which a flowgraph has not; use air: phy."
            )
    if config.stop is not None or any(entry.stop for entry in config.schemes):
        raise SdrScError("a flowgraph sends all its items; leave 'stop' out, or use air: phy.")
    numerology = Numerology()
    with scratch_folder() as scratch:
        for channel in config.channels:
            try:
                _write_channel(Path(scratch) / "channel.taps", channel.models, numerology, 0, _SNAPSHOT_S)
            except SimusrpError as error:
                raise SdrScError(f"channel {channel.label!r} cannot be on the flowgraph's air: {error}") from error


def measure_flowgraph(task: Task) -> PointResult:
    """Measure a point with ``sdr-sc tx`` and ``sdr-sc rx``, in processes of their own.

    The items, their order, frames, coder and CAM are those of the physical layer's points; noise and channel are of the
    simulated USRP. The first frame, which is sent without knowledge of the SNR, is counted.

    Raises:
        SdrScError: an end fails, or the channel cannot be put on the air.
    """
    begun = time.monotonic()
    for patience_s in _PATIENCE_S:
        with scratch_folder() as scratch:
            pair = _run(task, Path(scratch), patience_s)
            if answers_late(pair):
                continue
            tally, labelled_for = Tally(task), test_set(task.config.data_set).tasks[0]
            for outcome in _outcomes(Path(scratch), Numerology(), labelled_for):
                tally.add(outcome)
                tally.end_block()
        result = tally.result(time.monotonic() - begun)
        if result.items != task.config.items:
            raise SdrScError(
                f"{task.point}: {result.items} of {task.config.items} items were accounted for; run the sweep again."
            )
        return result
    raise SdrScError(
        f"{task.point}: the answers to {answers_late(pair)} frames took longer than {patience_s:g} s, so their SNR was "
        "not reported in time; run the sweep again with fewer --workers."
    )


def _run(task: Task, folder: Path, patience_s: float) -> PairResult:
    """Both ends, once.

    Args:
        patience_s: after which the transmitter takes a frame for lost.
    """
    config, point, numerology = task.config, task.point, Numerology()
    model = task.scheme.parameters.get("model", DEFAULT_MODEL)
    tx = ["--images", str(config.items), "--items-per-frame", str(config.items_per_frame), "--seed", str(point.seed)]
    tx += ["--mode", task.scheme.mode]
    tx += ["--mapping", task.scheme.parameters.get("mapping", INTERLEAVE)]
    tx += ["-k", str(point.k or 0), "--feedback-timeout", str(patience_s), "--amplitude", str(_AMPLITUDE)]
    device, power = _channel(task, numerology, folder / "channel.taps")
    rms_dbfs = 20 * math.log10(_AMPLITUDE) + 10 * math.log10(numerology.mean_sample_power * power)
    occupied = numerology.used / numerology.fft_size
    loss_db = levels.path_loss_for_snr(point.snr_db, rms_dbfs, numerology.sample_rate_hz, occupied=occupied)
    device += f",pace=step,path_loss_db={loss_db:.4f},cfo_hz={config.carrier_offset_hz:g},seed={point.seed}"
    if config.data_set != DEFAULT_DATA_SET:
        tx += ["--data-set", config.data_set]
    rx = ["--smoothing", "0", "--model", model]  # as `Link` has it for this scheme
    limit_s = 2 * GRACE_S + _frames(config) * (patience_s + _FRAME_S)
    return run_pair(folder, None, [*tx, "--model", model], rx, ",pace=step", device, limit_s)


def answers_late(pair: PairResult) -> int:
    """Frames that were received, but whose answer came when the transmitter had given them up: time in the air stands
    still while programs compute, but not the time that the transmitter waits. Frames after them were sent without
    knowledge of the SNR, so such a run is not to be counted."""
    return max(0, pair.transmitter["frames_without_feedback"] - pair.receiver["frames_lost"])


def _frames(config: SweepConfig) -> int:
    return -(-config.items // config.items_per_frame)


def _write_channel(path: Path, models: str, numerology: Numerology, seed: int, duration_s: float) -> float | None:
    """Write a channel for the simulated USRP; returns its mean power gain, None where there is noise alone.

    Raises:
        SimusrpError: it cannot filter by that.
    """
    if not models.strip():
        return None
    chain = parse_chain(models, numerology.sample_rate_hz, seed, numerology)
    write_taps(path, chain, numerology.sample_rate_hz, duration_s, _SNAPSHOT_S)
    return chain.subcarrier_power


def _channel(task: Task, numerology: Numerology, path: Path) -> tuple[str, float]:
    """Device arguments of the receiver for a channel, and the channel's mean power gain."""
    seed = int(np.random.SeedSequence((task.point.seed, 0)).generate_state(1, np.uint64)[0])
    layout = frame_layout(numerology, FrameMode.ROBUST)
    longest = layout.frame_samples(task.config.items_per_frame * (task.point.k or 32)) / numerology.sample_rate_hz
    duration_s = _frames(task.config) * (longest + 2 * _STEP_IDLE_S) + 1.0
    power = _write_channel(path, task.channel.models, numerology, seed, duration_s)
    return ("", 1.0) if power is None else (f",taps={path}", power)


def _outcomes(folder: Path, numerology: Numerology, task: str) -> list[FrameOutcome]:
    """The frames that the receiver wrote down, whose items were labelled for a task."""
    run = only_run(folder / "rx")
    frames, items = read_frames(run), read_items(run)
    places = {index: place for place, index in enumerate(frames["frame_index"].tolist())}
    found = []
    for index, rows in rows_by_frame(items).items():
        place = places[index]
        uses = int(frames["k"][place]) * int(frames["n_items"][place])
        mode = frames["mode"][place]  # NaN of receivers of the version before
        sent = FrameMode.NORMAL if math.isnan(mode) else FrameMode(int(mode))
        layout = frame_layout(numerology, sent)
        on_air = layout.frame_symbols(uses) * numerology.used
        estimate_db = float(frames["snr_est_db"][place])
        snr_db = None if math.isnan(estimate_db) else estimate_db
        labels, answers = items["label"][rows], items["answer"][rows]
        found.append(FrameOutcome(labels, answers, snr_db, uses, on_air, task=task, mode=sent))
    return found
