# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs: time of training with stored knowledge and with the teacher in the loop, sizes, and time to encode."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from sdr_sc.data import fashion_mnist
from sdr_sc.distill import efficientnet
from sdr_sc.distill.knowledge import Knowledge, Prestored, TeacherInTheLoop
from sdr_sc.distill.prestored import PrestoredKnowledge, open_prestored
from sdr_sc.distill.teacher import Teacher, load_teacher
from sdr_sc.distill.train import Trainer
from sdr_sc.distill.views import ViewPolicy
from sdr_sc.errors import SdrScError
from sdr_sc.experiments.distillation.schemes import SCHEMES
from sdr_sc.experiments.measurements import Row, mean_interval
from sdr_sc.semantic import weights
from sdr_sc.semantic.complexity import count_flops, count_parameters
from sdr_sc.semantic.student import StudentEncoder

_BATCH = 256


def time_rows(prestored: Path, teacher: str, epochs: int, quick: bool, log: Callable[[str], None]) -> list[Row]:
    """Time of an epoch and of a whole training, ours against standard distillation, on all threads.

    A few steps of each are timed in turn, and scaled to the steps of an epoch: an epoch with the teacher in the loop
    takes many minutes.

    Args:
        prestored: folder of ``sdr-sc prestore``.
        teacher: as `load_teacher` takes it.
        epochs: of a whole training.
    """
    data = fashion_mnist.load("train")
    stored = open_prestored(prestored, data)
    asked = load_teacher(teacher, "auto", data.images.shape[1:], len(data.class_names))
    _check_same(stored, asked, prestored)
    rounds, steps = (2, 5) if quick else (6, 10)
    ours = _trainer("ours", Prestored(stored), data)
    standard = _trainer("standard", TeacherInTheLoop(asked, ViewPolicy()), data)
    per_epoch: dict[str, list[float]] = {"ours": [], "standard": [], "teacher": []}
    log(f"steps of both, {rounds} times in turn")
    images = torch.from_numpy(data.images[: _BATCH * 2].copy())
    for turn in range(rounds + 1):
        found = {
            "ours": _step_seconds(ours, 5 * steps) * ours.steps_per_epoch,
            "standard": _step_seconds(standard, steps) * standard.steps_per_epoch,
            "teacher": _seconds(lambda: asked.ask(images)) / len(images) * stored.items,
        }
        if turn:  # the first one warms up
            for name, seconds in found.items():
                per_epoch[name].append(seconds)
    epoch_ratio = np.array(per_epoch["standard"]) / np.array(per_epoch["ours"])
    whole = np.array(per_epoch["ours"]) * epochs + np.array(per_epoch["teacher"]) * stored.views
    whole_ratio = np.array(per_epoch["standard"]) * epochs / whole
    rows = [
        Row.at_least(
            "an epoch, times faster than standard distillation",
            float(epoch_ratio.mean()),
            "times",
            10,
            rounds,
            mean_interval(epoch_ratio),
        ),
        Row.at_least(
            f"{epochs} epochs and the pass over {stored.views} views, times faster than standard distillation",
            float(whole_ratio.mean()),
            "times",
            5,
            rounds,
            mean_interval(whole_ratio),
        ),
    ]
    for name, what in (
        ("ours", "an epoch, ours"),
        ("standard", "an epoch, standard distillation"),
        ("teacher", "teacher over all images once"),
    ):
        rows.append(Row(what, float(np.mean(per_epoch[name])), "s", n=rounds, ci95=mean_interval(per_epoch[name])))
    return rows


def _check_same(stored: PrestoredKnowledge, asked: Teacher, folder: Path) -> None:
    if stored.manifest.fingerprint != asked.fingerprint:
        raise SdrScError(
            f"{folder} holds the knowledge of another teacher ({stored.manifest.teacher}) than {asked.name}; "
            "give the one that it was made with."
        )


