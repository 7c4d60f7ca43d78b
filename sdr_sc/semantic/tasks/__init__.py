# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver answers of an item: one file a task, by the name that a model's contract has."""

from sdr_sc.semantic.tasks import (  # noqa: F401  # register themselves
    classification,
    keywords,
    question,
    reconstruction,
    retrieval,
    subgroup,
)
