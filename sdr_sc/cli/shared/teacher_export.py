# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc teacher export``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from sdr_sc.cli.shared.options import data_set_option


@click.command("export")
@click.argument("teacher", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write, TEACHER.onnx.")
@click.option(
    "--check-images", default=250, show_default=True, type=click.IntRange(2, 10_000), help="Test images to compare on."
)
@data_set_option
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
def export(teacher: Path, out: Path, check_images: int, data_set: str, json_path: Path | None) -> None:
    """Write a fitted TEACHER (*.safetensors) as ONNX, for 'sdr-sc prestore' and other programs.

    The file is not written if a logit differs from the teacher's by more than 1e-3.
    """
    from sdr_sc.data.catalogue import load_dataset
    from sdr_sc.results import rows as measurements
    from sdr_sc.shown import terminal

    for target in (out, *([json_path] if json_path else [])):
        measurements.check_writable(target)
    test = load_dataset(data_set, "test").first(check_images)

    import torch

    from sdr_sc.distill.teachers.efficientnet import EfficientNetTeacher
    from sdr_sc.distill.teachers.export import TOLERANCE, export_teacher
    from sdr_sc.distill.teachers.onnx import OnnxTeacher

    images = torch.tensor(test.images)
    found = export_teacher(teacher, out, images)
    rows = [
        measurements.Row.at_most("logits, largest difference to torch", found.logits, "", TOLERANCE, found.images),
        measurements.Row("features, largest difference to torch", found.features, "", n=found.images),
        measurements.Row(f"size of {out.name}", out.stat().st_size / 1e6, "MB"),
    ]
    item_shape = tuple(test.item_shape)
    for name, one in (
        ("torch", EfficientNetTeacher(teacher, torch.device("cpu"))),
        ("onnxruntime", OnnxTeacher(out, "cpu", item_shape)),
    ):
        one.ask(images)
        start = time.perf_counter()
        one.ask(images)
        speed = len(images) / (time.perf_counter() - start)
        name = f"speed in batches on {torch.get_num_threads()} threads, {name}"
        rows.append(measurements.Row(name, speed, "images/s", n=len(images)))
    console = terminal()
    measurements.print_rows(rows, "teacher as ONNX", console)
    console.print(f"wrote {out}", soft_wrap=True)
    if json_path is not None:
        measurements.write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows)
        console.print(f"wrote {json_path}", soft_wrap=True)
