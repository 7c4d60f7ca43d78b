# SPDX-License-Identifier: GPL-3.0-or-later
"""A text encoder: hashed words and pieces of words to complex feature symbols. It needs no vocabulary file."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sdr_sc.semantic.modalities.text_tokens import TokenSizes
from sdr_sc.semantic.networks.base import Encoder
from sdr_sc.semantic.networks.dense import FiLM

PIECE_WEIGHT = 0.5


class TextStem(nn.Module):
    """Numbers of words and pieces, see `sdr_sc.semantic.modalities.text_tokens`, to a vector.

    A word's row is its own, if it is frequent enough to have learned one, and the mean of its pieces' rows. Two ways
    lead from there: the weighted mean of the rows, which keeps what the words mean and forgets their order; and windows
    of three words, of which attention picks some, for what several words mean together.

    Input: float32 (items, words, 1 + 3 pieces), whole numbers, 0 for none. Output: float32 (items, `width`), of which
    the first ``row_width`` are the mean.

    Args:
        sizes: how many numbers there are.
    """

    row_width, window_width, attention_heads = 48, 96, 4

    def __init__(self, sizes: TokenSizes) -> None:
        super().__init__()
        self.sizes, row = sizes, self.row_width
        self.width = row + self.attention_heads * self.window_width
        self.words = nn.Embedding(sizes.word_rows, row + 1, padding_idx=0)  # the last number is the word's weight
        self.pieces = nn.Embedding(sizes.piece_rows, row, padding_idx=0)
        for table in (self.words, self.pieces):
            nn.init.normal_(table.weight, std=row**-0.5)
            with torch.no_grad():
                table.weight[0] = 0.0
        with torch.no_grad():
            self.words.weight[:, row] = 0.0
        self.window = nn.Linear(3 * row, self.window_width)
        self.attention = nn.Linear(self.window_width, self.attention_heads)

    def forward(self, tokens: Tensor) -> Tensor:
        numbers = tokens.long()
        word, piece = numbers[..., 0], numbers[..., 1:]
        is_word = (word > 0).to(tokens.dtype)
        rows, log_weight = (self._rows_of_words if self.training else self._rows)(word, piece)
        rows = rows * is_word.unsqueeze(2)
        weight = torch.exp(log_weight) * is_word
        mean = (rows * weight.unsqueeze(2)).sum(dim=1) / weight.sum(dim=1, keepdim=True).clamp_min(1e-6)
        ends = nn.functional.pad(rows, (0, 0, 1, 1))
        window = nn.functional.gelu(self.window(torch.cat((ends[:, :-2], rows, ends[:, 2:]), dim=2)))
        score = self.attention(window) - 1e4 * (1.0 - is_word).unsqueeze(2)  # an empty text has equal shares of nothing
        picked = torch.softmax(score, dim=1).transpose(1, 2) @ (window * is_word.unsqueeze(2))
        return torch.cat((mean, picked.flatten(1)), dim=1)

    def _rows(self, word: Tensor, piece: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of all places, float32 (items, words, row_width), and logarithms of their weights; as it is exported."""
        row = self.words(word)
        count = (piece > 0).sum(dim=2, keepdim=True).clamp_min(1).to(row.dtype)
        return row[..., :-1] + PIECE_WEIGHT * self.pieces(piece).sum(dim=2) / count, row[..., -1]

    def _rows_of_words(self, word: Tensor, piece: Tensor) -> tuple[Tensor, Tensor]:
        """The same in a third of the time, for training: of the places that hold a word alone."""
        real = word > 0
        own = self.words(word[real])
        bags = nn.functional.embedding_bag(piece[real], self.pieces.weight, mode="mean", padding_idx=0)
        found = own.new_zeros(*word.shape, self.row_width + 1)
        found[real] = own + PIECE_WEIGHT * nn.functional.pad(bags, (0, 1))
        return found[..., :-1], found[..., -1]


class TextEncoder(Encoder):
    """Text and SNR to ``k_max`` complex feature symbols, best first.

    A linear path leads from the words' mean to the symbols beside the shared layers: without it a semantic vector is
    found much worse from the same symbols.

    Args:
        k_max: symbols of an item.
        item_shape: of a text's slot; its length does not change the network.
        sizes: of the numbers that it takes.
    """

    kind = "text"
    width = TextStem.row_width + TextStem.attention_heads * TextStem.window_width
    hidden_width = 128

    def __init__(
        self,
        k_max: int = 32,
        item_shape: Sequence[int] = (130,),
        sizes: TokenSizes = TokenSizes(),  # noqa: B008
    ) -> None:
        super().__init__()
        self.k_max, self.sizes = k_max, sizes
        self.stem = TextStem(self.sizes)
        self.hidden = nn.Sequential(
            nn.Linear(self.width - TextStem.row_width, 192), nn.GELU(), nn.Linear(192, self.hidden_width), nn.GELU()
        )
        self.film = FiLM(self.hidden_width + TextStem.row_width)
        self.symbols = nn.Linear(self.hidden_width + TextStem.row_width, 2 * k_max)

    @classmethod
    def refusal(cls, item_shape: Sequence[int]) -> str:
        return "" if len(item_shape) == 1 else "texts in slots"

    def adamw_modules(self) -> list[nn.Module]:
        return [self.symbols, *self.film.modules()]

    def ignore_snr(self) -> None:
        self.film.ignore_snr()

    def pooled(self, images: Tensor) -> Tensor:
        return self.stem(images)

    def from_pooled(self, pooled: Tensor, snr_db: Tensor) -> Tensor:
        row = TextStem.row_width
        both = torch.cat((self.hidden(pooled[:, row:]), pooled[:, :row]), dim=1)
        return self.symbols(self.film(both, snr_db)).view(-1, self.k_max, 2)
