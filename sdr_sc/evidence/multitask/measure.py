# SPDX-License-Identifier: GPL-3.0-or-later
"""All tasks of a model from one transmission, through the physical layer, beside what else serves the same tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sdr_sc.errors import SdrScError
from sdr_sc.evidence.multitask.controls import Told, of_other_items, picture_gallery, prior
from sdr_sc.evidence.multitask.linear import NAME as LINEAR
from sdr_sc.evidence.multitask.linear import LinearRival
from sdr_sc.evidence.multitask.linear_maps import kind_of
from sdr_sc.evidence.multitask.rivals import rival_rows
from sdr_sc.evidence.multitask.rows import (
    BROADCAST_DB,
    RECALLS,
    RETRIEVAL,
    Setting,
    answers_of,
    cost,
    own_outputs,
    share_row,
)
from sdr_sc.evidence.pictures.thumbnails import thumbnail_rows
from sdr_sc.evidence.tables import APART
from sdr_sc.evidence.watched import OUTPUTS, watch
from sdr_sc.results.rows import Row
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.scheme import Scheme
from sdr_sc.semantic.gallery import Gallery
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.tasks.base import task_of
from sdr_sc.semantic.tasks.reconstruction import RECONSTRUCTION
from sdr_sc.semantic.tasks.retrieval import recall

Log = Callable[[str], None]
Share = tuple[str, np.ndarray, np.ndarray | None]
SNRS_DB, QUICK_ITEMS = (-5.0, 0.0, 5.0, 10.0, 20.0), 400
TRAIN_ITEMS, QUICK_TRAIN_ITEMS = 20_000, 3_000
"""Whose vectors the rivals' quantiser is made from."""
LINEAR_ITEMS = 100_000
"""Most that the linear rival is fitted on."""


