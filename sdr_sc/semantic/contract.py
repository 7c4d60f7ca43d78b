# SPDX-License-Identifier: GPL-3.0-or-later
"""The model contract: all that a block has to know of a weights file to use it rightly."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from sdr_sc.documents import parse_json, whole_number
from sdr_sc.errors import ContractError
from sdr_sc.sealed import sealed, unsealed
from sdr_sc.shown import shown

FORMAT_VERSION = 1
POWER_NORM = "unit_mean_power_per_item"
_RETRAIN = "train it again with 'sdr-sc distill', or use a model that this version ships"
_GET_AGAIN = "get the file again"
LARGEST_K = 1 << 16
LARGEST_ITEM = 1 << 24
MOST_CLASSES = 1 << 16
LONGEST_NAME = 256
SNR_LIMIT_DB = 200.0
_log = logging.getLogger(__name__)
_told_unsealed: set[str] = set()


@dataclass(frozen=True)
class CamTable:
    """Which k the channel-adaptive module sends at which SNR (see `sdr_sc.semantic.cam`).

    Attributes:
        snr_db: rising SNR grid, dB.
        k: feature symbols per item at each grid point, never rising with the SNR.
        accuracy: measured task accuracy, one row for each grid point, one column for each k of the model's list.
        max_loss_points: accuracy points below the best that the choice gives away, at most.
        measured_on: the data that the accuracies come from.
    """

    snr_db: tuple[float, ...]
    k: tuple[int, ...]
    accuracy: tuple[tuple[float, ...], ...]
    max_loss_points: float
    measured_on: str


@dataclass(frozen=True)
class ModelContract:
    """What the weights were made for. Field names are those of the JSON in the weights file.

    Attributes:
        model_id: 16 hexadecimal digits, from the checksum of the weights; the frame header carries the first four.
        item_shape: shape of one item, uint8.
        normalisation: (mean, standard deviation), on items scaled to 0..1.
        k_list: feature symbols per item (complex channel uses) that the model was trained for, rising.
        power_norm: how features are scaled before they are sent.
        training_snr_db: lowest and highest SNR in training, dB.
        architecture: constructor arguments of the networks.

    Raises:
        ContractError: values contradict each other or make no sense. Whether a network takes items of this shape is
            told where it is loaded.
    """

    name: str
    model_id: str
    modality: str
    tasks: tuple[str, ...]
    item_shape: tuple[int, ...]
    normalisation: tuple[float, float]
    k_list: tuple[int, ...]
    power_norm: str
    training_snr_db: tuple[float, float]
    class_names: tuple[str, ...]
    teacher: str
    data_set: str
    data_set_sha256: str
    architecture: dict
    cam: CamTable
    training: dict
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if self.power_norm != POWER_NORM:
            raise ContractError(
                f"model {self.name!r} has power norm {self.power_norm!r} where this program knows {POWER_NORM!r}; "
                f"{_RETRAIN}."
            )
        if not _rising(self.k_list) or not all(whole_number(k, 1, LARGEST_K) for k in self.k_list):
            raise ContractError(
                f"model {self.name!r} has k list {_short(list(self.k_list))}, which must rise from 1 or more to "
                f"{LARGEST_K} at most; {_RETRAIN}."
            )
        if len(self.model_id) != 16 or any(c not in "0123456789abcdef" for c in self.model_id):
            raise ContractError(f"model {self.name!r} has id {self.model_id!r}, which is not 16 hexadecimal digits.")
        self._check_cam()
        if len(self.training_snr_db) != 2 or not _rising(self.training_snr_db) or not _are_snrs(self.training_snr_db):
            raise ContractError(
                f"model {self.name!r} has training SNRs {_short(list(self.training_snr_db))}, which must be two and "
                f"rise within {SNR_LIMIT_DB:g} dB of 0; {_RETRAIN}."
            )
        if (
            len(self.normalisation) != 2
            or not all(map(math.isfinite, self.normalisation))
            or self.normalisation[1] <= 0
        ):
            raise ContractError(
                f"model {self.name!r} has the normalisation {_short(list(self.normalisation))}, which must be a mean "
                f"and a standard deviation above 0; {_RETRAIN}."
            )
        sizes_fit = all(isinstance(size, int) and size > 0 for size in self.item_shape)
        if not self.item_shape or not sizes_fit or math.prod(self.item_shape) > LARGEST_ITEM:
            raise ContractError(
                f"model {self.name!r} has items of shape {_short(list(self.item_shape))}, which must be whole numbers "
                f"above 0, of {LARGEST_ITEM} values at most; {_RETRAIN}."
            )
        if not 1 <= len(self.class_names) <= MOST_CLASSES or len(set(self.class_names)) != len(self.class_names):
            raise ContractError(
                f"model {self.name!r} has {len(self.class_names)} class names, of which {len(set(self.class_names))} "
                f"differ; it must be one for each class, 1 to {MOST_CLASSES} of them; {_RETRAIN}."
            )

    def _check_cam(self) -> None:
        """Refuse a table that does not fit the k list, or holds what is no SNR or no accuracy."""
        cam = self.cam
        if not set(cam.k) <= set(self.k_list) or len(cam.k) != len(cam.snr_db) or not cam.k:
            raise ContractError(f"model {self.name!r} has a CAM table that does not fit its k list; {_RETRAIN}.")
        rows, columns = len(cam.snr_db), len(self.k_list)
        if len(cam.accuracy) != rows or any(len(row) != columns for row in cam.accuracy):
            raise ContractError(
                f"model {self.name!r} has a CAM table whose accuracies are not {rows} rows of {columns}, one for each "
                f"SNR and k; {_RETRAIN}."
            )
        if not _rising(cam.snr_db) or not _are_snrs(cam.snr_db):
            raise ContractError(
                f"model {self.name!r} has a CAM table whose SNRs {_short(list(cam.snr_db))} do not rise within "
                f"{SNR_LIMIT_DB:g} dB of 0; {_RETRAIN}."
            )
        if not all(0.0 <= accuracy <= 1.0 for row in cam.accuracy for accuracy in row):
            raise ContractError(
                f"model {self.name!r} has a CAM table with an accuracy that is not between 0 and 1; {_RETRAIN}."
            )
        if not 0.0 <= cam.max_loss_points <= 100.0:
            raise ContractError(
                f"model {self.name!r} has a CAM table that gives away {cam.max_loss_points:g} accuracy points, which "
                f"must be 0 to 100; {_RETRAIN}."
            )

    @property
    def wire_id(self) -> int:
        """The 16-bit model id in the frame header."""
        return int(self.model_id[:4], 16)

    @property
    def k_max(self) -> int:
        """Largest k of the list."""
        return self.k_list[-1]

    def check_k(self, k: int) -> int:
        """Return ``k`` if the model was trained for it, raise `ContractError` otherwise."""
        if k not in self.k_list:
            listed = ", ".join(map(str, self.k_list))
            raise ContractError(f"k={k} is not in the list of model {self.name!r}; choose one of {listed}.")
        return k

    def check_same_model(self, earlier: ModelContract) -> None:
        """Raise `ContractError` if this was read from the file of another model than ``earlier`` was."""
        if self.model_id != earlier.model_id:
            raise ContractError(
                f"the file of model {earlier.name!r} was replaced while it was being loaded; run it again."
            )

    def check_item(self, shape: tuple[int, ...]) -> None:
        """Raise `ContractError` unless one item has the shape that the model takes."""
        if tuple(shape) != self.item_shape:
            raise ContractError(
                f"model {self.name!r} takes items of shape {self.item_shape}, not {tuple(shape)}; "
                "choose a data set or a model that fits."
            )

    def check_data(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise `ContractError` unless the model is for items of this shape and this number of classes."""
        self.check_item(shape)
        if len(self.class_names) != classes:
            raise ContractError(
                f"model {self.name!r} answers with {len(self.class_names)} classes where the data set has {classes}; "
                "choose a data set or a model that fits."
            )

    def to_json(self) -> str:
        """The contract as JSON text with sorted keys, and with a SHA-256 over all its fields as ``sha256``.

        The checksum covers the weights, too, as ``model_id`` is made from theirs.
        """
        # Through JSON first: what a tuple or an integer key becomes there is what a reader finds.
        return json.dumps(sealed(json.loads(json.dumps(asdict(self)))), sort_keys=True)

    @classmethod
    def from_json(cls, text: str, source: str) -> ModelContract:
        """Read a contract.

        A contract without a checksum, as earlier versions wrote it, is taken with a warning: a changed bit of it
        would not be noticed.

        Args:
            text: JSON text as `to_json` writes it.
            source: where it stands, for the error message.

        Raises:
            ContractError: not JSON, damaged, a field missing or unknown, or a value that makes no sense.
        """
        content = parse_json(text, f"the contract of {shown(source)}", _RETRAIN, ContractError)
        if not isinstance(content, dict):
            raise ContractError(f"{source} has a contract that is no JSON object; {_RETRAIN}.")
        raw, was_sealed = unsealed(content, f"the contract of {shown(source)}", _GET_AGAIN, ContractError)
        known = {f.name: f for f in fields(cls)}
        missing = [name for name, f in known.items() if name not in raw and f.default is MISSING]
        unknown = sorted(set(raw) - set(known))
        if missing or unknown:
            amiss = f"without {sorted(missing)}" if missing else f"with {_short(unknown)}, which is unknown"
            raise ContractError(f"{source} has a contract {amiss}; {_RETRAIN}.")
        if raw.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
            raise ContractError(
                f"{source} has contract version {_short(raw['format_version'])} where this program reads version "
                f"{FORMAT_VERSION}; {_RETRAIN}."
            )
        values = {}
        for name, value in raw.items():
            try:
                values[name] = _READERS[name](value)
            except (ValueError, TypeError, KeyError):
                raise ContractError(
                    f"{source} has no contract that can be read: its {name} is {_short(value)}; {_RETRAIN}."
                ) from None
        contract = cls(**values)
        if not was_sealed and source not in _told_unsealed:
            _told_unsealed.add(source)
            _log.warning(
                "warning: the contract of %s has no checksum, as those of earlier versions, so that damage to it would "
                "not be noticed", shown(source),
            )  # fmt: skip
        return contract


