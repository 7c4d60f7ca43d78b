# SPDX-License-Identifier: GPL-3.0-or-later
"""The text encoder: the same vectors in training and in use, whatever the text is, and as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from sdr_sc.data.ragged import HEAD_BYTES
from sdr_sc.data.texts import text_items
from sdr_sc.distill.export.onnx_write import trace
from sdr_sc.errors import ContractError
from sdr_sc.semantic.modalities.base import modality_of
from sdr_sc.semantic.modalities.text_tokens import TokenSizes
from sdr_sc.semantic.networks.heads import MultiTaskDecoder
from sdr_sc.semantic.networks.registry import make_decoder, make_encoder
from sdr_sc.semantic.networks.text import TextEncoder
from sdr_sc.semantic.specs import ModalitySpec

TEXTS = [
    "a dog is a domestic animal",
    "animal domestic a is dog a",
    "",
    "x",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "\U0001f600 smile \U0001f600",
    "a\0b",
    "word " * 60,
    "z" * 300,
    "1 22 333",
]
LONGEST = 64
MPNET_PARAMETERS = 109e6


@pytest.fixture(scope="module")
def inputs() -> torch.Tensor:
    slots = text_items(TEXTS, LONGEST).batch.slots(LONGEST)
    spec = ModalitySpec("text", (HEAD_BYTES + LONGEST,), {})
    return torch.from_numpy(modality_of(spec).network_input(slots))


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    torch.manual_seed(1)
    found = make_encoder("text", 8, (HEAD_BYTES + LONGEST,))
    assert isinstance(found, TextEncoder)
    return found.eval()


def test_training_and_use_see_the_same(encoder: TextEncoder, inputs: torch.Tensor) -> None:
    used = encoder.pooled(inputs)
    trained = encoder.train().pooled(inputs)
    encoder.eval()
    assert torch.allclose(used, trained, atol=1e-6) and bool(used.isfinite().all())
    assert bool((used[2] == 0).all()), "an empty text says nothing"
    assert not torch.allclose(used[0], used[1], atol=1e-4), "the order of words matters"
    mean = TextEncoder(8).stem.row_width
    assert torch.allclose(used[0, :mean], used[1, :mean], atol=1e-6), "but not to their mean"


def test_more_places_for_words_change_nothing(encoder: TextEncoder, inputs: torch.Tensor) -> None:
    padded = torch.nn.functional.pad(inputs, (0, 0, 0, 5))
    assert torch.allclose(encoder.pooled(inputs), encoder.pooled(padded), atol=1e-6)


def test_every_weight_learns_and_padding_stays_nothing(inputs: torch.Tensor) -> None:
    torch.manual_seed(2)
    learner = make_encoder("text", 8, (HEAD_BYTES + LONGEST,)).train()
    learner(inputs, torch.zeros(len(inputs))).square().sum().backward()
    for name, parameter in learner.named_parameters():
        assert parameter.grad is not None, name
        if "film.net.0" not in name:  # its last layer begins at 0
            assert bool((parameter.grad != 0).any()), name
    assert isinstance(learner, TextEncoder)
    for table in (learner.stem.words, learner.stem.pieces):
        assert table.weight.grad is not None and bool((table.weight.grad[0] == 0).all())


def test_it_runs_in_onnxruntime(encoder: TextEncoder, inputs: torch.Tensor, tmp_path: Path) -> None:
    snr_db = torch.full((len(inputs),), 7.0)
    content = trace(encoder, {"items": inputs[:2], "snr_db": snr_db[:2]}, ["symbols"])
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"items": inputs.numpy(), "snr_db": snr_db.numpy()})
    with torch.inference_mode():
        assert np.allclose(found, encoder(inputs, snr_db).numpy(), atol=1e-4)


def test_decoders_are_made_for_their_tasks() -> None:
    made = make_decoder("multitask", [26, 64], 8, 32)
    assert isinstance(made, MultiTaskDecoder)
    assert made(torch.zeros(3, 8, 2), torch.zeros(3), torch.ones(3)).shape == (3, 90)
    with pytest.raises(ContractError, match="is for one task, and its contract has 2"):
        make_decoder("dense", [26, 64], 8, 32)
    with pytest.raises(ContractError, match="decoder of kind 'deep' is unknown; this program knows dense, multitask"):
        make_decoder("deep", [26], 8, 32)


def test_an_encoder_has_the_rows_that_its_contract_says() -> None:
    encoder = make_encoder("text", 8, (130,), {"word_rows": 64, "piece_rows": 32.0, "mean": 0.5})
    assert isinstance(encoder, TextEncoder)
    assert (encoder.stem.words.num_embeddings, encoder.stem.pieces.num_embeddings) == (64, 32)
    usual, joint = make_encoder("text", 32, (130,)), make_encoder("image_text", 32, (3073,))
    assert isinstance(usual, TextEncoder) and usual.sizes == TokenSizes()
    assert sum(one.numel() for one in joint.parameters()) <= MPNET_PARAMETERS / 50
