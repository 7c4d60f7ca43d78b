# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated USRP in step pace: what is received is exact, and the same whatever the machine does."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
from simusrp_children import Children, new_air
from simusrp_device import CONTINUOUS, LATE_COMMAND, SAMPLES, STOP, TIME_ERROR, TIMEOUT, Usrp

from sdr_sc.phy.channels import Multipath, Tdl
from sdr_sc.simusrp import airs, levels
from sdr_sc.simusrp.control import set_value
from sdr_sc.simusrp.taps import read_taps, write_taps

RATE_HZ = 1e6
GAIN = 10 ** (levels.expected_rx_dbfs(0.0) / 20)


@pytest.fixture(scope="module")
def children():
    found = Children()
    yield found
    found.kill()


def waveform(count: int, seed: int = 1, rms: float = 0.2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pairs = rng.standard_normal((count, 2)).astype(np.float32).view(np.complex64).ravel()
    return pairs * np.float32(rms / np.sqrt(2))


def send_all(device: Usrp, samples: np.ndarray, chunk: int, time_s: float | None = None) -> None:
    done, deadline = 0, time.monotonic() + 200
    while done < len(samples) and time.monotonic() < deadline:
        end = done + chunk >= len(samples)
        done += device.send(samples[done : done + chunk], None if done else time_s, start=not done, end=end)


def link(
    tx_args: str = "",
    rx_args: str = "",
    samples: np.ndarray | None = None,
    count: int | None = None,
    chunks: tuple[int, int] = (30_000, 50_000),
    time_s: float | None = None,
    tx_rate_hz: float = RATE_HZ,
    rx_rate_hz: float = RATE_HZ,
    tx_gain_db: float = levels.TX_INITIAL_GAIN_DB,
    rx_gain_db: float = levels.RX_INITIAL_GAIN_DB,
    shift_hz: float = 0.0,
    air: str | None = None,
) -> np.ndarray:
    """One burst from device a to device b; what b receives from the air's beginning on."""
    samples = waveform(100_000) if samples is None else samples
    common = f"pace=step,air={air or new_air()},"
    with (
        Usrp(f"{common}name=a,{tx_args}", tx_rate_hz, tx=True) as a,
        Usrp(f"{common}name=b,{rx_args}", rx_rate_hz, rx=True) as b,
    ):
        a.gain("tx", tx_gain_db)
        b.gain("rx", rx_gain_db)
        a.tune("tx", 1e9 + shift_hz)
        b.tune("rx", 1e9)
        sender = threading.Thread(target=send_all, args=(a, samples, chunks[0], time_s))
        sender.start()
        b.command(CONTINUOUS)
        received = b.collect(len(samples) if count is None else count, chunk=chunks[1])
        b.command(STOP)
        sender.join()
    return received


def snr_db(received: np.ndarray, sent: np.ndarray) -> tuple[float, complex]:
    """SNR and complex gain of what is a scaled copy in noise."""
    received, sent = received.astype(complex), sent.astype(complex)
    gain = np.vdot(sent, received) / np.vdot(sent, sent)
    error = np.mean(np.abs(received - gain * sent) ** 2)
    return 10 * np.log10(np.abs(gain) ** 2 * np.mean(np.abs(sent) ** 2) / error), gain


def cut_differently() -> list[np.ndarray]:
    offsets = "ppm=7,cfo_hz=300"
    return [
        link(offsets, "path_loss_db=50", chunks=chunks) for chunks in ((30_000, 50_000), (30_000, 50_000), (777, 4_321))
    ]


def test_runs_and_cuts_change_no_bit(children) -> None:
    first, second, third = children.run(cut_differently)
    assert np.array_equal(first, second) and np.array_equal(first, third)
    assert not np.array_equal(first, children.run(link, "ppm=7,cfo_hz=300", "path_loss_db=50,seed=1"))


def test_samples_arrive_one_for_one(children) -> None:
    sent = waveform(60_000)
    found, gain = snr_db(children.run(link, "", "", sent), sent)
    assert found > 40 and gain == pytest.approx(GAIN, rel=1e-3)


@pytest.mark.parametrize(("path_loss_db", "rx_gain_db", "noise_figure_db"), [(50, 40, 6), (80, 60, 6), (95, 76, 0)])
def test_snr_is_what_theory_says(children, path_loss_db, rx_gain_db, noise_figure_db) -> None:
    sent = waveform(300_000)
    rms_dbfs = 10 * np.log10(np.mean(np.abs(sent) ** 2))
    args = f"path_loss_db={path_loss_db},noise_figure_db={noise_figure_db}"
    received = children.run(link, "", args, sent, None, (30_000, 50_000), None, RATE_HZ, RATE_HZ, 70.0, rx_gain_db)
    expected = levels.expected_snr_db(rms_dbfs, RATE_HZ, 70.0, rx_gain_db, path_loss_db, noise_figure_db)
    found, gain = snr_db(received, sent)
    # 300,000 samples: 0.05 dB at the lowest of these SNRs, about -2 dB.
    assert found == pytest.approx(expected, abs=0.2)
    assert 20 * np.log10(abs(gain)) == pytest.approx(
        levels.expected_rx_dbfs(0.0, 70.0, rx_gain_db, path_loss_db), abs=0.1
    )


def two_bursts() -> np.ndarray:
    common = f"pace=step,air={new_air()},step_idle=0.005,"
    with Usrp(common + "name=a", tx=True) as a, Usrp(common + "name=b", rx=True) as b:
        one = np.full(1000, 0.9, np.complex64)

        def send() -> None:
            a.send(one, 0.01, start=True, end=True)
            a.send(one, 0.020123, start=True, end=True)

        sender = threading.Thread(target=send)
        sender.start()
        b.command(CONTINUOUS)
        received = b.collect(25_000)
        sender.join()
    return received


def test_timed_bursts_are_exact_to_the_sample(children) -> None:
    loud = np.abs(children.run(two_bursts)) > 0.1
    edges = np.flatnonzero(np.diff(loud.astype(int))) + 1
    assert edges.tolist() == [10_000, 11_000, 20_123, 21_123]


def late_burst() -> tuple:
    with Usrp(f"pace=step,air={new_air()},step_idle=0.02", tx=True, rx=True) as device:
        one = np.full(1000, 0.9, np.complex64)
        device.command(CONTINUOUS)
        device.send(one, 0.01, start=True, end=True)
        acknowledged = device.message()
        known = device.collect(31_000)
        silent = device.receive(1000, 0.3)
        device.send(one, 0.015, start=True, end=True)  # inside what was declared silent
        late = device.message()
        device.send(one, 0.04, start=True, end=True)
        received = device.collect(20_000)
        device.command(STOP)
        device.command(SAMPLES, 100, 0.02)
        return known, silent.error, acknowledged, late, device.message(), received, device.receive(100).error


def test_a_late_burst_is_reported_and_not_heard_and_time_stands_still_between(children) -> None:
    known, waiting, acknowledged, late, third, received, command = children.run(late_burst)
    assert acknowledged == (1, pytest.approx(0.011)) and waiting == TIMEOUT
    assert late == (TIME_ERROR, pytest.approx(0.015)) and third == (1, pytest.approx(0.041))
    assert np.flatnonzero(np.abs(known) > 0.1).tolist() == list(range(10_000, 11_000))
    assert np.flatnonzero(np.abs(received) > 0.1).tolist() == list(range(9_000, 10_000))
    assert command == LATE_COMMAND


def collision() -> np.ndarray:
    common = f"pace=step,air={new_air()},"
    with (
        Usrp(common + "name=a", tx=True) as a,
        Usrp(common + "name=c", tx=True) as c,
        Usrp(common + "name=b,step_peers=2", rx=True) as b,
    ):
        senders = [
            threading.Thread(target=send_all, args=(device, waveform(50_000, seed), 7_000, 0.01))
            for device, seed in ((a, 1), (c, 2))
        ]
        for sender in senders:
            sender.start()
        b.command(CONTINUOUS)
        received = b.collect(60_000)
        for sender in senders:
            sender.join()
    return received


def test_two_transmitters_collide(children) -> None:
    found, gain = snr_db(children.run(collision)[10_000:], waveform(50_000, 1) + waveform(50_000, 2))
    assert found > 40 and gain == pytest.approx(GAIN, rel=1e-3)


def turns_hz(received: np.ndarray, sent: np.ndarray, rate_hz: float) -> float:
    """Frequency of a received tone less that of the sent one."""
    phase = np.unwrap(np.angle(received.astype(complex) * sent.astype(complex).conj()))
    return float(np.polyfit(np.arange(len(phase)), phase, 1)[0] / (2 * np.pi) * rate_hz)


@pytest.mark.parametrize(("tx_args", "rx_args", "expected_hz"), [
    ("ppm=20", "", 20e3 + 2.0),
    ("", "ppm=-10", 10e3 + 1.1),
    ("", "cfo_hz=1234", 1234.0),
    ("ppm=20,cfo_hz=500", "ppm=20", 0.0),  # one reference clock for both; the sender's cfo_hz is about its receiver
])  # fmt: skip
def test_offsets(children, tx_args, rx_args, expected_hz) -> None:
    tone = (0.5 * np.exp(2j * np.pi * 0.1 * np.arange(200_000))).astype(np.complex64)
    received = children.run(link, tx_args, rx_args, tone, 190_000)
    assert turns_hz(received[1000:], tone[1000:190_000], RATE_HZ) == pytest.approx(expected_hz, abs=0.02)


def test_a_clock_offset_moves_samples_and_leaves_no_images(children) -> None:
    spectrum = np.fft.fft(waveform(1 << 16))
    frequency = np.fft.fftfreq(1 << 16)
    spectrum[np.abs(frequency) > 0.4] = 0
    sent = np.fft.ifft(spectrum).astype(np.complex64)
    # 50 ppm of 1 GHz are 50 kHz, which cfo_hz takes away again.
    received = children.run(link, "ppm=50", "cfo_hz=-50000,noise_figure_db=0", sent, 60_000)
    for begin in (2_000, 30_000, 58_000):
        index = np.arange(begin, begin + 100)
        place = index * (1 + 50e-6)
        ideal = np.array([np.sum(spectrum * np.exp(2j * np.pi * frequency * n)) / len(spectrum) for n in place])
        found, gain = snr_db(received[index], ideal)
        assert found > 40  # the ADC's noise is at 43 dB; a shift by a tenth of a sample would leave 16 dB
        assert abs(gain) == pytest.approx(GAIN, rel=0.01)
        assert np.angle(gain) == pytest.approx(0, abs=0.02)


def test_a_clock_offset_makes_no_spurs_at_the_edge_of_the_band(children) -> None:
    tone = (0.9 * np.exp(2j * np.pi * 0.4 * np.arange(70_000))).astype(np.complex64)
    received = children.run(link, "ppm=50", "cfo_hz=-50000,path_loss_db=20", tone, 60_000)[1000:]
    spectrum = np.abs(np.fft.fft(received * np.kaiser(len(received), 14)))
    place = np.argmax(spectrum)
    assert np.fft.fftfreq(len(received), 1 / RATE_HZ)[place] == pytest.approx(400_020, abs=20)
    spectrum /= spectrum[place]
    spectrum[np.arange(place - 10, place + 11) % len(spectrum)] = 0
    assert 20 * np.log10(spectrum.max()) < -65


@pytest.mark.parametrize(("rx_rate_hz", "shift_hz", "heard_hz"), [
    (1e6, 3e5, 4e5), (2e6, 6e5, 7e5), (0.5e6, 0.0, 1e5), (4e6, -1.3e6, -1.2e6), (1e6, 5e5, None), (1e6, 3e6, None),
    (0.25e6, 0.0, 1e5), (61.44e6, 0.0, 1e5), (0.25e6, 3e5, None),
])  # fmt: skip
def test_other_frequencies_and_rates(children, rx_rate_hz, shift_hz, heard_hz) -> None:
    """A tone at 100 kHz arrives where it belongs, or not at all; nowhere else anything."""
    tone = (0.9 * np.exp(2j * np.pi * 0.1 * np.arange(60_000))).astype(np.complex64)
    count = int(min(50_000, 0.055 * rx_rate_hz))
    args = "", "path_loss_db=20", tone, count, (30_000, 50_000), None, RATE_HZ, rx_rate_hz, 60.0, 40.0, shift_hz
    received = children.run(link, *args)[200:]
    spectrum = np.abs(np.fft.fft(received * np.kaiser(len(received), 14))) / np.sum(np.kaiser(len(received), 14))
    frequency = np.fft.fftfreq(len(received), 1 / rx_rate_hz)
    expected = np.zeros(len(received), bool)
    if heard_hz is not None:
        expected = np.abs(frequency - heard_hz) < 8 * rx_rate_hz / len(received)
        level = 0.9 * 10 ** (levels.expected_rx_dbfs(0.0, path_loss_db=20) / 20)
        assert spectrum[expected].max() == pytest.approx(level, rel=0.1)
    assert spectrum[~expected].max() < 1e-3 * 0.9


def test_silence_of_rates_too_far_apart(children) -> None:
    tone = np.full(60_000, 0.9, np.complex64)
    received = children.run(link, "", "", tone, 4_000, (30_000, 50_000), None, 40e6, 0.125e6)
    assert 0 < np.mean(np.abs(received) ** 2) < 1e-6


def live_changes(air: str) -> np.ndarray:
    samples = np.full(60_000, 0.9, np.complex64)
    common = f"pace=step,air={air},"
    with Usrp(common + "name=a", tx=True) as a, Usrp(common + "name=b", rx=True) as b:
        set_value("b", "path_loss_db", 40.0, air)
        set_value("b", "path_loss_db", 60.0, air, at_s=0.0201)
        sender = threading.Thread(target=send_all, args=(a, samples, 10_000))
        sender.start()
        b.command(CONTINUOUS)
        received = [b.collect(40_000)]
        set_value("b", "path_loss_db", 34.0, air)
        received.append(b.collect(20_000))
        sender.join()
        assert airs.read_air(air).devices[1].values["path_loss_db"] == 34.0
    return np.concatenate(received)


def test_path_loss_changes_while_it_runs(children) -> None:
    level = np.abs(children.run(live_changes, new_air())) / (0.9 * GAIN)
    assert np.allclose(level[:20_100], 10 ** (-10 / 20), atol=0.01)
    assert np.allclose(level[20_100:40_000], 10 ** (-30 / 20), atol=0.01)
    assert np.allclose(level[40_000:], 10 ** (-4 / 20), atol=0.01)


def test_taps_on_the_air(children, tmp_path) -> None:
    sent, taps = waveform(50_000), [0.6, 0, 0.5j, -0.2]
    write_taps(tmp_path / "static", Multipath(taps), RATE_HZ)
    received = children.run(link, "", f"taps={tmp_path}/static", sent)
    found, gain = snr_db(received, np.convolve(sent, taps)[: len(sent)])
    assert found > 38 and gain == pytest.approx(GAIN, rel=1e-3)


def test_a_fading_channel_on_the_air(children, tmp_path) -> None:
    model = Tdl("C", 300.0, 50.0, RATE_HZ, seed=3)
    write_taps(tmp_path / "tdl", model, RATE_HZ, duration_s=0.1, interval_s=5e-4)
    snapshots, rate_hz, interval_s = read_taps(tmp_path / "tdl")
    assert rate_hz == RATE_HZ and interval_s == 5e-4 and len(snapshots) == 201
    sent = waveform(60_000)
    received = children.run(link, "", f"taps={tmp_path}/tdl", sent)
    same = Tdl("C", 300.0, 50.0, RATE_HZ, seed=3).process(sent)
    found, gain = snr_db(received, same)
    assert found > 30 and gain == pytest.approx(GAIN, rel=5e-3)
    again = children.run(link, "", f"taps={tmp_path}/tdl", sent, None, (999, 1_777))
    assert np.array_equal(received, again)


def two_channels(cross: str) -> np.ndarray:
    sent = np.stack([waveform(30_000, 1), waveform(30_000, 2)])
    with Usrp(f"pace=step,air={new_air()},channels=2{cross}", tx=True, rx=True, channels=2) as device:
        sender = threading.Thread(target=lambda: device.send(sent, 0.01, start=True, end=True, timeout_s=5))
        sender.start()
        device.command(CONTINUOUS, time_s=0.01)
        received = device.collect(30_000)
        sender.join()
    return received


def test_two_channels(children) -> None:
    one, two = waveform(30_000, 1), waveform(30_000, 2)
    apart = children.run(two_channels, "")
    mixed = children.run(two_channels, ",cross_loss_db=20")
    assert snr_db(apart[0], one)[0] > 38 and snr_db(apart[1], two)[0] > 38
    assert snr_db(mixed[0], one + 0.1 * two)[0] > 38 and snr_db(mixed[1], two + 0.1 * one)[0] > 38
    noise = apart - GAIN * np.stack([one, two])
    assert abs(np.vdot(noise[0], noise[1])) < 0.05 * np.linalg.norm(noise[0]) * np.linalg.norm(noise[1])


def own_signal(hears_itself: int) -> np.ndarray:
    args = f"pace=step,air={new_air()},step_peers=0,self={hears_itself}"
    with Usrp(args, tx=True, rx=True) as device:
        device.command(CONTINUOUS)
        device.send(np.full(20_000, 0.9, np.complex64), start=True, end=True)
        return device.collect(20_000)


def test_a_device_hears_itself_unless_reported_otherwise(children) -> None:
    assert np.abs(children.run(own_signal, 1)).min() > 0.2
    assert np.abs(children.run(own_signal, 0)).max() < 0.01


def conversation(step_hold: int) -> int:
    """a sends; b answers, when it has heard a, by a burst of its own; how many of ten rounds were heard by a."""
    common = f"pace=step,air={new_air()},self=0,step_idle=0.004,step_peers=1,step_hold={step_hold},name="
    one = np.full(2000, 0.9, np.complex64)
    heard = 0
    with Usrp(common + "a", tx=True, rx=True) as a, Usrp(common + "b", tx=True, rx=True) as b:
        for device in (a, b):
            device.command(CONTINUOUS)

        def listen(device: Usrp) -> bool:
            level, end = 0, time.monotonic() + 1.0
            while time.monotonic() < end:
                got = device.receive(1000, 0.2)
                level += np.count_nonzero(np.abs(got.samples) > 0.1)
                if level > 1500:
                    return True
            return False

        def answer() -> None:
            for _ in range(10):
                if not listen(b):
                    return
                b.send(one, start=True, end=True)

        other = threading.Thread(target=answer)
        other.start()
        for _ in range(10):
            a.send(one, start=True, end=True)
            if not listen(a):
                break
            heard += 1
        other.join()
    return heard


def test_two_that_answer_each_other_do_not_wait_for_ever(children) -> None:
    assert children.run(conversation, 0) == 10


def receive_alone(air: str, wait_s: float) -> np.ndarray:
    time.sleep(wait_s)
    with Usrp(f"pace=step,air={air},name=b", rx=True) as device:
        device.command(CONTINUOUS)
        return device.collect(50_000, timeout_s=20)


def send_alone(air: str, wait_s: float) -> None:
    time.sleep(wait_s)
    with Usrp(f"pace=step,air={air},name=a", tx=True) as device:
        send_all(device, waveform(50_000), 5_000)


def test_two_processes_in_any_order(children) -> None:
    children.run(os.getpid)
    children.wait(children.start(1, os.getpid))
    received = []
    for waits in ((0.0, 0.5), (0.5, 0.0)):
        air = new_air()
        sending = children.start(1, send_alone, air, waits[0])
        received.append(children.run(receive_alone, air, waits[1]))
        children.wait(sending)
        assert air not in airs.air_names()  # the last one cleans up
    assert np.array_equal(*received)
    assert snr_db(received[0], waveform(50_000))[0] > 38


def send_for_ever(air: str) -> None:
    device = Usrp(f"pace=step,air={air},name=a", tx=True)
    while True:
        device.send(waveform(5_000))


def receive_until_timeout(air: str) -> int:
    with Usrp(f"pace=step,air={air},name=b", rx=True) as device:
        device.command(CONTINUOUS)
        device.collect(20_000, timeout_s=20)
        open_for_kill = airs.read_air(air).devices
        os.kill(next(d.pid for d in open_for_kill if d.name == "a"), signal.SIGKILL)
        count, end = 0, time.monotonic() + 40
        while time.monotonic() < end:
            got = device.receive(10_000, 0.5)
            count += len(got.samples)
            if got.error:
                assert got.error == TIMEOUT
                return count
    raise AssertionError("a dead transmitter is heard for ever")


def test_a_killed_transmitter_blocks_nobody(children) -> None:
    air = new_air()
    with pytest.raises(Exception, match="terminated abruptly"):
        sending = children.start(2, send_for_ever, air)
        count = children.run(receive_until_timeout, air)
        sending.result(10)
    children.end(2)
    assert count < 200_000
    assert air not in airs.air_names()


def hold_open(air: str) -> None:
    device = Usrp(f"pace=step,air={air},name=a", tx=True, rx=True)
    device.command(CONTINUOUS)
    device.send(waveform(5_000))
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_process_left_is_cleared_away(children) -> None:
    airs_left = [new_air(), new_air()]
    for air in airs_left:
        with pytest.raises(Exception, match="terminated abruptly"):
            children.start(2, hold_open, air).result(20)
        children.end(2)
        assert air in airs.air_names()
    assert airs_left[0] in airs.clean() and airs_left[0] not in airs.air_names()
    received = children.run(link, "", "", None, None, (30_000, 50_000), None, 1e6, 1e6, 60.0, 40.0, 0.0, airs_left[1])
    assert len(received) == 100_000 and airs_left[1] not in airs.air_names()
