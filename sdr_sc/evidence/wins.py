# SPDX-License-Identifier: GPL-3.0-or-later
"""Wins and losses of a sweep's results: ours beside each rival in each setting, or beside the strongest of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdr_sc.errors import SdrScError
from sdr_sc.evidence.settings import MEAN, settings_of
from sdr_sc.evidence.tables import DASH, markdown, number, with_interval
from sdr_sc.evidence.verdicts import Option, Verdict, choose, compare
from sdr_sc.report.sweep.operating_points import Cost
from sdr_sc.report.sweep.results_set import load_study
from sdr_sc.results.rows import Row

OURS = "ours"
_OWN = ("ours", "refined")  # of the catalogue: variants of one coder are no rivals of each other
_RANKS = {"even": 1, "traded": 2}
_KINDS: tuple[tuple[Cost, str], ...] = (("uses", "payload"), ("on_air", "whole frame"))


@dataclass(frozen=True)
class Comparison:
    """One line of the table.

    Attributes:
        setting: its name.
        rival: the scheme that ours stands beside.
        ours, theirs: what each sends; None where nothing fits the budget.
        verdict: None where one of them sends nothing.
        budget: of the setting.
        source: the results file.
    """

    setting: str
    rival: str
    ours: Option | None
    theirs: Option | None
    verdict: Verdict | None
    budget: float | None = None
    source: Path | None = None

    def winner(self, kind: Cost, ours: str) -> str:
        """A scheme's name, ``even``, ``traded`` or ``both fail``."""
        if self.verdict is None:
            return ours if self.ours is not None else self.rival if self.theirs is not None else DASH
        found = self.verdict.winner(kind)
        return ours if found == "ours" else self.rival if found == "rival" else found

    def rank(self, kind: Cost, ours: str) -> int:
        """How strong the rival is in this setting: 0 where it wins, and the more the weaker."""
        found = self.winner(kind, ours)
        return 0 if found == self.rival else _RANKS.get(found, 3)


def strongest(found: Sequence[Comparison], kind: Cost, ours: str = OURS) -> list[Comparison]:
    """One comparison a setting, that with its strongest rival: ours wins a setting only if it wins against all.

    The strongest is one that wins against ours; if none does, one that is even, then one that trades, then one that
    loses. Of several such, the one that all of them would send by the rule of `choose`, were they one scheme.
    """
    out = []
    by_setting: dict[tuple[Path | None, str], list[Comparison]] = {}
    for one in found:
        by_setting.setdefault((one.source, one.setting), []).append(one)
    for those in by_setting.values():
        least = min(one.rank(kind, ours) for one in those)
        best = [one for one in those if one.rank(kind, ours) == least]
        chosen = choose([one.theirs for one in best if one.theirs is not None], best[0].budget)
        out.append(next((one for one in best if one.theirs is chosen), best[0]))
    return out


def comparisons(path: Path, ours: str = OURS, means_only: bool = False, margins: bool = True) -> list[Comparison]:
    """Ours beside each other scheme of a results file.

    Args:
        path: of the results.
        ours: the scheme that is compared with the others.
        means_only: leave out settings of one SNR where there is a mean over several.
        margins: see `settings_of`.

    Raises:
        SdrScError: the results cannot be read, or hold no such scheme, or nothing beside it.
    """
    found = []
    study = load_study([path])
    settings = settings_of(study, margins)
    own = {label for label, spec in study.schemes.items() if spec.get("scheme") in _OWN}
    for setting in settings:
        if means_only and setting.is_single and any(one.name.endswith(MEAN) for one in settings):
            continue
        if ours not in setting.options:
            continue
        mine = choose(setting.options[ours], setting.budget)
        for rival, options in setting.options.items():
            if rival == ours or (rival in own and ours in own):
                continue
            theirs = choose(options, setting.budget)
            if mine is None and theirs is None:
                continue
            verdict = compare(mine, theirs) if mine is not None and theirs is not None else None
            found.append(Comparison(setting.name, rival, mine, theirs, verdict, setting.budget, path))
    if not found:
        raise SdrScError(f"{path} holds nothing to compare {ours!r} with; give results with that scheme and another.")
    return found


def table(found: Sequence[Comparison], ours: str = OURS) -> str:
    """All comparisons, in Markdown; of each scheme accuracy in per cent, symbols an item without and with overhead, and
    its choice."""
    return _table(found, [found for _ in _KINDS], ours)


def table_of_settings(found: Sequence[Comparison], ours: str = OURS) -> str:
    """One line a setting, in Markdown: its strongest rival by payload symbols, and who wins against all by either."""
    by_kind = [strongest(found, kind, ours) for kind, _ in _KINDS]
    return _table(by_kind[0], by_kind, ours)


def _table(shown: Sequence[Comparison], by_kind: Sequence[Sequence[Comparison]], ours: str) -> str:
    cell = "accuracy, payload, on air"
    head = ["setting", "rival", f"{ours}: {cell}", f"rival: {cell}", "gain in points", "by payload", "by whole frame"]
    lines = []
    for place, one in enumerate(shown):
        gain = one.verdict.gain if one.verdict else None
        points = DASH if gain is None else with_interval(gain.points, (gain.low, gain.high), signed=True)
        winners = [those[place].winner(kind, ours) for (kind, _), those in zip(_KINDS, by_kind, strict=True)]
        lines.append([one.setting, one.rival, _cell(one.ours), _cell(one.theirs), points, *winners])
    return markdown(head, lines, numbers_from=2)


def _cell(option: Option | None) -> str:
    if option is None:
        return "nothing fits"
    figures = 100 * option.accuracy, option.cost("uses"), option.cost("on_air")
    choice = f" ({option.label})" if option.label else ""
    return ", ".join(number(value) for value in figures) + choice


def tally(found: Sequence[Comparison], ours: str = OURS) -> str:
    """How often each rival was beaten, and all of them together, in Markdown."""
    rivals = list(dict.fromkeys(one.rival for one in found))
    lines = []
    for rival in rivals:
        for kind, name in _KINDS:
            lines.append([rival, name, *_counts([one for one in found if one.rival == rival], kind, ours)])
    if len(rivals) > 1:
        lines += [["the strongest of each", name, *_counts(strongest(found, kind, ours), kind, ours)]
                  for kind, name in _KINDS]  # fmt: skip
    return markdown(["rival", "cost", f"{ours} wins", "rival wins", "even", "traded", "both fail"], lines, 2)


def _counts(found: Sequence[Comparison], kind: Cost, ours: str) -> list[str]:
    winners = ["rival" if (who := one.winner(kind, ours)) == one.rival else who for one in found]
    return [f"{winners.count(each)}" for each in (ours, "rival", "even", "traded", "both fail")]


def rows(found: Sequence[Comparison], ours: str = OURS) -> list[Row]:
    """The figures of the table."""
    out = []
    for one in found:
        if one.verdict is not None:
            gain, name = one.verdict.gain, f"{one.setting}; {ours} less {one.rival}"
            items = sum(operation.items for operation in one.verdict.ours.operations)
            out.append(Row(f"{name}: accuracy", gain.points, "points", n=items, ci95=(gain.low, gain.high)))
            for kind, cost in _KINDS:
                ratio = one.verdict.rival.cost(kind) / one.verdict.ours.cost(kind)
                out.append(Row(f"{name}: symbols of the rival over ours, {cost}", ratio, "times"))
    return out
