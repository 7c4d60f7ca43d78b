# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated link with frames of every mode, and with the mode chosen by the feedback."""

from __future__ import annotations

import pytest

from sdr_sc.data import fashion_mnist
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.phy.numerology import Numerology
from sdr_sc.schemes.catalogue import make_scheme
from sdr_sc.schemes.link import LinkResult, run_scheme

ITEMS, PER_FRAME, K = 200, 20, 8
PAYLOAD = -(-PER_FRAME * K // 48)


def run(snr_db: float, mode: FrameMode | None) -> LinkResult:
    data = fashion_mnist.load("test").first(ITEMS)
    scheme = make_scheme("ours")
    return run_scheme(scheme, data.images, data.labels, "", snr_db, K, Numerology(), PER_FRAME, seed=3, mode=mode)


@pytest.mark.parametrize("mode, overhead", list(zip(FrameMode, (8, 14, 44), strict=True)))
def test_each_mode_arrives_and_counts_its_own_symbols(mode: FrameMode, overhead: int) -> None:
    result = run(20.0, mode)
    assert result.frames == 10 and result.frames_lost == result.frames_false == 0
    assert result.symbols_on_air == 10 * (overhead + PAYLOAD) * 52


def test_the_mode_follows_the_feedback() -> None:
    # The first frame is robust: nothing is known of the channel yet.
    assert run(20.0, None).symbols_on_air == (44 + 9 * 8 + 10 * PAYLOAD) * 52
    weak = run(-5.0, None)
    assert weak.frames_lost == 0 and weak.symbols_on_air == 10 * (44 + PAYLOAD) * 52


def test_robust_frames_bring_items_through_where_normal_ones_are_lost() -> None:
    assert run(-6.0, FrameMode.ROBUST).frames_lost <= 1
    assert run(-6.0, FrameMode.NORMAL).frames_lost >= 8
