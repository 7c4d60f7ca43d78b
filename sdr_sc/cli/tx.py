# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc tx``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdr_sc.cli.shared.network import key_options
from sdr_sc.cli.shared.options import data_set_option, mapping_option, question_option, refine_option, tasks_option
from sdr_sc.cli.shared.usrp import common_options, device_options

if TYPE_CHECKING:
    from rich.table import Table


@click.command()
@device_options
@click.option("--gain", "tx_gain_db", default=-1.0, help="Transmit gain, dB  [simulated device: 60]")
@click.option("--antenna", "tx_antenna", default="TX/RX", show_default=True, help="Antenna port.")
@click.option("--transmit", is_flag=True, help="Really transmit, on a device that is not simulated; see docs/usrp.md.")
@click.option("--amplitude", default=0.2, show_default=True, help="Digital back-off: 1 is a mean power of full scale.")
@click.option("--lead", "lead_s", default=0.02, show_default=True, help="From the making of a burst to its sending, s.")
@click.option(
    "--period", "period_s", default=0.0, show_default=True, help="Bursts start at multiples of this, s; 0: any."
)
@click.option("--images", default=1000, show_default=True, type=click.IntRange(0), help="Images to send; 0: no end.")
@click.option("--items-per-frame", default=4, show_default=True, type=click.IntRange(1, 255), help="Images in a frame.")
@click.option("-k", "--k", default=0, show_default=True, help="Feature symbols per image; 0 lets the CAM choose.")
@click.option("--frames-in-flight", "max_frames_in_flight", default=1, show_default=True, type=click.IntRange(0),
              help="Frames sent without feedback; 0: no limit.")  # fmt: skip
@click.option("--feedback-timeout", "feedback_timeout_s", default=0.25, show_default=True,
              help="Until a frame counts as lost and the CAM falls back, s.")  # fmt: skip
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of the images' order.")
@click.option("--feedback", "feedback_address", default="tcp://127.0.0.1:52001", show_default=True,
              help="ZMQ address where the receiver's SNR arrives; tcp://*:52001 for other hosts.")  # fmt: skip
@click.option("--sent", "sent_address", default="tcp://127.0.0.1:52002", show_default=True,
              help="ZMQ address where receivers learn what was sent, to count what is right.")  # fmt: skip
@click.option("--wait", "wait_s", default=30.0, show_default=True, type=click.FloatRange(0),
              help="Wait so long for a receiver, s; then go on without one.")  # fmt: skip
@click.option("--mode", default="auto", show_default=True, type=click.Choice(["auto", "short", "normal", "robust"]),
              help="Frame mode; auto chooses it with k.")  # fmt: skip
@mapping_option
@refine_option(
    "Send few symbols first, and more of the images that 'sdr-sc rx --refine' asks for; with compare, of those alone "
    "whose answer at the receiver is not the one here."
)
@tasks_option("Choose k for further tasks too, and publish what is right")
@question_option
@data_set_option
@key_options
@common_options
def command(out: Path, seconds: float | None, **parameters: Any) -> None:
    """Transmit images from a USRP, or from a simulated one, as the SNR that 'sdr-sc rx' feeds back calls for."""
    from sdr_sc.cli.shared.network import open_address_warning, take_keys
    from sdr_sc.cli.shared.signals import StopSignals
    from sdr_sc.cli.shared.usrp import InterimSummary, kept_if_used, lost_first, new_folder, run_live
    from sdr_sc.flowgraph.usrp import connection_rows, stranger_rows, transmitter_status
    from sdr_sc.results.rows import Row, print_rows, write_json
    from sdr_sc.shown import terminal
    from sdr_sc.usrp import device_report

    console = terminal()
    parameters["transmit"] = int(parameters["transmit"])
    _check(parameters)
    take_keys(parameters, bind=True)
    opened = open_address_warning(parameters)
    if opened:
        console.print(f"[yellow]warning:[/] {opened}", soft_wrap=True)
    folder = new_folder(out, "tx")
    wait_s = parameters["wait_s"]
    then = f", then waiting for a receiver, at most {wait_s:g} s" if wait_s else ""
    console.print(f"opening the device{then} ...")

    def details(tb: Any) -> dict[str, Any]:
        return {"config": parameters, "transmitter": transmitter_status(tb)}

    interim = InterimSummary(folder, "sdr-sc tx", details)
    with StopSignals() as signals:  # until all is written
        with kept_if_used(folder):
            tb = run_live("tx", parameters, seconds, console, _table, _warnings, interim=interim, signals=signals)
        with lost_first(tb):
            status = transmitter_status(tb)
            rows = [
                Row("frames sent", status["frames_sent"], "frames"),
                Row("frames with refinements alone", status["refinement"]["frames_without_items"], "frames"),
                Row("frames without feedback", status["frames_without_feedback"], "frames", n=status["frames_sent"]),
                Row("frames mapped by importance", status["frames_mapped"], "frames", n=status["frames_sent"]),
                Row("bursts acknowledged", status["bursts_acknowledged"], "bursts", n=status["frames_sent"]),
                Row("samples clipped", status["level"]["clipped"], "samples", n=status["level"]["samples"]),
                *(Row(words, count, "") for words, count in status["faults"].items()),
                *stranger_rows("--feedback", status["feedback_refused_by_kind"]),
                *connection_rows(status),
            ]
            whole = {**details(tb), "device": device_report(tb.usrp_sink)}
            write_json(folder / "summary.json", "sdr-sc tx", rows, whole)
            print_rows(rows, console=console)
            console.print(f"results: {folder}", soft_wrap=True)


