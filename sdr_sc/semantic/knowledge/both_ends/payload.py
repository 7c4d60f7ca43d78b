# SPDX-License-Identifier: GPL-3.0-or-later
"""The payload of a frame with indices: made at the transmitter, and read at the receiver.

| codeword of the message | features of plain items | residuals | filler up to whole blocks |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np

from sdr_sc.errors import ContractError
from sdr_sc.phy.frame.framing import filler_values
from sdr_sc.phy.frame.indexed import Indexed
from sdr_sc.semantic.knowledge.both_ends.choice import Choice, Need, choose
from sdr_sc.semantic.knowledge.both_ends.codeword import CodewordChoice, decode, encode
from sdr_sc.semantic.knowledge.both_ends.entries import SharedEntries
from sdr_sc.semantic.knowledge.both_ends.message import (
    ENTRY,
    PLAIN,
    RESIDUAL,
    Message,
    read_message,
    write_message,
)
from sdr_sc.semantic.knowledge.both_ends.split import (
    Joined,
    effective_snr_db,
    join,
    nearest_level,
    residual_level,
    split,
)


class Unread(Enum):
    """Why a frame with indices cannot be read; its items are lost."""

    NO_BASE = "no base"
    OTHER_BASE = "other base"
    CHECK = "check"
    NONSENSE = "nonsense"


class Payload(NamedTuple):
    """Of a frame with indices.

    Attributes:
        indexed: for the header.
        symbols: complex64 (payload_symbols,).
        message: what the codeword says.
    """

    indexed: Indexed
    symbols: np.ndarray
    message: Message


@dataclass(frozen=True, eq=False)
class Items:
    """A frame's items at the transmitter.

    Attributes:
        full: complex64 (items, k_max), features made for the base's SNR.
        plain: features of some of the items as they would be sent without a base: bool (items,) to complex64 (n, k).
    """

    full: np.ndarray
    plain: Callable[[np.ndarray], np.ndarray]


def make_payload(
    items: Items,
    shared: SharedEntries,
    need: Need,
    k_list: Sequence[int],
    codes: CodewordChoice,
    with_residuals: bool = True,
) -> tuple[Payload | None, Choice]:
    """The payload of a frame, and how its items are sent; no payload where all of them are sent as ever.

    Args:
        need: of the items.
        k_list: of the model.
        codes: for the SNR of the link.
        with_residuals: False allows no residuals.

    Raises:
        ContractError: entries and items have another number of symbols.
    """
    number, cosine = shared.nearest(items.full)
    choice = choose(cosine, need, k_list, len(shared), codes.symbols, with_residuals)
    if choice.is_plain:
        return None, choice
    alone, helped = choice.kinds == ENTRY, choice.kinds == RESIDUAL
    left = 1.0 - np.square(cosine)
    level, sent = 0, np.empty((0, 0), np.complex64)
    if helped.any():
        features, entries = items.full[helped], shared.symbols[number[helped]]
        level = residual_level(features, entries, choice.residual_k)
        sent = split(features, entries, level)[:, : choice.residual_k]
    is_plain = choice.kinds == PLAIN
    features = items.plain(is_plain) if is_plain.any() else np.empty((0, 0), np.complex64)
    message = Message(
        choice.kinds,
        number[~is_plain],
        need.k if is_plain.any() else 0,
        choice.residual_k,
        nearest_level(float(left[alone].mean())) if alone.any() else 0,
        level,
    )
    bits = write_message(message, len(shared), k_list)
    indexed = codes.indexed(len(bits), message.symbols, shared.tag.folded)
    if indexed is None:
        kinds = np.full(len(choice.kinds), PLAIN, np.uint8)
        return None, Choice(kinds, 0, choice.plain_symbols, choice.plain_symbols)
    word = encode(bits, indexed, shared.tag.mask)
    parts = (word, features.ravel(), sent.ravel())
    filler = filler_values(indexed.payload_symbols - sum(map(len, parts)))
    return Payload(indexed, np.concatenate((*parts, filler)).astype(np.complex64), message), choice


def read_payload(
    indexed: Indexed,
    items: int,
    symbols: np.ndarray,
    noise_variance: np.ndarray,
    shared: SharedEntries | None,
    k_list: Sequence[int],
) -> tuple[Joined, Message] | Unread:
    """A frame's items from its payload.

    Args:
        indexed, items: of the header.
        symbols: complex64 (payload_symbols,), LMMSE estimates, not finite where erased.
        noise_variance: float32 (payload_symbols,), of the unbiased estimates.
        shared: entries of the base that is here; None without one.
        k_list: of the model.

    Raises:
        ContractError: the payload is not as long as the header says.
    """
    if len(symbols) != indexed.payload_symbols or len(noise_variance) != len(symbols):
        raise ContractError(f"a payload of {len(symbols)} symbols, where its header says {indexed.payload_symbols}.")
    if shared is None:
        return Unread.NO_BASE
    if indexed.base_tag != shared.tag.folded:
        return Unread.OTHER_BASE
    end = indexed.symbols
    bits = decode(symbols[:end], noise_variance[:end], indexed, shared.tag.mask)
    if bits is None:
        return Unread.CHECK
    message = read_message(bits, items, len(shared), k_list)
    if message is None or indexed.payload_symbols - end - message.symbols not in range(indexed.payload_symbols):
        return Unread.NONSENSE
    return _joined(message, symbols[end:], noise_variance[end:], shared, k_list), message


def _joined(
    message: Message, symbols: np.ndarray, noise_variance: np.ndarray, shared: SharedEntries, k_list: Sequence[int]
) -> Joined:
    items, width = len(message.kinds), k_list[-1]
    features, variance = np.zeros((items, width), np.complex64), np.full((items, width), np.inf, np.float32)
    k, is_plain = np.full(items, width), message.kinds == PLAIN
    entries = np.zeros(items, np.int64)
    entries[~is_plain] = message.entries
    there = np.isfinite(symbols)
    noise_variance = np.where(there, noise_variance, np.inf).astype(np.float32)
    count = message.count(PLAIN)
    if count:
        end = count * message.k
        features[is_plain, : message.k] = np.where(there, symbols, 0)[:end].reshape(count, -1)
        variance[is_plain, : message.k] = noise_variance[:end].reshape(count, -1)
        symbols, noise_variance = symbols[end:], noise_variance[end:]
        k[is_plain] = message.k
    for kind, level, sent in (
        (ENTRY, message.entry_level, 0),
        (RESIDUAL, message.residual_level, message.residual_k),
    ):
        of_kind = message.kinds == kind
        count = int(of_kind.sum())
        if count:
            residual = symbols[: count * sent].reshape(count, sent)
            found = join(
                shared.symbols[entries[of_kind]], level, residual, noise_variance[: count * sent].reshape(count, sent)
            )
            features[of_kind], variance[of_kind] = found
            symbols, noise_variance = symbols[count * sent :], noise_variance[count * sent :]
    snr_db = np.array([effective_snr_db(own[None, :known])[0] for own, known in zip(variance, k, strict=True)])
    return Joined(features, variance, k, snr_db)
