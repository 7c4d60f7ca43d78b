# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a knowledge base in a run's answers: how often, what it gained, and why in some items."""

from __future__ import annotations

import base64
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from sdr_sc.errors import SdrScError
from sdr_sc.report.page import HALF_WIDTHS, item_shown, plot
from sdr_sc.report.run import task_plots
from sdr_sc.report.run.data import Run, TaskRun
from sdr_sc.report.words import number_text
from sdr_sc.results.answers_table import TaskTable
from sdr_sc.results.knowledge_table import KnowledgeTable
from sdr_sc.results.rows import clustered_interval
from sdr_sc.semantic.knowledge.answering.known import USED, KnownAnswers
from sdr_sc.semantic.knowledge.description.shelf import Shelf
from sdr_sc.semantic.knowledge.description.statements import Description, quoted
from sdr_sc.semantic.knowledge.description.subject import NearEntry, Subject, subject_of
from sdr_sc.semantic.knowledge.description.template import TemplateDescriber
from sdr_sc.semantic.shown_answers import ShownAnswer, shown_answer
from sdr_sc.shown import shown

EXAMPLES = 3
"""Items of each kind that are shown: those that the base corrected, those it spoiled, and others."""
_MOSTLY = 0.5
_NOT_KEPT = Markup('<span class="item">not kept</span>')
_MOST_PIXELS = 1024


def knowledge_panel(run: Run, base: Path | None = None) -> dict[str, Any] | None:
    """For the page's template; None where the run asked no base.

    Args:
        base: file of the global base, for titles and pictures of entries; None where it is not here.

    Raises:
        SdrScError: the file is no base, or another one than the run asked.
    """
    table = run.knowledge
    if table is None or not len(table):
        return None
    compared = TaskRun("base", ("with the base", "decoder alone"), _as_task(table), {})
    _, curves = task_plots.levels_of(run, compared)
    label = "Share of right answers at each SNR, with the knowledge base and by the decoder alone"
    curve = None
    if max(len(levels) for levels in curves) > 1:
        curve = plot(task_plots.quality_by_snr, (run, compared), HALF_WIDTHS, label, "knowledge")
    shelf = Shelf(base or "")
    try:
        _check_base(run, shelf)
        groups = _groups(run, table, shelf)
    finally:
        shelf.close()
    return {
        "figures": [_share(compared, place) for place in (0, 1)] + [_gain(table)],
        "counts": _counts(table),
        "states": [{"state": state, "number": f"{number:,}"} for state, number in Counter(table.state).most_common()],
        "curve": curve,
        "groups": groups,
        "has_base": base is not None,
    }


def _check_base(run: Run, shelf: Shelf) -> None:
    asked = run.summary["accounting"].get("knowledge")
    bases = asked.get("bases") if isinstance(asked, dict) else None
    if not shelf.base_id or not isinstance(bases, list) or not bases:
        return
    if not any(str(one).startswith(f"{shelf.base_id} ") for one in bases):
        raise SdrScError(
            f"The run {shown(run.name)} asked base {shown(bases[0], 60)}, and the file given is of base "
            f"{shelf.base_id}; give that one with --base."
        )


def _as_task(table: KnowledgeTable) -> TaskTable:
    """The answers with the base in place of a task's best ones, and the decoder's in place of all that it lists."""
    blank = np.full(len(table), "", object)
    return TaskTable(table.item_id, table.frame_index, table.label, table.answer[:, None], table.correct,
                     table.decoder_correct, table.confidence, blank)  # fmt: skip


def _share(compared: TaskRun, place: int) -> dict[str, str]:
    right, items = compared.table.of_frames(compared.marks[place])
    name, known = ("Right with the base", "Right by the decoder alone")[place], int(items.sum())
    if not known:
        return {"name": name, "value": "–", "unit": "%", "note": "nobody said what would have been right"}
    low, high = (100 * bound for bound in clustered_interval(right, items))
    note = f"95 % interval over frames {low:.1f} to {high:.1f} %; {known:,} items that arrived"
    return {"name": name, "value": f"{100 * right.sum() / known:.1f}", "unit": "%", "note": note}


