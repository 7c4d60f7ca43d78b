# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer to a question about an item, which the receiver knows, and may have been given after it got the item."""

from __future__ import annotations

from sdr_sc.semantic.tasks.base import register_task
from sdr_sc.semantic.tasks.classification import Classification


@register_task
class Question(Classification):
    """Which of a list of answers; the questions come with the data set, see `sdr_sc.data.asked.AskedSet`."""

    name, wire_id, metric = "question", 3, "accuracy"
