# SPDX-License-Identifier: GPL-3.0-or-later
"""Single things, several pictures of each, as classes: what a knowledge base learns after a model's training.

``things`` and ``clip_things`` are 50 drawings each of Tux Paint's stamps and of OpenClipart's training part, by
chance. A class is a drawing's name. Of its eight pictures, each on a background of its own, five are the training part,
for a base's entries, and three the test part, to be sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sdr_sc.data.clip_art import OPENCLIPART, TUX_PAINT, load_openclipart, load_tux_paint
from sdr_sc.data.dataset import CLASSIFICATION, INFOS, Dataset, ImageSet, SetInfo, Split, register_dataset
from sdr_sc.errors import DataSetError
from sdr_sc.sealed import digest_of
from sdr_sc.shown import shown

TUX_THINGS, CLIP_THINGS = "things", "clip_things"
THINGS, VIEWS, LEFT_VIEWS, SEED = 50, 5, 3, 1


def chosen_things(data: Dataset, seed: int, things: int = THINGS) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Things of which a data set has enough items, by chance.

    Args:
        data: with the task ``retrieval``, whose names are those of things.
        things: how many.

    Returns:
        Names of the things, and places of the items: int64 (things, `VIEWS`) and (things, `LEFT_VIEWS`).

    Raises:
        DataSetError: there are too few.
    """
    entries = data.targets("retrieval", np.arange(len(data)))
    often = np.flatnonzero(np.bincount(entries[entries >= 0]) >= VIEWS + LEFT_VIEWS)
    if len(often) < things:
        raise DataSetError(f"data set {shown(data.name)} shows {len(often)} things often enough; give another.")
    chosen = np.random.default_rng(seed).permutation(often)[:things]
    places = np.stack([np.flatnonzero(entries == one)[: VIEWS + LEFT_VIEWS] for one in chosen])
    names = data.names("retrieval")
    return [str(names[one]) for one in chosen], places[:, :VIEWS], places[:, VIEWS:]


def _things(load: Callable[[Split], ImageSet], title: str, split: Split) -> ImageSet:
    if split == "validation":
        raise DataSetError(f"the data set {title} has no validation part; use 'train' or 'test'.")
    data = load("train")
    names, kept, left = chosen_things(data, SEED, THINGS)
    places = {"train": kept, "test": left}[split]
    own, training = (digest_of(["things", SEED, data.sha256, part]) for part in (split, "train"))
    labels = np.repeat(np.arange(len(names)), places.shape[1])
    images, groups = data.images[places.ravel()], labels.copy()
    return ImageSet(images, labels, tuple(names), own, title, split, training, groups=groups)


def _info(name: str, title: str) -> SetInfo:
    return replace(INFOS[name], title=title, tasks={CLASSIFICATION: "which thing"})


@register_dataset(TUX_THINGS, _info(TUX_PAINT, "Things of Tux Paint"))
def load_tux_things(split: Split) -> ImageSet:
    """Five pictures (train) or three others (test) of each of 50 stamps.

    Raises:
        DataSetError: the package is not here, or is damaged.
    """
    return _things(load_tux_paint, "things of Tux Paint", split)


@register_dataset(CLIP_THINGS, _info(OPENCLIPART, "Things of OpenClipart"))
def load_clip_things(split: Split) -> ImageSet:
    """The same of OpenClipart's drawings; errors as for `load_tux_things`."""
    return _things(load_openclipart, "things of OpenClipart", split)
