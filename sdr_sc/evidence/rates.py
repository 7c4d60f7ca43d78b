# SPDX-License-Identifier: GPL-3.0-or-later
"""Rate against quality: the symbols that each scheme of a sweep needs for an accuracy, over SNR, as tables and as a
figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from sdr_sc.errors import SdrScError
from sdr_sc.evidence.tables import DASH, markdown
from sdr_sc.report.colours import LIGHT, SERIES
from sdr_sc.report.svg import new_figure, plain_text
from sdr_sc.report.sweep.operating_points import Operation
from sdr_sc.report.sweep.results_set import Study, load_study
from sdr_sc.report.sweep.selection import View
from sdr_sc.results.rows import Row

TARGETS = (85.0, 90.0, 93.0)
_NOTHING = "not measured"
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_PANEL_PX, _HEIGHT_PX, _ROW_PX = 380, 340, 22


@dataclass(frozen=True)
class Rate:
    """What a scheme spends for an accuracy at one SNR: of the points that were measured, the cheapest by payload.

    Attributes:
        found: whose accuracy reaches the target.
        low: the accuracy's 95 % interval reaches up to the target; so cheap it may be.
        high: the interval lies above the target; that is surely enough.
        Each is None where there is none.
    """

    found: Operation | None
    low: Operation | None
    high: Operation | None

    @classmethod
    def of(cls, points: Sequence[Operation], target: float) -> Rate:
        """From the points of a scheme at one SNR; the target in percent."""

        def cheapest(place: int | None) -> Operation | None:
            enough = [o for o in points if 100 * (o.accuracy if place is None else o.interval[place]) >= target]
            return min(enough, key=lambda o: o.uses, default=None)

        return cls(cheapest(None), cheapest(1), cheapest(0))

    def text(self) -> str:
        """Payload symbols with their interval, and all symbols on the air, such as ``8 (6 to 12), 24``."""
        if self.found is None:
            return DASH if self.low is None else f"{DASH} (from {_count(self.low.uses)})"
        low, high = (DASH if one is None else _count(one.uses) for one in (self.low, self.high))
        return f"{_count(self.found.uses)} ({low} to {high}), {_count(self.found.on_air)}"

    def over(self, other: Rate) -> str:
        """How many times as many symbols as another scheme; the interval of a ratio whose ends are both uncertain."""
        if self.found is None or other.found is None:
            return DASH
        low = DASH if self.low is None or other.high is None else _ratio(self.low.uses / other.high.uses)
        high = DASH if self.high is None or other.low is None else _ratio(self.high.uses / other.low.uses)
        on_air = self.found.on_air / other.found.on_air
        return f"{_ratio(self.found.uses / other.found.uses)} ({low} to {high}), {_ratio(on_air)}"


def _count(value: float) -> str:
    if value >= 20 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 2 else f"{value:.1f}"


def _ratio(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


@dataclass(frozen=True)
class Rates:
    """Of a sweep's results.

    Attributes:
        channels, snrs, targets: in the order of the tables.
        by_place: by channel, target, scheme and SNR. Schemes that differ in their ``target`` alone are one.
    """

    channels: tuple[str, ...]
    snrs: tuple[float, ...]
    targets: tuple[float, ...]
    by_place: Mapping[tuple[str, float, str, float], Rate]

    @property
    def schemes(self) -> tuple[str, ...]:
        """All of them, in the order of the configuration."""
        return tuple(dict.fromkeys(scheme for _, _, scheme, _ in self.by_place))

    def row(self, channel: str, target: float, scheme: str) -> list[Rate | None]:
        """By SNR; None where nothing was measured."""
        return [self.by_place.get((channel, target, scheme, snr_db)) for snr_db in self.snrs]


def read_rates(paths: Sequence[Path], targets: Sequence[float] = TARGETS) -> Rates:
    """From files of 'sdr-sc sweep'.

    Raises:
        SdrScError: a file cannot be read, or contradicts another.
    """
    study = load_study(paths)
    view, names = View(study), _families(study)
    points: dict[tuple[str, str, float], list[Operation]] = {}
    for label, name in names.items():
        for key, operation in view.operations.items():
            if key.scheme == label:
                points.setdefault((key.channel, name, key.snr_db), []).append(operation)
    found = {
        (channel, target, name, snr_db): Rate.of(some, target)
        for target in targets
        for (channel, name, snr_db), some in points.items()
    }
    return Rates(tuple(view.channels), tuple(view.snrs), tuple(targets), found)


def _families(study: Study) -> dict[str, str]:
    """By label, what a scheme is called: the catalogue's name where several differ in their target alone."""

    def kind(label: str) -> tuple[str, str]:
        spec = study.schemes[label]
        rest = {name: one for name, one in dict(spec.get("parameters") or {}).items() if name != "target"}
        return str(spec.get("scheme")), repr(sorted(rest.items()))

    kinds = {label: kind(label) for label in study.schemes}
    shared = list(kinds.values())
    return {label: one[0] if shared.count(one) > 1 else label for label, one in kinds.items()}


