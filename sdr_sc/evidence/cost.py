# SPDX-License-Identifier: GPL-3.0-or-later
"""What an item costs at both ends: operations, memory, processor time, and estimated energy beside that of the air."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np
import torch

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.evidence.energy import EnergyModel
from sdr_sc.evidence.entries import made, title
from sdr_sc.evidence.operations import CodeWork, Work, codes_watched, of_ends, of_student
from sdr_sc.evidence.tables import APART, pivot
from sdr_sc.evidence.watched import CFO_HZ, ITEMS_PER_FRAME
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver
from sdr_sc.results.rows import Row, mean_interval
from sdr_sc.schemes.link import Link, noisy_channel
from sdr_sc.schemes.scheme import BaseScheme, Scheme, Transmission
from sdr_sc.semantic.onnx_file import Part
from sdr_sc.semantic.runtime_torch import TorchNetwork
from sdr_sc.semantic.weights import DEFAULT_MODEL, read_contract, resolve
from sdr_sc.sweep.config import SchemeEntry

Log = Callable[[str], None]
PARTS: tuple[Part, ...] = get_args(Part)
_OF_WORK = ("LDPC at", "networks at", "kB to work in", "by arithmetic alone at")
SNR_DB = 10.0
FRAMES = 40
ENTRIES = (
    SchemeEntry("ours", "ours", k=(2, 4)),
    SchemeEntry("the student's class", "label_ldpc", {"teacher": "student"}, (None,)),
    SchemeEntry("two classes with confidence", "soft_ldpc", {"sent": 2}, (None,)),
    SchemeEntry("vector-quantised features", "features_vq", k=(None,)),
    SchemeEntry("coded features for 90 %", "features_ldpc", {"target": 92}, (None,)),
    SchemeEntry("thumbnail for 90 %", "thumbnail_ldpc", {"target": 90}, (None,)),
    SchemeEntry("JPEG for 90 %", "jpeg_ldpc", {"teacher": "student", "target": 92}, (None,)),
)


class Timed(BaseScheme):
    """Another scheme, and the processor time of its two ends, of this thread.

    Args:
        scheme: which one.

    Attributes:
        send_ms, answer_ms: of each call.
    """

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme
        self.name, self.task, self.k_list = scheme.name, scheme.task, scheme.k_list
        self.send_ms: list[float] = []
        self.answer_ms: list[float] = []

    def begin(self, channel: str) -> None:
        """As the scheme."""
        self._scheme.begin(channel)

    @property
    def smoothing(self) -> float:
        """As the scheme."""
        return self._scheme.smoothing

    def frame_items(self, snr_db: float | None, k: int | None, most: int) -> int:
        """As the scheme."""
        return self._scheme.frame_items(snr_db, k, most)

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """As the scheme."""
        began = time.thread_time()
        sent = self._scheme.send(images, labels, snr_db, k)
        self.send_ms.append(1e3 * (time.thread_time() - began) / len(images))
        return sent

    def answer(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """As the scheme."""
        began = time.thread_time()
        found = self._scheme.answer(transmission, received)
        self.answer_ms.append(1e3 * (time.thread_time() - began) / max(len(found), 1))
        return found

    def describe(self) -> dict[str, Any]:
        """As the scheme."""
        return self._scheme.describe()


def bench_cost(
    quick: bool, seed: int, log: Log, model: EnergyModel, entries: Sequence[SchemeEntry] | None = None,
    data_set: str = DEFAULT_DATA_SET,
) -> list[Row]:  # fmt: skip
    """Time, memory, air and energy of an item by each scheme over noise at `SNR_DB`, in frames of `ITEMS_PER_FRAME`.

    Times are of frames as they are sent: of a scheme whose transmitter handles 50 items at a time, a fiftieth.

    Args:
        quick: a fifth of the frames.
        seed: of items and noise.
        log: called with what is measured next.
        model: of the energy.
        entries: schemes, each k of theirs a row; None for the usual ones.
        data_set: that is sent.
    """
    test = load_dataset(data_set, "test")
    frames = max(FRAMES // (5 if quick else 1), 4)
    chosen = np.random.default_rng(seed).permutation(len(test))[: frames * ITEMS_PER_FRAME]
    images, numerology = test.items(chosen), Numerology()
    rows: list[Row] = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for entry in ENTRIES if entries is None else entries:
            scheme = made(entry, data_set)
            truth = test.targets(scheme.task, chosen).astype(np.int64)
            for k in entry.k or (None,):
                log(title(entry, k))
                timed = Timed(scheme)
                timed.begin("")
                air = noisy_channel("", SNR_DB, CFO_HZ, seed, numerology)
                link = Link(timed, air, k, ITEMS_PER_FRAME, numerology)
                warm = ITEMS_PER_FRAME
                link.sound(images, truth)
                list(link.send(images[:warm], truth[:warm]))
                timed.send_ms, timed.answer_ms = [], []
                with codes_watched() as codes:
                    outcomes = list(link.send(images[warm:], truth[warm:]))
                count = len(truth) - warm
                on_air = sum(one.symbols_on_air for one in outcomes) / count
                air_s = on_air / numerology.used * numerology.symbol_samples / numerology.sample_rate_hz
                rows += _rows(title(entry, k), timed, scheme.describe().get("sizes") or {}, air_s, model)
                student = entry.parameters.get("model", DEFAULT_MODEL)
                ends = of_ends(entry.scheme, scheme, student, SNR_DB, k, ITEMS_PER_FRAME)
                rows += _work_rows(title(entry, k), ends, codes, count, model)
    finally:
        torch.set_num_threads(threads)
    return rows


def _rows(name: str, timed: Timed, sizes: dict[str, Any], air_s: float, model: EnergyModel) -> list[Row]:
    sent, answered = float(np.mean(timed.send_ms)), float(np.mean(timed.answer_ms))
    rows = [
        Row(f"{name}{APART}transmitter, ms", sent, "ms", n=len(timed.send_ms), ci95=mean_interval(timed.send_ms)),
        Row(f"{name}{APART}receiver, ms", answered, "ms", n=len(timed.answer_ms), ci95=mean_interval(timed.answer_ms)),
        Row(f"{name}{APART}air, us", 1e6 * air_s, "us"),
    ]
    for end in ("transmitter", "receiver"):
        size = sizes.get(end, {}).get("bytes")
        if size is not None:
            rows.append(Row(f"{name}{APART}{end}, kB of weights", size / 1e3, "kB"))
    return [
        *rows,
        Row(f"{name}{APART}transmitting, uJ", 1e3 * model.transmit_mj(air_s), "uJ"),
        Row(f"{name}{APART}receiving, uJ", 1e3 * model.receive_mj(air_s), "uJ"),
        Row(f"{name}{APART}computing at the transmitter, uJ", 1e3 * model.core_mj(sent), "uJ"),
        Row(f"{name}{APART}computing at the receiver, uJ", 1e3 * model.core_mj(answered), "uJ"),
    ]


def _work_rows(name: str, ends: tuple[Work, Work] | None, codes: CodeWork, items: int, model: EnergyModel) -> list[Row]:
    """Operations of networks and codes, of an item; the code's part of the time; memory to work in."""
    coded = (
        ("transmitter", codes.encode_operations / items, codes.encode_ms / items, 0),
        ("receiver", codes.decode_operations / items, codes.decode_ms / items, codes.message_bytes),
    )
    rows = []
    for place, (end, operations, code_ms, code_bytes) in enumerate(coded):
        rows += [
            Row(f"{name}{APART}LDPC at the {end}, thousand operations", operations / 1e3, "thousand"),
            Row(f"{name}{APART}LDPC at the {end}, ms", code_ms, "ms", n=items),
        ]
        if ends is None:
            continue
        flops, kb = ends[place].flops, max(4 * ends[place].activations, code_bytes) / 1e3
        arithmetic = 1e3 * (model.arithmetic_mj(flops) + model.arithmetic_mj(operations, is_int8=end == "transmitter"))
        rows += [
            Row(f"{name}{APART}networks at the {end}, MFLOP", flops / 1e6, "MFLOP"),
            Row(f"{name}{APART}{end}, kB to work in", kb, "kB"),
            Row(f"{name}{APART}by arithmetic alone at the {end}, uJ", arithmetic, "uJ"),
        ]
    return rows


