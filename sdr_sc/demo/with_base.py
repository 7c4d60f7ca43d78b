# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration with a knowledge base: which model and items fit, what answers are called, and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdr_sc.errors import KnowledgeError
from sdr_sc.results.knowledge_table import read_knowledge
from sdr_sc.results.rows import Row, clustered_interval
from sdr_sc.semantic import weights
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.knowledge.interface import all_names
from sdr_sc.semantic.knowledge.storage.opening import open_any
from sdr_sc.semantic.model_items import load_items


@dataclass(frozen=True)
class BaseFiles:
    """Files of a receiver's bases.

    Attributes:
        base: the global one; '' for none.
        rules: of it; '' for those beside it.
        local_base: what the receiver was sure of; '' for none.
    """

    base: str = ""
    rules: str = ""
    local_base: str = ""

    def parameters(self) -> dict[str, str]:
        """Of the flowgraph."""
        return vars(self).copy()


def contract_with_base(model: str, data_set: str) -> ModelContract:
    """Contract of a model that sends items of other classes than its own, too.

    Raises:
        ContractError: the model takes no such items.
        DataSetError: there is no such data set.
    """
    contract = weights.read_contract(model)
    contract.check_item(load_items(data_set, "test").item_shape)
    return contract


def class_names(contract: ModelContract, data_set: str, base: str) -> list[str]:
    """What answers with a base are called, by their numbers: the classes of the data set, then what the model has
    besides, then what the base has (`sdr_sc.semantic.knowledge.answering.answers`)."""
    task = contract.tasks[0].name
    own = tuple(contract.tasks[0].names)
    try:
        with open_any(Path(base)) as opened:
            own = all_names(opened, task, own)
    except KnowledgeError:
        pass  # the run has counted why; the decoder's answers remain
    return list(dict.fromkeys((*load_items(data_set, "test").names(task), *own)))


def base_for_report(files: BaseFiles, counts: Mapping[str, Any]) -> Path | None:
    """The base's file, if the run could use it, so that the page can show its entries."""
    return Path(files.base) if counts.get("bases") else None


def base_rows(folder: Path, counts: Mapping[str, Any]) -> list[Row]:
    """Right answers with the base and by the decoder alone, of items that arrived, with intervals over frames.

    Args:
        folder: of the run, with ``knowledge.csv``.
        counts: of `sdr_sc.link.frames.base_answers.BaseCounts.to_dict`.
    """
    if not counts:
        return []
    table = read_knowledge(folder)
    rows = []
    for name, right in (("with the base", table.correct), ("by the decoder alone", table.decoder_correct)):
        marks, items = table.of_frames(right)
        if items.sum():
            low, high = (100 * bound for bound in clustered_interval(marks, items))
            share = 100 * float(marks.sum()) / int(items.sum())
            rows.append(Row(f"right {name}, of what arrived", share, "%", n=int(items.sum()), ci95=(low, high)))
    return rows
