# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc rx``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdr_sc.cli.shared.network import key_options
from sdr_sc.cli.shared.options import gallery_option, question_option, refine_option, tasks_option
from sdr_sc.cli.shared.usrp import common_options, device_options

if TYPE_CHECKING:
    from rich.table import Table

    from sdr_sc.semantic.asked_tasks import AskedTasks


_FEW = 3  # what the frames of a transmitter that was started again leave over


@click.command()
@device_options
@click.option("--gain", "rx_gain_db", default=-1.0, help="Receive gain, dB  [simulated device: 40]")
@click.option("--antenna", "rx_antenna", default="RX2", show_default=True, help="Antenna port.")
@click.option("--cfo-range", "cfo_range_subcarriers", default=2.0, show_default=True, type=click.FloatRange(2, 8),
              help="Largest carrier offset, subcarriers; 8 for oscillators of 20 ppm, a little slower.")  # fmt: skip
@click.option("--swap-iq", is_flag=True, help="Exchange I and Q: for a source whose spectrum is inverted.")
@click.option("--smoothing", default=0.3, show_default=True, help="Weight of the past in the SNR that is fed back.")
@click.option("--feedback", "feedback_address", default="tcp://127.0.0.1:52001", show_default=True,
              help="ZMQ address of the transmitter, for the SNR.")  # fmt: skip
@click.option("--sent", "sent_address", default="tcp://127.0.0.1:52002", show_default=True,
              help="ZMQ address of the transmitter, which says what it sent.")  # fmt: skip
@click.option("--record", "record_file", type=click.Path(path_type=Path),
              help="Record the samples too, with frames and answers, as this SigMF pair.")  # fmt: skip
@click.option("--record-datatype", type=click.Choice(("cf32_le", "ci16_le")), default="cf32_le", show_default=True,
              help="Format of the recording.")  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite a recording of that name.")
@refine_option(
    "Ask for more symbols of images that it is not sure of, with 'sdr-sc tx --refine'; with compare, say also which "
    "answers it has, for 'sdr-sc tx --refine compare'."
)
@click.option("--reject-below", default=0.0, show_default=True, type=click.FloatRange(0.0, 1.0),
              help="With --refine: confidence below which an image is not answered after its last round.")  # fmt: skip
@tasks_option("Answer further tasks too")
@gallery_option
@question_option
@key_options
@common_options
def command(
    out: Path,
    seconds: float | None,
    record_file: Path | None,
    record_datatype: str,
    force: bool,
    **parameters: Any,
) -> None:
    """Receive images on a USRP, or on a simulated one, answer them, and feed the SNR back to 'sdr-sc tx'.

    Ends when the transmitter does.
    """
    from sdr_sc.shown import terminal
    from sdr_sc.usrp import device_report, usrp_settings

    console = terminal()
    usrp_settings(parameters["device_args"], parameters["freq_hz"], rx_gain_db=parameters["rx_gain_db"])
    from sdr_sc.cli.shared.network import take_keys

    take_keys(parameters, bind=False)
    # Said first: what follows takes seconds.
    console.print("opening the device, then waiting for a transmitter; Ctrl-C ends it ...")

    from sdr_sc.cli.shared.signals import StopSignals
    from sdr_sc.cli.shared.usrp import InterimSummary, kept_if_used, lost_first, new_folder, run_live
    from sdr_sc.flowgraph.usrp import RECEIVER_COLUMNS, receiver_rows, receiver_status
    from sdr_sc.results.rows import print_rows, write_summary
    from sdr_sc.results.run_folder import read_frames
    from sdr_sc.results.task_rows import names_for_report, task_rows
    from sdr_sc.semantic.modalities.base import item_word

    asked = _asked_tasks(parameters)
    prepare = _recording(record_file, record_datatype, force, parameters, asked)
    folder = new_folder(out, "rx")

    def details(tb: Any) -> dict[str, Any]:
        return {"config": parameters, "accounting": receiver_status(tb)}

    interim = InterimSummary(folder, "sdr-sc rx", details)
    with StopSignals() as signals:  # until all is written
        with kept_if_used(folder):
            ours = {**parameters, "swap_iq": int(parameters["swap_iq"]), "folder": str(folder)}
            tb = run_live("rx", ours, seconds, console, _table, _warnings, prepare, interim, signals=signals)
        with lost_first(tb):
            whole = {**details(tb), "device": device_report(tb.usrp_source)}
            write_summary(folder, "sdr-sc rx", [], whole)  # the counters, before a long file is read
            whole["config"] = {**parameters, **names_for_report(folder, asked)}
            frames, word = read_frames(folder, RECEIVER_COLUMNS, torn=True), item_word(asked.contract.modality.name)
            rows = receiver_rows(whole["accounting"], frames, word)
            rows += task_rows(folder, whole["accounting"])
            write_summary(folder, "sdr-sc rx", rows, whole)
            print_rows(rows, console=console)
            console.print(f"results: {folder}", soft_wrap=True)
            if record_file is not None:
                from sdr_sc.flowgraph.record import Recorded, described

                tb.recorder.stop()
                recorded = Recorded.of(tb.recorder, record_file)
                console.print(f"recorded: {described(recorded)}", soft_wrap=True)
                console.print(f"file: {recorded.path}", soft_wrap=True)


