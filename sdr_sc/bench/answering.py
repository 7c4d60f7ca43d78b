# SPDX-License-Identifier: GPL-3.0-or-later
"""What a knowledge base costs a receiver: processor time of an item with the decoder alone, and with bases beside it.

Items are entries of the base as noise makes them, so that no data set is needed; the decoder's answers to them mean
nothing, and take as long as others. All is one thread of one process, and processor time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import Row
from sdr_sc.semantic.inference import SemanticDecoder
from sdr_sc.semantic.knowledge.answering.answers import KnowledgeAnswers
from sdr_sc.semantic.knowledge.answering.known import USED, Decoded
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.features import usual_vectors
from sdr_sc.semantic.knowledge.fusion.posterior import Kernel
from sdr_sc.semantic.knowledge.fusion.rule import OFF, FusionRule, Gate
from sdr_sc.semantic.knowledge.interface import Entry
from sdr_sc.semantic.knowledge.rules.book import Rules
from sdr_sc.semantic.knowledge.storage.state import contract_checksum

SNR_DB, NEW_CLASSES = 10.0, 50
FRAME_ITEMS = (4, 50)
_WARM_FRAMES = 5


def answering_rows(model: str, entries: int, frames: int, seed: int, log: Callable[[str], None]) -> list[Row]:
    """Rows for frames of few and of many items.

    Args:
        model: weights file, or name of a shipped model, whose first task has classes.
        entries: of the global base; the local one gets as many at most.
        frames: measured of each size.
        seed: of entries and noise.
        log: called with what is measured next.
    """
    decoder = SemanticDecoder(model)
    with scratch_folder() as folder:
        base, rules, vectors = _files(decoder, Path(folder), entries, seed)
        rows: list[Row] = []
        for items in FRAME_ITEMS:
            log(f"frames of {items} items")
            rng = np.random.default_rng(seed)
            with_base = KnowledgeAnswers(decoder.contract, base, rules)
            local = Path(folder) / f"local {items}.kb"
            with_both = KnowledgeAnswers(decoder.contract, base, rules, local, entries)
            times = np.array([_frame(decoder, with_base, with_both, vectors, items, rng) for _ in range(frames)])
            ms = 1e3 * np.median(times[_WARM_FRAMES:], axis=0) / items
            with_base.close()
            with_both.close()
            where = f"{entries:,} entries, frames of {items} items"
            rows += [
                Row(f"{where}: decoder, processor time an item", float(ms[0]), "ms", n=frames),
                Row(f"{where}: base beside it", float(ms[1]), "ms", n=frames),
                Row(f"{where}: base beside it, over the decoder", float(ms[1] / ms[0]), "x", n=frames),
                Row(f"{where}: base and local base beside it", float(ms[2]), "ms", n=frames),
            ]
    return rows


def _files(decoder: SemanticDecoder, folder: Path, entries: int, seed: int) -> tuple[Path, Path, np.ndarray]:
    """A base and its rules, by hand, and the entries' features."""
    contract, rng = decoder.contract, np.random.default_rng(seed)
    space, task = usual_vectors(contract).space(contract), contract.tasks[0]
    names = [*task.names, *(f"new {number}" for number in range(NEW_CLASSES))]
    vectors = rng.normal(size=(entries, space.dimension)).astype(np.float32)
    vectors *= np.sqrt(space.dimension / 2) / np.linalg.norm(vectors, axis=1, keepdims=True)
    base, rules = folder / "base.kb", folder / "base.rules"
    state = KnowledgeBase.create(
        base, space,
        (Entry(str(number), "", vector, {task.name: names[number % len(names)]}, "", added_s=1.0)
         for number, vector in enumerate(vectors)),
    )  # fmt: skip
    k = space.dimension // 2
    rule = FusionRule(k, Kernel(0.1), Gate(-2.0, 0.3, 0.5), Gate(-2.0, 0.5, 0.5), snr_db=(0.0,), temperature=(1.0,))
    local = FusionRule(k, Kernel(0.1, entry_noise=0.1), Gate(-2.0, 0.3, 0.5), OFF)
    Rules(
        contract.model_id, contract_checksum(contract), task.name, state.base_id, state.version, state.checksum,
        {k: rule}, {k: local}, 0.0,
    ).save(rules)  # fmt: skip
    return base, rules, vectors


def _frame(
    decoder: SemanticDecoder, with_base: KnowledgeAnswers, with_both: KnowledgeAnswers, vectors: np.ndarray, items: int,
    rng: np.random.Generator,
) -> tuple[float, float, float]:  # fmt: skip
    """Processor time of a frame, seconds: decoder, base, both bases."""
    sent = vectors[rng.integers(len(vectors), size=items)].view(np.complex64)
    noise = 10.0 ** (-SNR_DB / 10)
    heard = sent + np.sqrt(noise / 2) * (rng.normal(size=(*sent.shape, 2)) @ [1, 1j])
    features, variance = (heard / (1 + noise)).astype(np.complex64), np.full(sent.shape, noise, np.float32)
    began = time.process_time()
    outputs = decoder.outputs(features, SNR_DB, strict=False)
    answer = decoder.answered(outputs, features, SNR_DB, None, variance)
    decoded_s = time.process_time()
    logits = outputs[:, decoder.parts[decoder.task.name]]
    decoded = Decoded(features, variance, logits, SNR_DB, answer.best, answer.confidence)
    found = with_base.answers(decoded)
    base_s = time.process_time()
    with_both.answers(decoded)
    both_s = time.process_time()
    assert found.state == USED
    return decoded_s - began, base_s - decoded_s, both_s - base_s
