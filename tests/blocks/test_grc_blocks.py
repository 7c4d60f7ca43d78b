# SPDX-License-Identifier: GPL-3.0-or-later
"""The GRC descriptions against the blocks that they describe."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import sdr_sc.blocks
from sdr_sc.flowgraph.compile import GRC_FOLDER, known_block_ids

BLOCKS = sorted(p.stem for p in Path(sdr_sc.blocks.__file__).parent.glob("[a-z]*.py"))
QT = ("answer_display", "task_display", "task_quality", "knowledge_display")
WITHOUT_QT = [name for name in BLOCKS if name not in QT]


def description(name: str) -> dict:
    return yaml.safe_load((GRC_FOLDER / f"sdr_sc_{name}.block.yml").read_text())


def test_every_block_has_a_description_and_the_other_way_round() -> None:
    described = {path.name for path in GRC_FOLDER.glob("*.yml")}
    assert described == {f"sdr_sc_{name}.block.yml" for name in BLOCKS}


@pytest.mark.parametrize("name", BLOCKS)
def test_description_fits_the_constructor(name: str) -> None:
    block = description(name)
    assert block["id"] == f"sdr_sc_{name}"
    assert block["file_format"] == 1 and "python" in block["flags"]
    assert block["category"].startswith("[sdr_sc]/")
    for ports, section in (("inputs", "Input"), ("outputs", "Output")):
        assert (f"{section}:" in block["documentation"] or f"{section}s:" in block["documentation"]) == (ports in block)
    cls = getattr(importlib.import_module(f"sdr_sc.blocks.{name}"), name)
    arguments = inspect.signature(cls.__init__).parameters
    described = {p["id"] for p in block.get("parameters", [])} - {"gui_hint"}
    assert described == set(arguments) - {"self"}
    for parameter in described:
        assert f"{parameter}=" in block["templates"]["make"]
    for callback in block["templates"].get("callbacks", []):
        assert hasattr(cls, callback.split("(")[0])


@pytest.mark.parametrize("name", BLOCKS)
def test_quantities_have_their_unit_in_the_label(name: str) -> None:
    units = {"_db": "(dB)", "_hz": "(Hz)", "_s": "(s)", "_ms": "(ms)", "_samples": "(samples)"}
    for parameter in description(name).get("parameters", []):
        for ending, unit in units.items():
            if parameter["id"].endswith(ending):
                assert unit in parameter["label"], parameter


@pytest.mark.parametrize("name", WITHOUT_QT)
def test_ports_are_those_of_the_block(name: str) -> None:
    import pmt

    block = description(name)
    made = getattr(importlib.import_module(f"sdr_sc.blocks.{name}"), name)()
    for side, registered in (("inputs", made.message_ports_in()), ("outputs", made.message_ports_out())):
        ports = {p["id"] for p in block.get(side, []) if p["domain"] == "message"}
        assert ports == {pmt.symbol_to_string(pmt.vector_ref(registered, i)) for i in range(pmt.length(registered))} - {
            "system"
        }


@pytest.mark.parametrize("name", WITHOUT_QT)
def test_defaults_are_those_of_the_constructor_or_run(name: str) -> None:
    cls = getattr(importlib.import_module(f"sdr_sc.blocks.{name}"), name)
    values = {}
    for parameter in description(name).get("parameters", []):
        text = str(parameter["default"])
        is_text = parameter["dtype"] in ("string", "file_open", "file_save")
        values[parameter["id"]] = text if is_text else eval(text)
    cls(**values)


def test_grc_knows_the_blocks() -> None:
    assert {f"sdr_sc_{name}" for name in BLOCKS} <= known_block_ids()


@pytest.mark.parametrize("name", BLOCKS)
def test_importing_a_block_imports_no_torch(name: str) -> None:
    code = f"import sys, sdr_sc.blocks.{name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
