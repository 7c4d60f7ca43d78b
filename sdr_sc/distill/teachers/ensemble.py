# SPDX-License-Identifier: GPL-3.0-or-later
"""Several teachers as one: the mean of their probabilities, and their features side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from sdr_sc.distill.teachers.base import Teacher, TeacherAnswer
from sdr_sc.errors import ContractError


class EnsembleTeacher:
    """Teachers of the same classes that are asked together, as in Hinton, Vinyals and Dean, "Distilling the Knowledge
    in a Neural Network" (2015). Its logits are logarithms of probabilities.

    Args:
        members: two or more.

    Raises:
        ContractError: there are fewer, or their numbers of classes differ.
    """

    def __init__(self, members: Sequence[Teacher]) -> None:
        if len(members) < 2 or len({member.classes for member in members}) > 1:
            raise ContractError("an ensemble needs two teachers or more with the same classes; give others.")
        self._members = tuple(members)
        self.name = " + ".join(member.name for member in members)
        self.classes, self.feature_dim = members[0].classes, sum(member.feature_dim for member in members)
        self.fingerprint = hashlib.sha256(
            " ".join(["ensemble of", *(member.fingerprint for member in members)]).encode()
        ).hexdigest()

    def ask(self, images: Tensor) -> TeacherAnswer:
        """See `sdr_sc.distill.teachers.base.Teacher.ask`."""
        answers = [member.ask(images) for member in self._members]
        logs = torch.stack([torch.log_softmax(answer.logits, dim=1) for answer in answers])
        mean = torch.logsumexp(logs, dim=0) - torch.log(torch.tensor(float(len(answers))))
        return TeacherAnswer(mean, torch.cat([answer.features for answer in answers], dim=1))
