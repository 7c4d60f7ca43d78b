# SPDX-License-Identifier: GPL-3.0-or-later
"""A sweep from its configuration to its results file."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import sdr_sc
from sdr_sc.phy.channels import parse_chain
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.phy.numerology import Numerology
from sdr_sc.results.provenance import machine
from sdr_sc.results.rows import Row, git_commit
from sdr_sc.schemes.catalogue import check_scheme
from sdr_sc.sweep.config import USUAL_MODE, SweepConfig
from sdr_sc.sweep.grid import Point, make_tasks
from sdr_sc.sweep.items import fingerprint, items_of, test_set
from sdr_sc.sweep.journal import Journal
from sdr_sc.sweep.points import describe, load_scheme, measure
from sdr_sc.sweep.results import VERSION, pooled_interval, title
from sdr_sc.sweep.tally import PointResult
from sdr_sc.sweep.workers import LocalWorkers, Workers

_PACKAGES = ("numpy", "scipy", "numba", "torch", "onnxruntime", "pyarrow", "dask", "distributed", "pillow")


@dataclass(frozen=True)
class Hooks:
    """What is reported while a sweep runs.

    Attributes:
        on_start: number of points in all, and of those that are there already.
        on_point: each one that was measured.
        on_trouble: lost workers, in a line.
    """

    on_start: Callable[[int, int], None] = lambda points, there: None
    on_point: Callable[[PointResult], None] = lambda result: None
    on_trouble: Callable[[str], None] = lambda line: None


def run_sweep(
    config: SweepConfig,
    out: Path,
    workers: Workers,
    force: bool = False,
    hooks: Hooks = Hooks(),  # noqa: B008
    command: Sequence[str] = ("sdr-sc", "sweep"),
) -> dict[Point, PointResult]:
    """Measure all points of a sweep that its results file has not.

    However this ends, what was measured is kept, and the same call goes on from there.

    Args:
        out: the results file.
        workers: who measures.
        force: measure all again.
        command: for the record.

    Returns:
        The results of the sweep's grid.

    Raises:
        SdrScError: the sweep, a model, the results file or the workers cannot be used; in one sentence.
    """
    check_air(config)
    items_of(config.seeds[0], config.items, config.data_set)
    for entry in config.schemes:
        check_scheme(entry.scheme, entry.parameters)
    schemes = {entry.label: load_scheme(entry, config.data_set) for entry in config.schemes}
    is_local = isinstance(workers, LocalWorkers)
    k_lists = {label: scheme.k_list for label, scheme in schemes.items()}
    described = {label: describe(scheme) for label, scheme in schemes.items()}
    tasks = make_tasks(config, k_lists, git_commit(), "" if is_local else fingerprint(config.data_set), described)
    journal = Journal(out, results_about(config, described, k_lists, command), force)
    try:
        missing = [task for point, task in tasks.items() if point not in journal.points]
        hooks.on_start(len(tasks), len(tasks) - len(missing))

        def keep(result: PointResult) -> None:
            journal.add(result)
            hooks.on_point(result)

        if missing:
            workers.run(measure, missing, keep, hooks.on_trouble)
    finally:
        journal.close()
    return {point: journal.points[point] for point in tasks}


def check_air(config: SweepConfig) -> None:
    """Refuse channels that cannot be read, and what the flowgraph's air cannot do.

    Raises:
        SdrScError: in one sentence.
    """
    numerology = Numerology()
    for channel in config.channels:
        parse_chain(channel.models, numerology.sample_rate_hz, 0, numerology)
    if config.air == "flowgraph":
        from sdr_sc.sweep.flowgraph import check_flowgraph

        check_flowgraph(config)


def results_about(
    config: SweepConfig,
    described: Mapping[str, Mapping[str, Any]],
    k_lists: Mapping[str, tuple[int, ...] | None],
    command: Sequence[str],
) -> dict[str, Any]:
    """What a results file says of itself; see docs/sweeps.md.

    Args:
        described: by the schemes' labels, what they say of themselves.
        k_lists: by the same, the k that may be asked for; None where there is no choice.
    """
    versions: dict[str, str | None] = {"sdr_sc": sdr_sc.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "version": VERSION,
        "command": list(command),
        "config": config.to_dict(),
        "settings": config.settings,
        "schemes": {
            entry.label: {
                "scheme": entry.scheme,
                "parameters": entry.parameters,
                "stop": asdict(entry.stop) if entry.stop else None,
                **({} if entry.mode == USUAL_MODE else {"mode": entry.mode}),  # as earlier files have none
                "is": described[entry.label],
            }
            for entry in config.schemes
        },
        "channels": {entry.label: entry.described for entry in config.channels},
        "has_k": {label: k_list is not None for label, k_list in k_lists.items()},
        "data_set": f"{test_set(config.data_set).name}, test",
        "data_set_sha256": test_set(config.data_set).sha256,
        "class_names": list(test_set(config.data_set).names(test_set(config.data_set).tasks[0])),
        "git": git_commit(),
        "versions": versions,
        "machine": machine(),
    }


def sweep_rows(results: dict[Point, PointResult], data_set: str) -> list[Row]:
    """Accuracy and channel uses at each operating point, over its seeds, which drew items of that data set."""
    together: dict[str, list[PointResult]] = {}
    for point, result in results.items():
        together.setdefault(title(point), []).append(result)
    rows = []
    for name, found in together.items():
        items, correct = sum(r.items for r in found), sum(r.correct for r in found)
        low, high = pooled_interval(found, len(test_set(data_set)))
        rows.append(Row(f"accuracy, {name}", 100 * correct / items, "%", n=items, ci95=(100 * low, 100 * high)))
        uses, on_air = sum(r.channel_uses for r in found), sum(r.symbols_on_air for r in found)
        rows.append(Row(f"channel uses per item, {name}", uses / items, "symbols", n=items))
        rows.append(Row(f"the same with all overhead, {name}", on_air / items, "symbols", n=items))
        frames, by_mode = sum(r.frames for r in found), np.sum([r.frames_by_mode for r in found], axis=0)
        rows += [
            Row(f"frames in {mode.name.lower()} mode, {name}", 100 * int(count) / frames, "%", n=frames)
            for mode, count in zip(FrameMode, by_mode, strict=True)
            if mode is not FrameMode.NORMAL and count
        ]
    return rows
