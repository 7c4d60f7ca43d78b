# SPDX-License-Identifier: GPL-3.0-or-later
"""For all tests: no test inherits a block failure from another, nor does pytest's own exit status."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from causes import causes_of
from skips import refusal

if TYPE_CHECKING:
    from sdr_sc.report.sweep.selection import View

collect_ignore = ["helpers/grc_canvas_child.py"]  # a program that needs a display, not a module with doctests

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell's background jobs ignore Ctrl-C, and all that they start inherits it; programs under test have to hear it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a skipped test one that failed, where skips are not allowed."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    said = refusal(reason.removeprefix("Skipped: "))
    if said is not None:
        report.outcome = "failed"
        report.longrepr = said


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by why it takes its time."""
    for item in items:
        for cause in causes_of(item.path):
            item.add_marker(cause)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    report = yield
    refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    report = yield
    refuse_skip(report)
    return report


@pytest.fixture(autouse=True)
def no_block_failure_left():
    yield
    from sdr_sc.blocks.runtime import failures

    failures.clear()


@pytest.fixture
def one_thread():
    """PyTorch with one thread: its threads wait for each other on busy cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of pre-stored knowledge, which no test may change."""
    from prestored_folders import CONFIG, DATA, LinearTeacher

    from sdr_sc.distill.targets.prestore import Prestorer

    path = tmp_path_factory.mktemp("prestored") / "whole"
    Prestorer(LinearTeacher(), DATA, CONFIG, path).run()
    return path


@pytest.fixture
def folder(reference: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(reference, tmp_path / "copy"))


@pytest.fixture(scope="session")
def study_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results file of a whole sweep that nobody measured, which no test may change."""
    from sweep_studies import write

    return write(tmp_path_factory.mktemp("study") / "study.parquet")


@pytest.fixture(scope="session")
def view(study_path: Path) -> View:
    """What its report shows."""
    from sweep_studies import view_of

    return view_of(study_path)
