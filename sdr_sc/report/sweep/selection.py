# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report shows of a study: which k of each scheme, at which SNRs, in which colours, against which scheme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sdr_sc.data.dataset import DEFAULT_DATA_SET, ImageSet
from sdr_sc.errors import DataSetError
from sdr_sc.report.colours import SERIES
from sdr_sc.report.sweep.operating_points import Cost, Key, Operation, mean_of, pool
from sdr_sc.report.sweep.results_set import Study
from sdr_sc.semantic.model_items import load_items

CHOSEN_SNR_DB = (0.0, 10.0, 20.0)
NEED_SNR_DB = (0.0, 5.0, 10.0, 20.0)
SAME_POINTS = 0.5
"""Of several fixed k the smallest is shown that is within so many points of the best."""
ROUNDING = 1e-9
"""Of sums of shares, in points."""
_LEARNED = ("ours", "fixed_rate")  # of the catalogue: with a channel-adaptive module
_REFERENCE = "ours"
_CLASS_ONLY = "label_ldpc"
CLASS_ONLY = "class only"
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # one fewer than colours, so that no two kinds share both


@dataclass(frozen=True)
class SchemeView:
    """How a scheme is shown.

    Attributes:
        label: its name in results.
        k_list: all k that were measured, None for its own choice.
        k: the one that stands for it in curves.
        is_learned: its own choice is the channel-adaptive module's.
        is_class_only: what it sends is the answer to this one task, decided at the transmitter.
        role, marker: of its curves.
    """

    label: str
    k_list: tuple[int | None, ...]
    k: int | None
    is_learned: bool
    is_class_only: bool
    role: str
    marker: str

    def k_text(self, k: int | None) -> str:
        """A k in words; '' where there was nothing to choose."""
        if k is not None:
            return f"k = {k}"
        if self.is_learned:
            return "CAM"
        return "own choice" if len(self.k_list) > 1 else ""

    def name(self, k: int | None) -> str:
        """The scheme with that k."""
        told = [text for text in (self.k_text(k), CLASS_ONLY if self.is_class_only else "") if text]
        return f"{self.label} ({', '.join(told)})" if told else self.label

    @property
    def curve(self) -> str:
        """Name of its curve."""
        return self.name(self.k)


