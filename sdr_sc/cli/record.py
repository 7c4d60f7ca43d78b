# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc record``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdr_sc.cli.shared.options import (
    data_set_option,
    gallery_option,
    mapping_option,
    model_option,
    question_option,
    refine_option,
    tasks_option,
)
from sdr_sc.cli.shared.usrp import device_options

if TYPE_CHECKING:
    from rich.console import Console

    from sdr_sc.flowgraph.record import Recorded

_DEADLINE_S = 3600.0


def _file_options(function: Callable) -> Callable:
    for option in (
        click.option("--force", is_flag=True, help="Overwrite a recording of that name."),
        click.option("--description", default="", help="What it is, for people."),
        click.option(
            "--datatype",
            type=click.Choice(("cf32_le", "ci16_le")),
            default="cf32_le",
            show_default=True,
            help="Format: cf32_le keeps each bit, ci16_le takes half the room.",
        ),  # fmt: skip
        click.argument("file", type=click.Path(path_type=Path)),
    ):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """Record samples, and what is known of the frames in them, as a SigMF pair.

    'sdr-sc rx --record FILE' records a receiver at work on a USRP, with its answers.
    """


@command.command("sim")
@_file_options
@click.option("--images", default=100, show_default=True, type=click.IntRange(1), help="Images to send.")
@click.option("--items-per-frame", default=4, show_default=True, type=click.IntRange(1, 255), help="Images in a frame.")
@click.option("-k", "--k", default=0, show_default=True, help="Feature symbols per image; 0 lets the CAM choose.")
@click.option("--snr-db", default=20.0, show_default=True, help="Es/N0 on the occupied subcarriers, dB.")
@click.option("--snr-schedule", default="", help="SNR from a frame on, such as 0:25,100:0.")
@click.option("--channel", "channel_models", default="", help="Channel models, such as 'tdl_c()'.")
@click.option("--cfo-hz", default=500.0, show_default=True, help="Carrier offset, Hz.")
@click.option("--gap", "gap_samples", default=160, show_default=True, type=click.IntRange(0),
              help="Silence between frames, samples.")  # fmt: skip
@click.option("--feedback-timeout", "feedback_timeout_s", default=2.0, show_default=True,
              type=click.FloatRange(0, min_open=True),
              help="Until a frame counts as lost, s; where that is by mistake, other frames follow.")  # fmt: skip
@mapping_option
@refine_option("Ask for more symbols of single images that the receiver is not sure of.")
@tasks_option("Answer further tasks too, choose k for them, and record what is right")
@gallery_option
@question_option
@model_option
@data_set_option
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of images, noise and fading.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the live run's results  [none]")
def sim(file: Path, datatype: str, description: str, force: bool, out: Path | None, **parameters: Any) -> None:
    """Record what the receiver of the simulated link gets, with all that is known of its frames."""
    from sdr_sc.flowgraph.record import record_loopback
    from sdr_sc.semantic.modalities.base import item_word
    from sdr_sc.semantic.weights import read_contract

    console = _console()
    if out is not None:
        from sdr_sc.cli.shared.usrp import new_folder

        parameters["folder"] = str(new_folder(out, "record"))
    recorded, accounting = record_loopback(
        file, _DEADLINE_S, datatype, description or "Simulated link of sdr_sc.", force, **parameters
    )
    alone, word = accounting.frames_without_items, item_word(read_contract(parameters["model"]).modality.name)
    console.print(
        f"{accounting.frames_sent} frames sent, {accounting.frames_answered} answered"
        f"{f', {alone} more with refinements alone' if alone else ''}; "
        f"{accounting.items_correct} of {accounting.items_labelled} {word}s right"
    )
    if accounting.hint:
        console.print(f"[yellow]warning:[/] no frame was received: {accounting.hint}", soft_wrap=True)
    if out is not None:
        console.print(f"results: {parameters['folder']}", soft_wrap=True)
    _tell(console, recorded)
    accounting.raise_if_faulty()


