# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots as inline SVG that takes its colours and its font from the page around it."""

from __future__ import annotations

import html
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from sdr_sc.report.colours import ROLES, STAND_INS, Colours

INK, MUTED, RULE, SET, ESTIMATE, LOST, K, ACCURACY, CELL = (
    STAND_INS[role] for role in ("ink", "muted", "rule", "set", "estimate", "lost", "k", "accuracy", "cell")
)
Subject = TypeVar("Subject")
NARROW_BELOW_PX = 450


def _settings(colours: Colours) -> dict[str, Any]:
    """matplotlib's settings for the reports' look."""
    ink, muted = colours["ink"], colours["muted"]
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "sdr_sc",
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 12,
        "axes.unicode_minus": True,
        "axes.edgecolor": muted,
        "axes.labelcolor": ink,
        "axes.labelsize": 12,
        "axes.titlesize": 12,
        "axes.titlecolor": ink,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": colours["rule"],
        "grid.linewidth": 0.8,
        "text.color": ink,
        "xtick.color": muted,
        "ytick.color": muted,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "legend.frameon": False,
        "legend.fontsize": 12,
        "lines.linewidth": 1.8,
        "path.simplify_threshold": 0.3,
        "pdf.fonttype": 42,
    }


@contextmanager
def style(colours: Colours = STAND_INS) -> Iterator[None]:
    """The reports' look; a glyph that the measuring font lacks is no matter, the browser's fonts draw the text."""
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with matplotlib.rc_context(_settings(colours)), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            yield
    finally:
        logger.setLevel(level)


def new_figure(width: int, height: int) -> Figure:
    """A figure of so many CSS pixels: at 72 dpi a point of the drawing is a pixel of the page."""
    return Figure(figsize=(width / 72, height / 72), dpi=72, layout="constrained")


def _inline(figure: Figure, name: str, label: str) -> str:
    """The figure as an SVG element to stand in HTML: no prolog, no metadata, ids of its own, the page's colours."""
    stream = io.StringIO()
    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
    FigureCanvasSVG(figure).print_svg(stream)
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')
    svg = re.sub(r"#0100(\d\d)", lambda match: f"var(--{ROLES[int(match[1])]})", svg)
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", svg)
    told = html.escape(label)
    return re.sub(
        r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", lambda m: f'<svg {m[1]} role="img" aria-label="{told}">', svg, count=1
    )


def plain_text(text: str, most: int = 16) -> str:
    """Text that matplotlib must not take for mathematics, shortened to what fits beside an axis."""
    return (text if len(text) <= most else text[: most - 1] + "…").replace("$", r"\$")


def legend_above(axes: Axes, columns: int) -> None:
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncol=columns, borderaxespad=0.2, handlelength=1.4, columnspacing=1.2
    )


def nothing(axes: Axes, why: str) -> None:
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=MUTED, wrap=True)
    axes.set(xticks=[], yticks=[])


def both_widths(
    draw: Callable[[Subject, int], Figure], subject: Subject, widths: tuple[int, int], label: str, name: str = ""
) -> tuple[str, str]:
    """Draw for a laptop and for a phone.

    Args:
        draw: a function that returns a figure, drawn in `STAND_INS`.
        subject: what to draw.
        widths: of the wide and of the narrow drawing, in CSS pixels.
        label: what the picture shows, for a reader who does not see it.
        name: what its ids begin with, unlike those of any other on the page; that of ``draw`` where it is left out.

    Returns:
        The wide and the narrow drawing, as SVG elements.
    """
    with style():
        name = (name or draw.__name__).replace("_", "-")
        wide, narrow = (
            _inline(draw(subject, width), f"{name}-{suffix}", label) for width, suffix in zip(widths, "wn", strict=True)
        )
    return wide, narrow
