# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands at the head of a sweep's report: what was measured, whether all of it is there, and the first figures."""

from __future__ import annotations

from typing import Any

from sdr_sc.report.page import tile, units_stay
from sdr_sc.report.sweep.selection import SAME_POINTS, View
from sdr_sc.report.sweep.tables import COMPARABLE, contest, needs, savings
from sdr_sc.report.sweep.text_tables import count_text, snr_text

_AIRS = {
    "phy": "through transmitter, channel and receiver without GNU Radio",
    "flowgraph": "through GNU Radio and the simulated USRP",
}


def several(count: int, one: str, more: str = "") -> str:
    """A count with its noun.

    >>> several(1, "scheme"), several(3, "scheme")
    ('1 scheme', '3 schemes')
    """
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def measured(view: View) -> str:
    """What was measured, in a sentence."""
    study, snrs = view.study, view.snrs
    items = sorted({result.items for result in study.points.values()})
    each = f"{items[0]:,}" if len(items) == 1 else f"{items[0]:,} to {items[-1]:,}"
    at = f"{snr_text(snrs[0])} dB" if len(snrs) == 1 else (
        f"{len(snrs)} SNRs from {snr_text(snrs[0])} to {snr_text(snrs[-1])} dB")  # fmt: skip
    air = _AIRS.get(study.configs[0].air, study.configs[0].air)
    return units_stay(
        f"{several(len(view.schemes), 'scheme')} ({', '.join(s.label for s in view.schemes)}) over "
        f"{several(len(view.channels), 'channel')} ({', '.join(view.channels)}) at {at}, with "
        f"{several(len(study.seeds), 'seed')}: {several(len(study.points), 'point')} of {each} images of "
        f"{study.abouts[0]['data_set']}, {air}. An image that is lost or cannot be decoded counts as wrong."
    )


def verdict(view: View) -> dict[str, Any]:
    """Whether the grid is whole, and what a reader has to know besides."""
    study, notes = view.study, []
    missing = len(study.missing)
    if missing:
        share = f"{missing:,} of {several(len(study.points) + missing, 'point')}"
        sentence = (
            f"The grid is not whole: {share} {'is' if missing == 1 else 'are'} missing, such as {study.missing[0]}. "
            "What follows rests on the others; the sweep goes on when its command is run again."
        )
    else:
        sentence = "Every point of the grid was measured."
    for path in study.unfinished:
        notes.append(f"{path.name} is being measured, or its sweep was killed: points in its journal are not shown.")
    for path in study.unverified:
        notes.append(f"{path.name} was made by an earlier version, without a checksum: damage to it is not noticed.")
    commits = sorted({result.git for result in study.points.values()})
    if len(commits) > 1:
        notes.append(f"The points were measured by {len(commits)} commits: {', '.join(commits)}.")
    elif commits[0].endswith("+dirty"):
        notes.append("The program that measured had changes that are in no commit.")
    if len(view.snrs) == 1:
        notes.append("There is one SNR only, so that curves are single points.")
    if len(view.schemes) == 1:
        notes.append("There is one scheme only, and nothing to compare it with.")
    return {"ok": not missing, "sentence": sentence, "notes": notes}


def tiles(view: View) -> list[dict[str, str]]:
    """The headline figures."""
    return [_points(view), _accuracy(view), _need(view), _saving(view), _wins(view), _time(view)]


