# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of a sweep's report as files for papers: PNG and PDF, on white."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sdr_sc.report.colours import LIGHT
from sdr_sc.report.matrix import confusion_figure
from sdr_sc.report.svg import style
from sdr_sc.report.sweep.figures import accuracy_figure, saving_figure, uses_figure
from sdr_sc.report.sweep.selection import View
from sdr_sc.report.sweep.tables import matrices, savings

DPI = 200
_WIDE, _PANEL, _SMALL = 760, 340, 460
"""Widths, points of 1/72 inch."""
_KINDS = ("png", "pdf")


def figure_files(view: View, folder: Path) -> dict[Path, Callable[[], Figure]]:
    """What is drawn into which files; all names without their ending."""
    wanted: dict[Path, Callable[[], Figure]] = {}
    for stem, draw in _figures(view):
        place, number = folder / stem, 1
        while place in wanted:  # channels whose names differ in signs only
            number += 1
            place = folder / f"{stem}_{number}"
        wanted[place] = draw
    return wanted


def _figures(view: View) -> Iterator[tuple[str, Callable[[], Figure]]]:
    for channel in view.channels:
        name = plain_name(channel)
        if any(view.curve(scheme, channel, scheme.k) for scheme in view.schemes):
            yield f"accuracy_{name}", lambda c=channel: accuracy_figure(view, c, _WIDE, LIGHT)  # type: ignore[misc]
        snrs = [s for s in view.chosen_snrs if any(view.at(scheme, channel, s) for scheme in view.schemes)]
        width = max(_SMALL, _PANEL * len(snrs))
        if snrs:
            for cost, stem in (("uses", "channel_uses"), ("on_air", "symbols_on_air")):
                yield f"{stem}_{name}", lambda c=channel, w=width, k=cost: uses_figure(view, c, w, LIGHT, k)  # type: ignore[misc]
    for saving in savings(view):
        stem = f"cam_{plain_name(saving.channel)}"
        if saving.scheme is not view.reference:
            stem += f"_{plain_name(saving.scheme.label)}"
        yield stem, lambda s=saving: saving_figure(s, _SMALL, LIGHT)  # type: ignore[misc]
    names = view.study.class_names
    for o in matrices(view):
        stem = f"confusion_{plain_name(o.key.channel)}_{o.key.snr_db:g}db"
        yield stem, lambda o=o: confusion_figure(o.confusion, names, 620, LIGHT)  # type: ignore[misc]


def plain_name(label: str) -> str:
    """A label as a part of a file's name.

    >>> plain_name("slow Rayleigh, 5 Hz"), plain_name("../π")
    ('slow_rayleigh_5_hz', 'channel')
    """
    return re.sub(r"[^a-z0-9.-]+", "_", label.lower()).strip("_.-") or "channel"


def paths_of(files: dict[Path, Callable[[], Figure]]) -> list[Path]:
    """All files that `drawn` makes."""
    return [stem.with_name(f"{stem.name}.{kind}") for stem in files for kind in _KINDS]


def drawn(files: dict[Path, Callable[[], Figure]]) -> dict[Path, bytes]:
    """Every figure as PNG with 200 dots an inch, and as PDF."""
    return {stem.with_name(f"{stem.name}.{kind}"): content for stem, draw in files.items()
            for kind, content in zip(_KINDS, pictures_of(draw, _KINDS), strict=True)}  # fmt: skip


def pictures_of(draw: Callable[[], Figure], kinds: Sequence[str]) -> list[bytes]:
    """A figure in the reports' look on white, as a file of each kind: ``png``, ``pdf``."""
    contents = []
    with style(LIGHT), matplotlib.rc_context({"savefig.facecolor": "white"}):
        figure = draw()
        FigureCanvasAgg(figure)
        for kind in kinds:
            stream = io.BytesIO()
            metadata = {"CreationDate": None} if kind == "pdf" else {}  # the same results, the same file
            figure.savefig(stream, format=kind, dpi=DPI, metadata=metadata)
            contents.append(stream.getvalue())
    return contents
