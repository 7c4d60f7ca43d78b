# SPDX-License-Identifier: GPL-3.0-or-later
"""The flowgraphs as GNU Radio Companion draws them: nothing lies on anything else, and names can be read."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from sdr_sc.flowgraph.compile import grc_environment
from sdr_sc.flowgraph.loopback import FLOWGRAPHS

CHILD = Path(__file__).parents[1] / "helpers" / "grc_canvas_child.py"
FILES = sorted(FLOWGRAPHS.glob("*.grc"))
WIDEST, HIGHEST = 1800, 1100
CUT_SHORT = ("Description", "Code Snippet", "Value", "Address")
"""What may be: the text of --help, programs, an object's text, and stock blocks' addresses, which a Parameter shows."""


def drawn(*files: Path, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What GRC's canvas makes of flowgraphs, by the file's name."""
    answer = folder / "boxes.json"
    command = ["xvfb-run", "-a", sys.executable, str(CHILD), str(answer), "-", *map(str, files)]
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}  # GRC keeps its preferences there
    done = subprocess.run(
        command, env=grc_environment() | home, capture_output=True, text=True, timeout=110, cwd=FLOWGRAPHS.parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {Path(file).name: blocks for file, blocks in json.loads(answer.read_text()).items()}


@pytest.fixture(scope="module")
def canvas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    return drawn(*FILES, folder=tmp_path_factory.mktemp("canvas"))


def rectangles(blocks: list[dict[str, Any]]) -> list[tuple[str, list[float]]]:
    """Name and left, top, right, bottom of each block with its ports, and of each comment."""
    found = [(block["name"], block["box"]) for block in blocks]
    return found + [(f"{block['name']}'s comment", block["comment"]) for block in blocks if block["comment"]]


def overlaps(blocks: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [
        (one, other)
        for (one, a), (other, b) in combinations(rectangles(blocks), 2)
        if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_block_lies_on_another_or_is_cut_off(file: Path, canvas: dict[str, list[dict[str, Any]]]) -> None:
    blocks = canvas[file.name]
    assert len(blocks) > 5 and all(box[2] > box[0] and box[3] > box[1] for _, box in rectangles(blocks))
    assert overlaps(blocks) == []
    for name, (left, top, right, bottom) in rectangles(blocks):
        assert left >= 0 and top >= 0 and right <= WIDEST and bottom <= HIGHEST, name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_labels_notes_and_numbers_are_shown_whole(file: Path, canvas: dict[str, list[dict[str, Any]]]) -> None:
    cut = [(block["name"], text) for block in canvas[file.name] for text in block["elided"]]
    assert [one for one in cut if one[1].split(":")[0] not in CUT_SHORT] == []


def test_an_overlap_a_cut_edge_and_a_long_label_are_found(tmp_path: Path) -> None:
    text = (FLOWGRAPHS / "usrp_rx.grc").read_text(encoding="utf-8")
    name = "- name: rx_monitor\n"
    at = text.index("coordinate: [", text.index(name))
    under = text[:at] + "coordinate: [0, 230]" + text[text.index("]", at) + 1 :]
    under = under.replace("label: UHD device arguments", "label: UHD device arguments as uhd_find_devices has them")
    (tmp_path / "spoilt.grc").write_text(under, encoding="utf-8")
    (blocks,) = drawn(tmp_path / "spoilt.grc", folder=tmp_path).values()
    assert ("usrp_source", "rx_monitor") in overlaps(blocks)
    assert min(box[0] for _, box in rectangles(blocks)) < 0
    assert any("UHD device" in text or "Label: UHD" in text for block in blocks for text in block["elided"])
