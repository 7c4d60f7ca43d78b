# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transmitter's encoder is set to: checked, and made a `FrameSender`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_sc.errors import BlockError, ContractError
from sdr_sc.link.adaptation import LinkAdaptation
from sdr_sc.link.entry_sender import EntrySender
from sdr_sc.link.frame_sender import FrameSender
from sdr_sc.link.in_flight import InFlight
from sdr_sc.link.mapping import INTERLEAVE, check_mapping
from sdr_sc.link.mode_choice import fixed_mode
from sdr_sc.link.parameters import require_text
from sdr_sc.link.refinement.sender import RefinementSender
from sdr_sc.link.refinement.triggers import TRIGGERS, check_trigger
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, MAX_ITEMS, MAX_K
from sdr_sc.semantic.asked_tasks import task_names
from sdr_sc.semantic.cam import CamTarget
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.tasks.base import task_of
from sdr_sc.shown import shown

_NAME = "semantic encoder"


@dataclass(frozen=True)
class SenderSettings:
    """Parameters of `sdr_sc.blocks.semantic_encoder`, which says what they mean.

    Raises:
        BlockError: a parameter makes no sense.
    """

    items_per_frame: int = 4
    max_frames_in_flight: int = 1
    feedback_timeout_s: float = 0.25
    hysteresis_db: float = 1.0
    max_loss_points: float = -1.0
    max_k: int = 0
    mode: str = "auto"
    refine: str = TRIGGERS[0]
    mapping: str = INTERLEAVE
    tasks: str = ""
    knowledge_base: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.items_per_frame <= MAX_ITEMS:
            raise BlockError(f"{_NAME}: items_per_frame is {self.items_per_frame}; use 1 to {MAX_ITEMS}.")
        in_time = 0 < self.feedback_timeout_s < np.inf
        if self.max_frames_in_flight < 0 or not in_time or not self.hysteresis_db >= 0:
            raise BlockError(
                f"{_NAME}: max_frames_in_flight and hysteresis_db have to be 0 or more, feedback_timeout_s more than 0."
            )
        require_text(_NAME, tasks=self.tasks, knowledge_base=self.knowledge_base)
        check_trigger(_NAME, self.refine)
        fixed_mode(_NAME, self.mode)
        check_mapping(_NAME, self.mapping)
        if self.refines and self.knowledge_base:
            raise BlockError(
                f"{_NAME}: knowledge_base is {shown(self.knowledge_base)!r} and refine {self.refine!r}: frames that "
                "name entries carry no refinements; leave one of them out."
            )

    @property
    def refines(self) -> bool:
        """Whether items are refined at the receiver's request."""
        return self.refine != TRIGGERS[0]

    def target(self, contract: ModelContract) -> CamTarget:
        """What the CAM aims at: the model's first task, and those of ``tasks`` whose quality its table holds."""
        loss = self.max_loss_points if self.max_loss_points >= 0 else None
        first, known = contract.tasks[0].name, {spec.name for spec in contract.tasks} & {*contract.cam.others}
        further = tuple(name for name in task_names(self.tasks) if name in known)
        return CamTarget(loss, self.max_k or None, (first, *further) if further else ())

    def sender(self, contract: ModelContract, model: str) -> FrameSender:
        """A transmitter's end of the link with these settings.

        Args:
            contract: of the model.
            model: what it is called, for messages.

        Raises:
            ContractError: the model does not fit a frame, or the target.
        """
        if contract.k_max > MAX_K:
            raise ContractError(f"model {model!r} sends up to {contract.k_max} symbols an item, a frame {MAX_K}.")
        entries = None
        if self.knowledge_base:
            loss = self.max_loss_points if self.max_loss_points >= 0 else contract.cam.max_loss_points
            entries = EntrySender(contract, None, task_names(self.tasks), loss, self.feedback_timeout_s)
        return FrameSender(
            contract,
            LinkAdaptation(contract, self.hysteresis_db, self.target(contract), refine=self.refines),
            InFlight(self.max_frames_in_flight, self.feedback_timeout_s, FRAME_NUM_MODULO),
            task_of(contract.tasks[0].name).wire_id,
            fixed_mode(_NAME, self.mode),
            RefinementSender() if self.refines else None,
            check_mapping(_NAME, self.mapping),
            entries,
        )
