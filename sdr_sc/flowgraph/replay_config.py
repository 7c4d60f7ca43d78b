# SPDX-License-Identifier: GPL-3.0-or-later
"""What is replayed, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdr_sc.phy.receive.sync import CFO_RANGE_SUBCARRIERS
from sdr_sc.semantic import weights
from sdr_sc.semantic.asked_tasks import AskedTasks

_BLOCK = 262_144


@dataclass(frozen=True)
class ReplayConfig:
    """What is replayed, and how.

    Attributes:
        file: the recording.
        models: decoders; each gets the same received frames.
        pace: ``fast`` or ``real``.
        start_sample, stop_sample: the part; 0 as stop: up to the end.
        chunk: the most samples in one piece.
        noise_power: of the noise that is added, mean power of a sample, full scale 1; 0 for none.
        cfo_hz, channel_models, decimation: what else is added, as of `sdr_sc.blocks.degrade`.
        cfo_range_subcarriers, swap_iq: of the receiver.
        tasks, gallery, question: of the semantic decoder: what is answered beside the models' first task, and what the
            items are asked; '' as question for the one that the recording was made with, where a task answers any.
        tune_hz: where a signal off the middle lies, Hz from the recording's centre; it is moved there first.
        seed: of what is added.
        datatype, rate_hz: of a plain file; '' and 0 for what the metadata says.
    """

    file: str
    models: tuple[str, ...] = (weights.DEFAULT_MODEL,)
    pace: str = "fast"
    start_sample: int = 0
    stop_sample: int = 0
    chunk: int = _BLOCK
    noise_power: float = 0.0
    cfo_hz: float = 0.0
    channel_models: str = ""
    decimation: int = 1
    seed: int = 1
    datatype: str = ""
    rate_hz: float = 0.0
    tune_hz: float = 0.0
    cfo_range_subcarriers: float = CFO_RANGE_SUBCARRIERS
    swap_iq: bool = False
    tasks: str = ""
    gallery: str = ""
    question: str = ""

    @property
    def untouched(self) -> bool:
        """Whether the receiver gets the recorded samples as they are."""
        changes = self.noise_power, self.cfo_hz, self.tune_hz, self.channel_models, self.swap_iq
        return not any(changes) and self.decimation == 1


@dataclass(frozen=True)
class ReplayResult:
    """What a replay gave with one model.

    Attributes:
        folder: where ``frames.csv`` and ``items.csv`` are; None where none were written.
        status: the counters, as of a live receiver.
        samples: that were replayed.
        seconds: from the first sample to the last answer.
        faults: sentences on what makes the replay an error although its results are whole, of any of its models.
        truth: whether the recording says what was sent; without it no answer counts as right or wrong.
        asked: what was answered, which knows the answers' names.
    """

    model: str
    folder: Path | None
    status: dict[str, Any]
    samples: int
    seconds: float
    truth: bool
    asked: AskedTasks
    warnings: tuple[str, ...] = field(default=())
    faults: tuple[str, ...] = field(default=())
