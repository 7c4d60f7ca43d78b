# SPDX-License-Identifier: GPL-3.0-or-later
"""Ties encoder and transmitter to what a USRP sink reports of its bursts."""

from __future__ import annotations

from typing import Any


def attach_bursts(encoder: Any, transmitter: Any, monitor: Any) -> None:
    """Let the encoder wait for the air, and the transmitter end with the last burst.

    Args:
        encoder: a ``semantic_encoder``, which then makes no frames further ahead than the air needs them.
        transmitter: an ``ofdm_tx`` with send times, which then finishes when every burst is answered.
        monitor: the ``usrp_monitor`` of the sink.
    """
    transmitter.set_answers(lambda: monitor.bursts_answered)
    encoder.set_brake(transmitter.is_full)
