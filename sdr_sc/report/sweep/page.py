# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a sweep as one HTML page that needs no other file, no network and no script."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import Any

from sdr_sc.phy.numerology import Numerology
from sdr_sc.report.matrix import confusion_figure
from sdr_sc.report.page import FULL_WIDTHS, HALF_WIDTHS, plot, render_page
from sdr_sc.report.sweep.figures import accuracy_figure, saving_figure, uses_figure
from sdr_sc.report.sweep.headline import measured, several, tiles, verdict
from sdr_sc.report.sweep.rerun_config import config_yaml
from sdr_sc.report.sweep.samples import samples
from sdr_sc.report.sweep.selection import SAME_POINTS, View
from sdr_sc.report.sweep.tables import COMPARABLE, MATRIX_CHANNELS, matrices, savings
from sdr_sc.report.sweep.text_tables import (
    BOTH_COSTS,
    NOT_TOLD,
    accuracy_table,
    contest_table,
    latency_table,
    need_table,
    saving_sentences,
    saving_table,
    size_table,
    snr_text,
    time_table,
)
from sdr_sc.report.words import facts

MATRIX_WIDTHS = (520, 350)


def render(view: View) -> str:
    """The page."""
    study = view.study
    sizes = size_table(view)
    return render_page(
        "sweep/page.html.j2",
        name=", ".join(path.stem for path in study.sources),
        commands=list(dict.fromkeys(_command(about) for about in study.abouts)),
        measured=measured(view),
        verdict=verdict(view),
        tiles=tiles(view),
        target=f"{view.target:g}",
        reference=view.reference,
        comparable=f"{100 * (COMPARABLE - 1):.0f}",
        chosen=_told_k(view),
        curves=[_curve(view, number, channel) for number, channel in enumerate(view.channels)],
        needs=[(cost, [need_table(view, channel, cost) for channel in view.channels]) for cost in BOTH_COSTS],
        savings=_savings(view),
        contests=_contests(view),
        class_only=", ".join(scheme.label for scheme in view.schemes if scheme.is_class_only),
        matrices=_matrices(view),
        matrix_channels=MATRIX_CHANNELS if len(view.channels) > MATRIX_CHANNELS else 0,
        samples=samples(view),
        no_samples=view.no_data or "The results keep no answers to single images.",
        sizes=sizes,
        has_unknown_size=any(NOT_TOLD in row for row in sizes.rows),
        latencies=latency_table(view),
        air=_air_words(),
        times=time_table(view),
        wall_time=study.configs[0].air == "flowgraph",
        schemes=[(scheme.label, _scheme_facts(view, scheme.label)) for scheme in view.schemes],
        again=_again(view),
        commits=Counter(result.git for result in study.points.values()).most_common(),
    )


def _command(about: dict[str, Any]) -> str:
    command = about.get("command") or []
    return command if isinstance(command, str) else shlex.join(str(part) for part in command)


def _air_words() -> str:
    """What times on the air are given for."""
    n = Numerology()
    symbol_us = 1e6 * n.symbol_samples / n.sample_rate_hz
    return f"{n.sample_rate_hz / 1e6:g} MS/s, where an OFDM symbol of {n.used} subcarriers lasts {symbol_us:g} µs"


def _told_k(view: View) -> str:
    """Which k stands for a scheme in its curve, in a sentence; '' where none has several."""
    told = []
    for scheme in view.schemes:
        if len(scheme.k_list) > 1:
            told.append(f"{scheme.label}: {scheme.k_text(scheme.k)}")
    if not told:
        return ""
    rule = (
        "Of schemes that were measured with several k, a curve shows the scheme's own choice; where there is none, the "
    )
    return f"{rule}smallest k within {SAME_POINTS:g} points of the best. Here: {'; '.join(told)}."


def _curve(view: View, number: int, channel: str) -> dict[str, Any]:
    """A channel's curves, and what they show as a table."""
    spec = view.study.channels[channel]
    renewed = spec.get("realisation_items")
    models = spec.get("models") or "noise alone"
    feedback = spec.get("feedback")
    if isinstance(feedback, dict):
        models += f", feedback: {', '.join(f'{key} {value}' for key, value in feedback.items() if value)}"
    by_snr = plot(lambda v, w: accuracy_figure(v, channel, w), view, FULL_WIDTHS,
                  f"Accuracy over measured SNR, channel {channel}", f"accuracy-{number}")  # fmt: skip
    by_uses = plot(lambda v, w: uses_figure(v, channel, w), view, FULL_WIDTHS,
                   f"Accuracy over payload symbols per item, channel {channel}", f"uses-{number}")  # fmt: skip
    return {
        "channel": channel,
        "models": f"{models}, redrawn every {several(renewed, 'image')}" if renewed else models,
        "by_snr": by_snr,
        "by_uses": by_uses,
        "table": accuracy_table(view, channel),
    }


def _savings(view: View) -> list[dict[str, Any]]:
    return [
        {
            "title": f"{found.scheme.label}, {found.channel}",
            "sentence": " ".join(saving_sentences(found)),
            "snrs": several(len(found.snrs), "SNR"),
            "plot": plot(lambda s, w: saving_figure(s, w), found, HALF_WIDTHS,
                         f"Accuracy over payload symbols in the mean over SNR, {found.scheme.label}, {found.channel}",
                         f"saving-{number}"),
            "table": saving_table(found),
        }
        for number, found in enumerate(savings(view))
    ]  # fmt: skip


def _contests(view: View) -> list[tuple[str, list]]:
    """Tables of who wins, by cost; none with one scheme."""
    if len(view.schemes) < 2:
        return []
    tables = [(cost, [contest_table(view, channel, cost) for channel in view.channels]) for cost in BOTH_COSTS]
    return [(cost, [table for table in found if table.rows]) for cost, found in tables]


def _matrices(view: View) -> list[dict[str, Any]]:
    names = view.study.class_names
    return [
        {
            "title": f"{operation.key.channel}, {snr_text(operation.key.snr_db)} dB",
            "plot": plot(lambda o, w: confusion_figure(o.confusion, names, w), operation, MATRIX_WIDTHS,
                         f"Confusion matrix, {operation.key.channel}, {operation.key.snr_db:g} dB", f"matrix-{number}"),
        }
        for number, operation in enumerate(matrices(view))
    ]  # fmt: skip


def _scheme_facts(view: View, label: str) -> list[tuple[str, str]]:
    spec = view.study.schemes[label]
    told = spec.get("is") or {}
    known = {"scheme": spec.get("scheme"), "parameters": spec.get("parameters") or {}}
    if "mode" in spec:
        known["frame mode"] = spec["mode"]
    elsewhere = ("scheme", "sizes")  # sizes have a table
    return facts({**known, **{name: value for name, value in told.items() if name not in elsewhere}})


def _again(view: View) -> list[dict[str, Any]]:
    """For each file: what was run, and with what."""
    found = []
    for path, about, config in zip(view.study.sources, view.study.abouts, view.study.configs, strict=True):
        found.append(
            {
                "file": path.name,
                "command": _command(about),
                "yaml": config_yaml(config),
                "facts": facts(
                    {
                        "git commit": about.get("git") or "unknown",
                        "data set": about.get("data_set"),
                        "its SHA-256": about["data_set_sha256"],
                        "machine": about.get("machine") or {},
                        "versions": about.get("versions") or {},
                    }
                ),
            }
        )
    return found
