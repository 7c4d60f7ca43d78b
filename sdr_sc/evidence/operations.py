# SPDX-License-Identifier: GPL-3.0-or-later
"""How many operations an item costs at each end of a scheme, its networks and its codes, and the memory to work in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sdr_sc.phy.coding.ldpc_qam import LdpcQam
from sdr_sc.schemes.digital.grouped import GroupedScheme
from sdr_sc.schemes.features_vq import VectorSource
from sdr_sc.schemes.scheme import Scheme
from sdr_sc.schemes.thumbnail.classifier import ThumbnailNet
from sdr_sc.schemes.thumbnail.source import ThumbnailSource
from sdr_sc.semantic.complexity import count_flops
from sdr_sc.semantic.modalities.base import blank_input
from sdr_sc.semantic.onnx_file import Part
from sdr_sc.semantic.runtime_torch import TorchNetwork
from sdr_sc.semantic.weights import read_contract, resolve

DECODING_AN_EDGE = 20
"""Operations of sum-product in one iteration for an edge of the code's graph, a function of a table counted as one:
three times the value of a sum of bits (a minimum, two functions, two sums, a sign), and two sums."""
MESSAGE_BYTES = 4
"""Of an edge, in single precision: a layer's messages replace what was there."""
_STUDENT_AT_TRANSMITTER = ("label_ldpc", "soft_ldpc")
_STUDENT_AT_RECEIVER = ("jpeg_ldpc", "webp_ldpc")


@dataclass
class Work:
    """What one end does for an item.

    Attributes:
        flops: of its networks, two for a multiplication with its addition.
        activations: values that the largest layer has as input and output.
    """

    flops: float = 0.0
    activations: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.flops + other.flops, max(self.activations, other.activations))


def of_student(model: str, part: Part) -> Work:
    """One part of a student, for one item.

    Args:
        model: weights file or name of a shipped model.
        part: of it.
    """
    contract, ones = read_contract(model), torch.ones(1)
    inputs: dict[Part, tuple[torch.Tensor, ...]] = {
        "encoder": (blank_input(contract, 1), ones),
        "decoder": (torch.zeros(1, contract.k_max, 2), ones, ones),
    }
    return of_module(TorchNetwork(resolve(model), part, contract, 1).module, *inputs[part])


def of_module(module: torch.nn.Module, *given: torch.Tensor) -> Work:
    """A network in one pass over an item."""
    return Work(count_flops(module, *given), _largest_activations(module, given))


def of_ends(
    kind: str, scheme: Scheme, model: str, snr_db: float, k: int | None, items: int
) -> tuple[Work, Work] | None:
    """Networks at transmitter and receiver, for an item; None for kinds whose networks are not counted here.

    Args:
        kind: of the scheme, its name in the catalogue.
        scheme: that was made so.
        model: the student that it uses.
        snr_db, k, items: of a frame, by which coders choose their setting.
    """
    encoder, decoder, nothing = of_student(model, "encoder"), of_student(model, "decoder"), Work()
    if kind in ("ours", "refined", "fixed_rate", "features_ldpc"):
        return encoder, decoder
    if kind in _STUDENT_AT_TRANSMITTER:
        return encoder + decoder, nothing
    if kind in _STUDENT_AT_RECEIVER:
        return nothing, encoder + decoder
    if isinstance(scheme, GroupedScheme):
        source = scheme.sources[scheme.plans(snr_db, k, items)[0][0]]
        if isinstance(source, VectorSource):
            return encoder + Work(3.0 * source.quantiser.centroids.size), nothing
        if isinstance(source, ThumbnailSource):
            return _of_thumbnail(source)
    return None


def _of_thumbnail(source: ThumbnailSource) -> tuple[Work, Work]:
    """The context model looks at each pixel at both ends, the classifier twice at each picture: also mirrored."""
    side = source.context.side
    layers = [weight.shape for weight, _ in source.context.layers]
    context = Work(2.0 * side**2 * sum(a * b for a, b in layers), side**2 * max(a + b for a, b in layers))
    network = of_module(ThumbnailNet(source.classes).eval(), torch.zeros(1, 1, side, side))
    return context, context + Work(2 * network.flops, network.activations)


def _largest_activations(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> int:
    """Most values that are input and output of one layer, which have to be in memory together."""
    found = [0]

    def note(_: torch.nn.Module, inputs: Any, output: Any) -> None:
        tensors = [one for one in (*inputs, output) if isinstance(one, torch.Tensor)]
        found[0] = max(found[0], sum(one.numel() for one in tensors))

    hooks = [one.register_forward_hook(note) for one in module.modules() if not list(one.children())]
    try:
        with torch.inference_mode():
            module(*given)
    finally:
        for hook in hooks:
            hook.remove()
    return found[0]


@dataclass
class CodeWork:
    """What the codes of a run did, all frames together.

    Attributes:
        encode_ms, decode_ms: processor time of this thread.
        encode_operations: binary ones, a sum of bits for each edge of the code's graph.
        decode_operations: see `DECODING_AN_EDGE`, of the iterations that were needed.
        message_bytes: of the largest code's decoder.
    """

    encode_ms: float = 0.0
    decode_ms: float = 0.0
    encode_operations: float = 0.0
    decode_operations: float = 0.0
    message_bytes: int = 0


@contextmanager
def codes_watched() -> Iterator[CodeWork]:
    """Count and time all encoding and decoding of LDPC codes until the end of the context."""
    work = CodeWork()
    encode, decode = LdpcQam.encode, LdpcQam.decode

    def watched_encode(code: LdpcQam, bits: np.ndarray) -> np.ndarray:
        began = time.thread_time()
        found = encode(code, bits)
        work.encode_ms += 1e3 * (time.thread_time() - began)
        work.encode_operations += code.edges * len(bits)
        return found

    def watched_decode(code: LdpcQam, symbols: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        before, began = code.iterations_done, time.thread_time()
        found = decode(code, symbols, noise)
        work.decode_ms += 1e3 * (time.thread_time() - began)
        work.decode_operations += DECODING_AN_EDGE * code.edges * (code.iterations_done - before)
        work.message_bytes = max(work.message_bytes, MESSAGE_BYTES * code.edges)
        return found

    LdpcQam.encode, LdpcQam.decode = watched_encode, watched_decode  # type: ignore[assignment, method-assign]
    try:
        yield work
    finally:
        LdpcQam.encode, LdpcQam.decode = encode, decode  # type: ignore[method-assign]
