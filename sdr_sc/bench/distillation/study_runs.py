# SPDX-License-Identifier: GPL-3.0-or-later
"""A study's students: trained, sent over the physical layer, and each answer kept as right or wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.bench.distillation.points import CFO_HZ, ITEMS_PER_FRAME, ROUNDS
from sdr_sc.bench.distillation.runs import Run, train_student
from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import Dataset, ImageSet
from sdr_sc.data.shifted import shifted
from sdr_sc.distill.studies.study import Condition, Size, sized_config
from sdr_sc.documents import read_json
from sdr_sc.errors import SdrScError
from sdr_sc.files import write_whole
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.phy.numerology import Numerology
from sdr_sc.results.paired import pack, unpack
from sdr_sc.results.pool import run_jobs
from sdr_sc.results.rows import git_commit
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.link import run_scheme
from sdr_sc.sealed import sealed, unsealed
from sdr_sc.semantic import weights
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.shown import shown

VERSION = 1
ROBUST_BELOW_DB = 0.0
"""SNR below which frames are robust: of normal ones three of four are lost at -5 dB, and some are after all rounds."""
_FIX = "delete it"
Outcomes = dict[str, np.ndarray]
"""For each condition by its name, bool (images,): which answers are right."""


@dataclass(frozen=True)
class Job:
    """One student of a study.

    Attributes:
        run: what is trained.
        conditions: where it is measured; none to train alone.
        knowledge: folder of its teacher's answers; None for the labels alone.
    """

    run: Run
    conditions: tuple[Condition, ...]
    knowledge: Path | None


def training_set(size: Size) -> ImageSet:
    """The images of a study of this size."""
    data = fashion_mnist.load("train")
    return data.first(size.images or len(data))


def test_set(images: int) -> ImageSet:
    """The first test images; all for 0."""
    data = fashion_mnist.load("test")
    return data.first(images or len(data))


def run_all(
    jobs: Sequence[Job], size: Size, workers: int, log: Callable[[str], None]
) -> dict[tuple[str, int], Outcomes]:
    """Train what is missing and measure it, by (scheme, seed).

    Raises:
        SdrScError: something is there that was made with other settings.
    """
    found: dict[tuple[str, int], Outcomes] = {}

    def keep(job: Job, result: tuple[str, Outcomes]) -> None:
        word, found[job.run.scheme.name, job.run.seed] = result
        log(f"{job.run.weights.name}: {word}")

    if workers == 1:
        for job in jobs:
            keep(job, run_one(job, size, git_commit()))
    else:
        run_jobs(run_one, jobs, (size, git_commit()), workers, keep)
    return found


def run_one(job: Job, size: Size, git: str) -> tuple[str, Outcomes]:
    """Train and measure one student in this process; returns a word on the training, and what came of it."""
    import torch

    from sdr_sc.distill.targets.teacher_targets import open_knowledge

    torch.set_num_threads(1)
    data = training_set(size)
    config = sized_config(job.run.scheme, size, job.run.seed, len(data))
    word = train_student(job.run, data, config, open_knowledge(data, config, job.knowledge), git)
    if not job.conditions:
        return word, {}
    return f"measured at {len(job.conditions)} points", outcomes(job.run, job.conditions, size.test_images, git)


def outcomes(run: Run, conditions: Sequence[Condition], images: int, git: str) -> Outcomes:
    """Which answers are right, from the file beside the weights where it has them.

    All runs of a seed meet the same channel and noise, frame by frame; images of lost frames are sent again.

    Args:
        images: the first test images alone; 0 for all.
    """
    return kept_outcomes(run.weights, test_set(images), conditions, run.seed, git, str(images or ""))


def kept_outcomes(
    model: Path, data: Dataset, conditions: Sequence[Condition], seed: int, git: str, part: str = ""
) -> Outcomes:
    """Which answers of a model to its first task are right, from the file beside the weights where it has them.

    Args:
        model: weights file.
        data: that is sent.
        seed: of noise and channel.
        part: in the file's name, where the data are not all.
    """
    path = model.with_suffix(f".outcomes{part}.json")
    about = {"version": VERSION, "model_id": weights.read_contract(model).model_id, "images": len(data)}
    kept = _kept(path, about)
    missing = [condition for condition in conditions if not _is_kept(condition, kept)]
    if missing:
        scheme = ModelScheme(SemanticEncoder(model), SemanticDecoder(model))
        for condition in missing:
            right = send(scheme, data, condition, seed)
            kept[str(condition)] = {"right": pack(right), "mode": mode_of(condition).name, "git": git}
            write_whole({path: (json.dumps(sealed({**about, "conditions": kept}), indent=1) + "\n").encode()})
    return {str(condition): unpack(kept[str(condition)]["right"], len(data)) for condition in conditions}


def _kept(path: Path, about: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What was measured of the same model on the same images; nothing from any other file."""
    if not path.exists():
        return {}
    what = f"file of answers {shown(path)}"
    stored = read_json(path, "file of answers", _FIX)
    if not isinstance(stored, dict):
        raise SdrScError(f"{what} holds no JSON object; {_FIX}.")
    stored, _ = unsealed(stored, what, _FIX)
    if {name: stored.get(name) for name in about} != about:
        return {}
    conditions = stored.get("conditions")
    if not isinstance(conditions, dict) or not all(isinstance(one, dict) for one in conditions.values()):
        raise SdrScError(f"{what} holds no conditions that can be read; {_FIX}.")
    for one in conditions.values():
        unpack(one.get("right"), about["images"])
    return dict(conditions)


def _is_kept(condition: Condition, kept: dict[str, dict[str, str]]) -> bool:
    """Whether it was measured as it would be now; earlier versions sent all in normal frames, and did not say so."""
    one = kept.get(str(condition))
    return one is not None and one.get("mode", FrameMode.NORMAL.name) == mode_of(condition).name


def mode_of(condition: Condition) -> FrameMode:
    """Frame mode in which the images are sent."""
    return FrameMode.ROBUST if condition.snr_db < ROBUST_BELOW_DB else FrameMode.NORMAL


def send(scheme: ModelScheme, data: Dataset, condition: Condition, seed: int) -> np.ndarray:
    """Send all items, those of lost frames again, `ROUNDS` times at most; see `mode_of`.

    Returns:
        bool (items,), which answers are right; an item that never arrived has none.
    """
    every = np.arange(len(data))
    items, wanted = shifted(data.items(every), condition.pictures), data.targets(scheme.task, every).astype(np.int64)
    right, waiting = np.zeros(len(data), bool), np.arange(len(data))
    for number in range(ROUNDS):
        if not len(waiting):
            break
        words = (seed, number, round(100 * (condition.snr_db + 1000)), condition.k)
        noise = int(np.random.SeedSequence(words).generate_state(1)[0])
        found = run_scheme(
            scheme,
            items[waiting],
            wanted[waiting],
            condition.channel or None,
            condition.snr_db,
            condition.k,
            Numerology(),
            ITEMS_PER_FRAME,
            noise,
            CFO_HZ,
            len(data.names(scheme.task)),
            mode=mode_of(condition),
        )
        right[waiting] = found.right
        waiting = waiting[found.found < 0]
    return right
