# SPDX-License-Identifier: GPL-3.0-or-later
"""The recordings in ``captures/``: how they are made, and the answers that they have to give.

``python -m sdr_sc.demo.example_captures FOLDER`` makes them again, with their cards and answers.
"""

from __future__ import annotations

import json
import math
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdr_sc.capture import open_capture
from sdr_sc.errors import SdrScError
from sdr_sc.files import write_whole
from sdr_sc.flowgraph.replay import replay
from sdr_sc.flowgraph.replay_config import ReplayConfig
from sdr_sc.link.frames.frame_record import STATES
from sdr_sc.places import scratch_folder
from sdr_sc.results.run_folder import read_frames, read_items, rows_by_frame

SNR_TOLERANCE_DB = 1e-3
"""Other processors round differently; the same one gives the same digits."""
_LIMIT_S = 300.0


@dataclass(frozen=True)
class Example:
    """A recording of the folder.

    Attributes:
        name: of its files.
        title, text: for its card.
        commands: that make it; all but the last run beside the last, which is what writes the recording.
    """

    name: str
    title: str
    text: str
    commands: tuple[str, ...]


def _sim(name: str, options: str) -> tuple[str, ...]:
    return (f"sdr-sc record sim {{folder}}/{name} --force {options}",)


EXAMPLES = (
    Example(
        "awgn_20db",
        "White noise, 20 dB",
        "A good channel: the CAM sends 2 symbols an image.",
        _sim("awgn_20db", "--images 100 --snr-db 20 --cfo-hz 2000 --seed 1"),
    ),
    Example(
        "awgn_10db",
        "White noise, 10 dB",
        "A fair channel: 4 symbols an image.",
        _sim("awgn_10db", "--images 100 --snr-db 10 --cfo-hz -3000 --seed 2"),
    ),
    Example(
        "awgn_0db",
        "White noise, 0 dB",
        "A bad channel: 16 to 32 symbols an image, and the receiver near its limit.",
        _sim("awgn_0db", "--images 100 --snr-db 0 --cfo-hz 1000 --seed 3"),
    ),
    Example(
        "tdl_c_15db",
        "Fading: TDL-C, 15 dB in the mean",
        "300 ns delay spread, Doppler 50 Hz, and a new realisation every 0.02 s: the CAM follows the fades.",
        _sim(
            "tdl_c_15db",
            "--images 200 --snr-db 15 --seed 4 "
            '--channel "tdl_c(delay_spread_ns=300, doppler_hz=50, renew_samples=20000)"',
        ),
    ),
    Example(
        "gaps_12db",
        "Samples lost in 12 dB of white noise",
        "700 samples are lost every 9,000 or so, as an overflow of a USRP loses them, and rx_time reports each: the "
        "recording has a segment after each gap. Frames that a gap hits are lost, or have a part of their features "
        "erased.",
        _sim(
            "gaps_12db",
            '--images 200 --snr-db 12 --seed 5 --channel "gaps(gap_samples=700, every_samples=9000, tagged=True)"',
        ),
    ),
    Example(
        "usrp_clock_offset",
        "Simulated USRPs whose clocks differ by 3.5 ppm",
        "The real UHD driver on simulated devices, transmitter and receiver in processes of their own, in lock-step; "
        "16 bits a component, as on the wire. Carrier and sampling clock come from one oscillator at either end, so "
        "the carrier is off by 3.2 kHz at 915 MHz. The noise is that of the receiver at 40 dB gain and 67 dB path "
        "loss.",
        (
            "sdr-sc tx --args type=simusrp,name=left,air=captures,pace=step,ppm=-2 --images 56 --items-per-frame 8 "
            "--feedback-timeout 20 --seed 6 --out {scratch}/tx",
            "sdr-sc rx --args type=simusrp,name=right,air=captures,pace=step,path_loss_db=67,seed=7,ppm=1.5 "
            "--record {folder}/usrp_clock_offset --record-datatype ci16_le --force --out {scratch}/rx",
        ),
    ),
)


