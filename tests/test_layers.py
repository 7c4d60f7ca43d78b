# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports only ever point down the layers of docs/architecture.md."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sdr_sc

PACKAGE = Path(sdr_sc.__file__).parent
BELOW = {
    "cli": {"experiments", "blocks", "link", "distill", "semantic", "phy", "data", "capture", "simusrp", "usrp"},
    "experiments": {"blocks", "link", "distill", "semantic", "phy", "data", "capture", "simusrp", "usrp"},
    "blocks": {"link", "semantic", "phy", "data", "capture"},
    "link": {"phy"},
    "distill": {"semantic", "phy", "data"},
    "semantic": set(),
    "phy": set(),
    "data": set(),
    "capture": set(),
    "simusrp": {"phy"},
    "usrp": set(),
}
EVERYWHERE = {"errors", "files", "documents", "shown", "places", "processes", "sealed", "yaml_values"}
FORBIDDEN = {
    "link": {"gnuradio", "pmt", "torch"},
    "phy": {"gnuradio", "pmt", "torch"},
    "semantic": {"gnuradio", "pmt"},
    "data": {"gnuradio", "pmt", "torch"},
    "capture": {"gnuradio", "pmt", "torch"},
}


def imported(path: Path) -> set[str]:
    """Full names of all modules that a file imports, in functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("layer", BELOW)
def test_a_layer_imports_only_from_below(layer: str) -> None:
    allowed = BELOW[layer] | {layer, *EVERYWHERE, "__version__"}
    for path in (PACKAGE / layer).rglob("*.py"):
        own = {name.split(".")[1] for name in imported(path) if name.startswith("sdr_sc.")}
        assert own <= allowed, path
        outside = {name.split(".")[0] for name in imported(path)}
        assert not outside & FORBIDDEN.get(layer, set()), path


def test_every_folder_is_a_known_layer() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert folders == set(BELOW)


READERS = {
    "json": {"loads", "load"},
    "yaml": {"load", "safe_load"},
    "csv": {"reader", "DictReader"},
    "pmt": {"deserialize_str"},
}
"""Calls by which a foreign text could reach a parser without bounds; capture/json_pieces.py streams within its own."""
MAY_READ = {
    "documents.py": {"json", "csv"},
    "yaml_values.py": {"yaml"},
    "blocks/_vectors.py": {"pmt"},  # bytes that it has made itself
}


def reader_calls(path: Path) -> set[str]:
    """Modules of `READERS` whose parser a file calls, but for ``json.loads(json.dumps(...))``, a change of types."""
    return {
        node.func.value.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.attr in READERS.get(node.func.value.id, ())
        and not ast.unparse(node).startswith("json.loads(json.dumps(")
    }


def test_documents_are_read_by_one_module_alone() -> None:
    found = {str(path.relative_to(PACKAGE)): reader_calls(path) for path in PACKAGE.rglob("*.py")}
    assert {name: calls for name, calls in found.items() if calls} == MAY_READ
