# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs: time of training with stored knowledge and with the teacher in the loop, sizes, and time to encode."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.studies.schemes import SCHEMES
from sdr_sc.distill.targets.prestored import PrestoredKnowledge, open_prestored
from sdr_sc.distill.targets.teacher_targets import Knowledge, Prestored, TeacherInTheLoop, training_policy
from sdr_sc.distill.teachers import efficientnet
from sdr_sc.distill.teachers.base import Teacher
from sdr_sc.distill.teachers.load import load_teacher
from sdr_sc.distill.train import Trainer
from sdr_sc.errors import SdrScError
from sdr_sc.files import write_whole
from sdr_sc.flowgraph.fitting_model import contract_for_images
from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import Row, mean_interval
from sdr_sc.semantic.complexity import count_flops, count_parameters
from sdr_sc.semantic.modalities.base import blank_input
from sdr_sc.semantic.networks.registry import make_encoder

_BATCH = 256
_DEVICE = "cpu"
_SAME_PROBABILITY = 0.01
_ROUNDS, _STEPS, _QUICK_ROUNDS, _QUICK_STEPS = 6, 10, 2, 5
_STUDENT_STEPS = 5  # for each step with the teacher in the loop
_LATENCY_ROUNDS, _QUICK_LATENCY_ROUNDS = 60, 5
_ASKED, _ENCODED = 20, 600  # images in a row, of the teacher and of the encoder: about as long a time for each


def time_rows(
    prestored: Path, teachers: Sequence[str], epochs: int, quick: bool, log: Callable[[str], None]
) -> list[Row]:
    """Time of an epoch and of a whole training, ours against standard distillation.

    Teacher and student both run on all threads of the CPU, also where there is a GPU.

    A few steps of each are timed in turn, and scaled to the steps of an epoch: an epoch with the teacher in the loop
    takes many minutes. A whole training has its decision epochs, in which standard distillation asks the teacher too.

    Args:
        prestored: folder of ``sdr-sc prestore``.
        teachers: as `load_teacher` takes them: one teacher, in one runtime or in several, one of which the folder was
            made with. The pass that fills the folder is taken to use the runtime that it is compared with.
        epochs: of a whole training, before its decision epochs.

    Raises:
        SdrScError: the folder's teacher is not among them, they are not one and the same, or share a runtime.
    """
    data = fashion_mnist.load("train")
    stored = open_prestored(prestored, data)
    asked = {
        _runtime(spec): load_teacher(spec, _DEVICE, data.images.shape[1:], len(data.class_names)) for spec in teachers
    }
    if len(asked) < len(teachers):
        raise SdrScError(
            f"two of {', '.join(teachers)} run in one and the same runtime; give the teacher once for each."
        )
    images = torch.from_numpy(data.images[: _BATCH * 2].copy())
    _check_same(stored, list(asked.values()), images[:64], prestored)
    ours = _trainers(data, _config("ours", data), Prestored(stored))
    rows = []
    for runtime, teacher in asked.items():
        log(f"steps of both in turn, teacher in {runtime}, both on the CPU with {torch.get_num_threads()} threads")
        config = _config("standard", data)
        standard = _trainers(data, config, TeacherInTheLoop(teacher, training_policy(config)))
        rows += _time_rows(runtime, teacher, ours, standard, stored, images, epochs, quick)
    return rows


def _trainers(data: ImageSet, config: DistillConfig, knowledge: Knowledge) -> tuple[Trainer, Trainer]:
    """One at its first epoch, and one at its first decision epoch."""
    first, deciding = (Trainer(data, config, knowledge, torch.device(_DEVICE)) for _ in range(2))
    deciding.begin_decisions()
    return first, deciding


def _time_rows(
    runtime: str,
    teacher: Teacher,
    ours: tuple[Trainer, Trainer],
    standard: tuple[Trainer, Trainer],
    stored: PrestoredKnowledge,
    images: torch.Tensor,
    epochs: int,
    quick: bool,
) -> list[Row]:
    rounds, steps = (_QUICK_ROUNDS, _QUICK_STEPS) if quick else (_ROUNDS, _STEPS)
    found = []
    for turn in range(rounds + 1):
        times = (
            *(_step_seconds(trainer, _STUDENT_STEPS * steps) * trainer.steps_per_epoch for trainer in ours),
            *(_step_seconds(trainer, steps) * trainer.steps_per_epoch for trainer in standard),
            _seconds(lambda: teacher.ask(images)) / len(images) * stored.items,
        )
        if turn:  # the first one warms up
            found.append(times)
    our_epoch, our_decisions, standard_epoch, standard_decisions, one_pass = np.array(found).T
    deciding = ours[0].config.decision_epochs
    ratio = standard_epoch / our_epoch
    our_training = our_epoch * epochs + our_decisions * deciding + one_pass * stored.views
    whole = (standard_epoch * epochs + standard_decisions * deciding) / our_training

    def row(name: str, values: np.ndarray) -> Row:
        return Row(f"{name} ({runtime})", float(values.mean()), "s", n=rounds, ci95=mean_interval(values))

    def goal(name: str, values: np.ndarray, least: float) -> Row:
        name = f"{name}, times faster than with the teacher in the loop, in {runtime}"
        return Row.at_least(name, float(values.mean()), "times", least, rounds, mean_interval(values))

    return [
        goal("an epoch", ratio, 10),
        goal(f"{epochs} epochs, {deciding} decision epochs and the pass over {stored.views} views", whole, 5),
        row("an epoch, ours", our_epoch),
        row("a decision epoch, ours", our_decisions),
        row("an epoch, teacher in the loop", standard_epoch),
        row("a decision epoch, teacher in the loop", standard_decisions),
        row("teacher over all images once", one_pass),
    ]


