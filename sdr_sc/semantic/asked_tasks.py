# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tasks a receiver answers beside a model's first one, and their answers from one decoder's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from sdr_sc.data.asked import OWN_QUESTION
from sdr_sc.errors import ContractError
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.gallery import Gallery
from sdr_sc.semantic.questions import BoundQuestion, Questions, question_tokens
from sdr_sc.semantic.specs import TaskSpec
from sdr_sc.semantic.tasks.base import TaskAnswer, output_slices, task_of
from sdr_sc.shown import shown

GIVE_GALLERY = "the file that 'sdr-sc distill' wrote beside the model"


def task_names(text: str) -> tuple[str, ...]:
    """Names of tasks in a text with commas between them, each once.

    >>> task_names(" classification, retrieval,"), task_names("")
    (('classification', 'retrieval'), ())
    """
    return tuple(dict.fromkeys(name for name in map(str.strip, text.split(",")) if name))


def answers_questions(contract: ModelContract, tasks: str) -> bool:
    """Whether a model's first task, which is always answered, or one of these answers a question.

    Args:
        tasks: names with commas between; one that the model lacks counts for nothing.
    """
    names = {contract.tasks[0].name, *task_names(tasks)} & {spec.name for spec in contract.tasks}
    return any(task_of(name).needs == "question" for name in names)


@dataclass(frozen=True)
class AskedTasks:
    """Tasks that are asked of a model beside its first one, which every item is answered for.

    Attributes:
        contract: of the model.
        names: of the tasks.
        gallery: that retrieval searches; None where that is no task.
        question: that all items are asked, or that each is asked one of its own; None where that is no task.
    """

    contract: ModelContract
    names: tuple[str, ...] = ()
    gallery: Gallery | None = None
    question: BoundQuestion | None = None

    @classmethod
    def of(
        cls, contract: ModelContract, tasks: str, gallery: str = "", model: Path | None = None, question: str = ""
    ) -> AskedTasks:
        """From the names of tasks, with commas between them, the file of a gallery, and a question.

        Args:
            gallery: '' for the one that lies beside the model's file, if it is needed.
            model: the model's file.
            question: needed where a task answers one, the model's first one too, which is always answered;
                `sdr_sc.data.asked.OWN_QUESTION` where each item is asked one of its own.

        Raises:
            ContractError: the model does not answer one of the tasks, or the gallery or the question is missing, is not
                needed, or is none for this model.
            SdrScError: the file holds no gallery.
        """
        names = task_names(tasks)
        specs = [contract.task(name) for name in names]
        bound = _bound(contract, specs, tasks, model, question)
        searching = [spec for spec in specs if task_of(spec.name).needs == "gallery"]
        if searching and not gallery:
            beside = None if model is None else model.with_suffix(".gallery")
            if beside is None or not beside.is_file():
                where = "" if beside is None else f", and {shown(beside)} is not there"
                raise ContractError(
                    f"the task {shown(repr(searching[0].name), 80)} searches a gallery, and none is given{where}; give "
                    f"{GIVE_GALLERY}."
                )
            gallery = str(beside)
        if gallery and not searching:
            _refuse_unless_has(contract, "gallery", f"gallery {shown(gallery)}", "leave the gallery out")
            raise ContractError(
                f"gallery {shown(gallery)} is given, and none of the tasks {shown(repr(tasks), 80)} searches one; add "
                "that task, such as retrieval, or leave the gallery out."
            )
        found = _load(gallery, *_stamp(gallery)) if searching else None
        for spec in searching:
            assert found is not None
            _check_fits(contract, spec.name, found, gallery)
        return cls(contract, tuple(spec.name for spec in specs if spec is not contract.tasks[0]), found, bound)

    @property
    def all_names(self) -> tuple[str, ...]:
        """Names of all tasks that are answered, the model's first one before the others."""
        return (self.contract.tasks[0].name, *self.names)

    def answer_names(self, task: str) -> tuple[str, ...]:
        """What the answers to a task are called, by their ids: the task's own names, or the gallery's entries.

        Raises:
            ContractError: the model has no such task.
        """
        spec = self.contract.task(task)
        return spec.names or (() if self.gallery is None else self.gallery.names)

    @property
    def asks_own(self) -> bool:
        """Whether each item is asked a question of its own."""
        return self.question is not None and self.question.is_own

    def answers(self, outputs: np.ndarray, texts: Sequence[str] | None = None) -> dict[str, TaskAnswer]:
        """Answers by the task's name, `Task.top` of an item, best first.

        Args:
            outputs: float32 (n_items, outputs of all tasks), of `sdr_sc.semantic.inference.SemanticDecoder.outputs`.
            texts: what each item is asked, '' for nothing; needed where `asks_own`.
        """
        parts = dict(zip((spec.name for spec in self.contract.tasks), output_slices(self.contract), strict=True))
        found = {}
        for name in self.names:
            spec, task, own = self.contract.task(name), task_of(name), outputs[:, parts[name]]
            if task.needs == "gallery":
                assert self.gallery is not None
                found[name] = self.gallery.search(own, task.top)
                continue
            if task.needs == "question":
                assert self.question is not None
                found[name] = self.question.answer(own, spec, texts)
                continue
            found[name] = task.answer(own, spec, task.top)
        return found


