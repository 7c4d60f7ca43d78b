# SPDX-License-Identifier: GPL-3.0-or-later
"""Which data sets there are: by a registered name, or at a path of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sdr_sc.data.bbc_titles
import sdr_sc.data.clip_art
import sdr_sc.data.drawn.things
import sdr_sc.data.easy_vqa
import sdr_sc.data.fashion_mnist
import sdr_sc.data.noto_emoji
import sdr_sc.data.wordnet  # noqa: F401  # these register themselves
from sdr_sc.data.cifar import load_cifar
from sdr_sc.data.dataset import DEFAULT_DATA_SET, LOADERS, ImageSet, Split
from sdr_sc.data.image_folder import load_folder
from sdr_sc.data.joint.joined import JOINT, load_joined, parse_joined
from sdr_sc.data.npz import load_npz
from sdr_sc.data.own_options import OwnOptions, checked, parse_spec, with_options
from sdr_sc.data.splits import SPLITS
from sdr_sc.errors import DataSetError
from sdr_sc.shown import shown

_KINDS = "a folder of class folders, an .npz file, or CIFAR's archive (.tar.gz) or folder"


def dataset_names() -> list[str]:
    """Names that `load_dataset` knows."""
    return sorted(LOADERS)


def load_dataset(spec: str = DEFAULT_DATA_SET, split: Split = "test") -> Any:
    """A data set.

    Args:
        spec: a registered name; several with ``+`` between (see `sdr_sc.data.joint.joined`); or the path of a folder of
            class folders with pictures, an ``.npz`` file, or CIFAR's archive or folder, which options may follow:
            ``pictures,size=32,colour=grey`` (see `own_options`).
        split: which part.

    Raises:
        DataSetError: there is none, or it cannot be read; in one sentence.
    """
    if split not in SPLITS:
        raise DataSetError(f"split is {split!r}; use 'train' or 'test', or 'validation' where the data set has it.")
    if spec in LOADERS:
        return LOADERS[spec](split)
    if JOINT in spec and spec.split(JOINT, 1)[0] in LOADERS:
        return load_joined(spec, split)
    if split == "validation":
        raise DataSetError(f"data set {shown(spec)} has no validation part; hold out a part of its 'train'.")
    return _load_own(spec, split)


def check_known(spec: str) -> None:
    """Refuse what `load_dataset` would not find, without loading anything.

    Raises:
        DataSetError: there is no such name and no such path, or an option is unknown.
    """
    listed = spec.partition(",")[0]
    if spec in LOADERS:
        return
    if listed.split(JOINT, 1)[0] in LOADERS and not Path(listed).exists():
        parse_joined(spec)
    else:
        _path_of(spec)


def _path_of(spec: str) -> tuple[Path, OwnOptions, bool]:
    """Path of a data set of one's own, its options, and whether it is a folder.

    Raises:
        DataSetError: there is nothing.
    """
    path, options = parse_spec(spec)
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except (OSError, ValueError):
        is_folder = is_there = False
    if not is_there:
        raise DataSetError(
            f"data set {shown(repr(spec))} is unknown: no such name, and no such path; known names are "
            f"{', '.join(dataset_names())}; a path leads to {_KINDS}."
        )
    return path, options, is_folder


def _load_own(spec: str, split: Split) -> ImageSet:
    """A data set at a path.

    Raises:
        DataSetError: there is nothing, nothing that is a data set, or it is damaged.
    """
    path, options, is_folder = _path_of(spec)
    if not is_folder and path.suffix == ".npz":
        found = load_npz(path, split)
    elif (is_folder and _is_cifar(path)) or path.name.endswith((".tar.gz", ".tgz", ".tar")):
        found = load_cifar(path, split)
    elif is_folder:
        return checked(load_folder(path, split, options), path)
    else:
        lines = "; lines of text are sent by the block Text Source" if path.suffix == ".txt" else ""
        raise DataSetError(f"{shown(path)} is no data set; give {_KINDS}{lines}.")
    return checked(with_options(found, options), path)


def _is_cifar(path: Path) -> bool:
    return any((path / name).is_file() for name in ("batches.meta", "data_batch_1", "meta")) and not any(
        entry.is_dir() for entry in path.iterdir()
    )
