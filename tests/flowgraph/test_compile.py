# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiling GRC flowgraphs, above all the reasons given when one does not compile."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys

import grc_files
import pytest
from command import ROOT, assert_one_line_error, environment, sdr_sc

from sdr_sc.errors import FlowgraphError
from sdr_sc.flowgraph import compile as grc_compile
from sdr_sc.flowgraph.compile import compile_flowgraph, load_flowgraph


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache of block descriptions that the tests of this file share and nobody else has."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


def failure(path, tmp_path) -> str:
    with pytest.raises(FlowgraphError) as caught:
        compile_flowgraph(path, tmp_path / "out")
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_compiles_into_the_folder_asked_for(tmp_path):
    path = grc_files.write(tmp_path / "some.grc", grc_files.chain("the_id"))
    generated = compile_flowgraph(path, tmp_path / "new" / "out")
    assert generated == tmp_path / "new" / "out" / "the_id.py"
    assert "the_id" in {node.name for node in ast.parse(generated.read_text()).body if isinstance(node, ast.ClassDef)}


def test_unknown_block_is_named(tmp_path):
    data = grc_files.chain("unknown")
    data["blocks"].append(grc_files.block("bar0", "foo_bar"))
    data["connections"][-1] = ["failing", "0", "bar0", "0"]
    message = failure(grc_files.write(tmp_path / "unknown.grc", data), tmp_path)
    assert "'foo_bar' (instance 'bar0')" in message and "install" in message


def test_disabled_unknown_block_does_not_matter(tmp_path):
    data = grc_files.chain("disabled")
    data["blocks"].append(grc_files.block("bar0", "foo_bar") | {"states": {"state": "disabled"}})
    assert compile_flowgraph(grc_files.write(tmp_path / "disabled.grc", data), tmp_path).is_file()


def test_unconnected_port_is_named_with_its_block(tmp_path):
    data = grc_files.chain("open_port")
    del data["connections"][-1]
    message = failure(grc_files.write(tmp_path / "open.grc", data), tmp_path)
    assert "block 'snk', port '0': Port is not connected" in message


def test_bad_parameter_is_named_with_its_block(tmp_path):
    data = grc_files.chain("bad_parameter")
    next(block for block in data["blocks"] if block["name"] == "head")["parameters"]["num_items"] = "nope"
    message = failure(grc_files.write(tmp_path / "bad.grc", data), tmp_path)
    assert "'head'" in message and "'num_items'" in message and "nope" in message


def test_types_that_do_not_fit_are_reported_with_both_ends(tmp_path):
    data = grc_files.chain("types")
    next(block for block in data["blocks"] if block["name"] == "snk")["parameters"]["type"] = "complex"
    assert "from 'failing' to 'snk'" in failure(grc_files.write(tmp_path / "types.grc", data), tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "does not exist"),
        ("a: [1\nb: 2\n", "is not YAML that can be read in line 2"),
        ("just text\n", "is not a GRC flowgraph"),
        ("", "is not a GRC flowgraph"),
        ("options: {parameters: {id: x}}\nblocks: [1]\nconnections: []\n", "is not a GRC flowgraph"),
        ("options: {parameters: {id: 3x}}\nblocks: []\nconnections: []\n", "has the id '3x'"),
        ("<?xml version='1.0'?><flow_graph/>", "XML format"),
    ],
)
def test_files_that_are_no_flowgraph(tmp_path, content, reason):
    path = tmp_path / "broken.grc"
    if content is not None:
        path.write_text(content)
    message = failure(path, tmp_path)
    assert reason in message and "broken.grc" in message


def test_output_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "out").write_text("a file")
    path = grc_files.write(tmp_path / "some.grc", grc_files.chain("some"))
    assert "output folder" in failure(path, tmp_path)


