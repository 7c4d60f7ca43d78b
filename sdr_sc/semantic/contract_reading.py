# SPDX-License-Identifier: GPL-3.0-or-later
"""Contracts read from JSON: version 2 as it is written now, and version 1, which knew images and classes alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from sdr_sc.documents import parse_json, whole_number
from sdr_sc.errors import ContractError
from sdr_sc.sealed import unsealed
from sdr_sc.semantic.calibration import Calibration
from sdr_sc.semantic.contract import FORMAT_VERSION, MEASURED, RETRAIN, ModelContract
from sdr_sc.semantic.modalities.base import modality_of
from sdr_sc.semantic.refinement import RefinementPlan
from sdr_sc.semantic.specs import LONGEST_NAME, CamTable, ModalitySpec, TaskSpec
from sdr_sc.semantic.tasks.base import task_of
from sdr_sc.shown import shown

_GET_AGAIN = "get the file again"
_log = logging.getLogger(__name__)
_told_unsealed: set[str] = set()


def read_contract_text(text: str, source: str) -> ModelContract:
    """Read a contract.

    A contract without a checksum, as earlier versions wrote it, is taken with a warning: a changed bit of it would not
    be noticed.

    Args:
        text: JSON text as `ModelContract.to_json` writes it.
        source: where it stands, for the error message.

    Raises:
        ContractError: not JSON, damaged, of a later version, a field missing or unknown, a value that makes no sense,
            or a modality or task that this program does not know.
    """
    content = parse_json(text, f"the contract of {shown(source)}", RETRAIN, ContractError)
    if not isinstance(content, dict):
        raise ContractError(f"{source} has a contract that is no JSON object; {RETRAIN}.")
    raw, was_sealed = unsealed(content, f"the contract of {shown(source)}", _GET_AGAIN, ContractError)
    version = raw.get("format_version", 1)
    if isinstance(version, bool) or version not in _FIELDS:
        raise ContractError(
            f"{source} has contract version {_short(version)} where this program reads versions 1 and "
            f"{FORMAT_VERSION}; {RETRAIN}."
        )
    readers, optional = _FIELDS[version], _OPTIONAL[version]
    missing = sorted(set(readers) - set(raw) - optional)
    unknown = sorted(set(raw) - set(readers))
    if missing or unknown:
        amiss = f"without {missing}" if missing else f"with {_short(unknown)}, which is unknown"
        raise ContractError(f"{source} has a contract {amiss}; {RETRAIN}.")
    values = {}
    for name, value in raw.items():
        try:
            values[name] = readers[name](value)
        except (ValueError, TypeError, KeyError):
            raise ContractError(
                f"{source} has no contract that can be read: its {name} is {_short(value)}; {RETRAIN}."
            ) from None
    contract = _made(_upgraded(values) if version == 1 else values)
    if not was_sealed and source not in _told_unsealed:
        _told_unsealed.add(source)
        _log.warning(
            "warning: the contract of %s has no checksum, as those of earlier versions, so that damage to it would "
            "not be noticed", shown(source),
        )  # fmt: skip
    return contract


def _made(values: dict[str, Any]) -> ModelContract:
    """The contract of values that were read; what is wrong with one of its parts names the model."""
    name = values["name"]
    try:
        modality = ModalitySpec(**values.pop("modality"))
        tasks = tuple(TaskSpec(**task) for task in values.pop("tasks"))
        if "calibration" in values:
            values["calibration"] = Calibration(**values["calibration"])
        if "refinement" in values:
            values["refinement"] = RefinementPlan(**values["refinement"])
    except ContractError as error:
        raise ContractError(f"model {name!r} has {error}; {RETRAIN}.") from None
    contract = ModelContract(modality=modality, tasks=tasks, **{**values, "format_version": FORMAT_VERSION})
    refusals = [task_of(task.name).refusal(task, modality) for task in tasks]
    for refusal in (modality_of(modality).refusal(), *refusals):
        if refusal:
            raise ContractError(f"model {name!r} has {refusal}; {RETRAIN}.")
    return contract


def _upgraded(values: dict[str, Any]) -> dict[str, Any]:
    """Fields of version 2 from those of version 1."""
    values = dict(values)
    normalisation = values.pop("normalisation")
    if len(normalisation) != 2:
        raise ContractError(
            f"model {values['name']!r} has the normalisation {_short(list(normalisation))}, which must be a mean and a "
            f"standard deviation above 0; {RETRAIN}."
        )
    mean, std = normalisation
    shape, names = values.pop("item_shape"), values.pop("class_names")
    modality = {"name": values.pop("modality"), "shape": shape, "parameters": {"mean": mean, "std": std}}
    tasks = [{"name": name, "names": names} for name in values.pop("tasks")]
    return {**values, "modality": modality, "tasks": tasks}


def _short(value: Any) -> str:
    return shown(repr(value), 80)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _name(value: Any) -> str:
    if len(_text(value)) > LONGEST_NAME:
        raise ValueError(value)
    return value


def _object(value: Any) -> dict:
    if not isinstance(value, dict):
        raise TypeError(value)
    return value


def _number(value: Any) -> float:
    """Also what is not finite, for the check of its field to refuse in its own words."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(value)
    try:
        return float(value)
    except OverflowError:
        raise ValueError(value) from None


