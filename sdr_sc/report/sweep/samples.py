# SPDX-License-Identifier: GPL-3.0-or-later
"""Sample images of a sweep with the answers of each scheme."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sdr_sc.report.page import item_shown
from sdr_sc.report.sweep.selection import SchemeView, View
from sdr_sc.report.sweep.text_tables import snr_text
from sdr_sc.semantic.tasks.base import task_of
from sdr_sc.sweep.tally import PointResult

SHOWN = 12


@dataclass(frozen=True)
class Samples:
    """The first items of one operating point, as each scheme answered them.

    Attributes:
        channel, snr_db, seed: of which points.
        cards: for each image ``item``, its HTML, true class ``label``, and ``answers``: ``scheme``, ``text`` and
            ``state``, one of right, wrong and lost.
    """

    channel: str
    snr_db: float
    seed: int
    cards: list[dict[str, Any]]

    @property
    def place(self) -> str:
        """Channel and SNR in words."""
        return f"{self.channel} at {snr_text(self.snr_db)}\u00a0dB"


def samples(view: View) -> Samples | None:
    """Images from the last channel at the lowest of the chosen SNRs, where answers differ most; None without the data
    set, or where no answer was kept."""
    if view.data is None:
        return None
    channel, snr_db, seed = view.channels[-1], view.chosen_snrs[0], view.study.seeds[0]
    results = [(scheme, _result(view, scheme, channel, snr_db, seed)) for scheme in view.schemes]
    known = [(scheme, {int(item): int(answer) for item, answer in zip(r.sample_item, r.sample_answer, strict=True)})
             for scheme, r in results if r is not None and len(r.sample_item)]  # fmt: skip
    if not known:
        return None
    names, cards, task = view.study.class_names, [], task_of(view.data.tasks[0])
    for item in list(known[0][1])[:SHOWN]:
        truth = int(view.data.targets(task.name, np.array([item]))[0])
        answers = []
        for scheme, answer_to in known:
            answer = answer_to.get(item)
            if answer is not None:
                is_right = task.right(np.array([answer]), np.array([truth]))[0]
                state = "lost" if answer < 0 else "right" if is_right else "wrong"
                answers.append(
                    {"scheme": scheme.label, "text": "lost" if answer < 0 else names[answer], "state": state}
                )
        picture = item_shown(view.data.modality, view.data.items(np.array([item]))[0], names[truth])
        cards.append({"item": picture, "label": names[truth], "answers": answers})
    return Samples(channel, snr_db, seed, cards)


def _result(view: View, scheme: SchemeView, channel: str, snr_db: float, seed: int) -> PointResult | None:
    operation = view.get(scheme.label, channel, snr_db, scheme.k)
    found = [] if operation is None else [r for r in operation.results if r.point.seed == seed]
    return found[0] if found else None
