# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run: one HTML page that needs no other file, no network and no script."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from sdr_sc.errors import SdrScError
from sdr_sc.files import write_whole
from sdr_sc.report.page import FULL_WIDTHS, HALF_WIDTHS, item_shown, plot, render_page, tile
from sdr_sc.report.run import plots as report_plots
from sdr_sc.report.run.asked import asked_rows
from sdr_sc.report.run.data import Run
from sdr_sc.report.run.files import load_run
from sdr_sc.report.run.knowledge_panel import knowledge_panel
from sdr_sc.report.run.picture_panels import picture_panels
from sdr_sc.report.run.stats import channel_uses_saved
from sdr_sc.report.run.task_panels import overview, task_panels
from sdr_sc.report.words import facts, number_text, words
from sdr_sc.results.rows import format_value, mean_interval, wilson_interval
from sdr_sc.semantic.tasks.base import NOT_A_NUMBER, REJECTED
from sdr_sc.shown import shown, utf8

_log = logging.getLogger(__name__)
REPORT_NAME = "report.html"
STRIP_IMAGES = 24


def _tiles(run: Run) -> list[dict[str, str]]:
    """The headline figures."""
    items, frames = run.items, run.frames
    sent, right, answered = len(items), int(items.correct.sum()), int(items.answered.sum())
    accuracy = number_text(100 * right / sent, 1) if sent else "–"
    worst, best = wilson_interval(right, sent)
    whose = f" of known class, {run.items_sent:,} in all" if run.items_sent > sent else ""
    of_share = f"95 % interval {100 * worst:.1f}–{100 * best:.1f} %"
    note = f"of {sent:,} items sent{whose}; {of_share}" if sent else "no item sent"
    if answered < sent:
        of_answered = f"{100 * right / answered:.1f} %" if answered else "none"
        note += f"; lost ones count as wrong (of those answered: {of_answered})"
    lost = int((~frames.delivered).sum())
    share = f"{100 * lost / len(frames):.3g} %" if len(frames) else "none"
    known = np.isfinite(items.k)
    mean_k = float(items.k[known].mean()) if known.any() else np.nan
    on_air, features = channel_uses_saved(run)
    error = run.frames.snr_error_db
    bias = float(error.mean()) if len(error) else np.nan
    low, high = (number_text(bound, 2, sign=True) for bound in mean_interval(error))
    interval = f"95 % interval {low} to {high} dB; " if len(error) > 1 else ""
    latency = frames.latency_ms[frames.delivered & np.isfinite(frames.latency_ms)]
    median, slow = (f"{np.percentile(latency, percent):.3g}" if len(latency) else "–" for percent in (50, 95))
    return [
        tile(f"Accuracy of {run.tasks[0].name}" if run.tasks else "Accuracy", accuracy, "%", note),
        tile("Frames lost", f"{lost:,}", f"of {len(frames):,}", f"{share} of the frames sent"),
        tile(
            "Mean k",
            number_text(mean_k, 1),
            "symbols",
            "complex feature symbols per item, chosen from " + ", ".join(map(str, run.k_list)),
        ),
        tile(
            "Channel uses saved",
            number_text(100 * on_air, 1),
            "%",
            f"against a fixed k = {run.k_list[-1] if run.k_list else '–'}, with preamble, header and pilots counted; "
            f"{number_text(100 * features, 1)} % of the feature symbols alone",
        ),
        tile(
            "SNR bias",
            number_text(bias, 2, sign=True),
            "dB",
            f"estimated less set; {interval}{len(error):,} frames delivered",
        ),
        tile("Latency", median, "ms", f"median, encoder to answer; 95th percentile {slow} ms"),
    ]


def _plots(run: Run) -> dict[str, dict[str, Markup]]:
    """Each plot's wide and narrow drawing."""
    wanted = (
        (report_plots.timeline, FULL_WIDTHS, "SNR set and estimated, k, and running accuracy over the frame index"),
        (report_plots.accuracy_by_snr, HALF_WIDTHS, "Accuracy at each SNR with 95 percent intervals"),
        (report_plots.snr_error, HALF_WIDTHS, "Histogram of SNR estimated less SNR set"),
        (report_plots.confusion, (640, 350), "Confusion matrix of true class and answer"),
    )
    left_out = report_plots.accuracy_by_snr if run.tasks else None  # the panel of the task has it
    return {draw.__name__: plot(draw, run, widths, label) for draw, widths, label in wanted if draw is not left_out}


