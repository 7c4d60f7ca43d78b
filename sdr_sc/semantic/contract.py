# SPDX-License-Identifier: GPL-3.0-or-later
"""The model contract: all that a block has to know of a weights file to use it rightly."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from sdr_sc.errors import ContractError

FORMAT_VERSION = 1
POWER_NORM = "unit_mean_power_per_item"
_RETRAIN = "train it again with 'sdr-sc distill', or use a model that this version ships"


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
        if self.format_version != FORMAT_VERSION:
            raise ContractError(
                f"model {self.name!r} has contract version {self.format_version} where this program reads version "
                f"{FORMAT_VERSION}; {_RETRAIN}."
            )
        if self.power_norm != POWER_NORM:
            raise ContractError(
                f"model {self.name!r} has power norm {self.power_norm!r} where this program knows {POWER_NORM!r}; "
                f"{_RETRAIN}."
            )
        if not self.k_list or list(self.k_list) != sorted(set(self.k_list)) or self.k_list[0] < 1:
            raise ContractError(f"model {self.name!r} has k list {list(self.k_list)}, which must rise from 1 or more.")
        if len(self.model_id) != 16 or any(c not in "0123456789abcdef" for c in self.model_id):
            raise ContractError(f"model {self.name!r} has id {self.model_id!r}, which is not 16 hexadecimal digits.")
        if not set(self.cam.k) <= set(self.k_list) or len(self.cam.k) != len(self.cam.snr_db) or not self.cam.k:
            raise ContractError(f"model {self.name!r} has a CAM table that does not fit its k list; {_RETRAIN}.")
        rows, columns = len(self.cam.snr_db), len(self.k_list)
        if len(self.cam.accuracy) != rows or any(len(row) != columns for row in self.cam.accuracy):
            raise ContractError(
                f"model {self.name!r} has a CAM table whose accuracies are not {rows} rows of {columns}, one for each "
                f"SNR and k; {_RETRAIN}."
            )
        if not _rising(self.cam.snr_db):
            raise ContractError(
                f"model {self.name!r} has a CAM table whose SNRs {list(self.cam.snr_db)} do not rise; {_RETRAIN}."
            )
        if len(self.training_snr_db) != 2 or not _rising(self.training_snr_db):
            raise ContractError(
                f"model {self.name!r} has training SNRs {list(self.training_snr_db)}, which must be two and rise; "
                f"{_RETRAIN}."
            )
        if (
            len(self.normalisation) != 2
            or not all(map(math.isfinite, self.normalisation))
            or self.normalisation[1] <= 0
        ):
            raise ContractError(
                f"model {self.name!r} has the normalisation {list(self.normalisation)}, which must be a mean and a "
                f"standard deviation above 0; {_RETRAIN}."
            )
        if not self.item_shape or not all(isinstance(size, int) and size > 0 for size in self.item_shape):
            raise ContractError(
                f"model {self.name!r} has items of shape {list(self.item_shape)}, which must be whole numbers above 0; "
                f"{_RETRAIN}."
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

    def check_item(self, shape: tuple[int, ...]) -> None:
        """Raise `ContractError` unless one item has the shape that the model takes."""
        if tuple(shape) != self.item_shape:
            raise ContractError(
                f"model {self.name!r} takes items of shape {self.item_shape}, not {tuple(shape)}; "
                "choose a data set or a model that fits."
            )

    def to_json(self) -> str:
        """The contract as JSON text with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str, source: str) -> ModelContract:
        """Read a contract.

        Args:
            text: JSON text as `to_json` writes it.
            source: where it stands, for the error message.

        Raises:
            ContractError: not JSON, a field missing or unknown, or a value that makes no sense.
        """
        try:
            raw = json.loads(text)
            missing = {f.name for f in fields(cls)} - set(raw)
            if missing:
                raise ContractError(f"{source} has a contract without {sorted(missing)}; {_RETRAIN}.")
            cam = raw.pop("cam")
            raw["cam"] = CamTable(
                snr_db=tuple(map(float, cam["snr_db"])),
                k=tuple(map(int, cam["k"])),
                accuracy=tuple(tuple(map(float, row)) for row in cam["accuracy"]),
                max_loss_points=float(cam["max_loss_points"]),
                measured_on=str(cam["measured_on"]),
            )
            plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
            return cls(**plain)
        except ContractError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ContractError(f"{source} has no contract that can be read ({error!r}); {_RETRAIN}.") from error


def _rising(values: tuple[float, ...]) -> bool:
    """Whether all are finite, and each is above the one before it."""
    return all(map(math.isfinite, values)) and all(a < b for a, b in zip(values, values[1:], strict=False))
