# SPDX-License-Identifier: GPL-3.0-or-later
"""Ours and its rivals meet the same channels: of each frame another, drawn or taken from a recording."""

from __future__ import annotations

from pathlib import Path

import measured_files
import numpy as np
import pytest
import toy_texts

from sdr_sc.evidence import watched
from sdr_sc.evidence.known_tasks import AnyBits, KnownTasks
from sdr_sc.evidence.multitask.rivals import send_messages
from sdr_sc.evidence.multitask.rows import Setting
from sdr_sc.evidence.watched import own_links
from sdr_sc.phy.numerology import Numerology
from sdr_sc.schemes.link import noisy_channel


def test_of_each_frame_a_channel_and_the_same_for_all_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def noted(channel: str, snr_db: float, cfo_hz: float, seed: int, numerology: Numerology) -> object:
        seeds.append(seed)
        return noisy_channel(channel, snr_db, cfo_hz, seed, numerology)

    monkeypatch.setattr(watched, "noisy_channel", noted)
    fading = "tdl_c(delay_spread_ns=300)"
    spans = [span for span, _ in own_links(AnyBits(4), 120, 10.0, None, 3, fading)]
    assert spans == [slice(0, 50), slice(50, 100), slice(100, 120)] and len(set(seeds)) == 3
    first, seeds = list(seeds), []
    list(own_links(KnownTasks(10), 120, 0.0, None, 3, fading))
    assert seeds == first
    seeds.clear()
    assert [span for span, _ in own_links(AnyBits(4), 120, 10.0, None, 3, "")] == [slice(0, 120)]


def test_messages_arrive_over_parts_of_a_recording(tmp_path: Path) -> None:
    file = measured_files.write(tmp_path / "made_up.npz")
    data = toy_texts.load("test")
    channel = f"measured(file='{file}', frequency_scaled=True)"
    setting = Setting("none", data, data, None, [30.0], [4], 1, channel)
    result = send_messages(16, 100, 30.0, setting)
    assert result.frames == 2 and result.items == 100 and np.count_nonzero(result.right) == 100
    numerology = Numerology()
    pulse = np.eye(1, 64, dtype=np.complex64)[0]
    parts = [noisy_channel(channel, 80.0, 0.0, seed, numerology).process(pulse) for seed in (1, 1, 2)]
    assert np.allclose(parts[0], parts[1]) and not np.allclose(parts[0], parts[2], atol=1e-2)