def bench_multitask(setting: Setting, quick: bool, log: Log, kept: dict[str, np.ndarray] | None = None) -> list[Row]:
    """Quality of every task by SNR and k, with payload and whole frames; the rivals beside. Questions are measured by
    `sdr_sc.evidence.pictures.asked.bench_asked`, and items that have no other answers are left out here.

    Args:
        quick: on a part of the items, with the same gallery.
        kept: gets which items ours answers correctly, by the names of the rows; None where nobody wants to know.

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
        occurring = occurring[occurring >= 0]
        gallery = gallery.some(occurring)
        setting = replace(setting, gallery=gallery)
    first = next(iter(decoder.parts))
    known = np.flatnonzero(test.targets(first, np.arange(len(test))) >= 0)  # others are asked, see `bench_asked`
    drawn = np.random.default_rng(setting.seed).permutation(len(known))[: QUICK_ITEMS if quick else None]
    places = known[np.sort(drawn)]  # neighbours may be alike, as glosses of one file of nouns
    items = test.items(places)
    targets = {
        spec.name: answers_of(spec, test, places)
        for spec in decoder.contract.tasks
        if not (task_of(spec.name).of_items or task_of(spec.name).needs == "question")
    }
    if RETRIEVAL in targets and gallery is not None:
        targets[RETRIEVAL] = np.searchsorted(occurring, targets[RETRIEVAL])
    origins = np.asarray(getattr(test, "groups", ()), np.int64)
    groups = origins[places] if len(origins) else None
    pictures = _pictures(setting, decoder, occurring) if gallery is not None else None
    wide = None if gallery is None or setting.others is None else gallery.joined(setting.others)
    width = max(part.stop for part in decoder.parts.values())
    rows: list[Row] = []

    def measure(column: str, sender: Scheme, snr_db: float, k: int, without: tuple[str, ...] = ()) -> np.ndarray:
        """Rows of a point; of tasks ``without``, and with any of pictures, none."""
        log(column.replace(APART, ", "))
        labels = np.maximum(targets[first], 0).astype(np.int64)  # what is right is looked up in the outputs
        seen = watch(sender, OUTPUTS, items, labels, snr_db, k, setting.seed, setting.channel, width)
        outputs = seen.values.astype(np.float32)
        asked = {name: wanted for name, wanted in targets.items() if name not in without}
        shares = quality(column, outputs, decoder, asked, gallery, groups)
        rows.extend(share_row(*share) for share in shares)
        if kept is not None:
            kept.update({name: right for name, right, _ in shares})
        if wide is not None and RETRIEVAL not in without:
            ids = wide.search(outputs[:, decoder.parts[RETRIEVAL]], max(RECALLS)).ids
            for count in RECALLS:
                right = recall(ids, targets[RETRIEVAL], count)
                rows.append(share_row(f"{column}{APART}R@{count} of {len(wide.names):,}", right, groups))
        if RECONSTRUCTION in decoder.parts and RECONSTRUCTION not in without:
            rows.extend(thumbnail_rows(column, decoder, outputs, snr_db, k, items, setting.seed))
        if pictures is not None and RECONSTRUCTION not in without:  # as the student itself sees them
            ids = pictures.search(outputs[:, decoder.parts[RETRIEVAL]], max(RECALLS)).ids
            for count in RECALLS:
                right = recall(ids, targets[RETRIEVAL], count)
                rows.append(share_row(f"{column}{APART}picture R@{count}", right, groups))
        rows.extend(cost(column, seen.result, len(places)))
        return outputs

    outputs = np.empty(0)
    for snr_db in setting.snrs_db:
        for k in setting.k_list:
            outputs = measure(f"{snr_db:g} dB{APART}ours, k={k}", scheme, snr_db, k)
    column = f"{setting.snrs_db[-1]:g} dB{APART}features of another item, k={setting.k_list[-1]}"
    shuffled = quality(column, of_other_items(outputs, setting.seed), decoder, targets, gallery, groups)
    rows += [share_row(*share) for share in shuffled]
    for spec in decoder.contract.tasks:
        if spec.name in targets and spec.names and (targets[spec.name] >= 0).any():
            share = prior(setting.train, test, spec.name, places)
            rows.append(
                Row(f"nothing sent, the most frequent answer{APART}{spec.name}", 100 * share, "%", n=len(places))
            )
    for snr_db in setting.snrs_db:
        column = f"{snr_db:g} dB{APART}one transmission made for {BROADCAST_DB:g} dB, k={setting.k_list[-1]}"
        measure(column, Told(scheme, BROADCAST_DB), snr_db, setting.k_list[-1])
    if not setting.with_rivals:
        return rows
    if kind_of(setting.train):
        rival = LinearRival(setting, decoder, QUICK_TRAIN_ITEMS if quick else LINEAR_ITEMS, log)
        without = (RECONSTRUCTION,) if rival.has_vectors else (RECONSTRUCTION, RETRIEVAL)
        for snr_db in setting.snrs_db:
            for k in setting.k_list:
                measure(f"{snr_db:g} dB{APART}{LINEAR}, k={k}", rival.scheme(snr_db, k), snr_db, k, without)
        for snr_db in setting.snrs_db:
            for k in setting.k_list:
                what = f"{LINEAR}, k={k}, at {snr_db:g} dB{APART}numbers, of {rival.title(snr_db, k)}"
                rows.append(Row(what, 2.0 * k, "", n=rival.items))
    if not setting.with_coded:
        return rows
    return rows + rival_rows(setting, decoder, places, targets, QUICK_TRAIN_ITEMS if quick else TRAIN_ITEMS, log)


def _pictures(setting: Setting, decoder: SemanticDecoder, entries: np.ndarray) -> Gallery | None:
    """See `picture_gallery`."""
    contract, encoder = decoder.contract, SemanticEncoder(setting.model)
    best_db = contract.training_snr_db[1]

    def outputs_of(items: np.ndarray) -> np.ndarray:
        return own_outputs(encoder, decoder, items, best_db, contract.k_max)[:, decoder.parts[RETRIEVAL]]

    return picture_gallery(setting.test, entries, outputs_of, contract.teacher)


def quality(
    column: str, outputs: np.ndarray, decoder: SemanticDecoder, targets: dict[str, np.ndarray],
    gallery: Gallery | None, groups: np.ndarray | None = None,
) -> list[Share]:  # fmt: skip
    """Each task's metric from the decoder's outputs: arguments of `share_row`, with groups of items of one origin."""
    found: list[Share] = []
    for spec in decoder.contract.tasks:
        if spec.name not in targets:
            continue
        part = outputs[:, decoder.parts[spec.name]]
        if spec.name == RETRIEVAL:
            assert gallery is not None
            ids = gallery.search(part, max(RECALLS)).ids
            for first in RECALLS:
                found.append((f"{column}{APART}R@{first}", recall(ids, targets[RETRIEVAL], first), groups))
        else:
            task = task_of(spec.name)
            known = targets[spec.name] >= 0  # of a joined set, whose members need not have this task
            if known.any():
                right = task.right(task.answer(part[known], spec).best, targets[spec.name][known])
                found.append((f"{column}{APART}{spec.name}", right, None if groups is None else groups[known]))
    return found