def _middle(snrs: list[float]) -> float:
    """10 dB if it is there, else the middle one."""
    return 10.0 if 10.0 in snrs else snrs[(len(snrs) - 1) // 2]


def _points(view: View) -> dict[str, str]:
    there = len(view.study.points)
    items = sum(result.items for result in view.study.points.values())
    return tile("Points measured", f"{there:,}", f"of {there + len(view.study.missing):,}",
                f"{items:,} images sent; {several(len(view.schemes), 'scheme')}, "
                f"{several(len(view.channels), 'channel')}, {several(len(view.snrs), 'SNR')}")  # fmt: skip


def _accuracy(view: View) -> dict[str, str]:
    mine, snr_db = view.reference, _middle(view.chosen_snrs)
    label = f"Accuracy of {mine.curve}"
    found = [(c, view.get(mine.label, c, snr_db, mine.k)) for c in view.channels]
    there = [(channel, o) for channel, o in found if o is not None]
    if not there:
        return tile(label, "–", "", f"not measured at {snr_text(snr_db)} dB")
    (first, o), rest = there[0], there[1:]
    low, high = o.interval
    note = (f"{first}, {snr_text(snr_db)} dB, {count_text(o.uses)} payload symbols; 95 % interval {100 * low:.1f}–"
            f"{100 * high:.1f} %")  # fmt: skip
    note += "".join(f"; {channel} {100 * other.accuracy:.1f} %" for channel, other in rest)
    return tile(label, f"{100 * o.accuracy:.1f}", "%", note)


def _need(view: View) -> dict[str, str]:
    snr_db, channel, mine = _middle(view.need_snrs), view.channels[0], view.reference
    label = f"Symbols for {view.target:g} %"
    found = needs(view, channel, snr_db, "uses")
    own = found[mine.label].operation
    place = f"{channel}, {snr_text(snr_db)} dB"
    if own is None:
        return tile(label, "–", "", f"{mine.label} does not reach {view.target:g} % there ({place})")
    rivals = [s for s in view.schemes if s is not mine and found[s.label].is_measured]
    others = [(s, found[s.label].operation) for s in rivals]
    reaching = sorted(((o.uses, s.label) for s, o in others if o is not None))
    note = f"payload symbols an image of {mine.name(own.key.k)}, {place}"
    if reaching:
        word = "next" if reaching[0][0] >= own.uses else "fewer:"
        note += f"; {word} {reaching[0][1]} with {count_text(reaching[0][0])}"
    elif others:
        note += "; no other scheme that was measured there reaches it"
    return tile(label, ("" if found[mine.label].is_sure else "≈ ") + count_text(own.uses), "symbols", note)


def _saving(view: View) -> dict[str, str]:
    found = [one for one in savings(view) if one.scheme is view.reference]
    label = f"{view.reference.k_text(None) or 'Own choice of k'} saves"
    if not found:
        return tile(label, "–", "", f"{view.reference.label} was not measured with both its own choice and a fixed k")
    first = found[0]
    share = first.saved("uses", first.equal_k)
    if share is None:
        note = f"of {first.channel}: no fixed k is as accurate"
    else:
        note = (
            f"of the payload symbols on {first.channel}, against k = {first.equal_k}, the cheapest fixed k as accurate"
        )
    if first.near_k not in (None, first.equal_k):
        near = 100 * (first.saved("uses", first.near_k) or 0.0)
        note += f"; {near:.0f} % against k = {first.near_k}, less accurate by {SAME_POINTS:g} points at most"
    for one in found[1:]:
        other = one.saved("uses", one.equal_k)
        note += f"; {one.channel} " + (f"{100 * other:.0f} %" if other is not None else "no fixed k is as accurate")
    return tile(label, "–" if share is None else f"{100 * share:.0f}".replace("-", "−"), "%", note.replace(" -", " −"))


def _wins(view: View) -> dict[str, str]:
    places = [contest(view, channel, snr_db, "uses") for channel in view.channels for snr_db in view.snrs]
    held = [one for one in places if one is not None and len(one.rivals) > 1]
    label = f"{view.reference.label} wins at"
    if not held:
        return tile(label, "–", "", "no other scheme within its payload symbols")
    won = sum(one.winner is view.reference for one in held)
    lost = sum(one.winner is not None and one.winner is not view.reference for one in held)
    note = f"channels and SNRs where another spends at most {COMPARABLE:g} times its payload symbols"
    for count, told in ((lost, "another wins at"), (len(held) - won - lost, "no difference is seen at")):
        if count:
            note += f"; {told} {count}"
    return tile(label, str(won), f"of {len(held)}", note)


def _time(view: View) -> dict[str, str]:
    seconds = sum(result.seconds for result in view.study.points.values())
    kind = "wall time" if view.study.configs[0].air == "flowgraph" else "processor time of one core"
    value, unit = (seconds / 3600, "hours") if seconds >= 5400 else (seconds / 60, "minutes") if seconds >= 90 else (
        seconds, "s")  # fmt: skip
    return tile("Time to measure", f"{value:.1f}", unit, f"{kind}, all points together")
