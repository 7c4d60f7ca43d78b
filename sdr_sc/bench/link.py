# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures that the closed loop has to reach."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sdr_sc.demo.run import LEVELS_DB, read_sent, response_rows, sent_settings
from sdr_sc.errors import ContractError
from sdr_sc.flowgraph.fitting_model import contract_for_images
from sdr_sc.flowgraph.loopback import run_loopback
from sdr_sc.phy.channels import Awgn, CarrierOffset, Chain
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import Receiver
from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import Row, snr_bias_row, wilson_interval
from sdr_sc.semantic import weights

Log = Callable[[str], None]
HELP_GOAL_S = 0.5
DEMO_GOAL_S = 90.0
PARAMETER_GOAL = 60_000
MFLOP_GOAL = 6.0


def model_rows(model: str) -> list[Row]:
    """Size of the encoder and of the weights file."""
    import torch

    from sdr_sc.semantic.complexity import count_flops, count_parameters
    from sdr_sc.semantic.modalities.base import blank_input
    from sdr_sc.semantic.networks.registry import make_encoder

    contract = weights.read_contract(model)
    if "encoder" not in contract.architecture:
        raise ContractError(
            f"model {contract.name!r} does not name its encoder, whose size is counted here; give a model that 'sdr-sc "
            "distill' made."
        )
    encoder = make_encoder(contract.architecture["encoder"], contract.k_max, contract.item_shape)
    flops = count_flops(encoder, blank_input(contract, 1), torch.zeros(1))
    return [
        Row.at_most("encoder parameters", count_parameters(encoder), "", PARAMETER_GOAL),
        Row.at_most("encoder arithmetic an image", flops / 1e6, "MFLOP", MFLOP_GOAL),
        Row.at_most("weights file", weights.resolve(model).stat().st_size / 1e6, "MB", 2.0),
    ]


def lost_frame_rows(frames: int, seed: int) -> list[Row]:
    """Frames back to back without gap at 30 dB, through the flowgraph."""
    accounting = run_loopback(
        30.0 + frames / 10,
        images=frames,
        items_per_frame=1,
        snr_db=30.0,
        cfo_hz=4000.0,
        delay_samples=7,
        gap_samples=0,
        max_frames_in_flight=8,
        seed=seed,
    )
    accounting.raise_if_faulty()
    low, high = wilson_interval(accounting.frames_lost, accounting.frames_sent)
    sent, lost = accounting.frames_sent, accounting.frames_lost
    return [
        Row(
            "frames lost, 30 dB, no gap, in the flowgraph",
            lost,
            "frames",
            "0",
            lost == 0,
            sent,
            (low * sent, high * sent),
        ),
        Row(
            "contradictions in the count, in the flowgraph",
            len(accounting.discrepancies),
            "",
            "0",
            not accounting.discrepancies,
            sent,
        ),
    ]


def response_to_one_step_rows(frames_per_level: int, seed: int, model: str) -> list[Row]:
    """The CAM's response to a fall from 25 to 0 dB and back in one step, through the flowgraph."""
    n = frames_per_level
    with scratch_folder() as folder:
        run_loopback(
            60.0 + n,
            images=3 * n,
            items_per_frame=1,
            snr_schedule=f"0:{LEVELS_DB[0]:g}, {n}:0, {2 * n}:{LEVELS_DB[0]:g}",
            seed=seed,
            model=model,
            folder=str(folder),
        ).raise_if_faulty()
        snr_db, k = sent_settings(read_sent(Path(folder)))
    rows = response_rows(snr_db, k, weights.read_contract(model))
    return [Row(f"{row.name} (25, 0, 25 dB)", row.value, row.unit, row.goal, row.ok, row.n) for row in rows]


def snr_rows(frames: int, seed: int, snrs_db: tuple[float, ...] = (-5, 0, 5, 10, 15, 20, 25)) -> list[Row]:
    """Bias and spread of the SNR estimate over the frames that are received."""
    rows = []
    for i, snr_db in enumerate(snrs_db):
        errors = snr_errors_db(snr_db, frames, seed + i)
        share = len(errors) / frames
        rows.append(
            snr_bias_row(f"SNR estimate, bias at {snr_db:g} dB ({100 * share:.0f} % of frames received)", errors)
        )
        spread = float(errors.std(ddof=1)) if len(errors) > 1 else float("nan")
        rows.append(Row(f"SNR estimate, spread at {snr_db:g} dB", spread, "dB", n=len(errors)))
    return rows


def snr_errors_db(snr_db: float, frames: int, seed: int) -> np.ndarray:
    """Estimate minus truth, dB, of each frame received over AWGN with a random carrier offset within one subcarrier."""
    numerology, rng = Numerology(), np.random.default_rng(seed)
    receiver, errors = Receiver(numerology), []
    noise = Awgn(snr_db, seed)
    for frame_num in range(frames):
        features = np.exp(2j * np.pi * rng.random((4, 16))).astype(np.complex64)
        header = Header(1, 16, 4, frame_num % FRAME_NUM_MODULO)
        samples = np.concatenate((build_frame(features, header, numerology), np.zeros(160, np.complex64)))
        offset = CarrierOffset(rng.uniform(-1, 1) * numerology.subcarrier_spacing_hz, numerology.sample_rate_hz)
        received = receiver.push(Chain([offset, noise]).process(samples))
        errors += [frame.snr_db - snr_db for frame in received if frame.header == header]
    return np.array(errors)


def help_row(runs: int) -> Row:
    """Start-up time of ``sdr-sc --help``, median."""
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "sdr_sc.cli.main", "--help"], check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return Row.at_most("sdr-sc --help, median", float(np.median(times)), "s", HELP_GOAL_S, n=runs)


def demo_row() -> Row:
    """Time of a whole demonstration on a machine that is set up."""
    with scratch_folder() as folder:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "sdr_sc.cli.main", "demo", "--out", folder], check=True, capture_output=True
        )
        return Row.at_most("sdr-sc demo, set up already", time.perf_counter() - began, "s", DEMO_GOAL_S, n=1)


def bench_link(model: str, quick: bool, seed: int, log: Log) -> list[Row]:
    """All rows; ``quick`` measures the same on less data.

    Args:
        log: called with what is measured next.
    """
    contract_for_images(model)
    log("model size")
    rows = model_rows(model)
    log("start-up of sdr-sc --help")
    rows.append(help_row(5 if quick else 15))
    log("SNR estimate")
    rows += snr_rows(100 if quick else 2000, seed)
    log("lost frames in the flowgraph")
    rows += lost_frame_rows(300 if quick else 2000, seed)
    log("response of the channel-adaptive module")
    rows += response_to_one_step_rows(30 if quick else 100, seed, model)
    log("demonstration")
    rows.append(demo_row())
    return rows
