# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer to a question about an item, which the receiver knows, and may have been given after it got the item."""

from __future__ import annotations

from sdr_sc.semantic.tasks.base import register_task
from sdr_sc.semantic.tasks.classification import Classification

QUESTION = "question"


@register_task
class Question(Classification):
    """Which of a list of answers, by the logits that `sdr_sc.semantic.questions.Questions` makes of the decoder's
    outputs, which are a vector of what arrived, and of a question."""

    name, wire_id, metric, needs = QUESTION, 3, "accuracy", "question"