def _gain(table: KnowledgeTable) -> dict[str, str]:
    """What the base gains, with a 95 % interval over frames: normal, of the ratio of sums."""
    known = np.isfinite(table.correct)
    name = "Gained by the base"
    if not known.any():
        return {"name": name, "value": "–", "unit": "points", "note": "nobody said what would have been right"}
    frames, place = np.unique(table.frame_index[known], return_inverse=True)
    difference = np.bincount(place, (table.correct - table.decoder_correct)[known], len(frames))
    items = np.bincount(place, minlength=len(frames))
    gain = difference.sum() / items.sum()
    note = "points"
    if len(frames) > 1:
        rest = difference - gain * items
        spread = 1.96 * np.sqrt(len(frames) / (len(frames) - 1) * (rest**2).sum()) / items.sum()
        note = f"95 % interval over frames {100 * (gain - spread):+.1f} to {100 * (gain + spread):+.1f} points"
    corrected = int((known & (table.correct == 1) & (table.decoder_correct == 0)).sum())
    spoiled = int((known & (table.correct == 0) & (table.decoder_correct == 1)).sum())
    note += f"; {corrected:,} answers corrected, {spoiled:,} spoiled"
    return {"name": name, "value": number_text(100 * gain, 1, sign=True), "unit": "points", "note": note}


def _counts(table: KnowledgeTable) -> str:
    used = table.state == USED
    changed = int((used & (table.answer != table.decoder_answer)).sum())
    mostly = int((used & (np.nansum(table.shares, axis=1) > _MOSTLY)).sum())
    return (
        f"Of {len(table):,} items that arrived the base was asked about {int(used.sum()):,}. It changed {changed:,} of "
        f"the decoder's answers; {mostly:,} answers owe more than half of their probability to the entries listed."
    )


def _groups(run: Run, table: KnowledgeTable, shelf: Shelf) -> list[tuple[str, list[dict[str, Any]]]]:
    """Cards of items spread over the run; of those that the base changed also of items that the run did not keep."""
    place_of = {int(item): place for place, item in enumerate(run.image_ids)}
    changed = table.answer != table.decoder_answer
    right = table.correct == 1
    kept = np.isin(table.item_id, run.image_ids)
    wanted = (
        ("Changed by the base, and right", changed & right),
        ("Changed by the base, and not known to be right", changed & ~right),
        ("As the decoder says", ~changed & kept),
    )
    groups = []
    for title, some in wanted:
        rows = _spread(np.flatnonzero(some & kept) if (some & kept).any() else np.flatnonzero(some))
        groups.append((title, [_card(run, table, row, place_of.get(int(table.item_id[row])), shelf) for row in rows]))
    return groups


def _spread(rows: np.ndarray) -> list[int]:
    places = np.linspace(0, len(rows) - 1, min(EXAMPLES, len(rows))).round().astype(int)
    return [int(row) for row in rows[places]]


def _card(run: Run, table: KnowledgeTable, row: int, place: int | None, shelf: Shelf) -> dict[str, Any]:
    known = _subject(run, table, row, shelf)
    description = TemplateDescriber().describe(known)
    frame = table.frame_index[row : row + 1]
    snr = run.of_frames(run.frames.snr_est_db, frame)
    k = float(run.of_frames(run.frames.k, frame)[0])
    label = int(table.label[row])
    truth = run.class_names[label] if label >= 0 else "not known"
    return {
        "item": _NOT_KEPT if place is None else item_shown(run.modality, run.images[place], truth),
        "truth": truth,
        "decoder": _said(_name(run, int(table.decoder_answer[row])), table.decoder_correct[row]),
        "base": _said(table.name[row] or _name(run, int(table.answer[row])), table.correct[row]),
        "entries": [_entry(number, near) for number, near in enumerate(known.entries, start=1)],
        "description": marked_up(description),
        "sources": description.lines(),
        "link": f"{number_text(float(snr[0]), 0)} dB, k = {number_text(k, 0)}, base: {quoted(known.base)}",
    }


