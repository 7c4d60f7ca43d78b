# SPDX-License-Identifier: GPL-3.0-or-later
"""The model contract: everything that is needed to run a weights file correctly."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from sdr_sc.documents import whole_number
from sdr_sc.errors import ContractError
from sdr_sc.sealed import sealed
from sdr_sc.semantic.calibration import Calibration
from sdr_sc.semantic.refinement import RefinementPlan
from sdr_sc.semantic.specs import MOST_NAMES, CamTable, ModalitySpec, TaskSpec
from sdr_sc.shown import shown

FORMAT_VERSION = 2
POWER_NORM = "unit_mean_power_per_item"
RETRAIN = "train it again with 'sdr-sc distill', or use a model that this version ships"
LARGEST_K = 1 << 16
MOST_TASKS = 16
MOST_CLASSES = MOST_NAMES
SNR_LIMIT_DB = 200.0
MEASURED = ("calibration", "refinement")
"""Fields that `sdr-sc calibrate` adds; a contract without them has none in its JSON, as those of earlier programs."""


@dataclass(frozen=True)
class ModelContract:
    """What the weights were made for. Field names are those of the JSON in the weights file.

    Attributes:
        model_id: 16 hexadecimal digits, from the checksum of the weights; the frame header carries the first four.
        modality: what kind of items it takes, and of which shape.
        tasks: what it answers of an item, the first one always.
        k_list: feature symbols per item (complex channel uses) that the model was trained for, rising.
        power_norm: how features are scaled before they are sent.
        training_snr_db: lowest and highest SNR in training, dB.
        architecture: constructor arguments of the networks.
        calibration: what makes its confidence true; None where it was not measured: a plain softmax.
        refinement: rounds of incremental refinement; None where they were not measured.

    Raises:
        ContractError: values contradict each other or make no sense. Whether a network takes items of this shape is
            reported where it is loaded.
    """

    name: str
    model_id: str
    modality: ModalitySpec
    tasks: tuple[TaskSpec, ...]
    k_list: tuple[int, ...]
    power_norm: str
    training_snr_db: tuple[float, float]
    teacher: str
    data_set: str
    data_set_sha256: str
    architecture: dict
    cam: CamTable
    training: dict
    calibration: Calibration | None = None
    refinement: RefinementPlan | None = None
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if self.power_norm != POWER_NORM:
            raise ContractError(
                f"model {self.name!r} has power norm {self.power_norm!r} where this program knows {POWER_NORM!r}; "
                f"{RETRAIN}."
            )
        if not _rising(self.k_list) or not all(whole_number(k, 1, LARGEST_K) for k in self.k_list):
            raise ContractError(
                f"model {self.name!r} has k list {_short(list(self.k_list))}, which must rise from 1 or more to "
                f"{LARGEST_K} at most; {RETRAIN}."
            )
        if len(self.model_id) != 16 or any(c not in "0123456789abcdef" for c in self.model_id):
            raise ContractError(f"model {self.name!r} has id {self.model_id!r}, which is not 16 hexadecimal digits.")
        self._check_cam()
        self._check_measured()
        if len(self.training_snr_db) != 2 or not _rising(self.training_snr_db) or not _are_snrs(self.training_snr_db):
            raise ContractError(
                f"model {self.name!r} has training SNRs {_short(list(self.training_snr_db))}, which must be two and "
                f"rise within {SNR_LIMIT_DB:g} dB of 0; {RETRAIN}."
            )
        if not 1 <= len(self.tasks) <= MOST_TASKS or len({task.name for task in self.tasks}) != len(self.tasks):
            raise ContractError(
                f"model {self.name!r} has {len(self.tasks)} tasks, which must be 1 to {MOST_TASKS} of different names; "
                f"{RETRAIN}."
            )

        if not self.tasks[0].names:
            raise ContractError(
                f"model {self.name!r} has no names for the answers of its first task {self.tasks[0].name!r}; {RETRAIN}."
            )

    def _check_cam(self) -> None:
        """Refuse a table that does not fit the k list, or holds what is no SNR or no accuracy."""
        cam = self.cam
        if not set(cam.k) <= set(self.k_list) or len(cam.k) != len(cam.snr_db) or not cam.k:
            raise ContractError(f"model {self.name!r} has a CAM table that does not fit its k list; {RETRAIN}.")
        rows, columns = len(cam.snr_db), len(self.k_list)
        tables = (cam.accuracy, *cam.others.values())
        if any(len(table) != rows or any(len(row) != columns for row in table) for table in tables):
            raise ContractError(
                f"model {self.name!r} has a CAM table whose accuracies are not {rows} rows of {columns}, one for each "
                f"SNR and k; {RETRAIN}."
            )
        if not _rising(cam.snr_db) or not _are_snrs(cam.snr_db):
            raise ContractError(
                f"model {self.name!r} has a CAM table whose SNRs {_short(list(cam.snr_db))} do not rise within "
                f"{SNR_LIMIT_DB:g} dB of 0; {RETRAIN}."
            )
        if not set(cam.others) <= {task.name for task in self.tasks[1:]}:
            raise ContractError(f"model {self.name!r} has a CAM table of tasks that it does not answer; {RETRAIN}.")
        if not all(0.0 <= accuracy <= 1.0 for table in tables for row in table for accuracy in row):
            raise ContractError(
                f"model {self.name!r} has a CAM table with an accuracy that is not between 0 and 1; {RETRAIN}."
            )
        if not 0.0 <= cam.max_loss_points <= 100.0:
            raise ContractError(
                f"model {self.name!r} has a CAM table that gives away {cam.max_loss_points:g} accuracy points, which "
                f"must be 0 to 100; {RETRAIN}."
            )

    def _check_measured(self) -> None:
        """Refuse a calibration or a refinement plan that does not fit the k list."""
        if self.calibration is not None and len(self.calibration.temperature[0]) != len(self.k_list):
            raise ContractError(
                f"model {self.name!r} has a calibration for {len(self.calibration.temperature[0])} k where its list "
                f"has {len(self.k_list)}; run 'sdr-sc calibrate'."
            )
        plan = self.refinement
        if plan is not None and not (
            {k for steps in plan.steps for k in steps} <= set(self.k_list)
            and all(len(energy) == self.k_max for energy in plan.energy)
        ):
            raise ContractError(
                f"model {self.name!r} has a refinement plan that does not fit its k list; run 'sdr-sc calibrate'."
            )

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Shape of one item, uint8."""
        return self.modality.shape

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the first task's answers."""
        return self.tasks[0].names

    def task(self, name: str) -> TaskSpec:
        """One of its tasks.

        Raises:
            ContractError: it has none of this name.
        """
        for task in self.tasks:
            if task.name == name:
                return task
        has = ", ".join(task.name for task in self.tasks)
        raise ContractError(f"model {self.name!r} has no task {shown(repr(name), 80)}; it answers {has}.")

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
                f"choose a data set or a model that fits: it was trained on {shown(self.data_set, 120)}."
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
        fields = {name: value for name, value in asdict(self).items() if name not in MEASURED or value is not None}
        for task in fields["tasks"]:  # as in contracts of earlier programs, which knew no other tasks
            for name in ("outputs", "shape"):
                if not task[name]:
                    del task[name]
        if not fields["cam"]["others"]:
            del fields["cam"]["others"]
        return json.dumps(sealed(json.loads(json.dumps(fields))), sort_keys=True)


def _rising(values: tuple[float, ...]) -> bool:
    """Whether there are some, all are finite, and each is above the one before it."""
    pairs = zip(values, values[1:], strict=False)
    return bool(values) and all(map(math.isfinite, values)) and all(a < b for a, b in pairs)


def _are_snrs(values: tuple[float, ...]) -> bool:
    return all(abs(value) <= SNR_LIMIT_DB for value in values)


def _short(value: Any) -> str:
    return shown(repr(value), 80)