def tables(rates: Rates, ours: str) -> str:
    """In Markdown, a table for each channel and target, and what the others need over ours; a dash where the target is
    not reached.

    Raises:
        SdrScError: there is no such scheme.
    """
    if ours not in rates.schemes:
        raise SdrScError(f"the results hold no scheme {ours!r}; choose one of {', '.join(rates.schemes)} with --ours.")
    parts = []
    snrs = [f"{snr_db:g} dB" for snr_db in rates.snrs]
    for channel in rates.channels:
        for target in rates.targets:
            rows, ratios = [], []
            mine = rates.row(channel, target, ours)
            for scheme in rates.schemes:
                found = rates.row(channel, target, scheme)
                if any(found):
                    rows.append([scheme, *(_NOTHING if one is None else one.text() for one in found)])
                pairs = zip(found, mine, strict=True)
                cells = [DASH if one is None or own is None else one.over(own) for one, own in pairs]
                if scheme != ours and set(cells) != {DASH}:
                    ratios.append([f"{scheme} over {ours}", *cells])
            what = f"{channel}, {target:g} %"
            parts.append(markdown([f"{what}: payload symbols an item (95 % interval), all on the air", *snrs], rows))
            if ratios:
                parts.append(markdown([f"{what}: times as many", *snrs], ratios))
    return "\n\n".join(parts)


def rows(rates: Rates) -> list[Row]:
    """The figures of the tables, where the target is reached."""
    out = []
    for (channel, target, scheme, snr_db), rate in rates.by_place.items():
        if rate.found is not None:
            name = f"{channel}, {snr_db:g} dB, {scheme}: symbols for {target:g} %"
            known = rate.low is not None and rate.high is not None
            interval = (rate.low.uses, rate.high.uses) if known else None  # type: ignore[union-attr]
            out.append(Row(f"{name}, payload", rate.found.uses, "", n=rate.found.items, ci95=interval))
            out.append(Row(f"{name}, all on the air", rate.found.on_air, "", n=rate.found.items))
    return out


def figure(rates: Rates) -> Figure:
    """Payload symbols over SNR, a panel for each channel and target, with 95 % intervals."""
    columns = len(rates.targets)
    legend_px = _ROW_PX * -(-len(rates.schemes) // 4) + 10
    drawing = new_figure(_PANEL_PX * columns, _HEIGHT_PX * len(rates.channels) + legend_px)
    above, below = drawing.subfigures(2, 1, height_ratios=[legend_px, _HEIGHT_PX * len(rates.channels)])
    panels = below.subplots(len(rates.channels), columns, sharex=True, sharey=True, squeeze=False)
    for channel, line in zip(rates.channels, panels, strict=True):
        for target, axes in zip(rates.targets, line, strict=True):
            axes.set_title(plain_text(f"{channel}, {target:g} %", 40), loc="left")
            for place, scheme in enumerate(rates.schemes):
                _curve(axes, rates, rates.row(channel, target, scheme), place, scheme)
    for axes in panels[:, 0]:
        axes.set(ylabel="Payload symbols an item", yscale="log")
        axes.yaxis.set_major_locator(LogLocator(10, (1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_formatter(NullFormatter())
    for axes in panels[-1]:
        axes.set(xlabel="SNR (dB)")
    handles = {name: one for axes in panels.flat for one, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    above.legend(handles.values(), handles.keys(), loc="center left", ncol=4)
    return drawing


def _curve(axes: Axes, rates: Rates, found: Sequence[Rate | None], place: int, scheme: str) -> None:
    there = [(one, one.found) if one and one.found else None for one in found]
    if not any(there):
        return
    middle = [pair[1].uses if pair else math.nan for pair in there]  # a line ends where the target is not reached
    low = [pair[1].uses - (pair[0].low or pair[1]).uses if pair else 0.0 for pair in there]
    high = [(pair[0].high or pair[1]).uses - pair[1].uses if pair else 0.0 for pair in there]
    look = {"color": LIGHT[SERIES[place % len(SERIES)]], "marker": _MARKERS[place % len(_MARKERS)], "ms": 6}
    axes.errorbar(rates.snrs, middle, [low, high], capsize=2.5, elinewidth=1.1, label=plain_text(scheme, 40), **look)
