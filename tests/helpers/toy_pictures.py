# SPDX-License-Identifier: GPL-3.0-or-later
"""Coloured squares with questions about them, made by code, and a model for them that is trained in seconds."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from sdr_sc.data.asked import AskedSet
from sdr_sc.data.dataset import SetInfo, Split, register_dataset
from sdr_sc.data.texts import Texts
from sdr_sc.distill.multitask.config import MultiTaskConfig
from sdr_sc.distill.multitask.lesson import Lesson
from sdr_sc.distill.multitask.ship import ship
from sdr_sc.distill.multitask.train import MultiTaskTrainer

NAME, SIDE, PICTURES, LONGEST = "toy_pictures", 16, 48, 40
ANSWERS = ("yes", "no", "red", "green", "blue")
QUESTIONS = ("what colour is the square?", "is it on the left?", "is it not on the left?", "is there a red square?")
COLOUR = QUESTIONS[0]
_LEVELS = np.array([(230, 30, 30), (30, 200, 30), (30, 30, 230)], np.uint8)


def truth(number: int) -> tuple[int, bool]:
    """Colour, and whether it is on the left."""
    return number % 3, number // 3 % 2 == 0


def answer(number: int, question: int) -> int:
    """What is right, a place in `ANSWERS`."""
    colour, left = truth(number)
    return (2 + colour, int(not left), int(left), int(colour != 0))[question]


@lru_cache(maxsize=3)
def load(split: Split) -> AskedSet:
    """Squares of three colours at two places, on grounds of the part's own; three questions about each."""
    rng = np.random.default_rng(len(split))
    pictures = rng.integers(90, 160, (PICTURES, 3, SIDE, SIDE), np.uint8)
    rows = []
    for number in range(PICTURES):
        colour, left = truth(number)
        column = 1 if left else 9
        pictures[number, :, 5:11, column : column + 6] = _LEVELS[colour][:, None, None]
        asked = (number + np.arange(3)) % len(QUESTIONS)
        rows += [(number, question, answer(number, question)) for question in asked.tolist()]
    columns = np.array(rows).T
    return AskedSet(
        pictures, columns[0], Texts.of(QUESTIONS), columns[1], columns[2], ANSWERS, LONGEST, NAME, split,
        f"p{split[0]}" * 32, "pt" * 32,
    )  # fmt: skip


def register() -> None:
    """Make it known to `sdr_sc.data.catalogue.load_dataset` by its name."""
    register_dataset(NAME, SetInfo("toy pictures", "image", {"question": "which of 5 answers"}))(load)


def make_model(folder: Path, steps: int = 300, tasks: tuple[str, ...] = ("question", "reconstruction")) -> Path:
    """Train, and write the model; returns its path."""
    config = MultiTaskConfig(
        tasks=tasks, encoder="dense", k_list=(4, 8, 16), steps=steps, batch_items=48, decoder_width=48,
        learning_rate=1e-2, dropout=0.0, question_width=24,
    )  # fmt: skip
    trainer = MultiTaskTrainer(Lesson.of(load("train"), config, None), config)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for one another on a loaded machine
    trainer.run()
    model = folder / "toy_pictures.safetensors"
    ship(trainer, load("validation"), None, "none", model, "none")
    torch.set_num_threads(threads)
    return model
