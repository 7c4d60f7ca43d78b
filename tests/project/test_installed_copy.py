# SPDX-License-Identifier: GPL-3.0-or-later
"""The package without its repository, as 'pip install .' leaves it: it has no models and no flowgraphs, and says so."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import ROOT, assert_one_line_error, environment


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the package alone."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "sdr_sc", folder / "sdr_sc", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return folder


def run(site: Path, *arguments: object) -> subprocess.CompletedProcess:
    """``sdr-sc`` of the copy."""
    return subprocess.run(
        [sys.executable, "-m", "sdr_sc.cli.main", *map(str, arguments)],
        env=environment() | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=site,
    )


@pytest.mark.parametrize(
    "verb", [("demo",), ("evaluate", "--quick"), ("export", "--out", "my.onnx"), ("record", "sim", "x")]
)
def test_a_copy_without_models_says_to_run_from_a_clone(site: Path, verb: tuple[str, ...]) -> None:
    assert_one_line_error(run(site, *verb), "has no shipped models", "run from a clone ('make setup')")


def test_a_copy_without_flowgraphs_says_to_run_from_a_clone(site: Path) -> None:
    model = ROOT / "models" / "fashion_mnist_student.safetensors"
    for verb in (("demo", "--model", model), ("replay", ROOT / "captures" / "awgn_10db", "--model", model)):
        assert_one_line_error(run(site, *verb), "is missing; run from a clone of the repository with its flowgraphs")
