# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated link maps by importance where a scheme asks for it, by reports that come back as the SNR does."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.data import fashion_mnist
from sdr_sc.errors import BlockError, SdrScError
from sdr_sc.link.mapping import OLD, REFINEMENTS
from sdr_sc.link.return_path import PERFECT, ReturnPath
from sdr_sc.phy.numerology import Numerology
from sdr_sc.schemes.catalogue import check_scheme, make_scheme
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.link import FrameOutcome, Link, noisy_channel
from sdr_sc.schemes.scheme import Scheme

DATA = fashion_mnist.load("test")
SELECTIVE = "multipath(taps=[0.8, 0, 0, 0, 0.5j, 0, 0, 0.4])"
ITEMS = 400


def over(
    scheme: Scheme, channel: str = SELECTIVE, snr_db: float = 4.0, k: int = 3, feedback: ReturnPath = PERFECT
) -> tuple[Link, list[FrameOutcome]]:
    numerology = Numerology()
    scheme.begin(channel)
    air = noisy_channel(channel, snr_db, 700.0, 1, numerology)
    link = Link(scheme, air, k, 20, numerology, feedback=feedback)
    link.sound(DATA.images[:1], DATA.labels[:1])
    return link, list(link.send(DATA.images[:ITEMS], DATA.labels[:ITEMS]))


def correct(outcomes: list[FrameOutcome]) -> int:
    return sum(outcome.correct for outcome in outcomes)


def test_a_scheme_that_asks_for_it_answers_more_items_over_a_selective_channel() -> None:
    plain, mapped = make_scheme("ours"), make_scheme("ours", mapping="importance")
    assert isinstance(plain, ModelScheme) and isinstance(mapped, ModelScheme)
    link, without = over(plain)
    assert link.mapper.mapped == 0
    link, outcomes = over(mapped)
    assert link.mapper.mapped == len(outcomes) == ITEMS // 20 and not link.mapper.interleaved
    assert correct(outcomes) > correct(without) + 8  # of 400
    assert all(np.array_equal(a.truth, b.truth) for a, b in zip(without, outcomes, strict=True))
    assert mapped.describe()["mapping"] == "importance" and "mapping" not in plain.describe()


def test_components_and_first_rounds_are_mapped_too() -> None:
    pca = make_scheme("pca", mapping="importance")
    link, outcomes = over(pca, k=4)
    assert link.mapper.mapped == len(outcomes) and pca.describe()["mapping"] == "importance"
    refined = make_scheme("refined", mapping="importance")
    link, outcomes = over(refined, k=4)
    answered = refined.sender.answered  # type: ignore[attr-defined]
    assert link.mapper.mapped > 0 and link.mapper.interleaved == {REFINEMENTS: answered} and answered > 0
    assert all((outcome.found >= 0).all() for outcome in outcomes) and correct(outcomes) > 0.8 * ITEMS


def test_late_reports_are_still_known_until_they_are_too_old() -> None:
    scheme = make_scheme("ours", mapping="importance")
    assert isinstance(scheme, ModelScheme)
    link, outcomes = over(scheme, feedback=ReturnPath(delay_frames=5))
    assert link.mapper.mapped == len(outcomes) and all((outcome.found >= 0).all() for outcome in outcomes)
    link, outcomes = over(scheme, feedback=ReturnPath(delay_frames=70))
    assert link.mapper.mapped == 0 and link.mapper.interleaved == {OLD: len(outcomes)}


def test_lost_reports_are_not_missed() -> None:
    scheme = make_scheme("ours", mapping="importance")
    assert isinstance(scheme, ModelScheme)
    link, outcomes = over(scheme, feedback=ReturnPath(loss=0.5))
    assert 0 < link.mapper.mapped < len(outcomes) and all((outcome.found >= 0).all() for outcome in outcomes)


def test_another_mapping_is_refused() -> None:
    with pytest.raises(BlockError, match="scheme ours: mapping is 'power'"):
        make_scheme("ours", mapping="power")
    with pytest.raises(SdrScError, match="parameter mapping of scheme ours is 1; give text"):
        check_scheme("ours", {"mapping": 1})