def answers(file: str | Path) -> dict[str, Any]:
    """What a replay of a recording answers: for each frame that was sent, what became of it.

    Raises:
        SdrScError: it cannot be replayed.
    """
    with scratch_folder() as scratch:
        (result,) = replay(ReplayConfig(str(file)), [Path(scratch)], deadline_s=_LIMIT_S)
        frames, items = read_frames(Path(scratch)), read_items(Path(scratch))
    columns = (frames[name].tolist() for name in ("frame_index", "k", "status", "snr_est_db"))
    rows = rows_by_frame(items)
    return {
        "model": result.model,
        "samples": result.samples,
        "items_correct": result.status["items_correct"],
        "items_sent": result.status["items_sent"],
        "frames": [
            {
                "frame_index": index,
                "k": int(k),
                "status": STATES[delivered],
                "snr_db": None if math.isnan(snr_db) else snr_db,
                "answers": items["answer"][rows[index]].tolist(),
            }
            for index, k, delivered, snr_db in zip(*columns, strict=True)
        ],
    }


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Where two sets of answers differ, in sentences; SNRs may by `SNR_TOLERANCE_DB`.

    >>> frame = {"frame_index": 0, "k": 8, "status": "delivered", "snr_db": 3.0, "answers": [1]}
    >>> differences({"frames": [frame]}, {"frames": [{**frame, "answers": [2]}]})
    ['frame 0: answers is [2] instead of [1]']
    """
    told = [
        f"{name} is {found[name]} instead of {value}"
        for name, value in expected.items()
        if name != "frames" and found[name] != value
    ]
    if len(expected["frames"]) != len(found["frames"]):
        return [*told, f"there are {len(found['frames'])} frames instead of {len(expected['frames'])}"]
    for frame, other in zip(expected["frames"], found["frames"], strict=True):
        for name, value in frame.items():
            close = name == "snr_db" and None not in (value, other[name])
            if other[name] != value and not (close and abs(other[name] - value) <= SNR_TOLERANCE_DB):
                told.append(f"frame {frame['frame_index']}: {name} is {other[name]} instead of {value}")
    return told


def make(folder: Path, names: set[str] | None = None) -> None:
    """Make the recordings, their cards and their answers.

    Raises:
        SdrScError: a command failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for example in EXAMPLES:
        if names is None or example.name in names:
            print(f"making {example.name} ...")
            with scratch_folder() as scratch:
                _run([command.format(folder=folder, scratch=scratch) for command in example.commands])
            found = answers(folder / example.name)
            text = json.dumps(found, separators=(",", ":")).replace('{"frame_index"', '\n{"frame_index"') + "\n"
            write_whole(
                {
                    folder / f"{example.name}.answers.json": text.encode(),
                    folder / f"{example.name}.md": card(example, folder, found).encode(),
                }
            )


def card(example: Example, folder: Path, found: dict[str, Any]) -> str:
    """The card of a recording, by what is in it."""
    capture = open_capture(folder / example.name)
    notes = list(capture.frames())
    snrs = [note.snr_db for note in notes]
    lost = len(capture.not_received)
    size = (folder / f"{example.name}.sigmf-data").stat().st_size
    commands = "\n".join(
        command.format(folder="captures", scratch="runs") + (" &" if place < len(example.commands) - 1 else "")
        for place, command in enumerate(example.commands)
    )
    segments = f"{len(capture.segments)} segment{'s' if len(capture.segments) > 1 else ''}"
    return (
        f"# {example.name}: {example.title}\n\n{example.text}\n\n"
        f"Made by\n\n```\n{commands}\n```\n\n"
        "| | |\n|---|---|\n"
        f"| samples | {capture.sample_count:,} of {capture.info.datatype}, {size / 1e3:,.0f} kB, {segments} |\n"
        f"| sample rate | {capture.info.sample_rate_hz / 1e6:g} MS/s |\n"
        f"| frames | {len(notes)} received, {lost} sent and not received |\n"
        f"| SNR, estimated | {min(snrs):.1f} to {max(snrs):.1f} dB |\n"
        f"| symbols an image | {', '.join(str(k) for k in sorted({note.k for note in notes}))} |\n"
        f"| images answered correctly | {found['items_correct']} of {found['items_sent']} |\n"
        f"| model | {found['model']} |\n\n"
        f"`{example.name}.answers.json` holds what a replay has to answer, frame by frame.\n"
    )


def _run(commands: list[str]) -> None:
    """Run commands at once, and wait for all."""
    running = []
    try:
        for command in commands:
            arguments = [sys.executable, "-m", "sdr_sc.cli.main", *shlex.split(command)[1:]]
            running.append(subprocess.Popen(arguments, stdout=subprocess.DEVNULL))
        for command, process in zip(commands, running, strict=True):
            if process.wait(_LIMIT_S):
                raise SdrScError(f"{command!r} failed with status {process.returncode}.")
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()


if __name__ == "__main__":
    make(Path(sys.argv[1] if len(sys.argv) > 1 else "captures"), set(sys.argv[2:]) or None)
