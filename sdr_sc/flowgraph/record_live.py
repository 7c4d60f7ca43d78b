# SPDX-License-Identifier: GPL-3.0-or-later
"""A recorder on a receiver at work: both end at the same sample, with all answers in."""

from __future__ import annotations

import time
from typing import Any

from sdr_sc.blocks.runtime import failures
from sdr_sc.link.sample_limit import end_together
from sdr_sc.semantic.asked_tasks import AskedTasks

GALLERY_NAMES = "gallery_names_sha256"
_ENDING_S = 0.4  # Ctrl-C has to end the program within a second


def hardware_of(usrp_source: Any, device_args: str) -> str:
    """A device in words: what it says it is, and how it was found."""
    try:
        name = dict(usrp_source.get_usrp_info(0)).get("mboard_id", "")
    except (RuntimeError, TypeError, AttributeError):  # of drivers that do not report it
        name = ""
    return f"USRP {name} ({device_args})".replace("  ", " ")


def gallery_note(asked: AskedTasks) -> dict[str, str]:
    """For a recording's origin: which gallery was searched, whose entries the targets of retrieval number."""
    return {} if asked.gallery is None else {GALLERY_NAMES: asked.gallery.names_sha256}


def attach_recorder(tb: Any, recorder: Any) -> None:
    """Add a recorder to a receiving flowgraph that is built and not started: ``usrp_rx.grc`` as it stands.

    When the flowgraph stops, receiver and recorder end at the same sample, and what was received is answered before, so
    that a replay gives the same answers.
    """
    import pmt

    tb.recorder = recorder
    tb.connect((tb.usrp_source, 0), (recorder, 0))
    for block, port, to in (
        (tb.receiver, "frames", "frames"),
        (tb.decoder, "answers", "answers"),
        (tb.sent, "pdus", "sent"),  # the truth of the items as well
    ):
        tb.msg_connect((block, pmt.intern(port)), (recorder, pmt.intern(to)))
    stop = tb.stop

    def stop_together() -> None:
        settle(tb, _ENDING_S)
        stop()

    tb.stop = stop_together


def settle(tb: Any, limit_s: float) -> bool:
    """End receiver and recorder of a running flowgraph at one sample, and wait for the answers on their way.

    Returns whether all was done in time; a flowgraph that has ended already has nothing to wait for.
    """
    if getattr(tb, "settled", False) or failures.first() is not None:
        return True
    tb.settled = True
    over = time.monotonic() + limit_s
    done = end_together((tb.receiver.sample_limit, tb.recorder.sample_limit), limit_s / 2)
    tb.decoder.settle()  # what waits for refinement, after the last frames

    def handled() -> bool:
        delivered, decoder = tb.receiver.receiver.counters.delivered, tb.decoder
        answered = decoder.frames_answered
        return (
            decoder.frames_handled >= delivered
            and tb.results.answers_taken >= answered
            and tb.recorder.frames_told >= delivered
            and tb.recorder.answers_told >= answered
        )

    while not handled() and time.monotonic() < over:
        time.sleep(0.002)
    return done and handled()