def _whole(value: Any) -> Any:
    number = whole_number(value)
    return _number(value) if number is None else number


def _list_of(read: Callable[[Any], Any]) -> Callable[[Any], tuple]:
    def read_all(value: Any) -> tuple:
        if not isinstance(value, list):
            raise TypeError(value)
        return tuple(read(one) for one in value)

    return read_all


def _cam(value: Any) -> CamTable:
    if set(value) | {"others"} != {f.name for f in fields(CamTable)}:
        raise ValueError(value)
    return CamTable(
        snr_db=_list_of(_number)(value["snr_db"]),
        k=_list_of(_whole)(value["k"]),
        accuracy=_list_of(_list_of(_number))(value["accuracy"]),
        max_loss_points=_number(value["max_loss_points"]),
        measured_on=_text(value["measured_on"]),
        others={_name(task): _list_of(_list_of(_number))(rows) for task, rows in value.get("others", {}).items()},
    )


def _keys(
    value: Any, readers: Mapping[str, Callable[[Any], Any]], optional: frozenset[str] = frozenset()
) -> dict[str, Any]:
    if not isinstance(value, dict) or not set(readers) - optional <= set(value) <= set(readers):
        raise ValueError(value)
    return {name: readers[name](one) for name, one in value.items()}


_MODALITY = {"name": _name, "shape": _list_of(_whole), "parameters": _object}
_TASK = {"name": _name, "names": _list_of(_name), "outputs": _whole, "shape": _list_of(_whole)}
_CALIBRATION = {
    "snr_db": _list_of(_number),
    "temperature": _list_of(_list_of(_number)),
    "log_odds": _list_of(_number),
    "calibrated": _list_of(_list_of(_list_of(_number))),
    "measured_on": _text,
    "own_share": _list_of(_list_of(_number)),
}
_REFINEMENT = {
    "snr_db": _list_of(_number),
    "steps": _list_of(_list_of(_whole)),
    "accept": _list_of(_list_of(_number)),
    "energy": _list_of(_list_of(_number)),
    "symbol_price": _number,
    "measured_on": _text,
}
_COMMON: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "model_id": _text,
    "k_list": _list_of(_whole),
    "power_norm": _text,
    "training_snr_db": _list_of(_number),
    "teacher": _text,
    "data_set": _text,
    "data_set_sha256": _text,
    "architecture": _object,
    "cam": _cam,
    "training": _object,
    "format_version": _whole,
}
_FIELDS: dict[Any, dict[str, Callable[[Any], Any]]] = {
    1: {
        **_COMMON,
        "modality": _name,
        "tasks": _list_of(_name),
        "item_shape": _list_of(_whole),
        "normalisation": _list_of(_number),
        "class_names": _list_of(_name),
    },
    2: {
        **_COMMON,
        "modality": lambda value: _keys(value, _MODALITY),
        "tasks": _list_of(lambda value: _keys(value, _TASK, frozenset({"outputs", "shape"}))),
        "calibration": lambda value: _keys({"own_share": [], **value}, _CALIBRATION),
        "refinement": lambda value: _keys(value, _REFINEMENT),
    },
}
"""How each field is read from JSON, by the contract's version; a value of another kind is refused."""
_OPTIONAL: dict[Any, set[str]] = {1: {"format_version"}, 2: set(MEASURED)}
