# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the commands that distil: what cannot be meant is refused, and defaults are those of the classes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from command import assert_one_line_error

from sdr_sc.cli import prestore
from sdr_sc.cli.main import main
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.targets.prestore import PrestoreConfig
from sdr_sc.distill.targets.teacher_targets import training_policy
from sdr_sc.semantic.modalities.image_views import ViewPolicy


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--teacher", "none.onnx", "--feature-weight", "0.3"], "leave out --feature-weight, or give --prestored"),
        (["--labels-only", "--feature-weight", "0.3"], "leave out --soft-weight and --feature-weight"),
        (["--labels-only", "--soft-weight", "0.9"], "leave out --soft-weight and --feature-weight"),
        # What is not given, or says what is done anyway, is no mistake: the next thing to be missed is the teacher.
        (["--teacher", "none.onnx"], "none.onnx is missing"),
        (["--teacher", "none.onnx", "--feature-weight", "0", "--soft-weight", "0.5"], "none.onnx is missing"),
    ],
)
def test_weights_of_knowledge_that_is_not_there_are_refused(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--out", str(tmp_path / "m.safetensors"), "--checkpoint", str(tmp_path / "c.pt")]
    with pytest.raises(SystemExit) as stop:
        main(["distill", *options, *places])
    assert_one_line_error(subprocess.CompletedProcess([], int(stop.value.code or 0), *capsys.readouterr()), told)


def test_defaults_of_prestoring_are_the_same_in_the_command_in_python_and_in_training() -> None:
    defaults = {parameter.name: parameter.default for parameter in prestore.command.params}
    for settings, names in (
        (PrestoreConfig(), ("views", "labels", "features", "seed", "shard_items")),
        (ViewPolicy(), ("shift", "erase", "erase_share", "flip")),
    ):
        assert {name: defaults[name] for name in names} == {name: getattr(settings, name) for name in names}
    assert PrestoreConfig().policy == ViewPolicy() == training_policy(DistillConfig())
