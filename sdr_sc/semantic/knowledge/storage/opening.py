# SPDX-License-Identifier: GPL-3.0-or-later
"""A base whose kind is not known before."""

from __future__ import annotations

from pathlib import Path

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic.knowledge.asked import AskedBase
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.local import MOST_CAPACITY, LocalBase
from sdr_sc.semantic.knowledge.storage.schema import OtherKindError


def open_any(path: Path, require_signature: str = "") -> AskedBase:
    """A global base, or a local one that no receiver uses at the time.

    Args:
        require_signature: see `KnowledgeBase`; a local base has none.

    Raises:
        KnowledgeError: it is neither, it is damaged or in use, or its signature is missing or wrong.
    """
    try:
        return KnowledgeBase(path, require_signature=require_signature)
    except OtherKindError as other:
        try:
            local = LocalBase(path, None, MOST_CAPACITY)
        except OtherKindError:
            raise other from None
    if require_signature:
        local.close()
        raise KnowledgeError(f"{local.named} is local and not signed, and a signature is required; give a global one.")
    return local
