# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a USRP that harm nobody by default.

A simulated device has defaults for all. On any other, frequency and gains have to be given, and nothing is transmitted
unless that is asked for: radiating needs a licence, and a cable without attenuators destroys a receiver.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sdr_sc.errors import SdrScError

UNSET = -1.0
SIMULATED = "simusrp"
_FREQ_HZ, _TX_GAIN_DB, _RX_GAIN_DB = 915e6, 60.0, 40.0
_STEP_PERIOD_S = 0.1
_TELL_LIMIT_S = 0.3  # Ctrl-C has to end a program within a second
_POLL_S = 0.002


@dataclass(frozen=True)
class UsrpSettings:
    """What the USRP blocks of a flowgraph are given.

    Attributes:
        simulated: whether the device is a simulated one.
        lock_step: whether the device's time waits for the transmitter (``pace=step``).
        period_s: of the bursts; 0 for as soon as they may.
    """

    device_args: str
    simulated: bool
    lock_step: bool
    freq_hz: float
    tx_gain_db: float
    rx_gain_db: float
    period_s: float


def device_arguments(text: str) -> dict[str, str]:
    """Keys and values of UHD device arguments.

    >>> device_arguments("type=b200, serial=30F1A2")
    {'type': 'b200', 'serial': '30F1A2'}

    Raises:
        SdrScError: a part is no ``key=value``.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = part.partition("=")
        if not key.strip() or "=" not in part:
            raise SdrScError(
                f"device arguments {text!r} hold {part!r}, which is no key=value; write type=b200,serial=..."
            )
        found[key.strip()] = value.strip()
    return found


def usrp_settings(
    device_args: str,
    freq_hz: float = UNSET,
    tx_gain_db: float | None = None,
    rx_gain_db: float | None = None,
    period_s: float = 0.0,
    transmit: bool = False,
) -> UsrpSettings:
    """Settings for a device; -1 is what is not given.

    Args:
        tx_gain_db, rx_gain_db: None where nothing is transmitted or received.
        period_s: of the bursts; 0 for as soon as they may.
        transmit: that the user wants it to transmit, which a device that is not simulated needs.

    Raises:
        SdrScError: something that has no default is not given.

    >>> usrp_settings("type=simusrp,pace=step", tx_gain_db=UNSET).lock_step
    True
    >>> usrp_settings("type=b200", tx_gain_db=10.0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    sdr_sc.errors.SdrScError: 'type=b200' is not simulated, so its frequency has no default; give --freq, ...
    """
    arguments = device_arguments(device_args)
    simulated = arguments.get("type") == SIMULATED
    lock_step = simulated and arguments.get("pace") == "step"
    told = (("frequency", "freq_hz", freq_hz), ("gain", "tx_gain_db", tx_gain_db), ("gain", "rx_gain_db", rx_gain_db))
    for what, name, value in told:
        option = "--freq" if what == "frequency" else "--gain"
        if value is not None and not math.isfinite(value):
            raise SdrScError(f"the {what} {value} is no number; give {option}, or {name} of the flowgraph.")
        if value == UNSET and not simulated:
            raise SdrScError(
                f"{device_args!r} is not simulated, so its {what} has no default; give {option}, or {name} of the "
                "flowgraph."
            )
    if tx_gain_db is not None and not simulated and not transmit:
        raise SdrScError(
            f"transmitting from {device_args!r} has to be asked for with --transmit: it needs a licence for the "
            "frequency, or a cable with attenuators."
        )
    if lock_step and not period_s:
        period_s = _STEP_PERIOD_S  # a burst may not begin before what was received for the last one's feedback
    return UsrpSettings(
        device_args=device_args,
        simulated=simulated,
        lock_step=lock_step,
        freq_hz=_FREQ_HZ if freq_hz == UNSET else freq_hz,
        tx_gain_db=_TX_GAIN_DB if tx_gain_db == UNSET else tx_gain_db or 0.0,
        rx_gain_db=_RX_GAIN_DB if rx_gain_db == UNSET else rx_gain_db or 0.0,
        period_s=period_s,
    )


def end_with(tb: Any, block: Any) -> None:
    """Stop a running flowgraph when a block says that it is finished: the task sink, or the transmitter where there is
    none. A USRP source and blocks of messages would go on for ever."""

    def wait() -> None:
        block.finished.wait()
        tb.stop()

    threading.Thread(target=wait, name="end-with", daemon=True).start()


def tell_end(tb: Any, encoder: Any, sent: Any) -> None:
    """Let a running flowgraph notify its receivers that no more frames come, also when a signal stops it.

    What is made and not on the air yet is not waited for: a stop has to be one.

    Args:
        tb: the top block; its ``stop`` is replaced.
        encoder: its ``semantic_encoder``.
        sent: the ``zmq_pdu_sink`` that takes what the encoder reports.
    """
    stop = tb.stop

    def tell_and_stop() -> None:
        encoder.finish(at_once=True)
        over = time.monotonic() + _TELL_LIMIT_S
        while not sent.end_sent:
            if time.monotonic() > over:
                break
            time.sleep(_POLL_S)
        stop()

    tb.stop = tell_and_stop


class _Clocked(Protocol):
    def set_clock(self, read_s: Callable[[], float]) -> None: ...


def attach_clock(block: _Clocked, usrp: Any, settings: UsrpSettings) -> None:
    """Give a block the time of a USRP sink or source, unless that waits for the block itself."""
    if not settings.lock_step:
        block.set_clock(lambda: usrp.get_time_now().get_real_secs())
