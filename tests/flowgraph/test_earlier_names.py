# SPDX-License-Identifier: GPL-3.0-or-later
"""Flowgraphs and programs of the version before, with the names that its blocks had, open and run."""

from __future__ import annotations

import csv
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from command import environment, sdr_sc

from sdr_sc.flowgraph.compile import GRC_FOLDER, load_flowgraph
from sdr_sc.flowgraph.loopback import LOOPBACK

EARLIER = {"snr_estimator": "snr_smoother", "image_source": "item_source"}
"""Blocks by their earlier names."""


def of_the_version_before(folder: Path) -> Path:
    """The loopback flowgraph with the earlier ids, and with the earlier names of its blocks."""
    text = LOOPBACK.read_text()
    for earlier, name in EARLIER.items():
        assert f"id: sdr_sc_{name}\n" in text
        text = text.replace(f"id: sdr_sc_{name}\n", f"id: sdr_sc_{earlier}\n")
    path = folder / "sim_loopback.grc"
    path.write_text(text.replace("smoother", "estimator").replace("items: images", "images: images"))
    return path


def delivered(folder: Path) -> list[str]:
    """k of the frames, all of which were delivered."""
    with open(folder / "frames.csv", newline="") as file:
        frames = sorted(csv.DictReader(file), key=lambda frame: int(frame["frame_index"]))
    assert [frame["status"] for frame in frames] == ["delivered"] * 10
    return [frame["k"] for frame in frames]


def test_a_flowgraph_with_the_earlier_ids_runs_and_adapts(tmp_path: Path) -> None:
    flowgraph, folder = of_the_version_before(tmp_path), tmp_path / "run"
    ids = {block["id"] for block in load_flowgraph(flowgraph)["blocks"]}
    assert {f"sdr_sc_{earlier}" for earlier in EARLIER} <= ids
    options = ["--images", "40", "--feedback-timeout-s", "20", "--snr-db", "25", "--folder", folder]
    result = sdr_sc("run", flowgraph, "--timeout", "100", *options)
    assert result.returncode == 0, result.stderr
    assert delivered(folder) == ["32", *["2"] * 9]


def test_a_program_that_the_version_before_compiled_runs(tmp_path: Path) -> None:
    assert sdr_sc("compile", LOOPBACK, "-o", tmp_path).returncode == 0
    program, folder = tmp_path / "sim_loopback.py", tmp_path / "run"
    text = program.read_text().replace("snr_smoother", "snr_estimator").replace("item_source", "image_source")
    for ours, earlier in (
        ("items=images", "images=images"),
        (",\n            tasks=''", ""),
        (",\n            question=''", ""),
    ):
        assert ours in text
        text = text.replace(ours, earlier, 1)
    program.write_text(text)
    assert "from sdr_sc.blocks.snr_estimator import snr_estimator" in program.read_text()
    command = [sys.executable, str(program), "--images", "40", "--feedback-timeout-s", "20", "--snr-db", "25"]
    done = subprocess.run(
        [*command, "--folder", str(folder)], env=environment(), timeout=100, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert delivered(folder) == ["32", *["2"] * 9]


@pytest.mark.parametrize(("earlier", "name"), EARLIER.items())
def test_an_earlier_name_is_the_same_block_and_says_that_it_goes(earlier: str, name: str) -> None:
    old, new = (yaml.safe_load((GRC_FOLDER / f"sdr_sc_{each}.block.yml").read_text()) for each in (earlier, name))
    assert old["flags"] == [*new["flags"], "deprecated"]
    for part in ("inputs", "outputs", "category"):
        assert old.get(part) == new.get(part), part
    if earlier == "snr_estimator":
        for part in ("parameters", "asserts", "templates"):
            assert old.get(part) == new.get(part), part
    sys.modules.pop(f"sdr_sc.blocks.{earlier}", None)
    with pytest.warns(DeprecationWarning, match=f"is now sdr_sc.blocks.{name}; import that"):
        module = importlib.import_module(f"sdr_sc.blocks.{earlier}")
    current = getattr(importlib.import_module(f"sdr_sc.blocks.{name}"), name)
    assert issubclass(getattr(module, earlier), current)
