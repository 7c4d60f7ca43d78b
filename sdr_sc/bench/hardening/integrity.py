# SPDX-License-Identifier: GPL-3.0-or-later
"""What one changed bit does to the files that figures are read from: it is noticed, or it has no effect."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.bench.hardening.integrity_files import Kind, make_kinds
from sdr_sc.errors import SdrScError
from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import Row
from sdr_sc.shown import reason_of

QUICK_PART = 20
"""Of the tries, one in so many."""


@dataclass
class Outcome:
    """Counts of tries.

    Attributes:
        refused: the reader named the damage in a sentence.
        without_effect: it read the same as before.
        other_figures: it read something else, without a word.
        crashed: it ended with an error that is no sentence for a user.
        examples: of the last two, what happened where.
    """

    refused: int = 0
    without_effect: int = 0
    other_figures: int = 0
    crashed: int = 0
    examples: tuple[str, ...] = ()

    @property
    def tries(self) -> int:
        """All of them."""
        return self.refused + self.without_effect + self.other_figures + self.crashed


def bench_integrity(quick: bool, seed: int, log: Callable[[str], None] = lambda what: None) -> list[Row]:
    """Change one random bit of a file, read it, and compare; 10,000 times over all kinds of files.

    Args:
        quick: a twentieth of the tries.
        seed: of the bits.
        log: called with what is done, and every try that did what it may not.

    Raises:
        SdrScError: a file cannot be made, or cannot be read as it is.
    """
    rows, total = [], Outcome()
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)  # a file whose checksum lost its name is read as an earlier version's
    try:
        with scratch_folder() as folder:
            log("files of each kind")
            for number, kind in enumerate(make_kinds(Path(folder), seed)):
                tries = max(1, kind.tries // QUICK_PART) if quick else kind.tries
                log(f"{kind.name}, {tries} tries")
                found = try_kind(kind, tries, np.random.default_rng((seed, number)))
                for example in found.examples:
                    log(f"{kind.name}: {example}")
                rows += _rows(kind.name, found)
                for name in ("refused", "without_effect", "other_figures", "crashed"):
                    setattr(total, name, getattr(total, name) + getattr(found, name))
    finally:
        logging.disable(disabled)
    return [*_rows("all kinds", total), *rows]


def try_kind(kind: Kind, tries: int, rng: np.random.Generator) -> Outcome:
    """Change a bit in one of a kind's files, in proportion to their sizes' roots, and read; so many times.

    The square root gives small files, such as a manifest beside its data, their share.
    """
    contents = {path: path.read_bytes() for path in kind.files}
    before, outcome, examples = kind.read(), Outcome(), []
    _restore(contents)
    sizes = np.array([min(len(content), kind.first_bytes or len(content)) for content in contents.values()])
    shares = np.sqrt(sizes) / np.sqrt(sizes).sum()
    for _ in range(tries):
        chosen = int(rng.choice(len(kind.files), p=shares))
        path = kind.files[chosen]
        place = int(rng.integers(8 * sizes[chosen]))
        changed = bytearray(contents[path])
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            found = kind.read()
        except SdrScError:
            outcome.refused += 1
        except Exception as error:
            outcome.crashed += 1
            examples.append(f"bit {place} of {path.name}: {type(error).__name__}, {reason_of(error, 100)}")
        else:
            if found == before or (kind.may_lose and found.items() <= before.items()):
                outcome.without_effect += 1
            else:
                outcome.other_figures += 1
                examples.append(f"bit {place} of {path.name}: other figures taken")
        _restore(contents)
    outcome.examples = tuple(examples[:5])
    return outcome


def _restore(contents: dict[Path, bytes]) -> None:
    """Put back what a try changed; a reader may have taken a file away, as a journal that was taken up."""
    for path, content in contents.items():
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)


def _rows(name: str, found: Outcome) -> list[Row]:
    tries = found.tries
    return [
        Row.at_most(f"one changed bit, {name}: other figures taken", found.other_figures, "", 0, n=tries),
        Row.at_most(f"one changed bit, {name}: ends without a sentence", found.crashed, "", 0, n=tries),
        Row(f"one changed bit, {name}: refused", 100 * found.refused / tries, "%", n=tries),
        Row(f"one changed bit, {name}: without effect", 100 * found.without_effect / tries, "%", n=tries),
    ]
