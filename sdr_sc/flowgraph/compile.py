# SPDX-License-Identifier: GPL-3.0-or-later
"""Compile GRC flowgraphs with our blocks visible, and say in one sentence why one does not compile."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sdr_sc.documents import YAML_LIMIT_BYTES, parse_yaml, read_bytes, read_json
from sdr_sc.errors import FlowgraphError, MissingDependencyError
from sdr_sc.places import cache_folder, own_folder, scratch_folder
from sdr_sc.shown import shown
from sdr_sc.simusrp import build as simusrp

GRC_FOLDER = Path(__file__).resolve().parent.parent / "grc"
"""Where the package keeps its ``*.block.yml``."""

COMPILE_LIMIT_S = 120.0
_CHILD = Path(__file__).with_name("compile_child.py")


def grc_environment() -> dict[str, str]:
    """The process environment with our block folder in front of ``GRC_BLOCKS_PATH``, and with the simulated USRP where
    it is built."""
    environment = simusrp.environment() if simusrp.is_built() else dict(os.environ)
    others = environment.get("GRC_BLOCKS_PATH", "")
    folders = [str(GRC_FOLDER)] + [
        folder for folder in others.split(os.pathsep) if folder and folder != str(GRC_FOLDER)
    ]
    environment["GRC_BLOCKS_PATH"] = os.pathsep.join(folders)
    return environment


def load_flowgraph(path: Path) -> dict[str, Any]:
    """Read a .grc file as data, without GNU Radio.

    Raises:
        FlowgraphError: missing, not YAML, or not a flowgraph.
    """
    if not os.path.exists(path):
        raise FlowgraphError(f"flowgraph {shown(path)} does not exist; check its path.")
    content = read_bytes(path, "flowgraph", "give a .grc file of GNU Radio Companion", FlowgraphError, YAML_LIMIT_BYTES)
    if content.lstrip().startswith(b"<?xml"):
        raise FlowgraphError(
            f"flowgraph {shown(path)} is in GNU Radio 3.7's XML format; open and save it in a newer GRC."
        )
    data = parse_yaml(content, f"flowgraph {shown(path)}", "correct it, or save it again in GRC", FlowgraphError)
    if not _is_flowgraph(data):
        raise FlowgraphError(f"{path} is not a GRC flowgraph: it needs 'options', 'blocks' and 'connections'.")
    return data


def flowgraph_id(data: dict[str, Any], path: Path) -> str:
    """The id in a flowgraph's options: its Python class and the stem of the generated file.

    Raises:
        FlowgraphError: there is none, or it cannot name a Python module.
    """
    name = data["options"]["parameters"].get("id")
    if not isinstance(name, str) or not name.isidentifier() or name == "default":
        raise FlowgraphError(f"flowgraph {path} has the id {name!r}; set a Python name in its Options block.")
    return name


def compile_flowgraph(path: Path, out_dir: Path) -> Path:
    """Compile a .grc file and return the generated Python file, ``out_dir/<options id>.py``.

    Takes about half a second, three when the cache of block descriptions is not there yet.

    Raises:
        FlowgraphError: it does not compile; the message names the block that is to blame.
        MissingDependencyError: there is no GRC.
    """
    name = flowgraph_id(load_flowgraph(path), path)
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FlowgraphError(f"output folder {out_dir} cannot be made: {error.strerror}.") from error
    answer = _run_child(["compile", str(path.resolve()), str(out_dir.resolve())], str(path))
    if answer.get("unknown"):
        raise FlowgraphError(_unknown_blocks(path, answer["unknown"]))
    if answer.get("errors"):
        shown = "; ".join(answer["errors"][:3])
        more = len(answer["errors"]) - 3
        raise FlowgraphError(
            f"flowgraph {path} does not compile: {shown}" + (f"; and {more} more." if more > 0 else ".")
        )
    generated = out_dir / f"{name}.py"
    if answer.get("generated"):
        generated = Path(answer["generated"])
    if not generated.is_file():
        raise FlowgraphError(f"flowgraph {path} compiled, but grcc left no {generated.name}; is its output Python?")
    return generated


def known_block_ids() -> set[str]:
    """The ids of all blocks that GRC finds, ours among them.

    Raises:
        FlowgraphError, MissingDependencyError: GRC does not run.
    """
    return set(_run_child(["list"], "GRC's block list")["known"])


def _run_child(arguments: list[str], subject: str) -> dict[str, Any]:
    """Run ``compile_child.py`` with this interpreter, so that blocks in this venv are found; returns its answer."""
    with scratch_folder() as scratch:
        answer_file = Path(scratch) / "answer.json"
        command = [sys.executable, str(_CHILD), str(answer_file), str(_cache_file()), *arguments]
        try:
            run = subprocess.run(
                command,
                env=grc_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=COMPILE_LIMIT_S,
            )
        except subprocess.TimeoutExpired:
            raise FlowgraphError(
                f"{subject}: grcc did not end within {COMPILE_LIMIT_S:g} s; does a block's import hang?"
            ) from None
        if answer_file.is_file():
            return read_json(answer_file, f"{subject}: the answer of GRC", "run it again", FlowgraphError)
    output = run.stdout.decode(errors="replace")
    if "No module named 'gnuradio" in output:
        raise MissingDependencyError("GNU Radio is not installed for this Python: run 'make setup'.")
    last = output.strip().splitlines()[-1:] or [f"exit status {run.returncode}"]
    raise FlowgraphError(f"{subject}: grcc failed: {_one_line(last[0])}.")


def _cache_file() -> Path:
    """Where GRC keeps its parsed block descriptions for us.

    GRC trusts a cached description by modification time alone, and so misses a file that was replaced by an older one
    (a git checkout, a pip install). The state of our folder is therefore part of the name.
    """
    state = hashlib.sha256()
    for folder in grc_environment()["GRC_BLOCKS_PATH"].split(os.pathsep):
        for file in sorted(Path(folder).rglob("*.yml")):
            status = file.stat()
            state.update(f"{file} {status.st_mtime_ns} {status.st_size}\n".encode("utf-8", "surrogateescape"))
    # What the descriptions say becomes code: the folder is this user's alone.
    base = own_folder(cache_folder() / "grc")
    current = base / f"blocks-{state.hexdigest()[:16]}.json"
    old = sorted((file for file in base.glob("blocks-*.json") if file != current), key=_age_key)
    for file in old[:-3]:
        file.unlink(missing_ok=True)
    return current


def _age_key(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _unknown_blocks(path: Path, unknown: list[list[str]]) -> str:
    uses = ", ".join(f"'{block_id}' (instance '{name}')" for block_id, name in unknown[:5])
    if len(unknown) > 5:
        uses += f" and {len(unknown) - 5} more"
    noun, pronoun = ("block", "it") if len(unknown) == 1 else ("blocks", "them")
    return (
        f"flowgraph {path} uses {noun} {uses}, which GNU Radio does not know; install the module that provides "
        f"{pronoun}, or set GRC_BLOCKS_PATH to the folder of its .block.yml."
    )


def _is_flowgraph(data: Any) -> bool:
    if not isinstance(data, dict) or not isinstance(data.get("options"), dict):
        return False
    if not isinstance(data["options"].get("parameters"), dict):
        return False
    blocks, connections = data.get("blocks"), data.get("connections")
    if not isinstance(blocks, list) or not isinstance(connections, list):
        return False
    return all(isinstance(block, dict) and isinstance(block.get("id"), str) and "name" in block for block in blocks)


def _one_line(text: object) -> str:
    return " ".join(str(text).split()).rstrip(".")