def _subject(run: Run, table: KnowledgeTable, row: int, shelf: Shelf) -> Subject:
    one = slice(row, row + 1)
    found = KnownAnswers(
        table.answer[one], table.decoder_answer[one], table.confidence[one], table.weight[one], table.entries[one],
        np.nan_to_num(table.is_local[one]), table.similarity[one], np.nan_to_num(table.shares[one]),
        (str(table.name[row]) or _name(run, int(table.answer[row])),), shelf.base_id, int(table.version[row]),
        str(table.state[row]),
    )  # fmt: skip
    task = run.tasks[0].name if run.tasks else "classification"
    entry = shelf.of(found.base_id, found.base_version)
    others = [it for other in run.tasks[1:] if (it := _other(other, int(table.item_id[row]))) is not None]
    alone = _name(run, int(table.decoder_answer[row]))
    return subject_of(found, 0, alone, entry, others, task, shelf.title)


def _other(task: TaskRun, item_id: int) -> ShownAnswer | None:
    """What a further task answered of an item."""
    rows = np.flatnonzero(task.table.item_id == item_id)
    if not len(rows):
        return None
    row = int(rows[0])
    sure = task.table.confidence[row : row + 1].tolist()
    return shown_answer(task.name, task.names, task.table.answers[row], sure, -1)


def _name(run: Run, number: int) -> str:
    return run.class_names[number] if 0 <= number < len(run.class_names) else f"number {number}" if number >= 0 else ""


def _said(name: str, correct: float) -> dict[str, str]:
    state = {1.0: "right", 0.0: "wrong"}.get(float(correct), "unknown")
    return {"name": name or "nothing", "mark": {"right": "✓", "wrong": "✗"}.get(state, ""), "state": state}


def _entry(place: int, near: NearEntry) -> dict[str, Any]:
    entry = near.entry
    title = "received here before" if near.is_local else f"entry {near.number}" if entry is None else entry.title
    return {
        "mark": f"[{place}]",
        "title": quoted(title),
        "picture": None if entry is None else _picture(entry.picture),
        "near": f"{near.similarity:.2f}",
        "share": f"{100 * near.share:.0f} %" if near.share >= 0.005 else "",
    }


def _picture(png: bytes) -> str | None:
    """An entry's picture as it may stand in a page; None where there is none, or one of another kind or size."""
    size = png[16:24]
    sides = int.from_bytes(size[:4], "big"), int.from_bytes(size[4:], "big")
    if png[:8] != b"\x89PNG\r\n\x1a\n" or png[12:16] != b"IHDR" or not all(1 <= side <= _MOST_PIXELS for side in sides):
        return None
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def marked_up(description: Description) -> Markup:
    """A description for a page: names keep their direction of writing to themselves, marks of sources are raised.

    >>> from sdr_sc.semantic.knowledge.description.statements import Quote, Source, Statement
    >>> apple = Quote("<apple>", (Source("decoder", "the decoder"),))
    >>> print(marked_up(Description((Statement(("It is ", apple, "."), "retrieval"),))))
    It is “<bdi>&lt;apple&gt;</bdi>”<sup>[d]</sup>.
    """
    pieces = []
    for statement in description.statements:
        for part in statement.parts:
            if isinstance(part, str):
                pieces.append(escape(part))
                continue
            name = escape(quoted(part.name, part.longest))
            pieces.append(name if part.bare else Markup("“<bdi>{}</bdi>”").format(name))
            pieces.append(escape(f" ({part.detail})" if part.detail else ""))
            marks = "".join(source.mark for source in part.sources)
            pieces.append(Markup("<sup>{}</sup>").format(marks))
        pieces.append(Markup(" "))
    return Markup(Markup("").join(pieces).strip())
