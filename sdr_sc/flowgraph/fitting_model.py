# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a model fits the images that it is to send."""

from __future__ import annotations

from pathlib import Path

from sdr_sc.data.asked import asked_data
from sdr_sc.data.dataset import DEFAULT_DATA_SET, Dataset, trained_on_others, warn_once
from sdr_sc.errors import ContractError
from sdr_sc.semantic import weights
from sdr_sc.semantic.asked_tasks import AskedTasks
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.model_items import in_model_form, is_model_form, load_items
from sdr_sc.semantic.tasks.base import task_of
from sdr_sc.shown import shown


def contract_for_images(model: str | Path, data_set: str | Dataset = DEFAULT_DATA_SET) -> ModelContract:
    """Contract of a model that is for the images of a data set, read before anything is compiled or opened.

    A model that was trained on other images is warned about.

    Args:
        data_set: its images, or its name or path for `load_items`, of which the test split is read.

    Raises:
        ContractError: the model cannot be read, or is for items of another shape or number of classes.
        DataSetError: the data set is missing or damaged.
    """
    contract = weights.read_contract(model)
    data = load_items(data_set, "test") if isinstance(data_set, str) else data_set
    if isinstance(data_set, str) and contract.modality.name == "image_text" and not is_model_form(contract, data):
        in_model_form(contract, data, data_set)  # refuses what cannot be
        raise ContractError(
            f"model {contract.name!r} takes pictures and texts in slots of its own; write the data set as "
            f"{shown(data_set)},model={shown(model)}."
        )
    contract.check_data(data.item_shape, len(data.names(contract.tasks[0].name)))
    warn_of_other_images(contract, data)
    return contract


def check_entries(asked: AskedTasks, data_set: str) -> None:
    """Refuse a gallery or a question whose answers are not those that a data set's test part has as targets: no answer
    were right.

    Raises:
        ContractError: they are not.
        DataSetError: the data set is missing, has no targets for a task, or does not ask the question.
    """
    data, contract = load_items(data_set, "test"), asked.contract
    for name in (contract.tasks[0].name, *asked.names):
        task = task_of(name)
        if task.needs == "question" and asked.question is not None:
            asked_data(data, asked.question.text)
            if tuple(data.names(name)) != contract.task(name).names:
                raise ContractError(
                    f"the answers of data set {shown(data_set)} to questions are not those of model "
                    f"{contract.name!r}, in their order; choose a data set or a model that fits."
                )
        elif task.needs == "gallery" and asked.gallery is not None:
            names = tuple(data.names(name))
            if asked.gallery.names != names:
                raise ContractError(
                    f"the gallery's {len(asked.gallery.names)} entries are not the {len(names)} that data set "
                    f"{shown(data_set)} has for the task {name!r}, in their order, so no answer could be right; give "
                    "that of the data set."
                )
        elif not task.of_items and name in asked.names:
            data.names(name)  # refuses what it has no targets for


def warn_of_other_images(contract: ModelContract, data: Dataset) -> None:
    """Log a warning, once for a model, if it was trained on another data set than it meets."""
    told = trained_on_others(contract.name, contract.data_set, contract.data_set_sha256, data)
    if told is not None:
        warn_once(told)