def _asked_tasks(parameters: dict[str, Any]) -> AskedTasks:
    """The tasks to answer; one that cannot be answered is reported before anything is compiled."""
    from sdr_sc.semantic import weights
    from sdr_sc.semantic.asked_tasks import AskedTasks

    model = parameters["model"]
    contract, file = weights.read_contract(model, "decoder"), weights.resolve(model, "decoder")
    return AskedTasks.of(contract, parameters["tasks"], parameters["gallery"], file, parameters["question"])


def _recording(
    file: Path | None, datatype: str, force: bool, parameters: dict[str, Any], asked: AskedTasks
) -> Callable[[Any], None]:
    """What adds a recorder to the flowgraph, if one is wanted."""
    if file is None:
        return lambda tb: None

    from sdr_sc.flowgraph.record import check_target
    from sdr_sc.flowgraph.record_live import attach_recorder, gallery_note, hardware_of
    from sdr_sc.results.provenance import git_commit

    check_target(file, force)

    def attach(tb: Any) -> None:
        from sdr_sc.blocks.sigmf_recorder import sigmf_recorder

        hardware = hardware_of(tb.usrp_source, parameters["device_args"])
        recorder = sigmf_recorder(
            str(file),
            parameters["sample_rate_hz"],
            tb.settings.freq_hz,
            datatype,
            hardware=hardware,
            description="Receiver of sdr_sc on a USRP.",
            force=force,
        )
        private = ("_address", "_key", "_keys")
        settings = {name: value for name, value in parameters.items() if not name.endswith(private)}
        origin = {"flowgraph": "usrp_rx.grc", **settings, **gallery_note(asked)}
        recorder.set_origin(origin, git_commit(), hardware)
        attach_recorder(tb, recorder)

    return attach


def _table(tb: Any) -> Table:
    from rich.table import Table

    from sdr_sc.cli.shared.network import add_strangers
    from sdr_sc.cli.shared.usrp import aged, faults_text, level_text

    record, counters = tb.results.record, tb.receiver.receiver.counters
    latest = record.recent()[-1:]
    accuracy = f"{100 * record.items_correct / record.items_labelled:.1f} %" if record.items_labelled else "-"
    title = f"{record.frames_answered} frames answered, accuracy {accuracy}"
    table = Table(title=title if _heard(tb) else "waiting for a transmitter", show_header=False)
    table.add_row("frames", f"{record.frames_sent} sent, {counters.delivered} received, {record.frames_lost} lost")
    for frame in latest:
        cfo = "" if frame.cfo_hz is None else f", carrier offset {frame.cfo_hz:.0f} Hz"
        latest_text = f"SNR {frame.snr_est_db:.1f} dB{cfo}, k = {frame.k}"
        table.add_row("latest", aged(latest_text, time.monotonic() - frame.answered_s))
    others = record.tasks.summary()
    if others:
        table.add_row("further tasks", others)
    table.add_row("level", level_text(tb.receiver.level))
    table.add_row("gaps", f"{tb.receiver.gaps}, {tb.receiver.samples_missing} samples missing")
    table.add_row("faults", faults_text(tb.rx_monitor.faults))
    add_strangers(table, tb.sent)
    return table


def _heard(tb: Any) -> bool:
    """Whether anything came from a transmitter, over the air or over ``--sent``."""
    return bool(tb.sent.messages_received or tb.receiver.receiver.counters.delivered)


def _warnings(tb: Any) -> list[str]:
    from sdr_sc.cli.shared.network import connection_warnings, stranger_warnings

    clipped = ["samples clip at the receiver; lower --gain."] if tb.receiver.level.clipped else []
    if tb.results.record.answers_unknown > _FEW:
        clipped.append("frames arrive that were not sent by the transmitter; another one is on the frequency.")
    words = [f"{words}." for words in tb.rx_monitor.faults]
    return clipped + words + stranger_warnings(tb.sent) + connection_warnings(tb)