def test_block_description_with_an_older_date_is_seen(tmp_path, monkeypatch):
    """GRC's own cache goes by modification time and misses it."""
    folder = tmp_path / "blocks"
    folder.mkdir()
    monkeypatch.setenv("GRC_BLOCKS_PATH", str(folder))
    description = folder / "cached_thing.block.yml"
    text = "id: cached_thing\nlabel: x\ncategory: '[x]'\nparameters: []\ntemplates: {make: %s}\nfile_format: 1\n"
    source = {"id": "variable", "name": "unused", "parameters": {"value": "0"}, "states": {"state": "enabled"}}
    data = grc_files.flowgraph("cached", [source, grc_files.block("it", "cached_thing")], [])
    path = grc_files.write(tmp_path / "cached.grc", data)
    description.write_text(text % "first()")
    assert "self.it = first()" in compile_flowgraph(path, tmp_path).read_text()
    description.write_text(text % "other()")
    os.utime(description, (1e9, 1e9))
    assert "self.it = other()" in compile_flowgraph(path, tmp_path).read_text()


def test_our_folder_comes_before_others_once(monkeypatch):
    monkeypatch.setenv("GRC_BLOCKS_PATH", f"/a:{grc_compile.GRC_FOLDER}:/b")
    assert grc_compile.grc_environment()["GRC_BLOCKS_PATH"] == f"{grc_compile.GRC_FOLDER}:/a:/b"


def test_command_compiles_several(tmp_path):
    paths = [grc_files.write(tmp_path / f"{name}.grc", grc_files.chain(name)) for name in ("one", "two")]
    process = sdr_sc("compile", *paths, "-o", tmp_path / "out")
    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == [str(tmp_path / "out" / f"{name}.py") for name in ("one", "two")]


def test_command_fails_with_one_line(tmp_path):
    assert_one_line_error(sdr_sc("compile", tmp_path / "no.grc"), "no.grc", "does not exist")


@pytest.mark.parametrize("statement", ["import no_such_module", "from json import no_such_name"])
def test_what_an_import_raises_is_reported(tmp_path, statement):
    data = grc_files.chain("importing")
    data["blocks"].append(grc_files.block("needs", "import", imports=statement))
    message = failure(grc_files.write(tmp_path / "importing.grc", data), tmp_path)
    assert "'needs'" in message and statement in message and "no_such" in message.partition("Error: ")[2]


FLOWGRAPHS = sorted((ROOT / "flowgraphs").glob("*.grc"))


def plain_grcc(flowgraph, folder, *python):
    program = shutil.which("grcc")
    assert program is not None
    return subprocess.run(
        [*python, program, str(flowgraph), "-o", str(folder)],
        env=environment(GRC_BLOCKS_PATH=None, PYTHONPATH=str(ROOT) if python else ""),
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.mark.parametrize("flowgraph", FLOWGRAPHS, ids=lambda path: path.stem)
def test_every_flowgraph_checks_that_our_blocks_are_in_it(flowgraph):
    blocks = load_flowgraph(flowgraph)["blocks"]
    assert any("check_built(self)" in block["parameters"].get("code", "") for block in blocks)
    assert any("sdr_sc" in block["parameters"].get("imports", "") for block in blocks)


def test_grcc_of_a_python_without_us_refuses_our_flowgraph(tmp_path):
    result = plain_grcc(ROOT / "flowgraphs" / "zmq_channel.grc", tmp_path)
    assert result.returncode != 0 and "import sdr_sc" in result.stdout + result.stderr


def test_program_without_our_blocks_ends_with_one_line(tmp_path):
    plain_grcc(ROOT / "flowgraphs" / "sim_loopback.grc", tmp_path, sys.executable)
    command = [sys.executable, str(tmp_path / "sim_loopback.py")]
    process = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=100)
    assert_one_line_error(process, "compiled without the blocks of sdr_sc", "sdr-sc compile")


@pytest.mark.parametrize("verb", ["run", "compile", "companion"])
def test_help_says_that_a_flowgraph_is_code(verb):
    assert "A .grc file is code" in " ".join(sdr_sc(verb, "--help").stdout.split())
