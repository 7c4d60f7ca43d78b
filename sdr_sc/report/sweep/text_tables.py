# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's tables as text, ready for the page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sdr_sc.report.sweep.compare import Difference
from sdr_sc.report.sweep.operating_points import Cost, Mean, Operation
from sdr_sc.report.sweep.selection import SAME_POINTS, View
from sdr_sc.report.sweep.tables import Contest, Need, Saving, contest, needs
from sdr_sc.report.words import number_text

BOTH_COSTS: tuple[Cost, Cost] = ("uses", "on_air")
NOT_TOLD = "not stated"
"""Stands for a size that results do not have."""


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        title: what it is of.
        head: of the columns.
        rows: their cells; the first one names the row.
        words: columns of words, which are not set flush right.
        strong: rows that stand out.
    """

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    words: frozenset[int] = frozenset()
    strong: frozenset[int] = frozenset()


def count_text(value: float) -> str:
    """Symbols an item.

    >>> count_text(3.456), count_text(56.78), count_text(1234.5)
    ('3.5', '57', '1,234')
    """
    return f"{value:.1f}" if value < 20 else f"{value:,.0f}"


def ms_text(seconds: float) -> str:
    """A time in milliseconds.

    >>> ms_text(0.0000416), ms_text(0.0123), ms_text(1.5)
    ('0.0416', '12.3', '1,500')
    """
    return f"{1e3 * seconds:.3g}" if seconds < 0.1 else f"{1e3 * seconds:,.0f}"


def share_text(operation: Operation) -> str:
    """Accuracy with its interval, in percent."""
    low, high = operation.interval
    return f"{100 * operation.accuracy:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def difference_text(found: Difference) -> str:
    """A difference with its interval, in points of accuracy, in one piece."""
    points, low, high = (number_text(value, 1, sign=True) for value in (found.points, found.low, found.high))
    return f"{points} ({low} to {high}){'' if found.is_paired else ' *'}".replace(" ", "\u00a0")


def snr_text(snr_db: float) -> str:
    """An SNR with a true minus sign."""
    return f"{snr_db:g}".replace("-", "−")


def accuracy_table(view: View, channel: str) -> Table:
    """Accuracy and cost of every operating point at the chosen SNRs."""
    rows = []
    for scheme in view.schemes:
        for k in scheme.k_list:
            cells = [scheme.name(k)]
            for snr_db in view.chosen_snrs:
                o = view.get(scheme.label, channel, snr_db, k)
                cells += [share_text(o), count_text(o.uses), count_text(o.on_air)] if o else ["–", "–", "–"]
            if any(cell != "–" for cell in cells[1:]):
                rows.append(tuple(cells))
    head = ["Scheme"]
    for snr_db in view.chosen_snrs:
        head += [f"At {snr_text(snr_db)} dB (%)", "payload", "on air"]
    return Table(channel, tuple(head), rows)


def need_table(view: View, channel: str, cost: Cost) -> Table:
    """What each scheme spends for the target accuracy."""
    by_snr = [needs(view, channel, snr_db, cost) for snr_db in view.need_snrs]
    rows = [
        (
            scheme.name(None) if scheme.is_class_only else scheme.label,
            *(_need(view, found[scheme.label], cost) for found in by_snr),
        )
        for scheme in view.schemes
    ]
    mine = frozenset(i for i, scheme in enumerate(view.schemes) if scheme is view.reference)
    return Table(channel, ("Scheme", *(f"{snr_text(snr)} dB" for snr in view.need_snrs)), rows, strong=mine)


def _need(view: View, need: Need, cost: Cost) -> str:
    if need.operation is None:
        return "not reached" if need.is_measured else "not measured"
    scheme = next(s for s in view.schemes if s.label == need.operation.key.scheme)
    told = []
    if len(scheme.k_list) > 1:
        told.append(scheme.k_text(need.operation.key.k))
    if need.ratio is not None and scheme is not view.reference:
        told.append(f"×{need.ratio:.2f}" if need.ratio < 1 else f"×{need.ratio:.1f}" if need.ratio < 20 else (
            f"×{need.ratio:.0f}"))  # fmt: skip
    behind = f" ({', '.join(told)})" if told else ""
    return f"{'' if need.is_sure else '≈ '}{count_text(need.operation.cost(cost))}{behind}"


def saving_table(found: Saving) -> Table:
    """Fixed k and own choice, in means over SNR."""
    own = found.scheme.k_text(None)
    rows, strong = [], set()
    entries: list[tuple[int | None, Mean]] = [*sorted(found.fixed.items()), (None, found.adaptive)]
    for number, (k, mean) in enumerate(sorted(entries, key=lambda entry: entry[1].uses)):
        ahead = "" if k is None else difference_text(found.ahead[k])
        name = own if k is None else f"k = {k}"
        rows.append((name, f"{100 * mean.accuracy:.1f}", count_text(mean.uses), count_text(mean.on_air), ahead))
        if k is None:
            strong.add(number)
    head = (found.scheme.label, "Accuracy (%)", "payload", "on air", f"{own} ahead by")
    return Table(found.channel, head, rows, strong=frozenset(strong))


def saving_sentences(found: Saving) -> list[str]:
    """What comes of it, in words."""
    own = found.scheme.k_text(None)
    level = f"{100 * found.adaptive.accuracy:.1f} %"
    if found.equal_k is None:
        said = [
            f"No fixed k is as accurate as {own} ({level} in the mean); the best, k = {found.best_k}, is at "
            f"{100 * found.fixed[found.best_k].accuracy:.1f} %."
        ]
    else:
        said = [
            f"{own}, {level} in the mean, {_saved(found, found.equal_k)} against k = {found.equal_k}, the cheapest "
            f"fixed k at least as accurate ({100 * found.fixed[found.equal_k].accuracy:.1f} %)."
        ]
    if found.near_k not in (None, found.equal_k):
        said.append(
            f"Against k = {found.near_k}, the cheapest that is less accurate by {SAME_POINTS:g} points at most "
            f"({own} is ahead by {difference_text(found.ahead[found.near_k])}), it {_saved(found, found.near_k)}."
        )
    return said


def _saved(found: Saving, k: int) -> str:
    """What the own choice saves of a fixed k's symbols, or spends more."""
    parts = []
    for cost, name in zip(BOTH_COSTS, ("the payload symbols", "all symbols on air"), strict=True):
        share = round(100 * (found.saved(cost, k) or 0.0))
        parts.append(f"saves {share} % of {name}" if share >= 0 else f"spends {-share} % more of {name}")
    return " and ".join(parts)