def network_rows(model: str, energy: EnergyModel) -> list[Row]:
    """Operations, memory, and energy by arithmetic alone, of the student's two parts.

    Args:
        model: weights file or name of a shipped model.
        energy: the model of it.
    """
    contract, rows = read_contract(model), []
    for part in PARTS:
        work = of_student(model, part)
        parameters = sum(one.numel() for one in TorchNetwork(resolve(model), part, contract, 1).module.parameters())
        rows += [
            Row(f"{part}{APART}MFLOP", work.flops / 1e6, "MFLOP"),
            Row(f"{part}{APART}parameters", float(parameters), ""),
            Row(f"{part}{APART}kB of weights as float32", 4 * parameters / 1e3, "kB"),
            Row(f"{part}{APART}kB of weights as int8", parameters / 1e3, "kB"),
            Row(f"{part}{APART}kB of activations at most, float32", 4 * work.activations / 1e3, "kB"),
            Row(f"{part}{APART}uJ by arithmetic alone, float32", 1e3 * energy.arithmetic_mj(work.flops), "uJ"),
            Row(f"{part}{APART}uJ by arithmetic alone, int8", 1e3 * energy.arithmetic_mj(work.flops, True), "uJ"),
        ]
    return rows


def tables(rows: Sequence[Row]) -> list[str]:
    """In Markdown, those that there are rows for: the student's parts; time, air and energy of schemes; their
    operations and memory.

    Args:
        rows: of `network_rows`, `bench_cost` and `modem_rows`.
    """
    networks = [row for row in rows if row.name.partition(APART)[0] in PARTS]
    work = [row for row in rows if row not in networks and any(words in row.name for words in _OF_WORK)]
    others = [row for row in rows if row not in networks and row not in work]
    found = (networks, "part", 2), (others, "scheme", 3), (work, "scheme", 3)
    return [pivot(part, corner, digits) for part, corner, digits in found if part]


def modem_rows(quick: bool, seed: int) -> list[Row]:
    """Processor time of OFDM transmitter and receiver for an item, which all schemes share: frames of 50 items, k=4."""
    numerology, rng = Numerology(), np.random.default_rng(seed)
    shape = ITEMS_PER_FRAME, 4
    features = (np.exp(2j * np.pi * rng.random(shape))).astype(np.complex64)
    receiver, sent, received = Receiver(numerology), [], []
    air = noisy_channel("", SNR_DB, CFO_HZ, seed, numerology)
    for number in range(40 if quick else 200):
        began = time.thread_time()
        frame = build_frame(features, Header(1, shape[1], shape[0], number), numerology)
        sent.append(1e3 * (time.thread_time() - began) / ITEMS_PER_FRAME)
        samples = air.process(np.concatenate((frame, np.zeros(160, np.complex64))))
        began = time.thread_time()
        receiver.push(samples)
        received.append(1e3 * (time.thread_time() - began) / ITEMS_PER_FRAME)
    return [
        Row(f"OFDM{APART}{end}, ms", float(np.mean(times[5:])), "ms", n=len(times) - 5, ci95=mean_interval(times[5:]))
        for end, times in (("transmitter", sent), ("receiver", received))
    ]
