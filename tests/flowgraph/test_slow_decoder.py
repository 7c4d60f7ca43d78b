# SPDX-License-Identifier: GPL-3.0-or-later
"""A decoder that is far behind the samples when the stream ends: every frame is answered all the same."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from sdr_sc.flowgraph.loopback import run_loopback
from sdr_sc.semantic.inference import SemanticDecoder


def test_what_was_received_is_answered_after_the_stream_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = SemanticDecoder.outputs

    def slowly(self: SemanticDecoder, *values: Any, **named: Any) -> Any:
        time.sleep(0.05)
        return outputs(self, *values, **named)

    monkeypatch.setattr(SemanticDecoder, "outputs", slowly)
    found = run_loopback(
        200.0,
        images=160,
        items_per_frame=4,
        max_frames_in_flight=0,
        snr_db=20.0,
        feedback_timeout_s=60.0,
        folder=str(tmp_path),
    )
    assert (found.frames_sent, found.frames_answered, found.frames_lost, found.answers_unknown) == (40, 40, 0, 0)