def _strip(run: Run) -> list[dict[str, Any]]:
    """Pictures evenly spread over the run, with what became of them."""
    row_of = {int(item): row for row, item in enumerate(run.items.item_id)}
    snr = run.item_snr_set_db()
    shown = [place for place, item in enumerate(run.image_ids) if int(item) in row_of]
    shown.sort(key=lambda place: row_of[int(run.image_ids[place])])
    if len(shown) > STRIP_IMAGES:
        shown = [shown[i] for i in np.linspace(0, len(shown) - 1, STRIP_IMAGES).round().astype(int)]
    cards = []
    for place in shown:
        row = row_of[int(run.image_ids[place])]
        answer, label = int(run.items.answer[row]), run.class_names[int(run.items.label[row])]
        state = "lost" if answer < 0 else "right" if run.items.correct[row] else "wrong"
        confidence = run.items.confidence[row]
        cards.append(
            {
                "item": item_shown(run.modality, run.images[place], label),
                "question": run.items.question[row],
                "label": label,
                "answer": run.class_names[answer] if answer >= 0 else None,
                "state": state,
                "without": {NOT_A_NUMBER: "No number", REJECTED: "Not sure"}.get(int(answer), "Lost"),
                "confidence": f"{100 * confidence:.0f}\u00a0%" if answer >= 0 and np.isfinite(confidence) else None,
                "link": f"{number_text(snr[row], 0)} dB, k = {number_text(run.items.k[row], 0)}",
            }
        )
    return cards


def _verdict(run: Run) -> dict[str, Any]:
    """Whether every frame is accounted for, in a sentence, with what speaks against it."""
    accounting = run.summary["accounting"]
    sent, lost = len(run.frames), int((~run.frames.delivered).sum())
    doubts = [words(text) for text in accounting.get("discrepancies") or []]
    for name, count in (("frames_sent", sent), ("frames_lost", lost), ("items_sent", run.items_sent or len(run.items))):
        counted = accounting.get(name)
        if counted is not None and counted != count:
            doubts.append(f"{name.replace('_', ' ')}: the blocks counted {counted:,}, the tables hold {count:,}")
    causes = accounting.get("lost_causes")
    named = [f"{cause}: {n:,}" for cause, n in causes.items() if n] if isinstance(causes, dict) else []
    split = f"{sent:,} sent = {sent - lost:,} answered + {lost:,} lost" + (f" ({'; '.join(named)})" if named else "")
    ok = accounting.get("accounted") is True and not doubts
    if ok:
        sentence = f"Every frame is accounted for: {split}."
    elif "accounted" not in accounting and not doubts:
        sentence = f"The run did not write whether every frame is accounted for. Its table of frames says: {split}."
    else:
        sentence = f"Not every frame is accounted for. The table of frames says: {split}."
    return {"ok": ok, "sentence": sentence, "doubts": doubts}


def _figures(run: Run) -> list[dict[str, Any]]:
    """The measured rows of the summary, in words."""
    figures = []
    for row in run.summary["rows"]:
        ci95 = row.get("ci95")
        figures.append(
            {
                "name": row.get("name", ""),
                "value": format_value(row.get("value"), row.get("unit") or ""),
                "ci95": " to ".join(format_value(bound) for bound in ci95) if ci95 else "",
                "n": f"{row['n']:,}" if row.get("n") is not None else "",
                "goal": row.get("goal") or "",
                "ok": row.get("ok"),
            }
        )
    return figures


def write_report(run_folder: Path, out: Path | None = None, base: Path | None = None) -> Path:
    """Write a run's report, from the files that `load_run` reads in its folder.

    Args:
        run_folder: what a run left.
        out: the page; ``report.html`` in that folder where it is left out.
        base: file of the knowledge base that the run asked, for titles and pictures of its entries.

    Returns:
        The page's path.

    Raises:
        SdrScError: a file is missing or does not hold what it should, or the page cannot be written.
    """
    folder = Path(run_folder)
    run = load_run(folder)
    if not run.is_verified:
        _log.warning("warning: the tables of %s are not verified: its summary holds no checksums of them", run.name)
    apart = ("discrepancies", "knowledge")  # which have sections of their own
    accounting = {name: value for name, value in run.summary["accounting"].items() if name not in apart}
    if base is not None and run.knowledge is None:
        raise SdrScError(f"The run {shown(run.name)} asked no knowledge base; leave --base out.")
    page = render_page(
        "run/page.html.j2",
        name=run.name,
        command=str(run.summary.get("command") or ""),
        verdict=_verdict(run),
        tiles=_tiles(run),
        plots=_plots(run),
        strip=[] if run.tasks else _strip(run),
        questions=[] if run.tasks else asked_rows(run.items.question, run.items.correct.astype(float)),
        panels=task_panels(run) + picture_panels(run),
        overview=overview(run),
        knowledge=knowledge_panel(run, base),
        figures=_figures(run),
        accounting=facts(accounting),
        config=facts({name: value for name, value in run.summary["config"].items() if name != "task_names"}),
        machine=facts(
            {
                "git commit": run.summary.get("git") or "unknown",
                "files": "as their checksums say" if run.is_verified else "not verified, there are no checksums",
                **run.summary["machine"],
            }
        ),
    )
    path = folder / REPORT_NAME if out is None else out
    write_whole({path: utf8(page)})
    return path
