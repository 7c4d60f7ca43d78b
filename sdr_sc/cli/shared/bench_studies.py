# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc bench distillation study`` and ``gain``."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

_STUDIES = "control, bottleneck, few-labels, headroom, shift"


@click.command("study")
@click.argument("names", nargs=-1)
@click.option(
    "--size",
    "size_name",
    default="full",
    show_default=True,
    type=click.Choice(["full", "reduced", "quick"]),
    help="A night on two cores, ten minutes, or a trial whose figures mean nothing.",
)
@click.option("--quick", is_flag=True, help="The same as --size quick.")
@click.option("--scheme", "schemes", multiple=True, help="Only this one; may be repeated [all].")
@click.option("--seed", "seeds", multiple=True, type=click.IntRange(0), help="Of the students, in place of the size's.")
@click.option("--epochs", type=click.IntRange(1), help="Of each student, in place of the size's.")
@click.option("--decision-epochs", type=click.IntRange(0), help="The same, of its decision epochs.")
@click.option("--teacher-steps", type=click.IntRange(1), help="The same, of each teacher's fit.")
@click.option("--teacher-pixels", type=click.IntRange(32), help="The same, side that images are resized to for it.")
@click.option("--views", type=click.IntRange(1), help="The same, stored views of each image.")
@click.option("--asked", type=click.IntRange(1), help="The same, images that a teacher is asked about, for few labels.")
@click.option("--images", type=click.IntRange(2), help="The same, first training images, of which some are held out.")
@click.option("--test-images", type=click.IntRange(2), help="The same, first test images that are sent.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where teachers, students and answers lie [checkpoints/studies_SIZE].",
)
@click.option("--workers", default=0, type=click.IntRange(0), help="Processes of one thread; 0: one a core.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write rows and answers to this file.")
def study(
    names: tuple[str, ...],
    size_name: str,
    quick: bool,
    schemes: tuple[str, ...],
    seeds: tuple[int, ...],
    epochs: int | None,
    decision_epochs: int | None,
    teacher_steps: int | None,
    teacher_pixels: int | None,
    views: int | None,
    asked: int | None,
    images: int | None,
    test_images: int | None,
    folder: Path | None,
    workers: int,
    json_path: Path | None,
) -> None:
    """Fair comparisons with everything they need: teachers, students, the test set through the physical layer.

    NAMES: control, bottleneck, few-labels, headroom, shift; all of them for none. Run again with the same settings and
    folder, it goes on where it was stopped. Gains are paired over images and noise, their intervals hold for images and
    seeds together. The answers go into the JSON file, right or wrong, so that 'gain' can compare any two schemes.
    """
    from sdr_sc.bench.distillation.study_rows import run_study
    from sdr_sc.distill.studies.study import SIZES, pick_studies
    from sdr_sc.errors import SdrScError
    from sdr_sc.results.rows import Row, check_writable, print_rows, write_json
    from sdr_sc.shown import terminal

    size_name = "quick" if quick else size_name
    given: dict[str, Any] = {
        "seeds": seeds or None,
        "epochs": epochs,
        "decision_epochs": decision_epochs,
        "teacher_steps": teacher_steps,
        "teacher_pixels": teacher_pixels,
        "views": views,
        "asked": asked,
        "images": images,
        "test_images": test_images,
    }
    size = replace(SIZES[size_name], **{name: value for name, value in given.items() if value is not None})
    folder = folder or Path("checkpoints") / f"studies_{size_name}"
    for target in (folder / "x", *([json_path] if json_path else [])):
        check_writable(target)
    picked = pick_studies(names)
    known = {scheme.name for one in picked for scheme in one.schemes}
    for name in schemes:
        if name not in known:
            raise SdrScError(f"scheme {name!r} is unknown; give some of {', '.join(sorted(known))}.")
    console = terminal(width=None if sys.stdout.isatty() else 120)
    rows: list[Row] = []
    kept: dict[str, dict] = {}
    for one in picked:
        if schemes and not {scheme.name for scheme in one.schemes} & set(schemes):
            continue
        console.print(f"study {one.name}: {one.title}")
        result = run_study(one, size, folder, workers or os.cpu_count() or 1, console.print, schemes)
        print_rows(result.rows, one.title, console)
        rows += [replace(row, name=f"{one.name}: {row.name}") for row in result.rows]
        kept[one.name] = result.kept
    if json_path is not None:
        config = {"studies": [one.name for one in picked], "schemes": list(schemes), "size": asdict(size)}
        write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows, {"config": config, "answers": kept})
        console.print(f"wrote {json_path}")
    if any(row.ok is False for row in rows):
        raise SystemExit(1)


@click.command("gain")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--study", "study_name", required=True, help=f"One that the file has: {_STUDIES}.")
@click.option("--one", required=True, help="Name of a scheme.")
@click.option("--other", required=True, help="Name of the scheme that it is compared with.")
@click.option(
    "--other-file",
    type=click.Path(path_type=Path),
    help="File with the answers of --other [FILE], as of a longer training: those of a seed meet the same noise.",
)
def gain(file: Path, study_name: str, one: str, other: str, other_file: Path | None) -> None:
    """Compute gains and intervals again from the answers that 'study --json FILE' kept, for any two schemes."""
    from sdr_sc.bench.distillation.study_rows import gain_rows
    from sdr_sc.results.rows import print_rows
    from sdr_sc.shown import shown, terminal

    found, of_other = _answers(file, study_name), _answers(other_file or file, study_name)
    source = " and ".join(str(shown(each)) for each in (file, other_file) if each)
    console = terminal(width=None if sys.stdout.isatty() else 120)
    print_rows(gain_rows(found, one, other, source, of_other), f"{one} over {other}", console)


def _answers(file: Path, study_name: str) -> dict[str, Any]:
    """The answers of a study from a file of figures."""
    from sdr_sc.errors import SdrScError
    from sdr_sc.results.rows import read_measurements
    from sdr_sc.shown import shown

    answers = read_measurements(file).get("answers")
    found = answers.get(study_name) if isinstance(answers, dict) else None
    if not isinstance(found, dict):
        raise SdrScError(f"{shown(file)} has no answers of study {study_name!r}; give a file of 'study --json'.")
    return found
