# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of ``sdr-sc capture info``."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from sdr_sc.capture.reader import Capture
from sdr_sc.capture.recording import Recording
from sdr_sc.errors import CaptureError

if TYPE_CHECKING:
    from rich.console import Console

    from sdr_sc.capture.sigmf.metadata import FrameNote

SEGMENTS_SHOWN = 12


def print_info(
    console: Console, path: Path, datatype: str | None, sample_rate_hz: float | None, list_frames: bool
) -> None:
    """Print the tables of one recording.

    Raises:
        CaptureError: its samples cannot be read; what the metadata says was printed then.
    """
    try:
        capture = Capture(path, datatype, sample_rate_hz)
    except CaptureError:
        _print_raw(console, path, datatype, sample_rate_hz)
        raise
    with capture:
        table = _table(str(path))
        for name, value in _rows(capture):
            if value:
                table.add_row(name, escape(value))
        console.print(table)
        _print_segments(console, capture)
        if list_frames:
            _print_frames(console, capture)
        for problem in capture.problems:
            colour = "red" if problem.severity == "error" else "yellow"
            where = f"[{colour}]{problem.severity}:[/] {escape(problem.where)}"
            console.print(f"{where}: {escape(problem.text)}", soft_wrap=True, highlight=False)


def _table(title: str) -> Table:
    table = Table(title=escape(title), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _print_raw(console: Console, path: Path, datatype: str | None, sample_rate_hz: float | None) -> None:
    """What the metadata of a recording says whose samples cannot be read."""
    try:
        recording = Recording(path, datatype, sample_rate_hz)
    except CaptureError:
        return
    if not recording.raw_global:
        return
    table = _table(str(path))
    for key, value in recording.raw_global.items():
        text = str(value)
        table.add_row(escape(key), escape(text if len(text) < 300 else text[:300] + "..."))
    table.add_row("annotations", str(sum(1 for _ in recording.annotations())))
    console.print(table)
    recording.parts.close()


def _rows(capture: Capture) -> list[tuple[str, str]]:
    info = capture.info
    size = " + ".join(f"{file.name} {_bytes(file.stat().st_size)}" for file in capture.files)
    clipped = f", {info.clipped} samples clipped" if info.clipped else ""
    first = capture.segments[0]
    freq = "not stated" if first.freq_hz is None else _hz(first.freq_hz)
    return [
        ("files", size),
        ("samples", f"{capture.sample_count} of {info.datatype}{clipped}"),
        ("sample rate", _hz(info.sample_rate_hz)),
        ("duration", f"{capture.duration_s:.6g} s"),
        ("frequency", freq),
        ("begun", first.datetime or ""),
        ("hardware", info.hardware),
        ("recorder", info.recorder),
        ("description", info.description),
        ("author", info.author),
        ("licence", info.license),
        ("made with", ", ".join(f"{name} {value}" for name, value in info.config.items())[:400]),
        ("code", info.git_commit),
        ("extensions", ", ".join(info.extensions)),
        ("history", "; ".join(_step(step) for step in info.history)),
        *_frame_rows(capture),
    ]


def _frame_rows(capture: Capture) -> list[tuple[str, str]]:
    """What the frames are, without holding them."""
    ks: Counter[int] = Counter()
    alone = 0
    lowest, highest, total, known, right, items, models = math.inf, -math.inf, 0.0, 0, 0, 0, set()
    for note in capture.frames():
        if note.n_items:
            ks[note.k] += 1
        else:
            alone += 1
        models.add(note.model_id)
        if math.isfinite(note.snr_db):
            lowest, highest = min(lowest, note.snr_db), max(highest, note.snr_db)
            total, known = total + note.snr_db, known + 1
        if note.correct is not None:
            right, items = right + note.correct, items + note.n_items
    foreign = capture.foreign_count
    return [
        ("frames", f"{capture.frame_count} received, {len(capture.not_received)} sent and not received"),
        ("of refinements alone", f"{alone} frames" if alone else ""),
        ("k", ", ".join(f"{k} ({count} frames)" for k, count in sorted(ks.items()))),
        ("SNR", f"{lowest:.1f} to {highest:.1f} dB, mean {total / known:.1f} dB" if known else ""),
        ("answers", f"{right} of {items} items right ({100 * right / items:.1f} %)" if items else ""),
        ("model", ", ".join(f"{model:04x}" for model in sorted(models))),
        ("annotations", f"{foreign} of others" if foreign else ""),
    ]


def _print_segments(console: Console, capture: Capture) -> None:
    if len(capture.segments) == 1 and capture.segments[0].rx_time_s is None:
        return
    count = len(capture.segments)
    table = Table(title="1 segment" if count == 1 else f"{count} segments")
    for name in ("from sample", "at (s)", "receiver's clock (s)", "frequency", "cause", "missing before it"):
        table.add_column(name, justify="left" if name == "cause" else "right")
    before = None
    for segment in capture.segments[:SEGMENTS_SHOWN]:
        clock = "-" if segment.rx_time_s is None else f"{segment.rx_time_s[0]} + {segment.rx_time_s[1]:.9f}"
        missing = "-"
        if before is not None and None not in (segment.global_index, before.global_index):
            expected = (before.global_index or 0) + segment.sample_start - before.sample_start
            missing = f"{(segment.global_index or 0) - expected} samples"
        table.add_row(
            str(segment.sample_start),
            f"{segment.sample_start / capture.sample_rate_hz:.6f}",
            clock,
            "-" if segment.freq_hz is None else _hz(segment.freq_hz),
            escape(segment.cause) or ("start" if before is None else "-"),
            missing,
        )
        before = segment
    if count > SEGMENTS_SHOWN:
        table.add_row(f"... {count - SEGMENTS_SHOWN} more", *[""] * 5)
    console.print(table)


def _print_frames(console: Console, capture: Capture) -> None:
    """One line a frame, printed as they are read."""
    heads = ("frame", "from sample", "samples", "number", "k", "items", "right", "SNR dB", "offset Hz")
    console.print("".join(f"{head:>12}" for head in heads), highlight=False)
    for place, note in enumerate(capture.frames()):
        console.print("".join(f"{text:>12}" for text in _frame_texts(place, note)), highlight=False)


def _frame_texts(place: int, note: FrameNote) -> list[str]:
    return [
        str(place),
        str(note.sample_start),
        str(note.sample_count),
        str(note.frame_num if note.frame_index is None else note.frame_index),
        str(note.k),
        str(note.n_items),
        "-" if note.correct is None else str(note.correct),
        "-" if math.isnan(note.snr_db) else f"{note.snr_db:.2f}",
        "-" if math.isnan(note.cfo_hz) else f"{note.cfo_hz:.1f}",
    ]


def _step(step: Any) -> str:
    if not isinstance(step, dict):
        return str(step)
    of = f" of {step['source']}" if "source" in step else ""
    samples = step.get("samples")
    part = f" samples {samples[0]} to {samples[1]}" if isinstance(samples, list) and len(samples) == 2 else ""
    formats = f" {step['from']} to {step['to']}" if "from" in step and "to" in step else ""
    scale = f", scaled by {step['scale']}" if step.get("scale", 1.0) != 1.0 else ""
    return f"{step.get('action', 'changed')}{formats}{scale}{part}{of}"


def _hz(value: float) -> str:
    """A frequency with a prefix, exact.

    >>> _hz(2.45e9), _hz(1e6), _hz(44100), _hz(0)
    ('2.45 GHz', '1 MHz', '44.1 kHz', '0 Hz')
    """
    for factor, unit in ((1e9, "GHz"), (1e6, "MHz"), (1e3, "kHz")):
        if abs(value) >= factor:
            return f"{value / factor:.12g} {unit}"
    return f"{value:.12g} Hz"


def _bytes(count: int) -> str:
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"
