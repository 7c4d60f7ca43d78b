# SPDX-License-Identifier: GPL-3.0-or-later
"""A small world for bases in a receiver: a shipped model's contract, entries of known and of new classes, rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sdr_sc.semantic.knowledge.answering.known import Decoded
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.features import FeatureVectors
from sdr_sc.semantic.knowledge.fusion.posterior import Kernel
from sdr_sc.semantic.knowledge.fusion.rule import OFF, FusionRule, Gate
from sdr_sc.semantic.knowledge.interface import Entry
from sdr_sc.semantic.knowledge.rules.book import Rules
from sdr_sc.semantic.knowledge.storage.state import State, contract_checksum
from sdr_sc.semantic.weights import read_contract

CONTRACT = read_contract("fashion_mnist_student")
OWN = CONTRACT.tasks[0].names
K, SPACE = CONTRACT.k_max, FeatureVectors(CONTRACT.k_max, 10.0).space(CONTRACT)
NEW = ("owl", "saw")
GATE = Gate(-1.0, 1.0, 0.5)


def sent(seed: int) -> np.ndarray:
    """Feature symbols of a thing, complex128 (K,), of unit power."""
    values = np.random.default_rng(seed).normal(size=(K, 2)) @ [1, 1j]
    return values / np.sqrt(np.mean(np.abs(values) ** 2))


def entry(seed: int, name: str) -> Entry:
    """A thing as an entry."""
    vector = sent(seed).astype(np.complex64).view(np.float32)
    return Entry(f"thing {seed}", f"{name} {seed}", vector, {"classification": name}, f"test {seed}", added_s=1.0)


def make_base(path: Path, seeds: dict[int, str] | None = None) -> State:
    """A base of things by their seeds, each with the name of its class: of known ones 0 to 9, of new ones 100, 101."""
    seeds = {**dict(enumerate(OWN)), **dict(zip((100, 101), NEW, strict=True))} if seeds is None else seeds
    return KnowledgeBase.create(path, SPACE, [entry(seed, name) for seed, name in seeds.items()], "toy")


def make_rules(path: Path, state: State, **changed) -> Rules:
    """Rules for it, by hand."""
    rule = FusionRule(
        K, Kernel(0.05), GATE, GATE, snr_db=(0.0, 10.0, 20.0), temperature=(1.0, 1.0, 1.0), spared=((0.0, 0.1, 0.2),)
    )
    local = FusionRule(K, Kernel(0.05, entry_noise=0.1), GATE, OFF)
    values = {
        "model_id": CONTRACT.model_id, "contract_sha256": contract_checksum(CONTRACT), "task": "classification",
        "base_id": state.base_id, "version": state.version, "checksum": state.checksum, "by_k": {K: rule},
        "local": {K: local}, "local_from_db": 5.0,
    }  # fmt: skip
    rules = Rules(**(values | changed))
    rules.save(path)
    return rules


def decoded(
    seeds: list[int], classes: list[int], sure: float = 3.0, snr_db: float = 10.0, noise_seed: int = 1
) -> Decoded:
    """Things as received over noise, and a decoder that says these classes (-1: lost) by a lead of their logits."""
    noise = 10 ** (-snr_db / 10)
    values = np.stack([sent(seed) for seed in seeds])
    rng = np.random.default_rng(noise_seed)
    heard = (values + np.sqrt(noise / 2) * (rng.normal(size=(*values.shape, 2)) @ [1, 1j])) / (1 + noise)
    variance = np.full(values.shape, noise, np.float32)
    logits = np.zeros((len(seeds), len(OWN)), np.float32)
    ids = np.array(classes)
    logits[np.flatnonzero(ids >= 0), ids[ids >= 0]] = sure
    lost = ids < 0
    logits[lost], heard[lost], variance[lost] = np.nan, np.nan, np.inf
    confidence = np.where(lost, 0.0, np.exp(sure) / (np.exp(sure) + len(OWN) - 1)).astype(np.float32)
    return Decoded(heard.astype(np.complex64), variance, logits, snr_db, ids, confidence, "toy frame")


def cut(frame: Decoded, k: int) -> Decoded:
    """The same with fewer symbols of each item."""
    return replace(frame, features=frame.features[:, :k], noise_variance=frame.noise_variance[:, :k])
