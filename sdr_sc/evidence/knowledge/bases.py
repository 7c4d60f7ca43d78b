# SPDX-License-Identifier: GPL-3.0-or-later
"""Bases of measurements: answers with them, and altered copies of what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sdr_sc.evidence.knowledge.received import Received
from sdr_sc.semantic.knowledge.fusion.fit import HeldOut
from sdr_sc.semantic.knowledge.fusion.fuse import Fused, fuse
from sdr_sc.semantic.knowledge.fusion.rule import FusionRule
from sdr_sc.semantic.knowledge.interface import Neighbours
from sdr_sc.semantic.knowledge.rules.memory import MemoryBase


def without_features(asked: HeldOut, base: MemoryBase, seed: int) -> HeldOut:
    """As if features said nothing: entries by chance, all as near as an item like none would be."""
    ids = np.random.default_rng(seed).integers(len(base.classes), size=asked.found.ids.shape)
    similarity = np.broadcast_to(np.median(asked.found.similarity, axis=1)[:, None], ids.shape)
    return replace(asked, found=Neighbours(ids, similarity), classes=base.classes[ids])


def fused_of(asked: HeldOut, received: Received, rule: FusionRule) -> tuple[np.ndarray, Fused]:
    """The decoder's probabilities, and the fused answers, by the SNR that the receiver estimated."""
    estimated = np.where(np.isfinite(received.snr_db), received.snr_db, 0.0)
    sure = rule.decoder_probabilities(asked.logits, estimated)
    return sure, fuse(sure, asked.evidence(rule.kernel), rule, estimated)


def best_of(probabilities: np.ndarray) -> np.ndarray:
    """int64 (n,), the most probable class; -1 for lost items."""
    there = np.isfinite(probabilities).all(axis=1)
    return np.where(there, np.where(there[:, None], probabilities, 0.0).argmax(axis=1), -1)
