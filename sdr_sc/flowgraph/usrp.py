# SPDX-License-Identifier: GPL-3.0-or-later
"""The USRP flowgraphs as the command line uses them: one end of a link, run to its end and accounted for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sdr_sc.blocks.runtime import failures
from sdr_sc.errors import BlockError, FlowgraphError, SdrScError
from sdr_sc.flowgraph.compile import compile_flowgraph
from sdr_sc.flowgraph.generated import build, load_module, top_block_class
from sdr_sc.flowgraph.harness import StuckError, watch_flowgraph
from sdr_sc.flowgraph.hint_words import Situation, Source
from sdr_sc.flowgraph.loopback import FLOWGRAPHS
from sdr_sc.flowgraph.received_nothing import UNKNOWN, hint_for
from sdr_sc.flowgraph.usrp_watch import EndRun
from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import Row, clustered_interval
from sdr_sc.results.run_folder import Table
from sdr_sc.usrp.settings import SIMULATED, device_arguments

End = Literal["tx", "rx", "loopback"]
_WARM_UP_S = 0.1  # of a receiver: what it hears while it settles is no level
_STAGES = {
    "latency_ms": "encoder to answer",
    "air_ms": "last sample at the antenna to end of reception",
    "answer_ms": "end of reception to answer",
}
RECEIVER_COLUMNS = ("k", "n_items", "correct", "snr_est_db", *_STAGES)
"""Columns of ``frames.csv`` that `receiver_rows` needs."""


def run_end(
    end: End,
    parameters: dict[str, Any],
    deadline_s: float | None,
    on_poll: Callable[[Any], None] = lambda tb: None,
    prepare: Callable[[Any], None] = lambda tb: None,
    asked_to_stop: Callable[[], int] = lambda: 0,
    warn: Callable[[str], None] = lambda text: None,
) -> Any:
    """Compile ``flowgraphs/usrp_END.grc`` and run it to its end in this process; returns the top block.

    Its attribute ``lost`` is '' or the sentence that says why its results are not whole, or not to be relied on: the
    device was lost, or a block failed, which also ends it; or a model computes no numbers. ``hint`` is why nothing was
    received, or None.

    Args:
        parameters: the flowgraph's parameters by name.
        deadline_s: after which it comes to its end: it sends no more, or is stopped; None waits as long as it takes.
        on_poll: called with the top block every 20 ms while it runs.
        prepare: called with the top block before it starts.
        asked_to_stop: how often somebody has asked for the end by now. A transmitter then sends what it has made and
            notifies its receivers, for which it takes some seconds at most; asked again, it stops at once.
        warn: called with a sentence for the user while it runs.

    Raises:
        SdrScError: the device, the flowgraph or a parameter cannot be used; in one sentence.
    """
    path = FLOWGRAPHS / f"usrp_{end}.grc"
    if not path.is_file():
        raise FlowgraphError(f"flowgraph {path} is missing; run from a clone of the repository with its flowgraphs.")
    prepare_uhd(parameters["device_args"])
    with failures.watching():
        with scratch_folder() as folder:  # gone before a signal may end the process
            generated = compile_flowgraph(path, Path(folder))
            module = load_module(generated)
            cls = top_block_class(module, generated)
        tb = built_for_usrp(cls, parameters)
        module.snippets_main_after_init(tb)
        tb.lost, tb.hint = "", None
        if end != "tx" and not tb.settings.lock_step:
            tb.receiver.level.skip(round(_WARM_UP_S * tb.usrp_source.get_samp_rate()))
        prepare(tb)
        run = EndRun(tb, end, deadline_s, on_poll, asked_to_stop, warn)
        faults: list[str] = []
        try:
            watch_flowgraph(tb, None, until=run.poll, faults=faults)
        except StuckError:
            if not tb.lost:  # a driver whose device is gone may well be stuck
                raise
        except BlockError as error:
            if not _has_results(tb):
                raise
            tb.lost = str(error)  # the other blocks have come to their ends: what there is can be written
        if hasattr(tb, "results"):
            tb.results.stop()
        tb.lost = tb.lost or next(iter(faults), "")
        if end != "tx" and tb.hint is None and not tb.receiver.receiver.counters.delivered:
            tb.hint = hint_for(tb, tb.receiver, Situation("rx", Source.RADIO, tb.settings.freq_hz))
            if tb.receiver.samples_taken:
                warn(f"no frame was received: {tb.hint.text or UNKNOWN}")
    return tb


def _has_results(tb: Any) -> bool:
    """Whether an end has got so far that it has something to write down."""
    sent = tb.encoder.frames_sent if hasattr(tb, "encoder") else 0
    return bool(sent or (tb.results.record.frames_sent if hasattr(tb, "results") else 0))


def prepare_uhd(device_args: str) -> None:
    """Quieten libuhd, and let it find the simulated device if that is asked for; before libuhd is loaded.

    Raises:
        SdrScError: the simulated device is not built, or the arguments are none.
    """
    os.environ.setdefault("UHD_LOG_CONSOLE_LEVEL", "warning")
    os.environ.setdefault("UHD_LOG_FASTPATH_DISABLE", "1")  # U, L and O are counted and shown
    if device_arguments(device_args).get("type") == SIMULATED:
        from sdr_sc.simusrp import build as simusrp

        simusrp.enable()


def built_for_usrp(cls: Any, parameters: dict[str, Any]) -> Any:
    """A top block with USRP blocks, by its parameters.

    Raises:
        SdrScError: there is no such device, or the flowgraph cannot be built.
    """
    try:
        return build(cls, parameters)
    except FlowgraphError as error:
        if "No devices found" in str(error):
            raise SdrScError(
                f"no device answers to {parameters['device_args']!r}; check cable and power, and what uhd_find_devices "
                "lists."
            ) from error
        raise


def transmitter_status(tb: Any) -> dict[str, Any]:
    """Counters of the transmitting end."""
    encoder, level = tb.encoder, tb.transmitter.level
    status = {
        "frames_sent": encoder.frames_sent,
        "items_sent": encoder.items_sent,
        "frames_without_feedback": encoder.sender.in_flight.given_up,
        "feedback_unknown": encoder.sender.feedback_unknown,
        "frames_mapped": tb.transmitter.mapper.mapped,
        "frames_not_mapped_by_reason": dict(tb.transmitter.mapper.interleaved),
        "bursts_acknowledged": tb.tx_monitor.counts["burst_ack"],
        "faults": tb.tx_monitor.faults,
        "level": level.to_dict(),
        "refinement": encoder.sender.counts(),
    }
    if hasattr(tb, "feedback"):
        status["feedback_received"] = tb.feedback.messages_received
        status["feedback_unknown"] += tb.feedback.messages_unwanted
        status["feedback_refused"] = tb.feedback.messages_refused
        status["feedback_refused_by_kind"] = dict(tb.feedback.messages_refused_by_kind)
        status["feedback_superseded"] = tb.feedback.messages_superseded
        status["sent_dropped"] = tb.sent.messages_dropped
        status["sent_refused"] = tb.sent.messages_refused
        status["listeners_turned_away"] = tb.sent.listeners_turned_away
        status["connections_refused"] = connections_refused(tb)
    return status


def connections_refused(tb: Any) -> dict[str, dict[str, int]]:
    """Connections that an end cut off or refused, for each of its addresses, by kind."""
    ports = {"--feedback": tb.feedback, "--sent": tb.sent}
    found = {option: getattr(port, "connections_refused_by_kind", {}) for option, port in ports.items()}
    return {option: dict(kinds) for option, kinds in found.items() if kinds}


def stranger_rows(option: str, refused: dict[str, int]) -> list[Row]:
    """Messages that an address refused, by kind."""
    return [Row(f"messages at {option} that are not ours: {kind}", count, "") for kind, count in refused.items()]


def connection_rows(status: dict[str, Any]) -> list[Row]:
    """Connections that were cut off or refused, by address and kind; ``status`` is of either end."""
    refused = status.get("connections_refused", {}).items()
    return [Row(f"at {option}, {kind}", count, "") for option, kinds in refused for kind, count in kinds.items()]


def unsent_warning(status: dict[str, Any]) -> str:
    """One sentence if the device did not send all bursts as far as it has reported; '' if it did.

    Args:
        status: of `transmitter_status`, at the end of a run.
    """
    sent, told = status["frames_sent"], status["bursts_acknowledged"]
    if told >= sent:
        return ""
    return (
        f"{sent} frames were made and the device acknowledges {told} bursts; {sent - told} came late, were broken off, "
        "or were not sent."
    )


def receiver_status(tb: Any) -> dict[str, Any]:
    """Counters of the receiving end."""
    record, receiver = tb.results.record, tb.receiver
    status = {
        **record.counts(),
        "frames_refused": tb.decoder.frames_refused,
        "frames_behind": tb.decoder.frames_behind,
        "news_refused": tb.results.refused.count,
        "gaps": receiver.gaps,
        "samples_missing": receiver.samples_missing,
        "faults": tb.rx_monitor.faults,
        "level": receiver.level.to_dict(),
        "receiver": receiver.receiver.counters.to_dict(),
        "refinement": tb.decoder.refinement_counts,
    }
    if hasattr(tb, "sent") and hasattr(tb.sent, "messages_refused"):
        status["sent_received"] = tb.sent.messages_received
        status["sent_refused"] = tb.sent.messages_refused
        status["sent_refused_by_kind"] = dict(tb.sent.messages_refused_by_kind)
        status["connections_refused"] = connections_refused(tb)
    if getattr(tb, "hint", None) is not None:
        status["nothing_received"] = tb.hint.to_dict()
    if hasattr(tb, "feedback") and hasattr(tb.feedback, "messages_dropped"):
        status["feedback_sent"] = tb.feedback.messages_sent
        status["feedback_dropped"] = tb.feedback.messages_dropped
    return status


def receiver_rows(status: dict[str, Any], frames: Table, word: str = "image") -> list[Row]:
    """Figures of the receiving end.

    Args:
        status: of `receiver_status`.
        frames: `RECEIVER_COLUMNS` of ``frames.csv``.
        word: what an item is called, see `sdr_sc.semantic.modalities.base.item_word`.
    """
    rows = []
    known = ~np.isnan(frames["correct"])  # not so where nobody knows the truth
    if known.any():
        interval = clustered_interval(frames["correct"][known], frames["n_items"][known])
        accuracy = 100 * status["items_correct"] / max(status["items_labelled"], 1)
        low, high = (100 * bound for bound in interval)
        rows.append(Row(f"accuracy over all {word}s", accuracy, "%", n=status["items_labelled"], ci95=(low, high)))
    rows.append(Row("frames lost", status["frames_lost"], "frames", n=status["frames_sent"]))
    if status.get("frames_behind"):
        words = "frames left out, as the decoder was too far behind"
        rows.append(Row(words, status["frames_behind"], "frames", n=status["receiver"]["delivered"]))
    unknown = status["receiver"]["report_unknown"]
    if unknown:
        words = "frames mapped by a channel report that is not known here"
        rows.append(Row(words, unknown, "frames", n=status["receiver"]["delivered"]))
    snr = _known(frames["snr_est_db"])
    if len(snr):
        rows.append(Row("SNR estimated, mean", float(np.mean(snr)), "dB", n=len(snr)))
    if len(frames["k"]):
        uses = int(np.dot(np.nan_to_num(frames["k"]), frames["n_items"])) + status["refinement"]["refined_symbols"]
        rows.append(Row(f"channel uses per {word}", uses / status["items_sent"], "symbols", n=status["items_sent"]))
    for field, name in _STAGES.items():
        values = _known(frames[field])
        if len(values):
            median, tail = np.quantile(values, (0.5, 0.99))
            rows.append(Row(f"{name}, median", float(median), "ms", n=len(values)))
            rows.append(Row(f"{name}, 99th percentile", float(tail), "ms", n=len(values)))
    both = _known(frames["air_ms"] + frames["answer_ms"])
    if len(both):
        median, tail = np.quantile(both, (0.5, 0.99))
        rows.append(Row("last sample at the antenna to answer, median", float(median), "ms", n=len(both)))
        rows.append(Row("last sample at the antenna to answer, 99th percentile", float(tail), "ms", n=len(both)))
    if status["answers_unknown"]:
        name = "answers to no frame that was sent: another transmitter, or false detections"
        rows.append(Row(name, status["answers_unknown"], "frames"))
    if status["items_not_a_number"]:
        count = status["items_not_a_number"]
        rows.append(Row("images for which the model gave no number", count, "images", n=status["items_sent"]))
    if status["news_refused"]:
        rows.append(Row("messages on what was sent that made no sense, refused", status["news_refused"], "messages"))
    for words, count in status["faults"].items():
        rows.append(Row(words, count, ""))
    rows += stranger_rows("--sent", status.get("sent_refused_by_kind", {})) + connection_rows(status)
    return rows


def _known(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]
