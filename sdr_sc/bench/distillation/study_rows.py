# SPDX-License-Identifier: GPL-3.0-or-later
"""A study from its teachers to its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.bench.distillation.runs import Run
from sdr_sc.bench.distillation.study_runs import Job, Outcomes, run_all, test_set, training_set
from sdr_sc.distill.studies.prepare import knowledge_folder, prepare, teacher_cards
from sdr_sc.distill.studies.study import Comparison, Condition, Size, Study, TeacherPlan, sized
from sdr_sc.documents import whole_number
from sdr_sc.errors import SdrScError
from sdr_sc.results.paired import pack, paired_gain, unpack
from sdr_sc.results.rows import Row, git_commit, mean_interval, wilson_interval
from sdr_sc.semantic.contract import ModelContract

Found = Mapping[tuple[str, int], Outcomes]
"""What came of each scheme and seed."""
HeldOut = Mapping[tuple[str, int], ModelContract]
"""The contracts of the runs, whose tables of accuracy are of the held-out images."""


@dataclass(frozen=True)
class StudyResult:
    """A study's rows, and the answers that they come from.

    Attributes:
        kept: for JSON: ``images``, ``seeds`` and the packed answers by scheme, seed and condition.
    """

    rows: list[Row]
    kept: dict[str, Any]


def run_study(
    study: Study, size: Size, folder: Path, workers: int, log: Callable[[str], None], only: tuple[str, ...] = ()
) -> StudyResult:
    """Fit and ask the teachers, train and measure the students, as far as that is not done; and compare.

    Args:
        folder: where all of it lies; one for each size.
        only: names of schemes: the others are left out, and comparisons of which nothing is left.

    Raises:
        SdrScError: the folder holds something that was made with other settings.
    """
    schemes = [scheme for scheme in study.schemes if not only or scheme.name in only]
    data, git = training_set(size), git_commit()
    asked = {scheme.teacher for scheme in schemes}
    plans = [plan for plan in study.teachers if plan.name in asked]
    for plan in plans:
        prepare(plan, size, data, test_set(size.test_images), folder, git, log)
    jobs = [
        Job(
            Run(sized(scheme, size), seed, size.epochs, folder),
            (),
            knowledge_folder(scheme.teacher, folder) if scheme.teacher else None,
        )
        for seed in size.seeds
        for scheme in schemes
    ]
    run_all(jobs, size, workers, log)
    contracts = {(job.run.scheme.name, job.run.seed): job.run.contract() for job in jobs}
    points = compared_at(study, contracts)
    measured = [replace(job, conditions=points[name]) for job in jobs if (name := job.run.scheme.name) in points]
    found = run_all(measured, size, workers, log)
    rows = [*study_rows(study, found, contracts, size.judged), *teacher_rows(plans, folder)]
    return StudyResult(rows, kept_answers(found))


def teacher_rows(plans: Sequence[TeacherPlan], folder: Path) -> list[Row]:
    """What each member of the teachers reaches, by its card, without any channel."""
    rows = []
    for plan in plans:
        for seed, card in zip(plan.seeds, teacher_cards(plan, folder), strict=True):
            for where, share in (("held-out", card.validation_accuracy), ("test", card.test_accuracy)):
                if share is not None:  # cards of earlier versions lack it
                    rows.append(Row(f"teacher {plan.name}, seed {seed}, {where} images", 100.0 * share, "%"))
    return rows


def study_rows(study: Study, found: Found, contracts: HeldOut, judged: bool) -> list[Row]:
    """Gains first, each with its interval over images and seeds; then the accuracy of every scheme that was measured,
    and on the held-out images where there was a choice.

    Args:
        judged: whether gains have their goals.
    """
    titles = {scheme.name: scheme.title for scheme in study.schemes}
    rows: list[Row] = []
    for comparison in study.comparisons:
        one, other = (best(names, comparison, contracts) for names in (comparison.one, comparison.other))
        if one is None or other is None:
            continue
        chosen = [titles[name] for names, name in ((comparison.one, one), (comparison.other, other)) if len(names) > 1]
        title = f"{comparison.title}{f' ({chosen[0]})' if chosen else ''}"
        for condition in map(str, comparison.conditions):
            pair = [answers(found, name, condition) for name in (one, other)]
            goal = comparison.at_least if judged and condition == str(comparison.conditions[0]) else None
            rows.append(paired_gain(*pair).row(f"{title}, {condition}", goal))
    for name in dict.fromkeys(scheme for scheme, _ in found):
        for condition in next(outcome for (scheme, _), outcome in found.items() if scheme == name):
            rows.append(accuracy_row(f"{titles[name]}, {condition}", answers(found, name, condition)))
    trained = {scheme for scheme, _ in contracts}
    for comparison in (one for one in study.comparisons if len(one.one) + len(one.other) > 2):
        for name in (name for name in (*comparison.one, *comparison.other) if name in trained):
            value = 100.0 * held_out_accuracy(name, comparison, contracts)
            rows.append(Row(f"{titles[name]}, held-out images, mean over the points", value, "%"))
    return rows


def compared_at(study: Study, contracts: HeldOut) -> dict[str, tuple[Condition, ...]]:
    """Where each scheme is to be measured that is compared: of those to choose from, the best one alone."""
    found: dict[str, list[Condition]] = {}
    for comparison in study.comparisons:
        chosen = [best(names, comparison, contracts) for names in (comparison.one, comparison.other)]
        for name in (name for name in chosen if name is not None):
            found.setdefault(name, []).extend(comparison.conditions)
    return {name: tuple(dict.fromkeys(conditions)) for name, conditions in found.items()}


def answers(found: Found, scheme: str, condition: str) -> np.ndarray:
    """bool (seeds, images), seeds rising."""
    return np.stack([found[key][condition] for key in sorted(found) if key[0] == scheme])


def accuracy_row(name: str, right: np.ndarray) -> Row:
    """Mean over the seeds, with Student's interval over them; of one seed, with that over the images."""
    by_seed = 100.0 * right.mean(axis=1)
    if len(by_seed) > 1:
        interval = mean_interval(by_seed)
    else:
        low, high = wilson_interval(int(right.sum()), right.size)
        interval = 100 * low, 100 * high
    return Row(name, float(by_seed.mean()), "%", n=right.size, ci95=interval, samples=tuple(by_seed.tolist()))


