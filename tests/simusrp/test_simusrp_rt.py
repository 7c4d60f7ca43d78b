# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated USRP in real-time pace: the errors that a real one reports, and time.

Rates are low and bounds wide: these tests also run beside other programs on few cores.
"""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from simusrp_children import Children, new_air
from simusrp_device import (
    BROKEN_CHAIN,
    BURST_ACK,
    CONTINUOUS,
    LATE_COMMAND,
    OVERFLOW,
    SAMPLES,
    SAMPLES_AND_MORE,
    STOP,
    TIME_ERROR,
    TIMEOUT,
    UNDERFLOW,
    UhdError,
    Usrp,
)

from sdr_sc.simusrp import airs

RATE_HZ = 250e3
ROOMY = "tx_buffer_ms=500,rx_buffer_ms=500"


@pytest.fixture(scope="module")
def children():
    found = Children()
    yield found
    found.kill()


def rt(name: str = "sim0", extra: str = ROOMY) -> str:
    return f"pace=rt,air={new_air()},name={name},{extra}"


def timed_burst() -> tuple:
    with Usrp(rt(), RATE_HZ, tx=True, rx=True) as device:
        one = np.full(5000, 0.9, np.complex64)
        start_s = round(device.now_s() + 0.3, 2)
        device.command(SAMPLES, 15_000, start_s - 0.02)
        sent = device.send(one, start_s, start=True, end=True)
        got = device.receive(15_000, 2.0)
        return start_s, sent, got.time_s, got.end_of_burst, np.abs(got.samples), device.message(2.0)


def test_a_timed_burst_is_exact_and_acknowledged(children) -> None:
    start_s, sent, time_s, ended, level, message = children.run(timed_burst)
    assert sent == 5000 and ended and time_s == pytest.approx(start_s - 0.02, abs=1e-9)
    assert np.flatnonzero(level > 0.1).tolist() == list(range(5000, 10_000))
    assert message == (BURST_ACK, pytest.approx(start_s + 0.02, abs=1e-6))


def errors() -> dict:
    found = {}
    with Usrp(rt(), RATE_HZ, tx=True, rx=True) as device:
        one = np.full(1000, 0.9, np.complex64)
        device.send(one, max(0.0, device.now_s() - 0.05), start=True, end=True)
        found["late"] = device.message()
        device.send(one, start=True)
        found["underflow"] = device.message(2.0)
        device.send(one, end=True)
        found["after underflow"] = device.message(2.0)
        device.command(SAMPLES, 100, max(0.0, device.now_s() - 0.05))
        found["late command"] = device.receive(100).error
        found["nothing"] = device.receive(100, 0.1).error
        device.command(SAMPLES_AND_MORE, 100)
        found["first of chain"] = len(device.receive(100).samples)
        found["chain"] = device.receive(100).error
    return found


def test_late_underflow_and_broken_chain(children) -> None:
    found = children.run(errors)
    assert found["late"][0] == TIME_ERROR and found["underflow"][0] == UNDERFLOW
    assert found["after underflow"][0] == BURST_ACK
    assert found["late command"] == LATE_COMMAND and found["nothing"] == TIMEOUT
    assert found["first of chain"] == 100 and found["chain"] == BROKEN_CHAIN


def stalled_host() -> tuple:
    with Usrp(rt(extra="rx_buffer_ms=100"), RATE_HZ, rx=True) as device:
        device.command(CONTINUOUS)
        first = device.receive(1000)
        time.sleep(0.5)
        lost = device.receive(1000)
        after = device.receive(1000)
        device.command(STOP)
        end = time.monotonic() + 5
        while not device.receive(1000, 0.05).error and time.monotonic() < end:
            pass
        stopped = device.receive(10, 0.1)
        return first.time_s, lost.error, len(lost.samples), lost.time_s, after.error, after.time_s, stopped


def test_a_stalled_host_overflows_and_time_jumps(children) -> None:
    first_s, error, samples, lost_s, after_error, after_s, stopped = children.run(stalled_host)
    assert error == OVERFLOW and samples == 0 and lost_s == pytest.approx(first_s + 1000 / RATE_HZ, abs=1e-6)
    assert after_error == 0 and after_s > first_s + 0.4
    assert stopped.error == TIMEOUT


def flow_control() -> tuple[float, float, int]:
    with Usrp(rt(extra="tx_buffer_ms=100"), RATE_HZ, tx=True) as device:
        start = time.monotonic()
        device.send(np.zeros(int(RATE_HZ), np.complex64), start=True, timeout_s=5)
        took_s = time.monotonic() - start
        start = time.monotonic()
        part = device.send(np.zeros(int(RATE_HZ), np.complex64), timeout_s=0.05)
        return took_s, time.monotonic() - start, part


def test_send_waits_for_room_and_keeps_its_timeout(children) -> None:
    second_s, partial_s, part = children.run(flow_control)
    assert second_s > 0.8  # a second of samples, of which a tenth fits into the buffer
    assert partial_s > 0.04 and part < RATE_HZ


def clocks() -> tuple:
    with Usrp(rt(), RATE_HZ, tx=True, rx=True) as device:
        device.set_now(100.0)
        start = time.monotonic()
        before = device.now_s()
        asked = time.monotonic()
        time.sleep(0.3)
        shortest_s = time.monotonic() - asked
        passed_s = device.now_s() - before
        longest_s = time.monotonic() - start
        device.command(SAMPLES, 10, device.now_s() + 0.1)
        asked_s = device.now_s() + 0.1
        return before, passed_s, shortest_s, longest_s, asked_s, device.receive(10).time_s


def test_time_is_the_wall_s(children) -> None:
    before, passed_s, shortest_s, longest_s, asked_s, got_s = children.run(clocks)
    assert 100 <= before < 110 and shortest_s - 1e-3 <= passed_s <= longest_s + 1e-3
    assert got_s == pytest.approx(asked_s, abs=0.05)


def continuous_link(rate_hz: float) -> tuple[int, float, list]:
    air = new_air()
    args = f"pace=rt,air={air},{ROOMY},tx_latency_ms=100,name="
    tone = np.full(int(rate_hz * 0.5), 0.9, np.complex64)
    with Usrp(args + "a", rate_hz, tx=True) as a, Usrp(args + "b", rate_hz, rx=True) as b:
        sender = threading.Thread(target=lambda: a.send(tone, start=True, end=True, timeout_s=5))
        b.command(CONTINUOUS)
        sender.start()
        received = np.abs(b.collect(int(rate_hz * 0.8), 5.0))
        sender.join()
        loud = np.flatnonzero(received > 0.1)
        return len(loud), loud[-1] - loud[0] + 1, [a.message(1.0), a.message(0.0)]


def test_a_continuous_stream_has_no_holes(children) -> None:
    loud, extent, messages = children.run(continuous_link, 1e6)
    assert loud == extent == 500_000
    assert messages[0][0] == BURST_ACK and messages[1] is None


def refused() -> dict[str, str]:
    said = {}
    for args in (
        "chanels=1", "pace=fast", "ppm=1e9", "channels=3", "path_loss_db=x", "noise_figure_db=-1", "air=a/b", "seed=-1",
        "tx_buffer_ms=1", "step_idle=nan", "self=2", "taps=/nowhere", "master_clock_rate=1", "step_peers=1.5",
    ):  # fmt: skip
        try:
            Usrp(f"air={new_air()},{args}").close()
            said[args] = ""
        except UhdError as error:
            said[args] = str(error)
    air = new_air()
    with Usrp(f"air={air}"):
        for args in (f"air={air},name=other,pace=step",):
            try:
                Usrp(args).close()
            except UhdError as error:
                said["pace differs"] = str(error)
    try:
        Usrp(f"air={new_air()}", rx=True, stream_args="fullscale=-1").close()
    except UhdError as error:
        said["fullscale"] = str(error)
    return said


def test_arguments_that_do_not_fit_are_named(children) -> None:
    for args, said in children.run(refused).items():
        assert "simusrp: " in said and "\n" not in said.strip(), (args, said)
        key, _, value = args.partition("=")
        if value and key != "chanels":
            assert f"{key}=" in said, (args, said)
    # A name that another process has open.
    air = new_air()
    children.wait(children.start(1, hold, air))
    with pytest.raises(UhdError, match="in use by process"):
        children.run(hold, air)
    children.end(1)
    assert air in airs.clean()


_held = []


def hold(air: str) -> None:
    _held.append(Usrp(f"air={air}"))


def in_format(name: str) -> np.ndarray:
    with Usrp(f"pace=step,air={new_air()},path_loss_db=20", tx=True, rx=True, cpu_format=name) as device:
        scale = {"sc16": 32767, "sc8": 127}.get(name)
        kind = np.int16 if name == "sc16" else np.int8
        samples = np.full(20_000, 0.5 - 0.25j)
        if scale:
            samples = np.round(samples.view(float) * scale).astype(kind).view(device.dtype)
        sender = threading.Thread(target=lambda: device.send(samples, start=True, end=True, timeout_s=5))
        sender.start()
        device.command(CONTINUOUS)
        got = device.collect(10_000)
        sender.join()
    return got.view(kind).astype(float).view(complex) / (scale + 1) if scale else got


def test_sample_formats(children) -> None:
    received = {name: children.run(in_format, name) for name in ("fc32", "fc64", "sc16", "sc8")}
    for name, got in received.items():
        assert np.mean(got) == pytest.approx(0.5 - 0.25j, abs=0.01), name
        assert np.allclose(got, received["fc32"], atol=0.02), name
