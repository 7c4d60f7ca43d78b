# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's comparisons: symbols needed for a target, symbols saved by the adaptive module, who wins where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdr_sc.report.sweep.compare import Difference, difference
from sdr_sc.report.sweep.operating_points import Cost, Mean, Operation, mean_of
from sdr_sc.report.sweep.selection import ROUNDING, SAME_POINTS, SchemeView, View

COMPARABLE = 1.1
"""A scheme may spend so many times what the reference spends."""
MATRIX_CHANNELS = 3


@dataclass(frozen=True)
class Need:
    """What a scheme spends for the target at one SNR.

    Attributes:
        operation: the cheapest that reaches it; None where none does.
        is_measured: whether the scheme was measured there at all.
        is_sure: whether the interval of its accuracy is above the target, too.
        ratio: its cost over the reference's; None where one of them does not reach the target.
    """

    operation: Operation | None
    is_measured: bool
    is_sure: bool
    ratio: float | None


def needs(view: View, channel: str, snr_db: float, cost: Cost) -> dict[str, Need]:
    """By scheme, what it spends for the target."""
    base = view.cheapest(view.reference, channel, snr_db, cost)
    found = {}
    for scheme in view.schemes:
        operation = view.cheapest(scheme, channel, snr_db, cost)
        found[scheme.label] = Need(
            operation,
            is_measured=bool(view.at(scheme, channel, snr_db)),
            is_sure=operation is not None and 100 * operation.interval[0] >= view.target,
            ratio=operation.cost(cost) / base.cost(cost) if operation is not None and base is not None else None,
        )
    return found


@dataclass(frozen=True)
class Saving:
    """A scheme's own choice of k against fixed ones, in means over the SNRs that all of them have.

    Attributes:
        scheme, channel: whose.
        snrs: over which.
        adaptive: with its own choice.
        fixed: by k.
        equal_k: the cheapest fixed k that is at least as accurate; None where none is.
        best_k: the most accurate fixed k.
        near_k: the cheapest fixed k that is less accurate by `SAME_POINTS` at most; None where none is.
        ahead: by fixed k, the own choice's accuracy less its.
    """

    scheme: SchemeView
    channel: str
    snrs: tuple[float, ...]
    adaptive: Mean
    fixed: dict[int, Mean]
    equal_k: int | None
    best_k: int
    near_k: int | None
    ahead: dict[int, Difference]

    def saved(self, cost: Cost, k: int | None) -> float | None:
        """Share of a fixed k's symbols that the own choice does not send; None for k None."""
        return None if k is None else 1 - getattr(self.adaptive, cost) / getattr(self.fixed[k], cost)


def saving(view: View, scheme: SchemeView, channel: str) -> Saving | None:
    """What a scheme's own choice saves; None where it has no choice, or was measured without a fixed k."""
    fixed_k = [k for k in scheme.k_list if k is not None]
    if None not in scheme.k_list or not fixed_k:
        return None
    curves = {k: {o.key.snr_db: o for o in view.curve(scheme, channel, k)} for k in scheme.k_list}
    fixed_k = [k for k in fixed_k if curves[k]]
    common = sorted(set.intersection(set(curves[None]), *(set(curves[k]) for k in fixed_k)))
    if not common or not fixed_k:
        return None
    own = [curves[None][snr_db] for snr_db in common]
    fixed = {k: mean_of([curves[k][snr_db] for snr_db in common]) for k in fixed_k}
    adaptive = mean_of(own)
    as_good = [k for k in fixed_k if fixed[k].accuracy >= adaptive.accuracy]
    near = [k for k in fixed_k if 100 * (adaptive.accuracy - fixed[k].accuracy) <= SAME_POINTS + ROUNDING]
    ahead = {k: difference([(mine, curves[k][mine.key.snr_db]) for mine in own]) for k in fixed_k}
    return Saving(
        scheme, channel, tuple(common), adaptive, fixed,
        equal_k=min(as_good, key=lambda k: fixed[k].uses, default=None),
        best_k=max(fixed_k, key=lambda k: fixed[k].accuracy),
        near_k=min(near, key=lambda k: fixed[k].uses, default=None),
        ahead=ahead,
    )  # fmt: skip


def savings(view: View) -> list[Saving]:
    """Of all schemes with a choice over all channels, those of the reference first."""
    schemes = sorted(view.schemes, key=lambda scheme: scheme is not view.reference)
    found = (saving(view, scheme, channel) for scheme in schemes for channel in view.channels)
    return [one for one in found if one is not None]


def matrices(view: View) -> list[Operation]:
    """Whose confusion matrices are shown: the reference's at the lowest and the highest of the chosen SNRs, over up to
    `MATRIX_CHANNELS` channels."""
    snrs = dict.fromkeys((view.chosen_snrs[0], view.chosen_snrs[-1]))
    mine = view.reference
    found = (view.get(mine.label, c, snr_db, mine.k) for c in view.channels[:MATRIX_CHANNELS] for snr_db in snrs)
    return [operation for operation in found if operation is not None]


@dataclass(frozen=True)
class Rival:
    """A scheme in a comparison.

    Attributes:
        scheme: which.
        operation: its most accurate operating point within the budget.
        behind: the best one's accuracy less its own; None for the best one itself.
    """

    scheme: SchemeView
    operation: Operation
    behind: Difference | None


@dataclass(frozen=True)
class Contest:
    """Who is most accurate at one SNR for a budget.

    Attributes:
        snr_db: as set.
        budget: symbols an item.
        rivals: the best first.
        over: schemes that were measured and spend more, whatever their k.
    """

    snr_db: float
    budget: float
    rivals: tuple[Rival, ...]
    over: tuple[SchemeView, ...]

    @property
    def alike(self) -> tuple[Rival, ...]:
        """Rivals that the best one is not seen to be ahead of, over the items that both have."""
        return tuple(rival for rival in self.rivals[1:] if rival.behind is not None and not rival.behind.low > 0)

    @property
    def winner(self) -> SchemeView | None:
        """The best one, if it is better than each of its rivals; None also where it has none."""
        return self.rivals[0].scheme if len(self.rivals) > 1 and not self.alike else None


def contest(view: View, channel: str, snr_db: float, cost: Cost) -> Contest | None:
    """Compare at what the reference spends there with its curve's k; None where that was not measured."""
    mine = view.get(view.reference.label, channel, snr_db, view.reference.k)
    if mine is None:
        return None
    budget = mine.cost(cost) * COMPARABLE
    within: list[tuple[SchemeView, Operation]] = []
    over = []
    for scheme in view.schemes:
        points = view.at(scheme, channel, snr_db)
        affordable = [o for o in points if o.cost(cost) <= budget]
        if affordable:
            within.append((scheme, max(affordable, key=lambda o: (o.accuracy, -o.cost(cost)))))
        elif points:
            over.append(scheme)
    within.sort(key=lambda entry: -entry[1].accuracy)
    if not within:
        return None
    return Contest(snr_db, budget, _rivals(within, within[0][1]), tuple(over))


def _rivals(entries: Sequence[tuple[SchemeView, Operation]], best: Operation) -> tuple[Rival, ...]:
    return tuple(Rival(s, o, None if o is best else difference([(best, o)])) for s, o in entries)
