# SPDX-License-Identifier: GPL-3.0-or-later
"""A sweep's report from its results files to the disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdr_sc.errors import SdrScError
from sdr_sc.files import write_whole
from sdr_sc.report.sweep.export import drawn, figure_files, paths_of
from sdr_sc.report.sweep.headline import verdict
from sdr_sc.report.sweep.page import render
from sdr_sc.report.sweep.results_set import load_study
from sdr_sc.report.sweep.selection import View
from sdr_sc.shown import utf8


@dataclass(frozen=True)
class Written:
    """What was made.

    Attributes:
        page: the HTML page.
        figures: pictures, PNG and PDF.
        warnings: what a reader has to know, a sentence each.
    """

    page: Path
    figures: list[Path]
    warnings: list[str]


def write_sweep_report(
    results: Sequence[Path],
    page: Path,
    figures: Path | None = None,
    target: float = 90.0,
    force: bool = False,
) -> Written:
    """Write a page about results files of one sweep, and its figures as files.

    Args:
        results: files of ``sdr-sc sweep``; their points are put together.
        page: the HTML page to write.
        figures: folder for PNG and PDF files; None for none.
        target: accuracy in percent for which channel uses are given.
        force: overwrite what is there.

    Raises:
        SdrScError: results cannot be used or contradict each other, or a file is there already or cannot be written;
            nothing is written then.
    """
    if page.resolve() in [path.resolve() for path in results]:
        raise SdrScError(f"{page} is a results file; give another --out.")
    refuse_existing([page], force)
    view = View(load_study(results), target)
    files = {} if figures is None else figure_files(view, figures)
    pictures = paths_of(files)
    if figures is not None and figures.is_file():
        raise SdrScError(f"{figures} is a file; give a folder for the figures.")
    refuse_existing(pictures, force)
    told = verdict(view)
    write_whole({page: utf8(render(view)), **drawn(files)})
    return Written(page, pictures, [*([] if told["ok"] else [told["sentence"]]), *told["notes"]])


def refuse_existing(paths: Sequence[Path], force: bool) -> None:
    """Raise `SdrScError` if one of the paths is there, or is a folder."""
    for path in paths:
        if path.is_dir():
            raise SdrScError(f"{path} is a folder; give a file's name.")
        if path.exists() and not force:
            raise SdrScError(f"{path} exists already; give another name, or --force to overwrite it.")
