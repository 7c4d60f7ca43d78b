# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the plots of docs/receiver.md from the results beside this script."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import click
import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from sdr_sc.results.rows import read_measurements

HERE = Path(__file__).resolve().parent
PICTURES = HERE.parent / "docs" / "pictures"
OURS, THEIRS, GOAL = "#1f5fa8", "#c2571a", "#767676"
ESTIMATORS = ("preamble_fit", "known_symbols", "repeated_preamble", "empty_subcarriers", "pilots")
Rows = dict[str, dict]


def read(name: str) -> Rows:
    """The rows of a result file by their names."""
    path = HERE / name
    if not path.is_file():
        sys.exit(f"plot_phy: {path} is missing; run 'sdr-sc bench phy --json {path}' first.")
    return {row["name"]: row for row in read_measurements(path)["rows"]}


def points(rows: Rows, pattern: str) -> list[tuple[float, dict]]:
    """SNR in the name and row of all rows whose whole name matches; by rising SNR."""
    found = [(re.fullmatch(pattern, name), row) for name, row in rows.items()]
    return sorted(((float(match[1]), row) for match, row in found if match), key=lambda point: point[0])


def detection(rows: Rows) -> Figure:
    """Share of frames received over the SNR."""
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    snr_db, found = zip(*points(rows, r"header right, AWGN (-?[\d.]+) dB"), strict=True)
    share = [row["value"] for row in found]
    errors = [[row["value"] - row["ci95"][0] for row in found], [row["ci95"][1] - row["value"] for row in found]]
    axes.errorbar(snr_db, share, errors, color=OURS, marker="o", capsize=3)
    axes.plot([0, -3], [99, 90], "_", color=GOAL, markersize=24, markeredgewidth=2, label="goal")
    axes.set(xlabel="Es/N0 (dB)", ylabel="frames received (%)", ylim=(0, 103))
    axes.legend(loc="lower right", frameon=False)
    return figure


def snr_estimate(rows: Rows) -> Figure:
    """Bias and spread of the default estimator over AWGN."""
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    snr_db, bias = zip(*points(rows, r"SNR estimate, bias, AWGN (-?[\d.]+) dB"), strict=True)
    _, spread = zip(*points(rows, r"SNR estimate, spread, AWGN (-?[\d.]+) dB"), strict=True)
    axes.axhline(0, color=GOAL, linewidth=0.8)
    axes.errorbar(
        snr_db,
        [row["value"] for row in bias],
        [row["value"] for row in spread],
        color=OURS,
        marker="o",
        capsize=3,
        linestyle="none",
    )
    axes.set(xlabel="Es/N0 (dB)", ylabel="estimate minus truth (dB)", ylim=(-1.5, 1.5))
    return figure


def estimators(rows: Rows) -> Figure:
    """Worst bias of every estimator in every channel."""
    channels: list[str] = []
    for name in rows:
        match = re.fullmatch(r"preamble_fit, (.*), worst bias \(.*\)", name)
        if match:
            channels.append(match[1])
    figure, axes = plt.subplots(figsize=(6.4, 4.2))
    height = 0.8 / len(ESTIMATORS)
    colours = [OURS, "#6f9fd8", "#c2571a", "#e3a56b", "#9a9a9a"]
    for e, estimator in enumerate(ESTIMATORS):
        bias = [
            next(
                abs(row["value"])
                for name, row in rows.items()
                if re.fullmatch(rf"{estimator}, {re.escape(channel)}, worst bias \(.*\)", name)
            )
            for channel in channels
        ]
        places = [c + (e - (len(ESTIMATORS) - 1) / 2) * height for c in range(len(channels))]
        axes.barh(places, bias, height, color=colours[e], label=estimator)
    axes.axvline(1, color=GOAL, linestyle="--", linewidth=1)
    axes.set(xlabel="largest |bias| (dB); dashed: goal", yticks=range(len(channels)), yticklabels=channels)
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=8)
    return figure


def payload(rows: Rows) -> Figure:
    """What the payload loses to the channel's SNR."""
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    for kind, colour, goal, style in (("AWGN", OURS, 1.0, "-"), ("20 ppm, phase noise", THEIRS, 1.5, "--")):
        pattern = rf"payload SNR below the channel's, {kind}, (-?[\d.]+) dB"
        snr_db, found = zip(*points(rows, pattern), strict=True)
        axes.plot(snr_db, [row["value"] for row in found], style, color=colour, marker="o", label=kind)
        axes.axhline(goal, color=colour, linestyle=":", linewidth=1)
    axes.set(xlabel="Es/N0 (dB)", ylabel="payload SNR below it (dB); dotted: goals", ylim=(0, 1.7))
    axes.legend(frameon=False)
    return figure


def throughput(rows: Rows, lengths: Rows) -> Figure:
    """Ours beside the stock blocks, and ours over the length of a frame."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.6))
    for x, (what, stock) in enumerate((("receiver", "ofdm_rx"), ("transmitter", "ofdm_tx"))):
        figures = [
            rows[f"{what}, frames of 100 symbols, one core, median"]["value"],
            rows[f"digital.{stock}, packets of 100 symbols, median"]["value"],
            rows[f"digital.{stock}, packets of 11 symbols, median"]["value"],
        ]
        for i, (value, colour) in enumerate(zip(figures, (OURS, THEIRS, "#e3a56b"), strict=True)):
            left.bar(x + 0.28 * (i - 1), value, 0.26, color=colour)
            left.annotate(f"{value:.3g}", (x + 0.28 * (i - 1), value), ha="center", va="bottom", fontsize=8)
    left.axhline(20, color=GOAL, linestyle="--", linewidth=1)
    left.set(xticks=(0, 1), xticklabels=("receiver", "transmitter"), ylabel="MS/s on one core")
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in (OURS, THEIRS, "#e3a56b")]
    left.legend(handles, ("sdr_sc, 100 symbols", "stock, 100 symbols", "stock, 96 bytes"), frameon=False, fontsize=8)
    for what, colour in (("receiver", OURS), ("transmitter", "#6f9fd8")):
        symbols, found = zip(*points(lengths, rf"{what}, (\d+) payload symbols a frame"), strict=True)
        right.plot(symbols, [row["value"] for row in found], color=colour, marker="o", label=what)
    right.set(xscale="log", xlabel="payload symbols in a frame", ylim=(0, None))
    right.set_xticks((10, 30, 100, 300), ("10", "30", "100", "300"))
    right.legend(frameon=False)
    return figure


@click.command()
def main() -> None:
    """Draw docs/pictures/receiver_*.png."""
    rows, speeds, lengths = read("phy.json"), read("phy_throughput.json"), read("phy_throughput_lengths.json")
    plots: dict[str, Callable[[], Figure]] = {
        "detection": lambda: detection(rows),
        "snr": lambda: snr_estimate(rows),
        "estimators": lambda: estimators(rows),
        "payload": lambda: payload(rows),
        "throughput": lambda: throughput(speeds, lengths),
    }
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10})
    for name, draw in plots.items():
        figure = draw()
        figure.tight_layout()
        figure.savefig(PICTURES / f"receiver_{name}.png", dpi=120)
        click.echo(f"wrote {PICTURES / f'receiver_{name}.png'}")


if __name__ == "__main__":
    main()
