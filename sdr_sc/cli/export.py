# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc export``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from sdr_sc.cli.shared.options import MODEL, data_set_option
from sdr_sc.places import scratch_folder
from sdr_sc.semantic.weights import DEFAULT_MODEL

if TYPE_CHECKING:
    import numpy as np

    from sdr_sc.bench.export import Agreement, Coder
    from sdr_sc.data.dataset import Dataset
    from sdr_sc.results.rows import Row

SNR_DB = (20.0, 0.0)
GOAL_POINTS = 0.5
AGREEMENT_IMAGES = 200


@click.command()
@click.argument("model", type=MODEL, default=DEFAULT_MODEL)
@data_set_option
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Name of the pair, NAME.onnx; NAME.encoder.onnx and NAME.decoder.onnx are written.",
)
@click.option(
    "--precision",
    default="float32",
    show_default=True,
    type=click.Choice(["float32", "int8"]),
    help="int8 quantises convolutions and linear layers.",
)
@click.option(
    "--calibration-images",
    default=512,
    show_default=True,
    type=click.IntRange(32, 60_000),
    help="Training images that set the ranges for int8.",
)
@click.option(
    "--check-images",
    default=10_000,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Test images that the accuracy is measured on.",
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
def command(
    model: str,
    data_set: str,
    out: Path,
    precision: str,
    calibration_images: int,
    check_images: int,
    json_path: Path | None,
) -> None:
    """Write the student MODEL as two ONNX files, which need no torch, and check and measure them.

    The files are not written if the float32 graph differs from the weights by more than 1e-4. Status 1 if int8 loses
    more than 0.5 points of accuracy.
    """
    from sdr_sc.data.catalogue import load_dataset
    from sdr_sc.results import rows as measurements
    from sdr_sc.semantic import onnx_file, weights
    from sdr_sc.shown import terminal

    console = terminal()
    onnx_file.check_pair_name(out)
    measurements.check_writable(out)
    if json_path is not None:
        measurements.check_writable(json_path)
    weights.read_contract(model)
    test = _first(load_dataset(data_set, "test"), check_images)
    train = _first(load_dataset(data_set, "train"), calibration_images).items if precision == "int8" else None

    from sdr_sc.bench.export import Coder, agreement, check_agreement
    from sdr_sc.distill.export.onnx_export import StudentExporter
    from sdr_sc.files import write_whole
    from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

    def coder(name: str, source: str | Path) -> Coder:
        return Coder(name, SemanticEncoder(source), SemanticDecoder(source))

    exporter = StudentExporter(model)
    task = exporter.contract.tasks[0].name
    exporter.contract.check_data(test.data.item_shape, len(test.data.names(task)))
    with scratch_folder() as folder:
        # Checked as files, which is how they will be used; only then they go where they were wanted.
        trial = Path(folder) / "float32.onnx"
        files = exporter.float32(trial)
        write_whole(files)
        coders = [coder("torch float32", exporter.path), coder("onnx float32", trial)]
        found = agreement(coders[0], coders[1], test.items[:AGREEMENT_IMAGES])
        check_agreement(found, str(out))
        if train is not None:
            trial = Path(folder) / "int8.onnx"
            console.print(f"quantising with {len(train)} training {test.data.modality}s ...")
            files = exporter.int8(trial, train)
            write_whole(files)
            coders.append(coder("onnx int8", trial))
        written = dict(zip((onnx_file.part_path(out, part) for part in onnx_file.PARTS), files.values(), strict=True))
        console.print(f"measuring {len(test.items)} test {test.data.modality}s ...")
        rows = [*_agreement_rows(found), *_accuracy_rows(coders, test, task), *_latency_rows(coders, test)]
    write_whole(written, "choose another --out")
    sizes = {exporter.path: exporter.path.stat().st_size} | {path: len(content) for path, content in written.items()}
    rows += [measurements.Row(f"size of {path.name}", size / 1e3, "kB") for path, size in sizes.items()]
    measurements.print_rows(rows, f"{exporter.contract.name} as ONNX, {precision}", console)
    for path in written:
        console.print(f"wrote {path}", soft_wrap=True)
    if json_path is not None:
        config = {"model": exporter.contract.name, "model_id": exporter.contract.model_id, "precision": precision}
        measurements.write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows, {"config": config})
        console.print(f"wrote {json_path}", soft_wrap=True)
    if any(row.ok is False for row in rows):
        raise SystemExit(1)


class _Part(NamedTuple):
    """The first items of a data set.

    Attributes:
        places: int64 (n,).
        items: uint8 (n, *item_shape).
    """

    data: Dataset
    places: np.ndarray
    items: np.ndarray


def _first(data: Dataset, items: int) -> _Part:
    """So many items, or all where there are fewer."""
    from sdr_sc.data.dataset import first_places

    places = first_places(data, min(items, len(data)))
    return _Part(data, places, data.items(places))


def _agreement_rows(found: Agreement) -> list[Row]:
    from sdr_sc.bench.export import TOLERANCE
    from sdr_sc.results.rows import Row

    return [
        Row.at_most("symbols, largest difference to torch", found.symbols, "", TOLERANCE, found.items),
        Row.at_most("logits, largest difference to torch", found.logits, "", TOLERANCE, found.items),
    ]


def _accuracy_rows(coders: list[Coder], test: _Part, task: str) -> list[Row]:
    from sdr_sc.bench.export import accuracy
    from sdr_sc.results.rows import Row, mean_interval, wilson_interval

    rows, items = [], len(test.items)
    targets = test.data.targets(task, test.places)
    for snr_db in SNR_DB:
        found = [accuracy(coder, test.items, targets, snr_db) for coder in coders[1:]]
        for coder, one in zip(coders[1:], found, strict=True):
            low, high = wilson_interval(int(one.right.sum()), items)
            name = f"accuracy, AWGN {snr_db:g} dB, k={one.k}, {coder.name}"
            rows.append(Row(name, 100 * float(one.right.mean()), "%", n=items, ci95=(100 * low, 100 * high)))
        if len(found) > 1:
            # Image by image: both were sent over the same noise.
            lost = 100.0 * (found[0].right.astype(float) - found[1].right)
            name = f"accuracy lost by int8, AWGN {snr_db:g} dB"
            rows.append(Row.at_most(name, float(lost.mean()), "points", GOAL_POINTS, items, mean_interval(lost)))
    return rows


def _latency_rows(coders: list[Coder], test: _Part) -> list[Row]:
    from sdr_sc.bench.export import latency_ms
    from sdr_sc.results.rows import Row

    rows = []
    for coder in coders:
        for what, value in zip(("encode", "decode"), latency_ms(coder, test.items[0]), strict=True):
            rows.append(Row(f"{what} 1 item on 1 thread, {coder.name}", value, "ms"))
    return rows