def _bound(
    contract: ModelContract, specs: Sequence[TaskSpec], tasks: str, model: Path | None, question: str
) -> BoundQuestion | None:
    asking = [spec for spec in (contract.tasks[0], *specs) if task_of(spec.name).needs == "question"]
    if not asking:
        if question:
            given = f"the question {shown(repr(question), 80)}"
            _refuse_unless_has(contract, "question", given, "leave the question out")
            raise ContractError(
                f"the question {shown(repr(question), 80)} is given, and none of the tasks {shown(repr(tasks), 80)} of "
                f"model {contract.name!r} answers one; add the task question, or leave the question out."
            )
        return None
    if not question:
        raise ContractError(
            f"the task {shown(repr(asking[0].name), 80)} of model {contract.name!r} answers a question, and none is "
            "asked; give one, such as 'what colour is the shape?'."
        )
    if question != OWN_QUESTION:
        question_tokens([question])  # refuses what makes none, before torch is loaded
    return BoundQuestion(_questions(str(model), *_stamp(str(model))), question)


def _refuse_unless_has(contract: ModelContract, needs: str, given: str, fix: str) -> None:
    """Refuse what no task of the model needs, whatever is asked of it."""
    if not any(task_of(spec.name).needs == needs for spec in contract.tasks):
        answers = ", ".join(spec.name for spec in contract.tasks)
        raise ContractError(f"{given} is given, and model {contract.name!r} needs none for {answers}; {fix}.")


def _check_fits(contract: ModelContract, name: str, gallery: Gallery, file: str) -> None:
    spec = contract.task(name)
    dimensions, needed = gallery.vectors.shape[1], task_of(name).outputs(spec)
    if dimensions != needed:
        raise ContractError(
            f"gallery {shown(file)} has vectors of {dimensions} numbers, and model {contract.name!r} gives {needed} "
            f"for the task {shown(repr(name), 80)}; give {GIVE_GALLERY}."
        )
    if gallery.space != contract.teacher:
        raise ContractError(
            f"gallery {shown(file)} holds vectors of {shown(repr(gallery.space), 80)}, and model {contract.name!r} "
            f"gives those of {shown(repr(contract.teacher), 80)}; give {GIVE_GALLERY}."
        )


def _stamp(file: str) -> tuple[int, int]:
    """What changes with a file's content; zeros where it cannot be read, which its reader reports."""
    try:
        found = Path(file).stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=2)
def _questions(model: str, mtime_ns: int, size: int) -> Questions:
    return Questions(model)


@lru_cache(maxsize=2)
def _load(file: str, mtime_ns: int, size: int) -> Gallery:
    return Gallery.load(Path(file))
