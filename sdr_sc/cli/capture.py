# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc capture``: look at recordings, check, cut, convert and draw them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdr_sc.cli.shared.part import part_options
from sdr_sc.shown import shown_lines, terminal

if TYPE_CHECKING:
    from rich.console import Console

    from sdr_sc.capture.edit import Edited

_PATH = click.Path(path_type=Path)


def format_options(function: Callable) -> Callable:
    """``--datatype``, ``--rate``: what a plain file does not say, and what goes before wrong metadata."""
    rate = click.option("--rate", "sample_rate_hz", type=float, help="Sample rate of a plain file, Hz.")
    return click.option("--datatype", help="Format of a plain file, such as cf32_le.")(rate(function))


def _console() -> Console:
    return terminal(width=None if sys.stdout.isatty() else 120)


@click.group()
def command() -> None:
    """Look at recordings (SigMF pairs, archives, plain files of samples), check, cut, convert and draw them.

    FILE is either file of a pair, their name without ending, a .sigmf archive, or a plain file with --datatype and
    --rate.
    """


@command.command(short_help="A table of what is in it.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_PATH)
@click.option("--frames", "list_frames", is_flag=True, help="List each frame too.")
@format_options
def info(files: tuple[Path, ...], list_frames: bool, datatype: str | None, sample_rate_hz: float | None) -> None:
    """Report what a recording holds: format, time, segments, frames, and faults met on reading."""
    from sdr_sc.cli.shared.capture_info import print_info
    from sdr_sc.errors import CaptureError

    console, failed = _console(), []
    for file in files:
        try:
            print_info(console, file, datatype, sample_rate_hz, list_frames)
        except CaptureError as error:
            failed.append(str(error))
    if failed:
        for sentence in failed[:-1]:
            click.echo(f"sdr-sc: error: {shown_lines(sentence)}", err=True)
        raise CaptureError(failed[-1])


@command.command(short_help="Name each fault; complete what was killed.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_PATH)
@click.option("--hash/--no-hash", default=True, show_default=True, help="Read all samples, and compare the checksum.")
@click.option("--repair", "do_repair", is_flag=True, help="Complete a recording that was killed.")
@format_options
def check(
    files: tuple[Path, ...],
    hash: bool,
    do_repair: bool,
    datatype: str | None,
    sample_rate_hz: float | None,  # noqa: A002
) -> None:
    """Name each fault of a recording; status 1 if there is an error."""
    from rich.markup import escape

    from sdr_sc.capture.check import check as check_file
    from sdr_sc.capture.locate import pair_paths
    from sdr_sc.capture.repair import repair
    from sdr_sc.capture.sigmf.findings import ERROR

    console, errors = _console(), 0
    colours = {ERROR: "red"}
    for file in files:
        steps = repair(file) if do_repair else []
        for step in steps:
            console.print(f"{escape(str(file))}: {escape(step)}", soft_wrap=True)
        if steps and not any(one.exists() for one in pair_paths(file)):
            continue  # nothing but litter was there
        findings = check_file(file, hash, datatype, sample_rate_hz)
        errors += sum(finding.severity == ERROR for finding in findings)
        for finding in findings:
            colour = colours.get(finding.severity, "yellow")
            # Of a file that cannot be opened at all, the text names it already.
            where = "" if finding.text.startswith((f"{file} ", "recording ")) else f"{escape(finding.where)}: "
            head = f"{escape(str(file))}: [{colour}]{finding.severity}:[/]"
            console.print(f"{head} {where}{escape(finding.text)}", soft_wrap=True, highlight=False)
        if not findings:
            console.print(
                f"{escape(str(file))}: no fault found{'' if hash else ', checksum not compared'}", soft_wrap=True
            )
    if errors:
        raise SystemExit(1)


@command.command(short_help="Write a part as a new recording.")
@click.argument("source", metavar="FILE", type=_PATH)
@click.argument("target", type=_PATH)
@part_options
@click.option(
    "--margin", type=click.IntRange(0), help="Samples that --frames takes along on both sides.  [default: 320]"
)
@click.option("--force", is_flag=True, help="Overwrite TARGET.")
@format_options
def cut(source: Path, target: Path, margin: int | None, force: bool, **parameters: Any) -> None:
    """Write a part of a recording to the pair TARGET, with its metadata; samples stay as they are, bit for bit."""
    from sdr_sc.capture.edit import cut as cut_recording
    from sdr_sc.capture.span import FRAME_MARGIN
    from sdr_sc.errors import CaptureError

    if all(parameters[name] is None for name in ("samples", "seconds", "frames")):
        raise CaptureError("the part is not given; give one of --samples, --seconds and --frames.")
    done = cut_recording(source, target, margin=FRAME_MARGIN if margin is None else margin, force=force, **parameters)
    _report(target, done)


@command.command(short_help="Change the sample format.")
@click.argument("source", metavar="FILE", type=_PATH)
@click.argument("target", type=_PATH)
@click.option("--to", default="ci16_le", show_default=True, help="Datatype of TARGET, such as cf32_le.")
@click.option("--scale", default=1.0, show_default=True, help="Factor of the samples.")
@click.option("--force", is_flag=True, help="Overwrite TARGET.")
@format_options
def convert(source: Path, target: Path, to: str, scale: float, force: bool, **parameters: Any) -> None:
    """Write a recording to the pair TARGET in another datatype; ci16_le halves the size of cf32_le."""
    from sdr_sc.capture.edit import convert as convert_recording

    done = convert_recording(source, target, to, scale, force, **parameters)
    _report(target, done)
    if done.clipped:
        share = 100 * done.clipped / max(done.stop - done.start, 1)
        text = f"{done.clipped} samples ({share:.3g} %) are beyond the range of {to}, and were clipped; lower --scale."
        _console().print(f"[yellow]warning:[/] {text}", soft_wrap=True, highlight=False)


@command.command(short_help="Draw spectrogram, frames and SNR.")
@click.argument("source", metavar="FILE", type=_PATH)
@click.argument("target", required=False, type=_PATH)
@part_options
@click.option("--force", is_flag=True, help="Overwrite TARGET.")
@format_options
def plot(source: Path, target: Path | None, force: bool, **parameters: Any) -> None:
    """Draw a recording: spectrogram with its frames marked, and SNR over time.

    TARGET is a .png, .svg or .pdf; without it, a .png with the recording's name in this folder.
    """
    from rich.markup import escape

    from sdr_sc.capture.locate import stem_of
    from sdr_sc.report.capture import plot_capture

    target = target or Path(f"{stem_of(source).name.removesuffix('.sigmf')}.png")
    plot_capture(source, target, force=force, **parameters)
    _console().print(f"wrote {escape(str(target))}", soft_wrap=True, highlight=False)


def _report(target: Path, done: Edited) -> None:
    from rich.markup import escape

    left = f"; {done.frames_left} frames at its edges are not whole, and were left out" if done.frames_left else ""
    count = done.stop - done.start
    line = f"wrote {target}: {count} samples ({done.start} to {done.stop} of the source), {done.frames} frames{left}"
    _console().print(escape(line), soft_wrap=True, highlight=False)
    if done.times_left:
        text = f"the time of {done.times_left} segments cannot be read, and was left out"
        _console().print(
            f"[yellow]warning:[/] {text}; 'sdr-sc capture check' names it.", soft_wrap=True, highlight=False
        )
