# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for how sure an answer is, by its calibrated confidence."""

from __future__ import annotations

SURE, PROBABLY, MAYBE, OPEN = 3, 2, 1, 0
_FROM = ((0.9, SURE), (0.6, PROBABLY), (0.3, MAYBE))
_WORDS = {SURE: "is", PROBABLY: "is probably", MAYBE: "may be"}


def certainty_of(probability: float | None, calibrated: bool) -> int:
    """How sure an answer is: `SURE` from 90 % on, `PROBABLY` from 60 %, `MAYBE` from 30 %, else `OPEN`.

    Args:
        probability: of the answer; None where it is not known, which is no more than `MAYBE`.
        calibrated: whether answers of this probability are as often right as it says. Where that is not known, an
            answer is at most probable.

    >>> certainty_of(0.95, True), certainty_of(0.95, False), certainty_of(0.4, True), certainty_of(0.1, True)
    (3, 2, 1, 0)
    >>> certainty_of(None, True), certainty_of(float("nan"), True)
    (1, 0)
    """
    if probability is None:
        return MAYBE
    found = next((level for least, level in _FROM if probability >= least), OPEN)
    return found if calibrated else min(found, PROBABLY)


def words_of(certainty: int) -> str:
    """The verb of a sentence; of what is `OPEN` there is none.

    >>> words_of(PROBABLY)
    'is probably'
    """
    return _WORDS[certainty]