def contest_table(view: View, channel: str, cost: Cost) -> Table:
    """Who is most accurate at each SNR for what the reference spends."""
    found = [contest(view, channel, snr_db, cost) for snr_db in view.snrs]
    rows = [_contest_row(one, len(view.schemes)) for one in found if one is not None]
    head = ("SNR (dB)", "Budget", "Most accurate", "Accuracy (%)", "Ahead of the next by", "Verdict", "Spend more")
    return Table(channel, head, rows, words=frozenset((2, 4, 5, 6)))


def _contest_row(found: Contest, schemes: int) -> tuple[str, ...]:
    best, behind = found.rivals[0], "–"
    for second in found.rivals[1:2]:
        if second.behind is not None:
            behind = f"{difference_text(second.behind)}, {second.scheme.name(second.operation.key.k)}"
    if len(found.rivals) == 1:
        verdict = "no rival"
    elif found.winner is not None:
        verdict = f"{found.winner.label} wins"
    else:
        verdict = "no difference seen to " + ", ".join(rival.scheme.label for rival in found.alike)
    over = ", ".join(scheme.label for scheme in found.over)
    if len(found.over) > 1 and len(found.over) == schemes - 1:
        over = "all others"
    return (
        snr_text(found.snr_db), count_text(found.budget), best.scheme.name(best.operation.key.k),
        share_text(best.operation), behind, verdict, over or "–",
    )  # fmt: skip


def size_table(view: View) -> Table:
    """How large each scheme is at both ends."""
    rows = []
    for scheme in view.schemes:
        cells = [scheme.label]
        sizes = (view.study.schemes[scheme.label].get("is") or {}).get("sizes") or {}
        for end in ("transmitter", "receiver"):
            size = sizes.get(end) or {}
            cells.append(f"{size['parameters']:,}" if "parameters" in size else NOT_TOLD)
            cells.append(_kilobytes(size["bytes"]) if "bytes" in size else NOT_TOLD)
        rows.append(tuple(cells))
    head = ("Scheme", "Transmitter: parameters", "kB", "Receiver: parameters", "kB")
    return Table("Size", head, rows)


def latency_table(view: View) -> Table:
    """How long an item is on the air over the first channel, with its whole frame in brackets, and what computing it
    took; in ms, of the k of each scheme's curve."""
    rows = []
    for scheme in view.schemes:
        cells = [scheme.curve]
        for snr_db in view.chosen_snrs:
            found = view.get(scheme.label, view.channels[0], snr_db, scheme.k)
            cells.append("{} ({})".format(*map(ms_text, found.air_s)) if found else "–")
        mine = [o for key, o in view.operations.items() if (key.scheme, key.k) == (scheme.label, scheme.k)]
        rows.append((*cells, ms_text(_seconds_an_item(mine))))
    head = ("Scheme", *(f"On air, {snr_text(snr_db)} dB" for snr_db in view.chosen_snrs), "Computing")
    return Table(f"Milliseconds an item; on air over {view.channels[0]}", head, rows)


def _kilobytes(count: int) -> str:
    return count_text(count / 1e3) if count else "0"


def _seconds_an_item(operations: Sequence[Operation]) -> float:
    return sum(o.seconds * o.items for o in operations) / sum(o.items for o in operations)


def time_table(view: View) -> Table:
    """Time that an item took to measure, over all points."""
    together: defaultdict[tuple[int, int | None], list[Operation]] = defaultdict(list)
    place = {scheme.label: number for number, scheme in enumerate(view.schemes)}
    for key, operation in view.operations.items():
        together[place[key.scheme], key.k].append(operation)
    rows = []
    for number, scheme in enumerate(view.schemes):
        for k in scheme.k_list:
            found = together[number, k]
            items = sum(o.items for o in found)
            slowest = max(found, key=lambda o: o.seconds)
            place_of = f"{slowest.key.channel}, {snr_text(slowest.key.snr_db)} dB"
            lost = sum(r.lost for o in found for r in o.results)
            cells = (scheme.name(k), ms_text(_seconds_an_item(found)), ms_text(slowest.seconds), place_of, f"{items:,}",
                     f"{100 * lost / items:.1f}")  # fmt: skip
            rows.append(cells)
    head = ("Scheme", "ms an item", "at the slowest point", "which is", "items", "without an answer (%)")
    return Table("", head, rows, words=frozenset((3,)))