def _check(parameters: dict[str, Any]) -> None:
    """Report mistakes before anything is compiled."""
    import numpy as np

    from sdr_sc.data.asked import asked_data
    from sdr_sc.errors import SdrScError
    from sdr_sc.flowgraph.fitting_model import contract_for_images
    from sdr_sc.semantic.asked_tasks import task_names
    from sdr_sc.semantic.model_items import load_items, spec_for
    from sdr_sc.semantic.tasks.base import task_of
    from sdr_sc.usrp import usrp_settings

    usrp_settings(
        parameters["device_args"],
        parameters["freq_hz"],
        tx_gain_db=parameters["tx_gain_db"],
        transmit=bool(parameters["transmit"]),
    )
    lead_s, period_s, timeout_s = (parameters[name] for name in ("lead_s", "period_s", "feedback_timeout_s"))
    for option, value in (("--lead", lead_s), ("--feedback-timeout", timeout_s)):
        if not 0 < value < math.inf:
            raise SdrScError(f"{option} is {value:g} s; give more than 0.")
    if not 0 <= period_s < math.inf:
        raise SdrScError(f"--period is {period_s:g} s; give 0 or more.")
    if lead_s >= timeout_s:
        raise SdrScError(
            f"--lead of {lead_s:g} s leaves no time for feedback within --feedback-timeout of {timeout_s:g} s; every "
            "frame would count as unanswered; give a longer time-out."
        )
    parameters["data_set"] = spec_for(parameters["model"], parameters["data_set"])
    contract = contract_for_images(parameters["model"], parameters["data_set"])
    data = asked_data(load_items(parameters["data_set"], "test"), parameters["question"])
    for task in task_names(parameters["tasks"]):
        if not task_of(task).of_items:
            data.targets(task, np.arange(0))
    if parameters["k"]:
        contract.check_k(parameters["k"])


def _table(tb: Any) -> Table:
    from rich.table import Table

    from sdr_sc.cli.shared.network import add_strangers
    from sdr_sc.cli.shared.usrp import aged, faults_text, level_text

    encoder, feedback = tb.encoder, tb.encoder.latest_feedback()
    table = Table(title=f"{encoder.items_sent} images in {encoder.frames_sent} frames sent", show_header=False)
    table.add_row("bursts acknowledged", str(tb.tx_monitor.counts["burst_ack"]))
    table.add_row("SNR fed back", "none yet" if feedback is None else aged(f"{feedback[0]:.1f} dB", feedback[1]))
    table.add_row("frames without feedback", str(encoder.sender.in_flight.given_up))
    table.add_row("level", level_text(tb.transmitter.level))
    table.add_row("faults", faults_text(tb.tx_monitor.faults))
    add_strangers(table, tb.feedback)
    return table


def _warnings(tb: Any) -> list[str]:
    from sdr_sc.cli.shared.network import connection_warnings, stranger_warnings

    clipped = ["samples clip at the transmitter; lower --amplitude."] if tb.transmitter.level.clipped else []
    words = [f"{words}." for words in tb.tx_monitor.faults]
    return clipped + words + stranger_warnings(tb.feedback) + connection_warnings(tb)
