# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture of a recording: spectrogram with its frames marked, and their SNR over time.

A long recording is drawn as an overview: of each column of the picture a few spectra are read, evenly spread, so that
the cost does not grow with the length.
"""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sdr_sc.capture.reader import Capture
from sdr_sc.capture.span import Range, span
from sdr_sc.errors import CaptureError
from sdr_sc.files import write_whole
from sdr_sc.shown import shown

COLUMNS = 1200
SPECTRA_A_COLUMN = 8
FFT_SIZE = 256
DYNAMIC_DB = 90.0
FRAMES_OUTLINED = 250
NARROWEST_OUTLINE = 0.004  # of the picture's width; a narrower box would be all line
GAPS_MARKED = 60
_KINDS = (".png", ".svg", ".pdf")
_RIGHT, _WRONG, _UNKNOWN, _SET = "#1b6ca8", "#d9480f", "#777777", "#222222"


def plot_capture(
    source: str | Path,
    target: Path,
    samples: Range | None = None,
    seconds: Range | None = None,
    frames: Range | None = None,
    force: bool = False,
    datatype: str | None = None,
    sample_rate_hz: float | None = None,
) -> None:
    """Draw a recording to a file.

    Args:
        source, datatype, sample_rate_hz: see `Capture`.
        target: .png, .svg or .pdf.
        samples, seconds, frames: the part to draw, see `sdr_sc.capture.span.span`.
        force: overwrite.

    Raises:
        CaptureError: the recording cannot be read, is too short, or the picture cannot be written there.
    """
    if target.suffix.lower() not in _KINDS:
        raise CaptureError(f"{target} is no picture that can be drawn; end its name in {', '.join(_KINDS)}.")
    if target.exists() and not force:
        raise CaptureError(f"{target} exists already; give another name, or --force to overwrite it.")
    with Capture(source, datatype, sample_rate_hz) as capture:
        figure = draw(capture, *span(capture, samples, seconds, frames))
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # of a name in another script; a box is drawn
        figure.savefig(content, format=target.suffix[1:].lower(), dpi=110)
    write_whole({target: content.getvalue()})


def draw(capture: Capture, start: int, stop: int) -> Figure:
    """The picture of samples ``start`` to ``stop``.

    Raises:
        CaptureError: there are too few.
    """
    figure = Figure(figsize=(12, 7), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [2.2, 1]})
    duration_s = (stop - start) / capture.sample_rate_hz
    scale, unit = (1.0, "s") if duration_s >= 1 else (1e3, "ms") if duration_s >= 1e-3 else (1e6, "µs")
    per_sample = scale / capture.sample_rate_hz
    seen = _draw_spectrogram(figure, upper, capture, start, stop, per_sample)
    count = _draw_frames(upper, lower, capture, start, stop, per_sample)
    _draw_gaps((upper, lower), capture, start, stop, per_sample)
    freq_hz = [segment for segment in capture.segments if segment.sample_start <= start][-1].freq_hz
    centre = "" if freq_hz is None else f", centre {freq_hz / 1e6:.10g} MHz"
    whole = stop - start == capture.sample_count  # a frame that was not received has no place in a part
    lost = f", {len(capture.not_received)} sent and not received" if capture.not_received and whole else ""
    overview = f"; overview: {100 * seen:.2g} % of the samples are drawn" if seen < 0.9 else ""
    rate = f"{capture.sample_rate_hz / 1e6:.10g} MS/s"
    upper.set_title(
        f"{shown(capture.path.name)}: {rate}{centre}, {count} frames received{lost}{overview}",
        fontsize=10,
        parse_math=False,
    )
    lower.set_xlabel(f"time in the recording ({unit})")
    lower.set_xlim(start * per_sample, stop * per_sample)
    return figure


def spectrogram(capture: Capture, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean power spectra of a bounded number of columns.

    Args:
        capture: the recording.
        start, stop: samples, from the first without the second.

    Returns:
        float32 (columns, bins), dB over a full-scale tone, the lowest frequency first; the columns' edges, samples,
        float64 (columns + 1,); and the share of the samples that was looked at, 0..1.

    Raises:
        CaptureError: there are too few samples.
    """
    size = min(FFT_SIZE, 1 << max((stop - start).bit_length() - 5, 0))
    if size < 8:
        raise CaptureError(f"{capture.path}: {stop - start} samples are too few to draw; give 256 or more.")
    columns = min(COLUMNS, (stop - start) // (size // 4))
    edges = np.linspace(start, stop, columns + 1)
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    window /= window.sum()
    power, looked = np.empty((columns, size), np.float32), 0
    for column in range(columns):
        width = edges[column + 1] - edges[column]
        spectra = int(np.clip(width // size, 1, SPECTRA_A_COLUMN))
        places = edges[column] + (np.arange(spectra) + 0.5) * width / spectra - size / 2
        places = np.clip(np.rint(places), start, stop - size).astype(np.int64)
        if spectra * size >= width:  # neighbouring spectra touch or overlap: one read
            block = capture.samples(int(places[0]), int(places[-1]) + size - int(places[0]))
            parts = np.stack([block[place : place + size] for place in places - places[0]])
        else:
            parts = np.stack([capture.samples(int(place), size) for place in places])
        spectrum = np.abs(np.fft.fft(np.nan_to_num(parts) * window, axis=1)) ** 2
        power[column] = np.fft.fftshift(spectrum.mean(axis=0))
        looked += spectra * size
    return 10 * np.log10(np.maximum(power, 1e-20)), edges, min(looked / (stop - start), 1.0)


def _draw_spectrogram(figure: Figure, axes: Axes, capture: Capture, start: int, stop: int, per_sample: float) -> float:
    level_db, _, seen = spectrogram(capture, start, stop)
    highest = float(level_db.max())
    lowest = max(float(np.percentile(level_db, 2)), highest - DYNAMIC_DB)
    half_khz = capture.sample_rate_hz / 2e3
    unit, factor = ("kHz", 1.0) if half_khz < 2000 else ("MHz", 1e-3)
    image = axes.imshow(
        level_db.T,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(start * per_sample, stop * per_sample, -half_khz * factor, half_khz * factor),
        cmap=colormaps["viridis"],
        vmin=lowest,
        vmax=max(highest, lowest + 1),
    )
    figure.colorbar(image, ax=axes, pad=0.01, label="dB over a full-scale tone")
    axes.set_ylabel(f"frequency from the centre ({unit})")
    return seen


def _draw_frames(upper: Axes, lower: Axes, capture: Capture, start: int, stop: int, per_sample: float) -> int:
    """Outline the frames, and draw their SNRs; returns how many there are."""
    rows = []
    for note in capture.frames():
        if note.sample_start < stop and note.sample_stop > start:
            right = math.nan if note.correct is None else float(note.correct == note.n_items)
            set_db = math.nan if note.snr_set_db is None else note.snr_set_db
            rows.append((note.sample_start, note.sample_stop, note.snr_db, set_db, right))
    lower.set_ylabel("SNR (dB)")
    lower.grid(True, color="#dddddd", linewidth=0.8)
    lower.set_axisbelow(True)
    if not rows:
        lower.text(0.5, 0.5, "no frame is noted here", transform=lower.transAxes, ha="center", va="center")
        return 0
    first, last, snr_db, set_db, right = np.array(rows, np.float64).T
    _outline(upper, capture, first * per_sample, last * per_sample)
    middle = (first + last) / 2 * per_sample
    if np.isfinite(set_db).any():
        lower.step(middle, set_db, where="mid", color=_SET, linewidth=1.0, label="set")
    kinds = ((right == 1, _RIGHT, "estimated, all items right"), (right == 0, _WRONG, "some items wrong or lost"),
             (np.isnan(right), _UNKNOWN, "no answers noted"))  # fmt: skip
    for chosen, colour, label in kinds:
        if chosen.any():
            lower.plot(middle[chosen], snr_db[chosen], "o", color=colour, markersize=3.5, label=label)
    low_db, high_db = lower.get_ylim()
    short_db = max(4.0 - (high_db - low_db), 0.0)  # else a tenth of a dB would look like a cliff
    lower.set_ylim(low_db - short_db / 2, high_db + short_db / 2)
    lower.legend(loc="upper right", bbox_to_anchor=(1.0, 1.16), ncols=4, fontsize=8, frameon=False)
    return len(rows)


def _outline(axes: Axes, capture: Capture, first: np.ndarray, last: np.ndarray) -> None:
    """Frames as boxes; where these would cover the picture, as a bar at its upper edge."""
    low, high = axes.get_ylim()
    left, right = axes.get_xlim()
    wide = np.median(last - first) > NARROWEST_OUTLINE * (right - left)
    if wide and len(first) <= FRAMES_OUTLINED:
        share = (capture.info.bandwidth_hz or capture.sample_rate_hz) / capture.sample_rate_hz
        bottom, height = (low + high) / 2 - share * (high - low) / 2, share * (high - low)
        style = {"facecolor": "none", "edgecolor": "#ff4d4d", "linewidth": 1.0}
    else:
        bottom, height = high - 0.03 * (high - low), 0.03 * (high - low)
        style = {"facecolor": "#ff4d4d", "edgecolor": "none"}
        first, last = _merged(first, last, (last[-1] - first[0]) / COLUMNS)
    boxes = [Rectangle((begin, bottom), end - begin, height) for begin, end in zip(first, last, strict=True)]
    axes.add_collection(PatchCollection(boxes, **style))


def _merged(first: np.ndarray, last: np.ndarray, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Intervals, those joined that are closer than can be seen.

    >>> _merged(np.array([0.0, 1.1, 5.0]), np.array([1.0, 2.0, 6.0]), 0.5)
    (array([0., 5.]), array([2., 6.]))
    """
    new = np.concatenate(([True], first[1:] - np.maximum.accumulate(last)[:-1] > gap))
    return first[new], np.maximum.reduceat(last, np.flatnonzero(new))


def _draw_gaps(both: tuple[Axes, Axes], capture: Capture, start: int, stop: int, per_sample: float) -> None:
    """A line where a segment begins, with its cause where there is room."""
    free = float(start)
    begun = [segment for segment in capture.segments if start < segment.sample_start < stop]
    for segment in begun[:GAPS_MARKED]:
        for axes, colour in zip(both, ("white", "#999999"), strict=True):
            axes.axvline(segment.sample_start * per_sample, color=colour, linestyle="--", linewidth=1.0)
        if segment.cause and segment.sample_start >= free:
            free = segment.sample_start + 0.05 * (stop - start)
            place = (segment.sample_start * per_sample, 0.95)
            both[0].annotate(
                f" {segment.cause}", place, xycoords=("data", "axes fraction"), color="white", fontsize=8, va="top"
            )
