# SPDX-License-Identifier: GPL-3.0-or-later
"""How soon the CAM follows a step of the SNR on the air of the simulated USRP."""

from __future__ import annotations

import os
import time
from typing import Any

from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph.usrp import run_end
from sdr_sc.link.adaptation import LinkAdaptation
from sdr_sc.semantic import weights
from sdr_sc.simusrp import control
from sdr_sc.simusrp.levels import path_loss_for_snr

_HIGH_DB, _LOW_DB = 20.0, 0.0
_RMS_DBFS, _OCCUPIED = -14.9, 52 / 64
_CALM_S, _LIMIT_S = 1.0, 3.0
_AHEAD_S = 0.1
_RATE_HZ = 1e6


def step_response(steps: int) -> list[float]:
    """Seconds from each step of 20 to 0 dB to the start of the first frame on the air with the k of 0 dB.

    The step is set for a moment of the air's time, and the send times of the frames are compared with it.

    Raises:
        SdrScError: the CAM does not follow.
    """
    contract = weights.read_contract(weights.DEFAULT_MODEL)
    wanted = LinkAdaptation(contract).setting(_LOW_DB).k
    air, name = f"bench{os.getpid()}", "step0"
    loss = {snr: path_loss_for_snr(snr, _RMS_DBFS, _RATE_HZ, occupied=_OCCUPIED) for snr in (_HIGH_DB, _LOW_DB)}
    took: list[float] = []
    state: dict[str, Any] = {"since": None, "step_s": None}

    def on_poll(tb: Any) -> None:
        now = time.monotonic()
        recent = tb.transmitter.recent
        if not recent:
            return
        if state["since"] is None:
            state["since"] = now
        if state["step_s"] is None:
            if now - state["since"] > _CALM_S and recent[-1][1] < wanted:
                state["step_s"] = tb.usrp_sink.get_time_now().get_real_secs() + _AHEAD_S
                state["since"] = now
                control.set_value(name, "path_loss_db", loss[_LOW_DB], air, at_s=state["step_s"])
            return
        followed = [send_s for send_s, k in list(recent) if send_s > state["step_s"] and k >= wanted]
        if followed:
            took.append(followed[0] - state["step_s"])
            control.set_value(name, "path_loss_db", loss[_HIGH_DB], air)
            state["since"], state["step_s"] = now, None
        elif now - state["since"] > _LIMIT_S:
            raise SdrScError(f"the CAM did not follow a step to {_LOW_DB:g} dB within {_LIMIT_S:g} s.")
        if len(took) == steps:
            tb.results.finished.set()

    args = f"type=simusrp,name={name},air={air},path_loss_db={loss[_HIGH_DB]:.2f}"
    run_end("loopback", {"device_args": args, "images": 0, "sample_rate_hz": _RATE_HZ}, 30.0 + 6 * steps, on_poll)
    if len(took) < steps:
        raise SdrScError(f"only {len(took)} of {steps} steps of the SNR were followed in time.")
    return took