class View:
    """Operating points of a study, and the choices of what is shown.

    Args:
        study: what was measured.
        target: accuracy in percent for which the costs are given.

    Attributes:
        operations: all operating points.
        data: the test set, None where this machine has not the one that was measured on.
        no_data: why it is None, in words.
        schemes: with at least one point, in the order of the configurations.
        channels: likewise.
        snrs: set SNRs, rising.
        target: as given.
    """

    def __init__(self, study: Study, target: float = 90.0) -> None:
        self.study, self.target = study, target
        self.data, self.no_data = _data_of(study)
        most = max(config.items for config in study.configs)
        self.operations = pool(study.points.values(), len(self.data) if self.data is not None else most)
        self.channels = [label for label in study.channels if any(key.channel == label for key in self.operations)]
        self.snrs = sorted({key.snr_db for key in self.operations})
        self.schemes = self._scheme_views()

    def _scheme_views(self) -> list[SchemeView]:
        measured = {key.scheme for key in self.operations}
        specs = {label: spec for label, spec in self.study.schemes.items() if label in measured}
        kinds = {label: spec.get("scheme") for label, spec in specs.items()}
        looks = _looks({label: kind for label, kind in kinds.items() if kind != _CLASS_ONLY})
        views = []
        for label, spec in specs.items():
            ks = {key.k for key in self.operations if key.scheme == label}
            fixed = sorted(k for k in ks if k is not None)
            role, marker = looks.get(label, ("set", "x"))
            views.append(
                SchemeView(
                    label=label,
                    k_list=(*fixed, *([None] if None in ks else [])),
                    k=None if None in ks else self._telling_k(label, fixed),
                    is_learned=spec.get("scheme") in _LEARNED,
                    is_class_only=spec.get("scheme") == _CLASS_ONLY,
                    role=role,
                    marker=marker,
                )
            )
        return views

    def _telling_k(self, label: str, fixed: Sequence[int]) -> int:
        """The smallest k within `SAME_POINTS` of the best, in the mean over channels and SNRs that all of them have."""
        by_k = {k: {(key.channel, key.snr_db): o for key, o in self.operations.items() if key.scheme == label
                    and key.k == k} for k in fixed}  # fmt: skip
        common = set.intersection(*(set(found) for found in by_k.values()))
        if not common:
            return fixed[-1]
        means = {k: mean_of([found[place] for place in sorted(common)]).accuracy for k, found in by_k.items()}
        best = max(means.values())
        return next(k for k in fixed if 100 * (best - means[k]) <= SAME_POINTS + ROUNDING)

    @cached_property
    def reference(self) -> SchemeView:
        """What the others are compared with: the first of ours, one with its adaptive module above all; else the first
        scheme."""
        mine = [s for s in self.schemes if self.study.schemes[s.label].get("scheme") == _REFERENCE]
        return next((s for s in mine if s.k is None), (mine or self.schemes)[0])

    @property
    def chosen_snrs(self) -> list[float]:
        """0, 10 and 20 dB, those of them that were measured; else up to three spread over the grid."""
        return _of_grid(CHOSEN_SNR_DB, self.snrs, 3)

    @property
    def need_snrs(self) -> list[float]:
        """Likewise 0, 5, 10 and 20 dB."""
        return _of_grid(NEED_SNR_DB, self.snrs, 4)

    def get(self, scheme: str, channel: str, snr_db: float, k: int | None) -> Operation | None:
        """An operating point, None where it was not measured."""
        return self.operations.get(Key(scheme, channel, snr_db, k))

    def curve(self, scheme: SchemeView, channel: str, k: int | None) -> list[Operation]:
        """A scheme's operating points with one k, by rising SNR as set."""
        found = (self.get(scheme.label, channel, snr_db, k) for snr_db in self.snrs)
        return [operation for operation in found if operation is not None]

    def at(self, scheme: SchemeView, channel: str, snr_db: float) -> list[Operation]:
        """A scheme's operating points at one SNR: fixed k rising, then its own choice."""
        found = (self.get(scheme.label, channel, snr_db, k) for k in scheme.k_list)
        return [operation for operation in found if operation is not None]

    def cheapest(self, scheme: SchemeView, channel: str, snr_db: float, cost: Cost) -> Operation | None:
        """The operating point of least cost that reaches the target."""
        reaching = [o for o in self.at(scheme, channel, snr_db) if 100 * o.accuracy >= self.target]
        return min(reaching, key=lambda o: o.cost(cost), default=None)


def _looks(kinds: Mapping[str, str | None]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each scheme. Each has its own colour; where these are too few, each kind has.

    Args:
        kinds: by the schemes' labels, their names in the catalogue.

    >>> _looks({f"{kind} {i}": kind for kind in ("jpeg", "webp") for i in range(5)})["webp 3"] == (SERIES[1], "v")
    True
    """
    kinds = {label: kind if len(kinds) > len(SERIES) and kind else label for label, kind in kinds.items()}
    order = list(dict.fromkeys(kinds.values()))
    looks: dict[str, tuple[str, str]] = {}
    for label, kind in kinds.items():
        place = order.index(kind)
        before = sum(kinds[other] == kind for other in looks)
        looks[label] = SERIES[place % len(SERIES)], _MARKERS[(place + before) % len(_MARKERS)]
    return looks


def _of_grid(wanted: Sequence[float], grid: Sequence[float], most: int) -> list[float]:
    there = [snr_db for snr_db in wanted if snr_db in grid]
    if there:
        return there
    places = np.unique(np.linspace(0, len(grid) - 1, min(most, len(grid))).round().astype(int))
    return [grid[place] for place in places]


def _data_of(study: Study) -> tuple[ImageSet | None, str]:
    """The test set that was measured on, or why there is none."""
    try:
        data = load_items(str(study.abouts[0]["config"].get("data_set", DEFAULT_DATA_SET)), "test")
    except DataSetError as error:
        return None, str(error)
    if data.sha256 != study.abouts[0]["data_set_sha256"]:
        return None, "The data set of this machine is not the one that was measured on."
    return data, ""
