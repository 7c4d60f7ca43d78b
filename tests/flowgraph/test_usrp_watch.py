# SPDX-License-Identifier: GPL-3.0-or-later
"""What is reported while a USRP link runs, and how it is asked to stop: silent devices, ends that are gone, signals."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import SimpleNamespace as Fake

import pytest
from link_messages import wait_for

from sdr_sc.cli.shared.signals import StopSignals
from sdr_sc.flowgraph import usrp_watch
from sdr_sc.flowgraph.received_nothing import Hint
from sdr_sc.flowgraph.usrp import unsent_warning
from sdr_sc.flowgraph.usrp_watch import EndRun, LinkWatch


def link_of(**parts: object) -> Fake:
    return Fake(settings=Fake(lock_step=False, period_s=0.0), lead_s=0.05, **parts)


def watched(tb: Fake, seconds: float, begin_s: float = 0.0) -> tuple[str, str]:
    watch = LinkWatch(tb) if not hasattr(tb, "watch") else tb.watch
    tb.watch = watch
    device = peer = ""
    for step in range(int(seconds * 10) + 1):
        device = device or watch.device_problem(begin_s + step / 10)
        peer = peer or watch.peer_problem(begin_s + step / 10)
    return device, peer


def test_a_device_without_samples_and_a_transmitter_that_is_gone_are_reported() -> None:
    sent, results = Fake(messages_received=0), Fake(ended=False)
    tb = link_of(usrp_source=1, receiver=Fake(samples_taken=0), sent=sent, results=results)
    assert watched(tb, 4.5) == ("", "")
    tb.receiver.samples_taken = 1
    device, peer = watched(tb, 6.0, 5.0)
    assert "no samples for 5 s" in device and peer == ""  # it may be started later
    tb.settings.lock_step, tb.sent.messages_received = True, 1
    device, peer = watched(tb, 6.0, 12.0)
    assert device == "" and "nothing from the transmitter for 5 s" in peer
    tb.sent.messages_received = 2
    assert watched(tb, 10.0, 18.1)[1] == ""  # three times the longest pause
    tb.results.ended = True
    assert watched(tb, 90.0, 30.0) == ("", "")


def test_a_receiver_that_hears_bursts_and_receives_none_is_reported_so_and_one_that_receives_is_not() -> None:
    level, counters, record = Fake(papr_db=11.5), Fake(delivered=0), Fake(frames_sent=0)
    receiver = Fake(receiver=Fake(counters=counters), level=Fake(recent=lambda: level))
    tb = link_of(receiver=receiver, results=Fake(record=record, ended=False))

    def told(seconds: float, watch: LinkWatch) -> str:
        return next(filter(None, (watch.deaf_problem(step / 10) for step in range(int(seconds * 10)))), "")

    assert told(60.0, LinkWatch(tb)) == ""  # noise alone
    record.frames_sent = 20
    assert told(4.9, LinkWatch(tb)) == ""
    assert "reports 20 frames, none is received, and no bursts stand out" in told(5.5, LinkWatch(tb))
    level.papr_db = 31.0
    assert "20 frames, bursts arrive with peaks 31 dB above the mean level, and no pre" in told(5.5, LinkWatch(tb))
    record.frames_sent = 0
    assert told(5.5, LinkWatch(tb)).startswith("bursts arrive")
    watch = LinkWatch(tb)
    for step in range(600):  # a frame a second
        counters.delivered = 1 + step // 10
        assert watch.deaf_problem(step / 10) == ""


def test_a_transmitter_that_is_started_again_at_another_rate_is_reported_after_frames_had_been_received() -> None:
    level, counters, record = Fake(papr_db=31.0), Fake(delivered=0), Fake(frames_sent=0)
    receiver = Fake(receiver=Fake(counters=counters), level=Fake(recent=lambda: level), samples_taken=0)
    warnings: list[str] = []
    tb = link_of(receiver=receiver, results=Fake(record=record, ended=False, finished=threading.Event()))
    tb.settings.freq_hz, found = 915e6, [Hint("it may be that this is it.")]
    tb.lost, clock = "", [0.0]

    def poll_for(seconds: float, run: EndRun) -> None:
        for _ in range(round(seconds * 10)):
            clock[0] += 0.1
            run.poll()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: clock[0])
        patch.setattr(usrp_watch, "Diagnosing", lambda tb, receiver, where: Fake(result=lambda: found[0]))
        run = EndRun(tb, "rx", None, lambda tb: None, lambda: 0, warnings.append)
        counters.delivered = record.frames_sent = 915
        poll_for(1.0, run)
        record.frames_sent = 917  # two that are on their way, and then it is gone
        level.papr_db = 11.0
        poll_for(60.0, run)
        assert warnings == []
        level.papr_db, record.frames_sent = 31.0, 945
        poll_for(9.0, run)
        assert warnings == []
        poll_for(60.0, run)
        assert len(warnings) == 1  # not again and again
        assert warnings[0].startswith("no frame has been received for 10 s: the transmitter reports 30 frames, bursts")
        assert warnings[0].endswith("of another system. It may be that this is it.") and tb.hint is found[0]
        counters.delivered = record.frames_sent = 1000
        poll_for(1.0, run)
        assert len(warnings) == 1


def test_a_proven_cause_takes_the_place_of_the_likely_ones_once_it_is_found() -> None:
    level, record = Fake(papr_db=31.0), Fake(frames_sent=40)
    receiver = Fake(receiver=Fake(counters=Fake(delivered=0)), level=Fake(recent=lambda: level), samples_taken=0)
    tb = link_of(receiver=receiver, results=Fake(record=record, ended=False, finished=threading.Event()), lost="")
    tb.settings.freq_hz, warnings, clock = 915e6, list[str](), [0.0]
    found: list[Hint | None] = [None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: clock[0])
        patch.setattr(usrp_watch, "Diagnosing", lambda tb, receiver, where: Fake(result=lambda: found[0]))
        run = EndRun(tb, "rx", None, lambda tb: None, lambda: 0, warnings.append)
        for _ in range(70):
            clock[0] += 0.1
            run.poll()
        assert warnings == []  # it is being looked for
        found[0] = Hint("the cause; the remedy.", True)
        for _ in range(70):
            clock[0] += 0.1
            run.poll()
    assert warnings == ["the transmitter reports 40 frames, no frame is received: the cause; the remedy."]


def test_a_device_that_does_not_answer_bursts_is_reported() -> None:
    monitor = Fake(counts={"burst_ack": 0})
    tb = link_of(usrp_sink=1, transmitter=Fake(frames_sent=0), tx_monitor=monitor)
    assert watched(tb, 20.0)[0] == ""  # nothing to answer
    tb.transmitter.frames_sent = monitor.counts["burst_ack"] = 5
    assert watched(tb, 20.0, 20.0)[0] == ""
    tb.transmitter.frames_sent = 6
    assert watched(tb, 4.5, 40.0)[0] == ""
    assert "reported nothing on the bursts" in watched(tb, 2.0, 44.5)[0]
    assert unsent_warning({"frames_sent": 6, "bursts_acknowledged": 6}) == ""
    assert "6 frames were made and the device acknowledges 5 bursts; 1 " in unsent_warning(
        {"frames_sent": 6, "bursts_acknowledged": 5}
    )


def test_a_transmitter_that_is_reported_to_stop_ends_soon_and_at_once_when_reported_again() -> None:
    told: list[bool] = []
    asked = [0]
    transmitter, monitor = Fake(frames_sent=0, finished=threading.Event()), Fake(counts={})
    tb = link_of(usrp_sink=1, transmitter=transmitter, tx_monitor=monitor, lost="")
    tb.encoder = Fake(finish=lambda at_once=False: told.append(at_once))
    run = EndRun(tb, "tx", None, lambda tb: None, lambda: asked[0], lambda text: None)
    assert not run.poll() and told == []
    asked[0] = 1
    assert not run.poll() and told[0] is True  # without the feedback of what is on its way
    asked[0] = 2
    assert run.poll()


def test_signals_break_off_until_there_is_something_to_save() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        for number in before:
            signal.signal(number, signal.default_int_handler)  # also where the tests run under nohup
        with pytest.raises(KeyboardInterrupt), StopSignals():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1.0)
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
        with StopSignals() as signals:
            signals.arm()
            for number in before:
                os.kill(os.getpid(), number)
            assert wait_for(lambda: signals.count == 3)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # the results are being written
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
