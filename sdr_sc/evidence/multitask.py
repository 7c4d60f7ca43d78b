# SPDX-License-Identifier: GPL-3.0-or-later
"""All tasks of a model from one transmission, through the physical layer, beside what else serves the same tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sdr_sc.data.dataset import Dataset
from sdr_sc.errors import SdrScError
from sdr_sc.evidence.known_tasks import AnyBits
from sdr_sc.evidence.multitask_controls import Told, of_other_items, picture_gallery, prior
from sdr_sc.evidence.quantised_vectors import ResidualQuantiser
from sdr_sc.evidence.tables import APART
from sdr_sc.evidence.watched import CFO_HZ, ITEMS_PER_FRAME, OUTPUTS, watch
from sdr_sc.phy.numerology import Numerology
from sdr_sc.results.rows import Row, clustered_interval, wilson_interval
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.link import Link, LinkResult, noisy_channel
from sdr_sc.schemes.scheme import Scheme
from sdr_sc.semantic.gallery import Gallery
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.tasks.base import task_of
from sdr_sc.semantic.tasks.retrieval import recall

Log = Callable[[str], None]
RETRIEVAL = "retrieval"
RECALLS = (1, 5)
SYMBOLS, ON_AIR = "payload symbols an item", "symbols on air an item"
SNRS_DB, QUICK_ITEMS = (-5.0, 0.0, 5.0, 10.0, 20.0), 400
BROADCAST_DB = 10.0
"""What the transmitter prepares for where one transmission is for receivers of different SNR."""
VECTOR_BYTES = (1, 2, 3, 4, 6, 8)
"""Of a quantised vector: one codeword of 256 a byte."""
TRAIN_ITEMS, QUICK_TRAIN_ITEMS = 20_000, 3_000
"""Whose vectors the rivals' quantiser is made from."""


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes:
        model: weights file.
        train, test: parts of the data set; the first is for the rivals' quantiser.
        gallery: of the test part's entries; None where the model has no task `RETRIEVAL`.
        snrs_db, k_list: of the points.
        seed: of noise.
        channel: models before the noise, see `sdr_sc.phy.channels.parse_chain`; '' for none.
    """

    model: str
    train: Dataset
    test: Dataset
    gallery: Gallery | None
    snrs_db: Sequence[float]
    k_list: Sequence[int]
    seed: int
    channel: str = ""


def bench_multitask(setting: Setting, quick: bool, log: Log) -> list[Row]:
    """Quality of every task by SNR and k, with payload and whole frames; the rivals beside.

    Args:
        quick: on a part of the items, with the same gallery.

    Raises:
        SdrScError: the gallery or the data does not fit the model.
    """
    scheme = ModelScheme.load(setting.model)
    decoder = SemanticDecoder(setting.model)
    test, gallery = setting.test, setting.gallery
    if RETRIEVAL in decoder.parts and (gallery is None or gallery.names != tuple(test.names(RETRIEVAL))):
        raise SdrScError("the gallery has other entries than the data set's test part; give the one that goes with it.")
    if gallery is not None and RETRIEVAL in decoder.parts:  # of a joined set's one member its own entries alone
        occurring = np.unique(test.targets(RETRIEVAL, np.arange(len(test))))
        gallery = gallery.some(occurring)
        setting = replace(setting, gallery=gallery)
    drawn = np.random.default_rng(setting.seed).permutation(len(test))[: QUICK_ITEMS if quick else None]
    places = np.sort(drawn)  # neighbours may be alike, as glosses of one file of nouns
    items = test.items(places)
    targets = {name: test.targets(name, places) for name in decoder.parts}
    if RETRIEVAL in targets and gallery is not None:
        targets[RETRIEVAL] = np.searchsorted(occurring, targets[RETRIEVAL])
    first = next(iter(decoder.parts))
    origins = np.asarray(getattr(test, "groups", ()), np.int64)
    groups = origins[places] if len(origins) else None
    pictures = _pictures(setting, decoder, occurring) if gallery is not None else None
    rows: list[Row] = []

    def measure(column: str, sender: Scheme, snr_db: float, k: int) -> np.ndarray:
        log(column.replace(APART, ", "))
        labels = targets[first].astype(np.int64)
        seen = watch(sender, OUTPUTS, items, labels, snr_db, k, setting.seed, setting.channel)
        outputs = seen.values.astype(np.float32)
        rows.extend(quality(column, outputs, decoder, targets, gallery, groups))
        if pictures is not None:
            ids = pictures.search(outputs[:, decoder.parts[RETRIEVAL]], max(RECALLS)).ids
            for count in RECALLS:
                right = recall(ids, targets[RETRIEVAL], count)
                rows.append(_share(f"{column}{APART}picture R@{count}", right, groups))
        rows.extend(cost(column, seen.result, len(places)))
        return outputs

    outputs = np.empty(0)
    for snr_db in setting.snrs_db:
        for k in setting.k_list:
            outputs = measure(f"{snr_db:g} dB{APART}ours, k={k}", scheme, snr_db, k)
    column = f"{setting.snrs_db[-1]:g} dB{APART}features of another item, k={setting.k_list[-1]}"
    rows += quality(column, of_other_items(outputs, setting.seed), decoder, targets, gallery, groups)
    for spec in decoder.contract.tasks:
        if spec.names and (targets[spec.name] >= 0).any():
            share = prior(setting.train, test, spec.name, places)
            rows.append(
                Row(f"nothing sent, the most frequent answer{APART}{spec.name}", 100 * share, "%", n=len(places))
            )
    for snr_db in setting.snrs_db:
        column = f"{snr_db:g} dB{APART}one transmission made for {BROADCAST_DB:g} dB, k={setting.k_list[-1]}"
        measure(column, Told(scheme, BROADCAST_DB), snr_db, setting.k_list[-1])
    return rows + _rivals(setting, decoder, places, targets, QUICK_TRAIN_ITEMS if quick else TRAIN_ITEMS, log)


def _pictures(setting: Setting, decoder: SemanticDecoder, entries: np.ndarray) -> Gallery | None:
    """See `picture_gallery`."""
    contract, encoder = decoder.contract, SemanticEncoder(setting.model)
    best_db = contract.training_snr_db[1]

    def outputs_of(items: np.ndarray) -> np.ndarray:
        return _own_outputs(encoder, decoder, items, best_db, contract.k_max)[:, decoder.parts[RETRIEVAL]]

    return picture_gallery(setting.test, entries, outputs_of, contract.teacher)


def quality(
    column: str, outputs: np.ndarray, decoder: SemanticDecoder, targets: dict[str, np.ndarray],
    gallery: Gallery | None, groups: np.ndarray | None = None,
) -> list[Row]:  # fmt: skip
    """Rows of each task's metric from the decoder's outputs, with intervals over groups of items of one origin."""
    rows = []
    for spec in decoder.contract.tasks:
        part = outputs[:, decoder.parts[spec.name]]
        if spec.name == RETRIEVAL:
            assert gallery is not None
            ids = gallery.search(part, max(RECALLS)).ids
            found = {first: recall(ids, targets[RETRIEVAL], first) for first in RECALLS}
            rows += [_share(f"{column}{APART}R@{first}", right, groups) for first, right in found.items()]
        else:
            task = task_of(spec.name)
            known = targets[spec.name] >= 0  # of a joined set, whose members need not have this task
            if known.any():
                right = task.right(task.answer(part[known], spec).best, targets[spec.name][known])
                own = None if groups is None else groups[known]
                rows.append(_share(f"{column}{APART}{spec.name}", right, own))
    return rows


def cost(column: str, result: LinkResult, items: int) -> list[Row]:
    """Rows of what was sent for an item."""
    return [
        Row(f"{column}{APART}{SYMBOLS}", result.channel_uses / items, "symbols", n=items),
        Row(f"{column}{APART}{ON_AIR}", result.symbols_on_air / items, "symbols", n=items),
    ]


def _rivals(
    setting: Setting,
    decoder: SemanticDecoder,
    places: np.ndarray,
    targets: dict[str, np.ndarray],
    train_items: int,
    log: Log,
) -> list[Row]:
    """What serves the same tasks by coded messages, each sent with our own LDPC in whole frames.

    The entry's number can be sent only by a transmitter that holds the gallery and searches it. The quantised vector is
    the student's own, found without a channel, with the student's class beside it.
    """
    encoder, spec = SemanticEncoder(setting.model), decoder.contract.tasks[0]
    best_db, k_max = decoder.contract.training_snr_db[1], decoder.contract.k_max
    outputs = _own_outputs(encoder, decoder, setting.test.items(places), best_db, k_max)
    classes = task_of(spec.name).answer(outputs[:, decoder.parts[spec.name]], spec).best
    class_right = task_of(spec.name).right(classes, targets[spec.name])
    messages: list[tuple[str, int, dict[str, np.ndarray]]] = [
        ("the student's class, coded", len(spec.names), {spec.name: class_right})
    ]
    if setting.gallery is not None and RETRIEVAL in decoder.parts:
        part = decoder.parts[RETRIEVAL]
        entries = setting.gallery.search(outputs[:, part], 1).best
        everything = np.arange(len(setting.test))
        _, first = np.unique(setting.test.targets(RETRIEVAL, everything), return_index=True)  # an item of each entry
        known = setting.test.targets(spec.name, first)  # of each entry that occurs, as the receiver's gallery may say
        of_entry = task_of(spec.name).right(known[entries].astype(np.int64), targets[spec.name])
        own = {spec.name: of_entry, "R@1": entries == targets[RETRIEVAL]}
        messages.append(("the entry's number, coded", len(setting.gallery.names), own))
        log("training the rivals' quantiser")
        some = np.random.default_rng(setting.seed).permutation(len(setting.train))[:train_items]
        vectors = _own_outputs(encoder, decoder, setting.train.items(np.sort(some)), best_db, k_max)[:, part]
        quantiser = ResidualQuantiser.fit(vectors, max(VECTOR_BYTES), setting.seed)
        for count in VECTOR_BYTES:
            codes = quantiser.encode(outputs[:, part])[:, :count]
            ids = setting.gallery.search(quantiser.decode(codes), max(RECALLS)).ids
            found = {f"R@{first}": recall(ids, targets[RETRIEVAL], first) for first in RECALLS}
            found[spec.name] = class_right
            title = f"class and vector of {count} bytes, coded"
            messages.append((title, 256**count * len(spec.names), found))
    rows: list[Row] = []
    made_for = f", one transmission made for {BROADCAST_DB:g} dB"
    for snr_db, told_db in [(one, told) for one in setting.snrs_db for told in (None, BROADCAST_DB)]:
        for title, levels, right in messages:
            column = f"{snr_db:g} dB{APART}{title}{made_for if told_db is not None else ''}"
            log(column.replace(APART, ", "))
            result = _send(levels, len(places), snr_db, setting, told_db)
            rows += [_share(f"{column}{APART}{name}", found & result.right) for name, found in right.items()]
            rows += cost(column, result, len(places))
    return rows


def _own_outputs(
    encoder: SemanticEncoder, decoder: SemanticDecoder, items: np.ndarray, snr_db: float, k: int
) -> np.ndarray:
    """What the student answers without a channel, as its transmitter can find out."""
    parts = [items[start : start + 1000] for start in range(0, len(items), 1000)]
    return np.concatenate([decoder.outputs(encoder.encode(part, snr_db, k), snr_db) for part in parts])


def _send(levels: int, items: int, snr_db: float, setting: Setting, told_db: float | None) -> LinkResult:
    """Messages in frames of `ITEMS_PER_FRAME` items, with the mode that the SNR estimate calls for, or one SNR."""
    plain, numerology = AnyBits(levels), Numerology()
    scheme: Scheme = plain if told_db is None else Told(plain, told_db)  # type: ignore[assignment]
    scheme.begin(setting.channel)
    places, labels = np.arange(items), np.zeros(items, np.int64)
    air = noisy_channel(setting.channel, snr_db, CFO_HZ, setting.seed, numerology)
    link = Link(scheme, air, None, ITEMS_PER_FRAME, numerology)
    link.sound(places, labels)
    return LinkResult.of(list(link.send(places, labels)), 1)


def _share(name: str, right: np.ndarray, groups: np.ndarray | None = None) -> Row:
    """A share of items; its interval is over groups where several items are of one."""
    low, high = wilson_interval(int(np.count_nonzero(right)), len(right))
    if groups is not None and len(np.unique(groups)) < len(groups):
        _, number = np.unique(groups, return_inverse=True)
        low, high = clustered_interval(np.bincount(number, right), np.bincount(number))
    return Row(name, 100 * float(np.mean(right)), "%", n=len(right), ci95=(100 * low, 100 * high))