def _trainer(scheme: str, knowledge: Knowledge, data: fashion_mnist.ImageSet) -> Trainer:
    return Trainer(data, SCHEMES[scheme].config(seed=1, epochs=2, items=len(data)), knowledge)


def _step_seconds(trainer: Trainer, steps: int) -> float:
    return _seconds(lambda: trainer.run_steps(steps)) / steps


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def size_rows(model: str, teacher: Path, quick: bool, log: Callable[[str], None]) -> list[Row]:
    """Parameters, and the time to encode one image against the teacher's to answer it: one core, same runtime.

    Args:
        model: the student.
        teacher: a fitted teacher (safetensors), which is exported to ONNX for the comparison in onnxruntime.
    """
    from sdr_sc.distill.onnx_export import StudentExporter
    from sdr_sc.distill.teacher_export import export_teacher
    from sdr_sc.semantic.inference import SemanticEncoder

    torch.set_num_threads(1)
    data = fashion_mnist.load("test")
    network, _ = efficientnet.load(teacher)
    contract = weights.read_contract(model)
    encoder = StudentEncoder(contract.k_max)
    large, small = count_parameters(network), count_parameters(encoder)
    image = torch.zeros(1, 1, *contract.item_shape)
    flops = count_flops(network, image), count_flops(encoder, image, torch.zeros(1))
    rows = [
        Row.at_least("teacher's parameters over the encoder's", large / small, "times", 100),
        Row("parameters, teacher", large, ""),
        Row("parameters, encoder", small, ""),
        Row("arithmetic of an image, teacher", flops[0] / 1e6, "MFLOP"),
        Row("arithmetic of an image, encoder", flops[1] / 1e6, "MFLOP"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "teacher.onnx"
        log("exporting teacher and student to ONNX")
        export_teacher(teacher, exported, torch.from_numpy(data.images[:64].copy()))
        pair = Path(folder) / "student.onnx"
        for path, content in StudentExporter(model).float32(pair).items():
            path.write_bytes(content)
        log("timing one image in turn")
        for runtime, teacher_spec, student in (
            ("onnxruntime", str(exported), str(pair)),
            ("torch", str(teacher), model),
        ):
            asked = load_teacher(teacher_spec, "cpu", contract.item_shape)
            coder = SemanticEncoder(student, threads=1)
            rows += _latency_rows(runtime, asked, coder.encode, data.images, 20 if quick else 200)
    return rows


def _latency_rows(
    runtime: str, asked: Teacher, encode: Callable[..., np.ndarray], images: np.ndarray, rounds: int
) -> list[Row]:
    def both(one: np.ndarray, tensor: torch.Tensor) -> tuple[float, float]:
        repeats = 5  # of the short one
        large = _seconds(lambda: asked.ask(tensor))
        return large, _seconds(lambda: [encode(one, 10.0, 16) for _ in range(repeats)]) / repeats

    chosen = [images[i % len(images)][np.newaxis].copy() for i in range(rounds + 5)]
    times = np.array([both(one, torch.from_numpy(one)) for one in chosen])[5:]  # the first ones warm up
    large, small = 1e3 * np.median(times, axis=0)
    ratio = times[:, 0] / times[:, 1]
    name = f"teacher's time for one image over the encoder's, {runtime}"
    resampled = np.random.default_rng(1).choice(ratio, (500, rounds))  # the median's interval by the bootstrap
    low, high = np.quantile(np.median(resampled, axis=1), (0.025, 0.975))
    interval = float(low), float(high)
    value = float(np.median(ratio))
    first = (
        Row.at_least(name, value, "times", 30, rounds, interval)
        if runtime == "onnxruntime"
        else Row(name, value, "times", n=rounds, ci95=interval)
    )
    return [
        first,
        Row(f"one image, teacher, {runtime}", float(large), "ms", n=rounds),
        Row(f"one image, encoder, {runtime}", float(small), "ms", n=rounds),
    ]