@command.command("usrp")
@_file_options
@device_options
@click.option("--gain", "rx_gain_db", default=-1.0, help="Receive gain, dB  [simulated device: 40]")
@click.option("--antenna", "rx_antenna", default="RX2", show_default=True, help="Antenna port.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Samples of so many seconds  [until Ctrl-C]")
def usrp(file: Path, seconds: float | None, **parameters: Any) -> None:
    """Record a USRP's samples, real or simulated, as they are; overflows begin a new segment."""
    from sdr_sc.flowgraph.record import record_usrp
    from sdr_sc.usrp import usrp_settings

    console = _console()
    usrp_settings(parameters["device_args"], parameters["freq_hz"], rx_gain_db=parameters["rx_gain_db"])
    parameters["force"] = int(parameters["force"])
    recorded, faults = record_usrp(file, seconds, parameters, _Progress(console, seconds, parameters["sample_rate_hz"]))
    for words, count in faults.items():
        console.print(f"[yellow]warning:[/] {count} x {words}")
    _tell(console, recorded)


@command.command("zmq")
@_file_options
@click.option("--address", required=True, help="Of a ZMQ PUSH sink of GNU Radio, such as tcp://127.0.0.1:52004.")
@click.option("--rate", "sample_rate_hz", required=True, type=click.FloatRange(0, min_open=True),
              help="Sample rate of what it sends, Hz.")  # fmt: skip
@click.option("--freq", "freq_hz", default=0.0, help="Its centre frequency, Hz.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Samples of so many seconds  [until Ctrl-C]")
@click.option("--idle", "idle_s", default=0.0, type=click.FloatRange(0), help="End so long after the last sample, s.")
def zmq(file: Path, **parameters: Any) -> None:
    """Record complex samples that a ZMQ PUSH sink in another flowgraph sends, with its tags.

    Messages that are no samples are left out; then the status is 1.
    """
    from collections import Counter

    from sdr_sc.errors import SdrScError
    from sdr_sc.flowgraph.record import record_zmq
    from sdr_sc.link.network.intake import most_common
    from sdr_sc.shown import shown

    console = _console()
    progress = _Progress(console, parameters["seconds"], parameters["sample_rate_hz"])
    recorded, refused = record_zmq(file, on_poll=progress, **parameters)
    _tell(console, recorded)
    if refused:
        raise SdrScError(
            f"{sum(refused.values())} messages at {shown(parameters['address'])} were no samples and are left out "
            f"({most_common(Counter(refused))}); the recording holds the others: look at what sends there."
        )


class _Progress:
    """Reports once that samples come, and what to do to end a recording that does not end by itself."""

    def __init__(self, console: Console, seconds: float | None, rate_hz: float) -> None:
        self._console, self._seconds, self._rate_hz, self._told = console, seconds, rate_hz, False

    def __call__(self, tb: Any) -> None:
        if not self._told and tb.recorder.samples_written:
            self._told = True
            end = "Ctrl-C ends it" if self._seconds is None else f"for {self._seconds:g} s"
            self._console.print(f"recording at {self._rate_hz / 1e6:g} MS/s, {end} ...")


def _console() -> Console:
    from sdr_sc.shown import terminal

    return terminal(width=None if sys.stdout.isatty() else 120)


def _tell(console: Console, recorded: Recorded) -> None:
    from sdr_sc.flowgraph.record import described

    if recorded.clipped:
        console.print(
            f"[yellow]warning:[/] {recorded.clipped:,} samples were beyond the format's range; record cf32_le, or with "
            "less gain."
        )
    if recorded.samples_missing:
        console.print(f"[yellow]warning:[/] {recorded.samples_missing:,} samples are missing in {recorded.gaps} gaps.")
    console.print(f"recorded: {described(recorded)}", soft_wrap=True)
    console.print(f"file: {recorded.path}", soft_wrap=True)
