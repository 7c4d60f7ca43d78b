# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc replay``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdr_sc.cli.shared.options import MODEL, gallery_option, question_option, tasks_option
from sdr_sc.cli.shared.part import part_options
from sdr_sc.semantic.weights import DEFAULT_MODEL

if TYPE_CHECKING:
    from sdr_sc.flowgraph.replay_config import ReplayConfig, ReplayResult
    from sdr_sc.results.rows import Row


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--model", "models", type=MODEL, multiple=True, default=(DEFAULT_MODEL,), show_default=True,
              help="Weights file, ONNX, or name; give it again for further ones on the same frames.")  # fmt: skip
@click.option("--pace", type=click.Choice(("fast", "real")), default="fast", show_default=True,
              help="As fast as the receiver, or in real time.")  # fmt: skip
@part_options
@click.option("--snr-db", type=float, help="Add noise until the noted frames have this SNR in the mean, dB.")
@click.option("--noise-dbfs", type=float, help="Add noise of this power against full scale, dB.")
@click.option("--cfo-hz", default=0.0, show_default=True, help="Add a carrier offset, Hz; after --decimate.")
@click.option("--tune-hz", default=0.0, show_default=True,
              help="Receive a signal so far from the recording's centre, Hz; before --decimate.")  # fmt: skip
@click.option("--channel", "channel_models", default="", help="Send it through channel models, such as 'tdl_c()'.")
@click.option("--decimate", "decimation", default=1, show_default=True, type=click.IntRange(1, 64),
              help="Receive at so much lower a rate.")  # fmt: skip
@click.option("--cfo-range", "cfo_range_subcarriers", default=2.0, show_default=True, type=click.FloatRange(2, 8),
              help="Largest carrier offset, subcarriers; 8 for oscillators of 20 ppm, a little slower.")  # fmt: skip
@click.option("--swap-iq", is_flag=True, help="Exchange I and Q: for a source whose spectrum is inverted.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of what is added.")
@click.option("--chunk", default=262144, show_default=True, type=click.IntRange(1, 1 << 20),
              help="Most samples in one piece; the answers are the same with any.")  # fmt: skip
@click.option("--datatype", default="", help="Format of a plain file, such as ci16_le.")
@click.option("--rate", "rate_hz", default=0.0, help="Sample rate of a plain file, Hz.")
@tasks_option("Answer further tasks too")
@gallery_option
@question_option
@click.option("--out", default="runs", show_default=True, type=click.Path(path_type=Path), help="For results.")
def command(file: Path, models: tuple[str, ...], out: Path, **options: Any) -> None:
    """Send the recording FILE through the receiver again, and answer its frames.

    FILE is a SigMF pair, a .sigmf archive, or a plain file of samples with --datatype and --rate. Without options
    that add anything the answers are those of the live run, bit for bit.
    """
    from sdr_sc.cli.shared.usrp import new_folder
    from sdr_sc.errors import FlowgraphError
    from sdr_sc.flowgraph.replay import replay
    from sdr_sc.results.rows import print_rows, write_summary
    from sdr_sc.results.task_rows import names_for_report
    from sdr_sc.shown import terminal

    console = terminal(width=None if sys.stdout.isatty() else 120)
    models = tuple(dict.fromkeys(models))
    config = _config(file, models, options)
    run = new_folder(out, "replay")
    folders = [run] if len(models) == 1 else [run / Path(model).stem for model in models]
    if len(set(folders)) < len(models):  # files of one name in several folders
        folders = [run / str(number) for number in range(1, len(models) + 1)]
    results = replay(config, folders)
    for result, folder in zip(results, folders, strict=True):
        rows = _rows(result, folder)
        about = {**_details(config, result.model), **names_for_report(folder, result.asked)}
        if result.asked.question is not None:
            about["question"] = result.asked.question.text  # without --question that of the recording
        details = {"config": about, "accounting": result.status}
        write_summary(folder, ["sdr-sc", *sys.argv[1:]], rows, details)
        print_rows(rows, result.model if len(models) > 1 else None, console)
        for warning in result.warnings:
            console.print(f"[yellow]warning:[/] {warning}", soft_wrap=True)
    console.print(f"results: {run}", soft_wrap=True)
    if results[0].faults:
        raise FlowgraphError(results[0].faults[0])


def _config(file: Path, models: tuple[str, ...], options: dict[str, Any]) -> ReplayConfig:
    from sdr_sc.capture.receive import noise_for_snr
    from sdr_sc.capture.span import span
    from sdr_sc.errors import CaptureError
    from sdr_sc.flowgraph.replay import opened
    from sdr_sc.flowgraph.replay_config import ReplayConfig

    part = {name: options.pop(name) for name in ("samples", "seconds", "frames")}
    snr_db, noise_dbfs = options.pop("snr_db"), options.pop("noise_dbfs")
    if snr_db is not None and noise_dbfs is not None:
        raise CaptureError("--snr-db and --noise-dbfs both say how much noise; give one of them.")
    plain = ReplayConfig(str(file), datatype=options["datatype"], rate_hz=options["rate_hz"])
    with opened(plain) as capture:
        start, stop = span(capture, **part)
        noise = 0.0 if noise_dbfs is None else 10.0 ** (noise_dbfs / 10.0)
        if snr_db is not None:
            noise = noise_for_snr(capture, snr_db)
    return ReplayConfig(str(file), models, start_sample=start, stop_sample=stop, noise_power=noise, **options)


def _details(config: ReplayConfig, model: str) -> dict[str, Any]:
    from dataclasses import asdict

    from sdr_sc.flowgraph.replay import opened

    with opened(config) as capture:
        about = {"sha512": capture.info.sha512, "made_with": dict(capture.info.config)}
    return {**asdict(config), "models": [model], "recording": about}


def _rows(result: ReplayResult, folder: Path) -> list[Row]:
    from sdr_sc.flowgraph.usrp import RECEIVER_COLUMNS, receiver_rows
    from sdr_sc.results.rows import Row
    from sdr_sc.results.run_folder import read_frames
    from sdr_sc.results.task_rows import task_rows
    from sdr_sc.semantic.modalities.base import item_word

    status, word = result.status, item_word(result.asked.contract.modality.name)
    rows = receiver_rows(status, read_frames(folder, RECEIVER_COLUMNS, torn=True), word) + task_rows(folder, status)
    if not result.truth:
        # Every answer made its own frame: nothing can be lost that nobody knows of.
        rows = [row for row in rows if row.name != "frames lost"]
        rows.insert(0, Row(f"{word}s answered, truth not known", status["items_answered"], f"{word}s"))
    own = [row for row in rows if not row.name.startswith(("encoder to answer", "end of reception"))]
    own.append(Row("frames received", status["receiver"]["delivered"], "frames"))
    if status["gaps"]:
        own.append(Row("gaps", status["gaps"], "", n=result.samples))
        own.append(Row("samples missing in them", status["samples_missing"], "samples"))
    own.append(
        Row("speed, first sample to last answer", result.samples / 1e6 / result.seconds, "MS/s", n=result.samples)
    )
    return own
