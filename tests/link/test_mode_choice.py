# SPDX-License-Identifier: GPL-3.0-or-later
"""Choice of the frame mode by SNR and air time, with k and alone."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.errors import BlockError
from sdr_sc.link.adaptation import LinkAdaptation
from sdr_sc.link.mode_choice import LEAST_RECEIVED, ModeChoice, expected_symbols, fixed_mode, received_share
from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.numerology import Numerology
from sdr_sc.semantic import weights

CONTRACT = weights.read_contract(weights.DEFAULT_MODEL)
N = Numerology()
SHORT, NORMAL, ROBUST = FrameMode


@pytest.mark.parametrize("mode", FrameMode)
def test_the_share_received_rises_with_the_snr_and_with_robustness(mode: FrameMode) -> None:
    shares = [received_share(mode, snr_db) for snr_db in np.arange(-20, 20, 0.5)]
    assert shares == sorted(shares) and shares[0] < 1e-3 and shares[-1] > 0.999
    assert all(received_share(one, 0.0) < received_share(FrameMode(one + 1), 0.0) for one in (SHORT, NORMAL))


def test_expected_symbols_count_frames_that_are_lost() -> None:
    frame = frame_layout(N, SHORT).frame_symbols(100)
    assert frame == 8 + 3
    assert expected_symbols(SHORT, 20.0, 100, N) == pytest.approx(frame)
    assert expected_symbols(SHORT, -0.7, 100, N) == pytest.approx(2 * frame)
    assert np.isfinite(expected_symbols(SHORT, -1e3, 100, N))


@pytest.mark.parametrize("k", [None, 2, 32])
def test_each_mode_is_sent_where_it_pays(k: int | None) -> None:
    for snr_db, mode in ((-8.0, ROBUST), (-3.0, ROBUST), (0.5, NORMAL), (5.0, SHORT), (25.0, SHORT)):
        adaptation = LinkAdaptation(CONTRACT)
        settings = [adaptation.setting(snr_db, k, n_items=50) for _ in range(3)]
        assert {setting.mode for setting in settings} == {mode}, snr_db
        assert received_share(mode, snr_db) >= LEAST_RECEIVED or mode is ROBUST


def test_a_shorter_mode_needs_the_hysteresis_and_a_more_robust_one_none() -> None:
    edge_db = next(s for s in np.arange(0, 6, 0.01) if received_share(SHORT, s) >= LEAST_RECEIVED)
    choice = ModeChoice(1.0, N)
    steps = ((-0.1, NORMAL), (0.5, NORMAL), (1.1, SHORT), (0.1, SHORT), (-0.1, NORMAL), (0.9, NORMAL))
    for step_db, mode in steps:
        assert choice.choose(edge_db + step_db, lambda _: 100) is mode, step_db
    assert choice.choose(None, lambda _: 100) is ROBUST
    assert choice.choose(30.0, lambda _: 100) is SHORT


def test_a_fixed_mode_or_k_leaves_the_choice_of_the_other() -> None:
    adaptation = LinkAdaptation(CONTRACT)
    assert adaptation.setting(20.0, mode=ROBUST)[::2] == (2, ROBUST)
    assert adaptation.setting(20.0, k=32)[::2] == (32, SHORT)
    assert adaptation.setting(None, mode=SHORT)[::2] == (32, SHORT)
    assert adaptation.setting(None, k=2, mode=NORMAL)[::2] == (2, NORMAL)


def test_the_names_of_the_modes() -> None:
    assert [fixed_mode("x", name) for name in ("short", "normal", "robust", "auto")] == [*FrameMode, None]
    with pytest.raises(BlockError, match="encoder: mode is 'Short'; use auto, short, normal, robust"):
        fixed_mode("encoder", "Short")
