# SPDX-License-Identifier: GPL-3.0-or-later
"""A model on the items of a data set that it was not trained for, such as another artist's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sdr_sc.data.dataset import LOADERS, Dataset, Split
from sdr_sc.data.joint.joined import JOINT, load_joined
from sdr_sc.data.joint.slots import side_of
from sdr_sc.distill.multitask.joined_vectors import check_one_space, vectors_for
from sdr_sc.distill.multitask.vectors import TeacherVectors
from sdr_sc.errors import SdrScError
from sdr_sc.evidence.multitask.rows import RETRIEVAL
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.gallery import Gallery
from sdr_sc.semantic.model_items import in_model_form, load_items
from sdr_sc.shown import command_line, shown


def is_alone(data_set: str) -> bool:
    """Whether a data set is a registered one that is not joined to others.

    >>> is_alone("tux_paint,only=tux_paint_names"), is_alone("wordnet+noto_emoji,only=wordnet")
    (True, False)
    """
    name = data_set.partition(",")[0]
    return JOINT not in name and name in LOADERS


def of_model(contract: ModelContract, data_set: str, part: Split) -> Dataset:
    """A data set's part in the form of a model's items: for a model of pictures and texts, a set that holds one of them
    is put into slots for both; ``NAME_names`` as the one member wanted are the names of its pictures.

    Raises:
        SdrScError: the data set cannot be loaded, or its items are not of the model's form.
    """
    if contract.modality.name == "image_text" and is_alone(data_set):
        name, comma, _ = data_set.partition(",")
        joined = load_joined(data_set if comma else f"{name},only={name}", part)
        side = side_of(contract.item_shape[0])
        data: Dataset = joined if joined.side > side else replace(joined, side=side)
    else:
        data = in_model_form(contract, load_items(data_set, part), data_set)
    if data.modality != contract.modality.name or tuple(data.item_shape) != tuple(contract.item_shape):
        raise SdrScError(
            f"items of data set {shown(data_set)} are {data.modality}s of shape {tuple(data.item_shape)}, and model "
            f"{contract.name!r} takes {contract.modality.name}s of {tuple(contract.item_shape)}; give another data set."
        )
    return data


def gallery_of(contract: ModelContract, test: Dataset, files: Sequence[TeacherVectors], data_set: str) -> Gallery:
    """A gallery of a test part's own entries, for a model that comes with none, or with that of another set.

    Args:
        files: of vectors of the part, in the space that the model was taught.

    Raises:
        SdrScError: no file is of it, or they are another teacher's.
    """
    name = data_set.partition(",")[0]
    if RETRIEVAL not in test.tasks:
        raise SdrScError(f"data set {shown(data_set)} has no entries for the task {RETRIEVAL}; give another data set.")
    of_part = [one for one in files if "test" in one.data_sha256]
    if not of_part:
        words = ["sdr-sc", "teacher", "vectors", "--model", contract.teacher, "--data-set", name]
        raise SdrScError(
            f"model {contract.name!r} has no gallery of the entries of {shown(data_set)}; give its names' vectors as "
            f"--vectors, made by '{command_line(words)}' with the --space of the model's training, or a --gallery."
        )
    if check_one_space(of_part) != contract.teacher:
        raise SdrScError(
            f"the vectors are those of {shown(of_part[0].teacher)}, and model {contract.name!r} was taught by "
            f"{shown(contract.teacher)}; give others."
        )
    entries = test.targets(RETRIEVAL, np.arange(len(test)))
    found, first = np.unique(entries, return_index=True)
    if len(found) != len(test.names(RETRIEVAL)):
        raise SdrScError(f"data set {shown(data_set)} has entries without an item; give one member with only=.")
    return Gallery(tuple(test.names(RETRIEVAL)), vectors_for(test, "test", of_part)[first], contract.teacher)
