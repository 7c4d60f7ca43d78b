# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc rx``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdr_sc.cli._usrp import common_options, device_options

if TYPE_CHECKING:
    from rich.table import Table


@click.command()
@device_options
@click.option("--gain", "rx_gain_db", default=-1.0, help="Receive gain, dB  [simulated device: 40]")
@click.option("--antenna", "rx_antenna", default="RX2", show_default=True, help="Antenna port.")
@click.option("--smoothing", default=0.3, show_default=True, help="Weight of the past in the SNR that is fed back.")
@click.option("--feedback", "feedback_address", default="tcp://127.0.0.1:52001", show_default=True,
              help="ZMQ address of the transmitter, for the SNR.")  # fmt: skip
@click.option("--sent", "sent_address", default="tcp://127.0.0.1:52002", show_default=True,
              help="ZMQ address of the transmitter, which tells what it sent.")  # fmt: skip
@common_options
def command(out: Path, seconds: float | None, **parameters: Any) -> None:
    """Receive images on a USRP, or on a simulated one, answer them, and feed the SNR back to 'sdr-sc tx'.

    Ends when the transmitter does.
    """
    from rich.console import Console

    from sdr_sc.cli._usrp import new_folder, run_live
    from sdr_sc.experiments.demo import read_frames
    from sdr_sc.experiments.measurements import print_rows, write_json
    from sdr_sc.experiments.usrp_link import receiver_rows, receiver_status
    from sdr_sc.usrp import usrp_settings

    console = Console()
    usrp_settings(parameters["device_args"], parameters["freq_hz"], rx_gain_db=parameters["rx_gain_db"])
    folder = new_folder(out)
    tb = run_live("rx", {**parameters, "folder": str(folder)}, seconds, console, _table, _warnings)
    status = receiver_status(tb)
    rows = receiver_rows(status, read_frames(folder))
    write_json(folder / "summary.json", "sdr-sc rx", rows, {"config": parameters, "accounting": status})
    print_rows(rows, console=console)
    console.print(f"results: {folder}", soft_wrap=True)


def _table(tb: Any) -> Table:
    from rich.table import Table

    from sdr_sc.cli._usrp import faults_text, level_text

    record, counters = tb.results.record, tb.receiver.receiver.counters
    latest = record.recent()[-1:]
    settled = record.items_answered + record.items_lost
    accuracy = f"{100 * record.items_correct / settled:.1f} %" if settled else "-"
    table = Table(title=f"{record.frames_answered} frames answered, accuracy {accuracy}", show_header=False)
    table.add_row("frames", f"{record.frames_sent} sent, {counters.delivered} received, {record.frames_lost} lost")
    for frame in latest:
        cfo = "" if frame.cfo_hz is None else f", carrier offset {frame.cfo_hz:.0f} Hz"
        table.add_row("latest", f"SNR {frame.snr_est_db:.1f} dB{cfo}, k = {frame.k}")
    table.add_row("level", level_text(tb.receiver.level))
    table.add_row("gaps", f"{tb.receiver.gaps}, {tb.receiver.samples_missing} samples missing")
    table.add_row("faults", faults_text(tb.rx_monitor.faults))
    return table


def _warnings(tb: Any) -> list[str]:
    clipped = ["samples clip at the receiver; lower --gain."] if tb.receiver.level.clipped else []
    return clipped + [f"{words}." for words in tb.rx_monitor.faults]
