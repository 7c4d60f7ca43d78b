# SPDX-License-Identifier: GPL-3.0-or-later
"""What arrived of an item, and a question about it, to the logits of its answers: a part of the receiver alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sdr_sc.semantic.modalities.text_tokens import TokenSizes

SIZES = TokenSizes(words=16, word_rows=1 << 11, piece_rows=1 << 9, pieces=6)
"""Of a question: it needs few words, and no vocabulary."""
_ROW, _WIDTH, _PIECE_WEIGHT = 24, 64, 0.5


class QuestionNetwork(nn.Module):
    """A vector of what was received and the numbers of a question's words to logits.

    A question is the sum of its words' rows, in any order, each the word's own and the mean of its pieces'. It scales
    and shifts what is made of the vector (FiLM: Perez et al., "FiLM: Visual Reasoning with a General Conditioning
    Layer", 2018): which part of the item matters is a matter of the question.

    Args:
        received: length of the vector.
        answers: how many there are.
    """

    def __init__(self, received: int, answers: int) -> None:
        super().__init__()
        self.words = nn.Embedding(SIZES.word_rows, _ROW, padding_idx=0)
        self.pieces = nn.Embedding(SIZES.piece_rows, _ROW, padding_idx=0)
        for table in (self.words, self.pieces):
            nn.init.normal_(table.weight, std=_ROW**-0.5)
            with torch.no_grad():
                table.weight[0] = 0.0
        self.question = nn.Sequential(nn.Linear(_ROW, _WIDTH), nn.GELU())
        self.scale, self.shift = nn.Linear(_WIDTH, _WIDTH), nn.Linear(_WIDTH, _WIDTH)
        self.received = nn.Linear(received, _WIDTH)
        self.second = nn.Linear(_WIDTH, _WIDTH)
        self.logits = nn.Linear(_WIDTH, answers)

    def asked(self, tokens: Tensor) -> Tensor:
        """Vectors of questions, float32 (questions, width).

        Args:
            tokens: whole numbers (questions, words, 1 + pieces), of `text_tokens.token_numbers` with `SIZES`.
        """
        numbers = tokens.long()
        word, piece = numbers[..., 0], numbers[..., 1:]
        count = (piece > 0).sum(dim=2, keepdim=True).clamp_min(1)
        rows = self.words(word) + _PIECE_WEIGHT * self.pieces(piece).sum(dim=2) / count
        return self.question(rows.sum(dim=1))

    def forward(self, received: Tensor, asked: Tensor) -> Tensor:
        """Logits, float32 (..., answers).

        Args:
            received: float32 (..., length), the decoder's outputs for the task.
            asked: float32 (..., width), of `asked`.
        """
        seen = torch.relu(self.received(received) * (1.0 + self.scale(asked)) + self.shift(asked))
        return self.logits(torch.relu(seen + self.second(seen)))


