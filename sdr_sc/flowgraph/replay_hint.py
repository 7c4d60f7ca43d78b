# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a replay found no frame: in what its receiver got, or else in the recording as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sdr_sc.capture import Capture
from sdr_sc.diagnosis import LONGEST, Cause, Strongest, diagnose
from sdr_sc.flowgraph.hint_words import Situation, Source, hint
from sdr_sc.flowgraph.received_nothing import Hint, hint_for
from sdr_sc.phy.numerology import Numerology

if TYPE_CHECKING:
    from sdr_sc.flowgraph.replay_config import ReplayConfig

_BLOCKS = 64


def replay_hint(tb: Any, config: ReplayConfig, capture: Capture) -> Hint:
    """The hint for a replay that has found no frame.

    Args:
        tb: of ``flowgraphs/replay.grc``, at its end.
        config: what was replayed, and what was added.
        capture: the recording, open.
    """
    found = hint_for(
        tb, tb.receiver, Situation("replay", Source.RECORDING, tune_hz=config.tune_hz, decimation=config.decimation)
    )
    if found.proven or config.untouched:
        return found
    # A lower rate or noise may have taken away what the recording holds.
    numerology = replace(tb.receiver.numerology, sample_rate_hz=capture.info.sample_rate_hz)
    return _of_recording(config, capture, numerology) or found


def _of_recording(config: ReplayConfig, capture: Capture, n: Numerology) -> Hint | None:
    stop = config.stop_sample or capture.sample_count
    step = max(LONGEST, (stop - config.start_sample) // _BLOCKS)
    strongest = Strongest(LONGEST)
    for start in range(config.start_sample, stop, step):
        strongest.add(capture.samples(start, min(LONGEST, stop - start)))
    raw = diagnose(strongest.samples(), n)
    if raw.cause is Cause.RECEIVED:
        text = (
            "frames are found in the recording as it is, and what this replay adds (noise, offset, channel, rate) "
            "keeps them from being received; replay it without, then add one thing after the other."
        )
        return Hint(text, True, {**raw.to_dict(), "of": "the recording as it is"})
    if not raw.proven:
        return None
    text = f"in the recording as it is, {hint(raw, n, Situation('replay', Source.RECORDING))}"
    return Hint(text, True, {**raw.to_dict(), "of": "the recording as it is"})
