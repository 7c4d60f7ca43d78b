# SPDX-License-Identifier: GPL-3.0-or-later
"""What serves the same tasks as a student for several tasks by coded messages, each sent with our own LDPC."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdr_sc.data.dataset import Dataset
from sdr_sc.data.joint.joined import JoinedSet
from sdr_sc.data.joint.slots import TEXT, longest_text, texts_of
from sdr_sc.data.texts import LONGEST_TEXT, text_of
from sdr_sc.evidence.known_tasks import AnyBits
from sdr_sc.evidence.multitask.controls import Told
from sdr_sc.evidence.multitask.quantised_vectors import ResidualQuantiser
from sdr_sc.evidence.multitask.rows import (
    BROADCAST_DB,
    RECALLS,
    RETRIEVAL,
    SYMBOLS,
    Setting,
    cost,
    own_outputs,
    share_row,
)
from sdr_sc.evidence.multitask.text_model import TextModel
from sdr_sc.evidence.tables import APART
from sdr_sc.evidence.watched import own_links
from sdr_sc.results.rows import Row
from sdr_sc.schemes.link import FrameOutcome, LinkResult
from sdr_sc.schemes.scheme import Scheme
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.tasks.base import task_of
from sdr_sc.semantic.tasks.retrieval import recall

VECTOR_BYTES = (2, 4, 6, 8, 12)
"""Of a quantised vector: one codeword of 256 a byte."""
_LOSS_DB = 1.0
"""Of an ideal code against capacity."""
_STEPS, _BATCH, _RATE, _TEMPERATURE = 1500, 512, 2e-3, 0.07


@dataclass(frozen=True)
class Message:
    """What a rival sends of an item.

    Attributes:
        title: in the rows.
        bits: of an item.
        right: which items are answered right if the message arrives, by metric: bool (items,).
    """

    title: str
    bits: float
    right: dict[str, np.ndarray]


def rival_rows(
    setting: Setting,
    decoder: SemanticDecoder,
    places: np.ndarray,
    targets: dict[str, np.ndarray],
    train_items: int,
    log: Callable[[str], None],
) -> list[Row]:
    """Rows of all rivals, with the mode that the SNR estimate calls for, and with one mode for all receivers.

    The entry's number can be sent only by a transmitter that holds the gallery and searches it. The quantised vector is
    the student's own, found without a channel, with the student's class beside it; where ``setting.others`` has the
    teacher's vectors of the training part, its receiver is a network that was trained for it. Texts are sent as such by
    a character model that both ends hold.
    """
    rows: list[Row] = []
    messages = _messages(setting, decoder, places, targets, train_items, log)
    made_for = f", one transmission made for {BROADCAST_DB:g} dB"
    for snr_db, told_db in [(one, told) for one in setting.snrs_db for told in (None, BROADCAST_DB)]:
        for message in messages:
            column = f"{snr_db:g} dB{APART}{message.title}{made_for if told_db is not None else ''}"
            log(column.replace(APART, ", "))
            result = send_messages(2 ** math.ceil(message.bits), len(places), snr_db, setting, told_db)
            rows += [share_row(f"{column}{APART}{name}", found & result.right) for name, found in message.right.items()]
            rows += cost(column, result, len(places))
            if told_db is None and not setting.channel:
                ideal = message.bits / math.log2(1 + 10 ** ((snr_db - _LOSS_DB) / 10))
                title = f"{column}{APART}{SYMBOLS} by a code {_LOSS_DB:g} dB from capacity"
                rows.append(Row(title, ideal, "symbols", n=len(places)))
    return rows


def _messages(
    setting: Setting,
    decoder: SemanticDecoder,
    places: np.ndarray,
    targets: dict[str, np.ndarray],
    train_items: int,
    log: Callable[[str], None],
) -> list[Message]:
    encoder, spec, test = SemanticEncoder(setting.model), decoder.contract.tasks[0], setting.test
    best_db, k_max = decoder.contract.training_snr_db[1], decoder.contract.k_max
    outputs = own_outputs(encoder, decoder, test.items(places), best_db, k_max)
    task = task_of(spec.name)
    found: list[Message] = []
    classes: dict[str, np.ndarray] = {}
    of_class, words = 0.0, ""
    if (targets[spec.name] >= 0).any():  # a data set may have other classes than the model
        best = task.answer(outputs[:, decoder.parts[spec.name]], spec).best
        classes = {spec.name: task.right(best, targets[spec.name])}
        of_class, words = math.log2(len(spec.names)), "class and "
        found.append(Message("the student's class, coded", of_class, classes))
    if setting.gallery is None or RETRIEVAL not in decoder.parts:
        return found
    gallery, part = setting.gallery, decoder.parts[RETRIEVAL]
    entries = gallery.search(outputs[:, part], 1).best
    every, first = np.unique(test.targets(RETRIEVAL, np.arange(len(test))), return_index=True)  # an item of each entry
    first, own = first[every >= 0], {"R@1": entries == targets[RETRIEVAL]}
    if classes:
        known = test.targets(spec.name, first)  # of each entry that occurs, as the receiver's gallery may say
        own = {spec.name: task.right(known[entries].astype(np.int64), targets[spec.name]), **own}
    found.append(Message("the entry's number, coded", math.log2(len(gallery.names)), own))
    log("training the rivals' quantiser")
    some = np.sort(np.random.default_rng(setting.seed).permutation(len(setting.train))[:train_items])
    vectors = own_outputs(encoder, decoder, setting.train.items(some), best_db, k_max)[:, part]
    quantiser = ResidualQuantiser.fit(vectors, max(VECTOR_BYTES), setting.seed)
    codes, train_codes = quantiser.encode(outputs[:, part]), quantiser.encode(vectors)
    for count in VECTOR_BYTES:
        read = quantiser.decode(codes[:, :count])
        if setting.others is not None:
            wanted = setting.others.vectors[setting.train.targets(RETRIEVAL, some)]
            read = learned_reader(quantiser.decode(train_codes[:, :count]), wanted, setting.seed)(read)
        ids = gallery.search(read, max(RECALLS)).ids
        right = {f"R@{first}": recall(ids, targets[RETRIEVAL], first) for first in RECALLS}
        title = f"{words}vector of {count} bytes, coded"
        found.append(Message(title, 8 * count + of_class, {**right, **classes}))
    if _are_texts(test):
        log("training the rivals' character model")
        model = TextModel(_texts(setting.train, np.arange(len(setting.train))))
        bits = float(model.bits(_texts(test, places)).mean())
        whole = {f"R@{first}": np.ones(len(places), bool) for first in RECALLS}
        found.append(Message("the text itself, compressed and coded", bits, {**whole, **classes}))
    return found


def _are_texts(data: Dataset) -> bool:
    of_texts = isinstance(data, JoinedSet) and all(member.kind != "pictures" for member in data.members)
    return data.modality == "text" or of_texts


def _texts(data: Dataset, places: np.ndarray) -> list[str]:
    """The items that are texts."""
    slots = data.items(places)
    if isinstance(data, JoinedSet):
        slots = texts_of(slots[slots[:, 0] == TEXT], min(LONGEST_TEXT, longest_text(data.side)))
    return [text_of(one) for one in slots]


def learned_reader(quantised: np.ndarray, wanted: np.ndarray, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """What a receiver makes of quantised vectors after it was trained to tell the teacher's vector of an item from
    those of others: a linear map and two layers beside it.

    Args:
        quantised: float32 (n, dimensions).
        wanted: float32 (n, dimensions), of unit length.
    """
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        width = quantised.shape[1]
        plain = nn.Linear(width, wanted.shape[1])
        bent = nn.Sequential(nn.Linear(width, 256), nn.GELU(), nn.Linear(256, wanted.shape[1]))
        optimiser = torch.optim.AdamW([*plain.parameters(), *bent.parameters()], lr=_RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _STEPS)
        scale = float(np.sqrt(np.square(quantised).mean())) or 1.0
        inputs, targets = torch.from_numpy(quantised / scale).float(), torch.from_numpy(wanted).float()
        for _ in range(_STEPS):
            chosen = torch.randint(len(inputs), (min(_BATCH, len(inputs)),))
            guess = nn.functional.normalize(plain(inputs[chosen]) + bent(inputs[chosen]), dim=1)
            logits = guess @ targets[chosen].T / _TEMPERATURE
            cosine = (guess * targets[chosen]).sum(dim=1)
            loss = nn.functional.cross_entropy(logits, torch.arange(len(chosen))) + 2 * (1 - cosine).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()

    def read(vectors: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            values = torch.from_numpy(vectors / scale).float()
            return (plain(values) + bent(values)).numpy()

    return read


def send_messages(levels: int, items: int, snr_db: float, setting: Setting, told_db: float | None = None) -> LinkResult:
    """Messages in frames, see `own_links`, with the mode that the SNR estimate calls for, or one SNR."""
    plain = AnyBits(levels)
    outcomes: list[FrameOutcome] = []
    scheme: Scheme = plain if told_db is None else Told(plain, told_db)  # type: ignore[assignment]
    for span, link in own_links(scheme, items, snr_db, None, setting.seed, setting.channel):
        places = np.arange(span.start, span.stop)
        labels = np.zeros(len(places), np.int64)
        link.sound(places, labels)
        outcomes += link.send(places, labels)
    return LinkResult.of(outcomes, 1)