def _runtime(teacher: str) -> str:
    return "onnxruntime" if teacher.endswith(".onnx") else "torch"


def _check_same(stored: PrestoredKnowledge, asked: Sequence[Teacher], images: torch.Tensor, folder: Path) -> None:
    if stored.manifest.fingerprint not in [teacher.fingerprint for teacher in asked]:
        raise SdrScError(
            f"{folder} holds the knowledge of another teacher ({stored.manifest.teacher}) than "
            f"{', '.join(teacher.name for teacher in asked)}; give the one that it was made with."
        )
    probabilities = [torch.softmax(teacher.ask(images).logits.cpu().float(), dim=1) for teacher in asked]
    for teacher, found in zip(asked, probabilities, strict=True):
        if (found - probabilities[0]).abs().max() > _SAME_PROBABILITY:
            raise SdrScError(
                f"{teacher.name} and {asked[0].name} answer differently; give one teacher in several runtimes."
            )


def _config(scheme: str, data: ImageSet) -> DistillConfig:
    return SCHEMES[scheme].config(seed=1, epochs=2, items=len(data))


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
    from sdr_sc.distill.export.onnx_export import StudentExporter
    from sdr_sc.distill.teachers.export import export_teacher
    from sdr_sc.semantic.inference import SemanticEncoder

    torch.set_num_threads(1)
    data = fashion_mnist.load("test")
    contract = contract_for_images(model)
    network, _ = efficientnet.load(teacher)
    encoder = make_encoder(contract.architecture["encoder"], contract.k_max, contract.item_shape)
    large, small = count_parameters(network), count_parameters(encoder)
    image = blank_input(contract, 1)
    flops = count_flops(network, image), count_flops(encoder, image, torch.zeros(1))
    rows = [
        Row.at_least("teacher's parameters over the encoder's", large / small, "times", 100),
        Row("parameters, teacher", large, ""),
        Row("parameters, encoder", small, ""),
        Row("arithmetic of an image, teacher", flops[0] / 1e6, "MFLOP"),
        Row("arithmetic of an image, encoder", flops[1] / 1e6, "MFLOP"),
    ]
    with scratch_folder() as folder:
        exported = Path(folder) / "teacher.onnx"
        log("exporting teacher and student to ONNX")
        export_teacher(teacher, exported, torch.from_numpy(data.images[:64].copy()))
        pair = Path(folder) / "student.onnx"
        write_whole(StudentExporter(model).float32(pair))
        log("timing one image in turn, on one thread of the CPU")
        rounds = _QUICK_LATENCY_ROUNDS if quick else _LATENCY_ROUNDS
        for runtime, teacher_spec, student in (
            ("onnxruntime", str(exported), str(pair)),
            ("torch", str(teacher), model),
        ):
            asked = load_teacher(teacher_spec, "cpu", contract.item_shape)
            coder = SemanticEncoder(student, threads=1)
            rows += _latency_rows(runtime, asked, coder.encode, contract.k_max, data.images, rounds)
    return rows


def _latency_rows(
    runtime: str, asked: Teacher, encode: Callable[..., np.ndarray], k: int, images: np.ndarray, rounds: int
) -> list[Row]:
    """Both take turns, each for so many images in a row that it runs as it would alone, with its weights at hand."""

    def both(start: int) -> tuple[float, float]:
        chosen = [images[(start + i) % len(images)][np.newaxis].copy() for i in range(_ENCODED)]
        tensors = [torch.from_numpy(one) for one in chosen[:_ASKED]]
        large = _seconds(lambda: [asked.ask(one) for one in tensors]) / _ASKED
        return large, _seconds(lambda: [encode(one, 10.0, k) for one in chosen]) / _ENCODED

    times = np.array([both(_ENCODED * i) for i in range(rounds + 1)])[1:]  # the first one warms up
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
