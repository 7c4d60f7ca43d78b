# SPDX-License-Identifier: GPL-3.0-or-later
"""Each number in the sentences of README.md is one of kept results, of the code, or marked as neither."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import pytest
from command import ROOT
from evidence_claims import sentences

from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.numerology import Numerology
from sdr_sc.semantic.weights import DEFAULT_MODEL, read_contract

README = (ROOT / "README.md").read_text(encoding="utf-8")
N64 = Numerology()


@lru_cache
def rows(name: str) -> dict[str, float]:
    """Values by name of a file of figures."""
    return {row["name"]: row["value"] for row in json.loads((ROOT / "benchmarks" / f"{name}.json").read_text())["rows"]}


def row(file: str, name: str) -> Callable[[], float]:
    """The row of that name."""
    return lambda: rows(file)[name]


def largest(file: str, pattern: str) -> Callable[[], float]:
    """Largest magnitude of the rows whose whole name the pattern fits."""
    return lambda: max(abs(value) for name, value in rows(file).items() if re.fullmatch(pattern, name))


def frame(symbols: int, mode: FrameMode) -> int:
    """OFDM symbols of a frame."""
    return frame_layout(N64, mode).frame_symbols(symbols)


def ahead(mode: FrameMode) -> Callable[[], int]:
    """OFDM symbols before the payload."""
    return lambda: frame(1, mode) - 1


def saved_by_short_frames() -> float:
    """Share of the air that k=2 in a short frame of 50 images saves of 32 in a normal one, per cent."""
    return 100 * (1 - frame(50 * 2, FrameMode.SHORT) / frame(50 * 32, FrameMode.NORMAL))


class Claim(NamedTuple):
    """Words of the README with places for figures, and what stands there: a value and how it is written."""

    words: str
    figures: tuple[tuple[Callable[[], Any], str], ...]

    def text(self) -> str:
        """As the README should have it."""
        return self.words.format(*(format(value(), how) for value, how in self.figures))


K_LIST = read_contract(DEFAULT_MODEL).k_list
CLAIMS = (
    Claim("A small student network ({} k parameters)", ((lambda: rows("link")["encoder parameters"] / 1e3, ".0f"),)),
    Claim("into {} to {} complex symbols", ((lambda: min(k for k in K_LIST if k > 1), "d"), (lambda: K_LIST[-1], "d"))),
    Claim("{} OFDM symbols before the payload where the SNR allows, {}, or {} where frames have to be found at -8 dB",
          tuple((ahead(mode), "d") for mode in (FrameMode.SHORT, FrameMode.NORMAL, FrameMode.ROBUST))),
    Claim("The first frame goes out at k={}", ((lambda: K_LIST[-1], "d"),)),
    Claim("The first frames of each run go at k={}", ((lambda: K_LIST[-1], "d"),)),
    Claim("at -5 dB {} % of the frames are lost", ((row("evaluate_fashion_mnist", "frames lost, AWGN -5 dB"), ".0f"),)),
    Claim("among other things {} of 40,000 frames lost without noise and at 30 dB",
          ((largest("phy", r"frames lost, (without noise|30 dB), (no gap|random gaps)"), ".0f"),)),
    Claim("an SNR estimate within {} dB over fading and measured channels whose echoes it covers",
          ((largest("phy", r"SNR estimate, worst bias, (TDL-\w 300 ns, 1 MS/s|measured).*"), ".1f"),)),
    Claim("fine-tuned on the task: {} % on the test set with {} million parameters",
          ((row("distillation/teacher", "accuracy, test"), ".1f"),
           (lambda: rows("distillation/teacher")["parameters"] / 1e6, ".1f"))),
    Claim("A frame spends {}, {} or {} OFDM symbols on preamble and header",
          tuple((ahead(mode), "d") for mode in (FrameMode.SHORT, FrameMode.NORMAL, FrameMode.ROBUST))),
    Claim("k=2 in a short frame instead of 32 in a normal one saves {} % of it", ((saved_by_short_frames, ".0f"),)),
)  # fmt: skip
"""A figure that moves fails its line here, until README and results agree again."""

ROWS = {
    "sdr-sc --help, median": (row("link", "sdr-sc --help, median"), ".2f"),
    "sdr-sc demo, set up already": (row("link", "sdr-sc demo, set up already"), ".0f"),
}
"""Rows of README's tables that tests/bench/test_published_link.py leaves out."""

CHECKED_ELSEWHERE = (
    "21, 20, 22 and 10 times fewer payload symbols at 0, 5, 10 and 20 dB",
    "8.1, 5.1, 3.5 and 2.1 times fewer with preamble",
    "8 symbols for 90 % at 10 dB where ours needs 2, and it ends at 91.1 %",
    "with 600 of them 3.3 points",
    "0.04 points (-0.21 to 0.29) at 20 dB over a control",
)
"""By tests/bench/test_published_rivals.py and tests/bench/test_distillation_page.py."""

NO_RESULT = {
    "over 2,000 of the test images": "the rivals' configuration",
    "50 images at a time": "how many images a frame holds",
    "Below 0 dB": "the normal mode's range",
    "With 4 images a frame": "what the demonstration sends",
    "saves 85 % of the feature symbols in the demonstration (against k=32 in normal frames), but only 43 %":
        "by one run of the demonstration, whose report prints both",
    "In a frame of 50 images": "how many images a frame holds",
    "Debian 12": "a version",
    "Ubuntu 24.04": "a version",
    "numpy stays below 2": "a version",
    "arXiv 2506.13243": "a source",
    "(2017)": "a source",
    "GPL-3.0": "a licence",
}  # fmt: skip
"""Numbers that no result has to repeat, and why."""


def prose() -> str:
    """README without code, tables, pictures and addresses of links, on one line."""
    text = re.sub(r"```.*?```", " ", README, flags=re.DOTALL)
    lines = [line for line in text.splitlines() if not line.startswith(("|", "!["))]
    text = re.sub(r"\]\([^)]*\)", "]", " ".join(lines))
    return " ".join(re.sub(r"`[^`]*`", "", text).split())


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.words[:40])
def test_a_sentence_has_the_figures_of_the_results(claim: Claim) -> None:
    assert claim.text() in " ".join(README.split())


@pytest.mark.parametrize("name", ROWS)
def test_a_row_has_the_figure_of_the_results(name: str) -> None:
    value, how = ROWS[name]
    found = re.search(rf"^\| {re.escape(name)} \| ([\d.]+) s \|", README, re.MULTILINE)
    assert found is not None and found[1] == format(value(), how)


@pytest.mark.parametrize("place", range(9))
def test_wins_and_losses_are_those_of_the_kept_evidence(place: int) -> None:
    assert sentences()[place] in " ".join(README.split())


def test_no_sentence_has_a_number_that_nothing_answers_for() -> None:
    text = prose()
    for known in (*(claim.text() for claim in CLAIMS), *sentences(), *CHECKED_ELSEWHERE, *NO_RESULT):
        text = text.replace(known, " ")
    left = [text[max(m.start() - 40, 0) : m.end() + 20] for m in re.finditer(r"(?<![\w.-])-?\d[\d,.]*", text)]
    assert not left, "\n".join(left)


def test_what_is_said_to_be_checked_is_there() -> None:
    text = " ".join(README.split())
    assert [words for words in (*CHECKED_ELSEWHERE, *NO_RESULT) if words not in text] == []
