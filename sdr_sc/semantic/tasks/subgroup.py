# SPDX-License-Identifier: GPL-3.0-or-later
"""A finer class than that of `classification`, of the same item."""

from __future__ import annotations

from sdr_sc.semantic.tasks.base import register_task
from sdr_sc.semantic.tasks.classification import Classification


@register_task
class Subgroup(Classification):
    """Which subgroup an item is of."""

    name, wire_id, metric = "subgroup", 1, "accuracy"
