# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of a student for several tasks, which can be cut off at any step and go on."""

from __future__ import annotations

import copy
import json
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sdr_sc.distill.checkpoint import as_json, read_checkpoint, write_checkpoint
from sdr_sc.distill.multitask.best import BestWeights
from sdr_sc.distill.multitask.config import MultiTaskConfig
from sdr_sc.distill.multitask.lesson import Lesson
from sdr_sc.distill.multitask.objective import MultiTaskStudent, losses
from sdr_sc.distill.multitask.word_rows import start_from_teacher, taught_texts
from sdr_sc.distill.state import load_module, load_optimisers, module_arrays, optimiser_arrays
from sdr_sc.documents import real_number, whole_number
from sdr_sc.errors import SdrScError
from sdr_sc.semantic.networks.text import TextEncoder
from sdr_sc.semantic.tasks.base import task_of
from sdr_sc.semantic.tasks.question import QUESTION

_CLIP = 5.0
_CHECKPOINT_REPORTS = 10  # a state of a text student has 36 MB


class MultiTaskTrainer:
    """A run.

    Args:
        lesson: what is learned from.
        config: the settings.
        quality: of a student on held-out items; needed with ``config.validate_every``.

    Attributes:
        best: what ships in place of ``average`` at the end, with ``config.validate_every``; else None.
        student, average: what is trained, and the running mean of its weights, which is what ships.
        step: steps that are done.
        history: mean of each term of the loss since the last report, by step.
    """

    def __init__(
        self, lesson: Lesson, config: MultiTaskConfig, quality: Callable[[MultiTaskStudent], float] | None = None
    ) -> None:
        self.lesson, self.config, self.step = lesson, config, 0
        self.best = None
        if config.validate_every:
            if quality is None:
                raise ValueError("the best weights are to be kept, and nothing says which are")
            self.best = BestWeights(quality, config.validate_every)
        outputs = tuple(task_of(spec.name).outputs(spec) for spec in lesson.specs)
        self.tasks = tuple(spec.name for spec in lesson.specs)
        hints = 0 if lesson.hints is None else lesson.hints.shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            answers = sum(len(spec.names) for spec in lesson.specs if spec.name == QUESTION)
            self.student = MultiTaskStudent(config, outputs, lesson.modality, hints, answers)
        self.sampler = lesson.sampler(config.batch_items, config.seed, config.shares)
        self.average = copy.deepcopy(self.student)
        tables = [module.weight for module in self.student.modules() if isinstance(module, nn.Embedding)]
        taken = {id(one) for one in tables}
        others = [one for one in self.student.parameters() if id(one) not in taken]
        groups: list[dict[str, Any]] = [
            {"params": others, "lr": config.learning_rate, "weight_decay": config.weight_decay}
        ]
        if tables:
            groups.append({"params": tables, "lr": config.table_rate, "weight_decay": config.table_decay})
        self.optimiser = torch.optim.AdamW(groups, fused=True)
        rates = [group["lr"] for group in groups]
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, rates, config.steps, pct_start=0.15, cycle_momentum=False
        )
        self.history: list[tuple[int, dict[str, float]]] = []

    def run(self, steps: int | None = None, on_report: Callable[[int, dict[str, float]], None] = lambda *_: None,
            every: int = 100, checkpoint: Path | None = None) -> None:  # fmt: skip
        """Train to the end, or for some steps.

        Args:
            on_report: called each ``every`` steps with the mean of each term of the loss.
            checkpoint: file that the state is written to at each tenth of these, and at the end.

        Raises:
            SdrScError: the loss is no longer a number, or the state cannot be written.
        """
        if self.step == 0:
            self._start()
        last = self.config.steps if steps is None else min(self.config.steps, self.step + steps)
        sums: dict[str, Tensor] = {}
        since = self.step
        while self.step < last:
            for name, value in self._one_step().items():
                sums[name] = sums.get(name, torch.zeros(())) + value.detach()
            if self.best is not None and (self.step % self.best.every == 0 or self.step == self.config.steps):
                self.best.look(self.step, self.average)
            if self.step % every == 0 or self.step == last:
                means = {name: value.item() / (self.step - since) for name, value in sums.items()}
                if not math.isfinite(means["loss"]):
                    raise SdrScError(f"the loss is {means['loss']} at step {self.step}; lower the learning rate.")
                self.history.append((self.step, means))
                on_report(self.step, means)
                sums, since = {}, self.step
                if checkpoint is not None and (self.step == last or self.step % (_CHECKPOINT_REPORTS * every) == 0):
                    write_checkpoint(checkpoint, self.arrays(), self.about())
        if self.best is not None and self.step == self.config.steps:
            self.average.load_state_dict(self.best.state)

    def _start(self) -> None:
        """Rows of words from the teacher's vectors."""
        encoder = self.student.encoder
        if self.config.row_penalty and isinstance(encoder, TextEncoder):
            tokens, vectors = taught_texts(self.lesson)
            if len(tokens):
                start_from_teacher(encoder, tokens, vectors, self.config.row_penalty)
                self.average.load_state_dict(self.student.state_dict())

    def _one_step(self) -> dict[str, Tensor]:
        self.student.train()
        seeds = np.random.SeedSequence((self.config.seed, self.step)).spawn(3)
        rng = np.random.default_rng(seeds[0])
        generator = torch.Generator().manual_seed(int(seeds[1].generate_state(1)[0]))
        batch = self.lesson.batch(self.sampler.chosen(self.step), rng)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(seeds[2].generate_state(1)[0]))  # of dropout
            found = losses(self.student, batch, self.config, self.tasks, rng, generator)
        self.optimiser.zero_grad(set_to_none=True)
        found["loss"].backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), _CLIP)
        self.optimiser.step()
        self.schedule.step()
        self.step += 1
        self._update_average()
        return found

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.ema_decay, (1.0 + self.step) / (10.0 + self.step))
        means, values = self.average.state_dict().values(), self.student.state_dict().values()
        pairs = [(mean, value) for mean, value in zip(means, values, strict=True) if mean.is_floating_point()]
        torch._foreach_lerp_([mean for mean, _ in pairs], [value for _, value in pairs], 1.0 - decay)

    def arrays(self) -> dict[str, np.ndarray]:
        """The state, by names."""
        parts: dict[str, Mapping[str, np.ndarray]] = {
            "student": module_arrays(self.student),
            "average": module_arrays(self.average),
            "optimiser": optimiser_arrays([self.optimiser], self.student),
        }
        if self.best is not None:
            parts["best"] = self.best.arrays()
        return {f"{part}/{name}": value for part, found in parts.items() for name, value in found.items()}

    def about(self) -> dict[str, Any]:
        """What else belongs to the state."""
        about = {"step": self.step, "config": asdict(self.config), "data": self.lesson.data.sha256}
        return about if self.best is None else about | {"best": [self.best.step, self.best.score]}

    def resume(self, path: Path) -> None:
        """Go on from a file that `run` wrote.

        Raises:
            SdrScError: it is damaged, or of other settings or data.
        """
        arrays, about = read_checkpoint(path)
        if isinstance(about.get("config"), dict):  # a setting that was not known yet has its default
            about = about | {"config": as_json(asdict(MultiTaskConfig())) | about["config"]}
        wanted = self.about() | {name: about.get(name) for name in ("step", "best") if name in about}
        if json.loads(json.dumps(wanted)) != about or not isinstance(about.get("step"), int):
            raise SdrScError(f"{path} is the state of another run; delete it to start again.")
        parts = {
            part: {name.partition("/")[2]: value for name, value in arrays.items() if name.startswith(f"{part}/")}
            for part in ("student", "average", "optimiser", "best")
        }
        if self.best is not None:
            self._resume_best(path, about, parts["best"])
        load_module(self.student, parts["student"], "weights")
        load_module(self.average, parts["average"], "averaged weights")
        load_optimisers([self.optimiser], self.student, parts["optimiser"])
        self.step = about["step"]
        if self.step:
            self.schedule.last_epoch = self.step - 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # that the optimiser has made no step
                self.schedule.step()

    def _resume_best(self, path: Path, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        found = about.get("best")
        step, score = found if isinstance(found, list) and len(found) == 2 else (None, None)
        known = whole_number(step, 0), real_number(score, -1.0)
        if self.best is None or None in known:
            raise SdrScError(f"{path} does not say which weights were best; delete it to start again.")
        if known[0]:
            load_module(copy.deepcopy(self.average), arrays, "best weights")
        self.best.set(int(known[0] or 0), float(known[1] or 0.0), arrays)
