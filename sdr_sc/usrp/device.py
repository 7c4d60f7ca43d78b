# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device is set to before it streams, and what it has made of it.

UHD clips a gain or a frequency that a device does not have, and says nothing that a program would see. A gain of 400 in
place of 40 would so become the highest, into whatever is connected.
"""

from __future__ import annotations

import time
from typing import Any, Literal

from sdr_sc.errors import SdrScError, bare_reason
from sdr_sc.usrp.settings import UsrpSettings

_RATE_TOLERANCE = 1e-9
_GAIN_TOLERANCE_DB = 0.51  # devices have steps
_FREQ_TOLERANCE_HZ = 10.0
_LO_TOLERANCE_HZ = 1e4  # synthesisers have steps, which the digital mixer makes up for
_LOCK_LIMIT_S = 5.0


def prepare_device(
    usrp: Any,
    settings: UsrpSettings,
    direction: Literal["tx", "rx"],
    sample_rate_hz: float,
    clock_source: str = "",
    time_source: str = "",
    subdev: str = "",
    lo_offset_hz: float = 0.0,
) -> None:
    """Set frontend and clocks of a USRP sink or source that is not started yet, and refuse it unless it does what it
    was given.

    Args:
        clock_source, time_source: '' leaves what the device or its arguments say.
        subdev: frontend by UHD's specification, such as ``A:A`` or ``A:0``; '' for the device's first.
        lo_offset_hz: how far beside the centre frequency the local oscillator is tuned; the device's digital mixer
            makes up for it. Its leakage, a DC offset otherwise, then lies so far from the centre.

    Raises:
        SdrScError: rate, frequency or gain are not the device's, there is no such frontend or clock, or it does not
            lock.
    """
    usrp.set_log_level("off")  # its lines on late bursts and overflows; these are counted and shown
    gain_db = settings.tx_gain_db if direction == "tx" else settings.rx_gain_db
    if subdev:
        _choose_frontend(usrp, settings, subdev, sample_rate_hz, gain_db)
    try:
        check_rate(usrp, sample_rate_hz)
        gains, freqs = usrp.get_gain_range(0), usrp.get_freq_range(0)
    except RuntimeError as error:
        raise SdrScError(f"{settings.device_args!r} cannot be asked what it does: {_reason(error)}.") from error
    _check_range("gain", "--gain", gain_db, gains.start(), gains.stop(), "dB", _GAIN_TOLERANCE_DB, settings)
    _check_range("frequency", "--freq", settings.freq_hz, freqs.start(), freqs.stop(), "Hz", 0.0, settings)
    for what, source, choose in (
        ("clock", clock_source, usrp.set_clock_source),
        ("time", time_source, usrp.set_time_source),
    ):
        if source:
            try:
                choose(source, 0)
            except RuntimeError as error:
                raise SdrScError(
                    f"{settings.device_args!r} has no {what} source {source!r}: {_reason(error)}; leave "
                    f"--{what}-source out for its own."
                ) from error
    if clock_source:
        usrp.set_center_freq(settings.freq_hz, 0)  # synthesisers may have lost their reference in between
        if clock_source != "internal":
            _wait_for_lock(usrp, clock_source, settings)
    if lo_offset_hz:
        _tune_beside(usrp, settings, lo_offset_hz)
    if abs(usrp.get_center_freq(0) - settings.freq_hz) > _FREQ_TOLERANCE_HZ:
        raise SdrScError(
            f"{settings.device_args!r} tunes to {usrp.get_center_freq(0):.10g} Hz where {settings.freq_hz:.10g} Hz was "
            "asked for; choose a frequency that it has."
        )


def _tune_beside(usrp: Any, settings: UsrpSettings, lo_offset_hz: float) -> None:
    """Tune with the local oscillator beside the centre frequency; refused unless it then is where it was asked for."""
    from gnuradio import uhd

    try:
        result = usrp.set_center_freq(uhd.tune_request(settings.freq_hz, lo_offset_hz), 0)
    except (RuntimeError, ValueError) as error:
        raise SdrScError(
            f"{settings.device_args!r} cannot tune with --lo-offset {lo_offset_hz:.10g}: {_reason(error)}; "
            "leave it out."
        ) from error
    found_hz = result.actual_rf_freq - settings.freq_hz
    if abs(found_hz - lo_offset_hz) > _LO_TOLERANCE_HZ:
        raise SdrScError(
            f"{settings.device_args!r} tunes its oscillator {found_hz:.10g} Hz beside the centre where --lo-offset "
            f"{lo_offset_hz:.10g} was asked for; give one that it has, or leave it out."
        )


def _choose_frontend(usrp: Any, settings: UsrpSettings, subdev: str, sample_rate_hz: float, gain_db: float) -> None:
    """Use another frontend, with all that the first one was given when the block was made.

    A specification may name several, for several channels; ours is one.
    """
    if len(subdev.split()) != 1:
        raise SdrScError(f"--subdev {subdev!r} has to name one frontend of the device, such as A:A.")
    antenna = usrp.get_antenna(0)
    try:
        usrp.set_subdev_spec(subdev.strip(), 0)
        usrp.set_samp_rate(sample_rate_hz)
        usrp.set_center_freq(settings.freq_hz, 0)
        usrp.set_gain(gain_db, 0)
        usrp.set_antenna(antenna, 0)
    except (RuntimeError, LookupError, ValueError) as error:
        raise SdrScError(
            f"{settings.device_args!r} has no frontend {subdev!r} with port {antenna!r}: {_reason(error)}; "
            "uhd_usrp_probe lists what it has, and without --subdev its first is used."
        ) from error


def check_rate(usrp: Any, wanted_hz: float) -> None:
    """Raise `SdrScError` unless the device runs at the rate that it was asked for."""
    if abs(usrp.get_samp_rate() / wanted_hz - 1.0) > _RATE_TOLERANCE:
        raise SdrScError(
            f"the device cannot do {wanted_hz:.12g} samples/s, the nearest is {usrp.get_samp_rate():.12g}; give "
            "that as --rate at both ends."
        )


def device_report(usrp: Any) -> dict[str, Any]:
    """What a device says of itself and of its settings, for result files; of one that is gone, that it is."""
    try:
        return _report(usrp)
    except RuntimeError as error:
        return {"not_reached": _reason(error)}


def _report(usrp: Any) -> dict[str, Any]:
    from gnuradio import uhd

    info = usrp.get_usrp_info(0)
    kinds = ("mboard_id", "mboard_name", "mboard_serial", "rx_id", "rx_serial", "tx_id", "tx_serial")
    found = {name: info[name] for name in kinds if name in info.keys() and info[name]}
    return {
        **found,
        "freq_hz": usrp.get_center_freq(0),
        "gain_db": usrp.get_gain(0),
        "antenna": usrp.get_antenna(0),
        "subdev": usrp.get_subdev_spec(0),
        "sample_rate_hz": usrp.get_samp_rate(),
        "master_clock_hz": usrp.get_clock_rate(0),
        "clock_source": usrp.get_clock_source(0),
        "time_source": usrp.get_time_source(0),
        "uhd": uhd.get_version_string(),
    }


def _check_range(
    what: str, option: str, value: float, low: float, high: float, unit: str, slack: float, settings: UsrpSettings
) -> None:
    if not low - slack <= value <= high + slack:
        raise SdrScError(
            f"{settings.device_args!r} has no {what} of {value:.10g} {unit}; give {low:.10g} to {high:.10g} {unit} "
            f"({option})."
        )


def _wait_for_lock(usrp: Any, source: str, settings: UsrpSettings) -> None:
    """Wait until the device's reference is locked, where it has a sensor for that."""
    if "ref_locked" not in list(usrp.get_mboard_sensor_names(0)):
        return
    over = time.monotonic() + _LOCK_LIMIT_S
    while not usrp.get_mboard_sensor("ref_locked", 0).to_bool():
        if time.monotonic() > over:
            raise SdrScError(
                f"{settings.device_args!r} does not lock to the clock source {source!r}; check its cable and level."
            )
        time.sleep(0.1)


def _reason(error: Exception) -> str:
    return bare_reason(error).rstrip(".")