def _rising(values: tuple[float, ...]) -> bool:
    """Whether there are some, all are finite, and each is above the one before it."""
    pairs = zip(values, values[1:], strict=False)
    return bool(values) and all(map(math.isfinite, values)) and all(a < b for a, b in pairs)


def _are_snrs(values: tuple[float, ...]) -> bool:
    return all(abs(value) <= SNR_LIMIT_DB for value in values)


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
    if set(value) != {f.name for f in fields(CamTable)}:
        raise ValueError(value)
    return CamTable(
        snr_db=_list_of(_number)(value["snr_db"]),
        k=_list_of(_whole)(value["k"]),
        accuracy=_list_of(_list_of(_number))(value["accuracy"]),
        max_loss_points=_number(value["max_loss_points"]),
        measured_on=_text(value["measured_on"]),
    )


_READERS: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "model_id": _text,
    "modality": _text,
    "tasks": _list_of(_text),
    "item_shape": _list_of(_whole),
    "normalisation": _list_of(_number),
    "k_list": _list_of(_whole),
    "power_norm": _text,
    "training_snr_db": _list_of(_number),
    "class_names": _list_of(_name),
    "teacher": _text,
    "data_set": _text,
    "data_set_sha256": _text,
    "architecture": _object,
    "cam": _cam,
    "training": _object,
    "format_version": _whole,
}
"""How each field is read from JSON; a value of another kind is refused."""