def best(names: tuple[str, ...], comparison: Comparison, contracts: HeldOut) -> str | None:
    """The scheme with the best accuracy on the held-out images, mean over the conditions and seeds, without shifts;
    None where none was trained."""
    trained = [name for name in names if any(scheme == name for scheme, _ in contracts)]
    return max(trained, key=lambda name: held_out_accuracy(name, comparison, contracts), default=None)


def held_out_accuracy(name: str, comparison: Comparison, contracts: HeldOut) -> float:
    """Of a scheme, 0 to 1, over noise."""
    values = []
    for (scheme, _), contract in contracts.items():
        if scheme == name:
            for condition in comparison.conditions:
                row = contract.cam.accuracy[contract.cam.snr_db.index(condition.snr_db)]
                values.append(row[contract.k_list.index(condition.k)])
    return float(np.mean(values))


def kept_answers(found: Found) -> dict[str, Any]:
    """The answers for JSON: see `StudyResult.kept`."""
    images = len(next(iter(next(iter(found.values())).values())))
    kept: dict[str, Any] = {"images": images, "right": {}}
    for (scheme, seed), outcomes in sorted(found.items()):
        packed = {condition: pack(right) for condition, right in outcomes.items()}
        kept["right"].setdefault(scheme, {})[str(seed)] = packed
    return kept


def gain_rows(
    kept: Mapping[str, Any], one: str, other: str, source: str, of_other: Mapping[str, Any] | None = None
) -> list[Row]:
    """The gain of one scheme over another, from kept answers, at all conditions and seeds that both have.

    Args:
        kept: as `StudyResult.kept`, read from a file.
        source: what errors call that.
        of_other: the same of the other scheme; None for ``kept``.

    Raises:
        SdrScError: it holds no answers of these schemes with a common seed.
    """
    images, parts = whole_number(kept.get("images"), 2) or 0, []
    for name, answered in ((one, kept), (other, kept if of_other is None else of_other)):
        schemes = answered.get("right")
        if not images or not isinstance(schemes, dict):
            raise SdrScError(f"{source} holds no answers that can be read; measure them again.")
        if answered.get("images") != images:
            raise SdrScError(
                f"{source} holds answers about different images, which cannot be paired; give other files."
            )
        if name not in schemes:
            raise SdrScError(f"{source} has no scheme {name!r}; give some of {', '.join(schemes)}.")
        parts.append(_of_seeds(schemes[name], source))
    seeds = [seed for seed in parts[0] if seed in parts[1]]
    rows = []
    for condition in dict.fromkeys(name for seed in seeds for name in parts[0][seed]):
        common = [seed for seed in seeds if all(condition in part[seed] for part in parts)]
        if common:
            pair = [np.stack([unpack(part[seed][condition], images) for seed in common]) for part in parts]
            rows.append(paired_gain(*pair).row(f"{one} over {other}, {condition}"))
    if not rows:
        raise SdrScError(f"{source} has no seed and condition with both {one} and {other}; give other schemes.")
    return rows


def _of_seeds(found: Any, source: str) -> dict[str, dict[str, Any]]:
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise SdrScError(f"{source} holds no answers that can be read; measure them again.")
    return found
