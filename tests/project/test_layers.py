# SPDX-License-Identifier: GPL-3.0-or-later
"""Rooms: imports point down those of docs/architecture.md, in no circle, and at no private part of another room."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import sdr_sc

PACKAGE = Path(sdr_sc.__file__).parent
ROOMS = (
    ("cli",),
    ("bench", "evidence"),
    ("demo", "doctor"),
    ("report",),
    ("sweep",),
    ("schemes",),
    ("flowgraph",),
    ("blocks", "results"),
    ("link", "distill"),
    ("semantic", "capture", "simusrp", "usrp", "diagnosis"),
    ("phy", "data"),
)
"""Floor by floor, the top one first: a room imports from the floors below its own."""
EVERYWHERE = {
    *("array_file", "errors", "files", "documents", "jsonable", "native", "shown", "places", "processes", "sealed"),
    "yaml_values",
    "__version__",
}
FORBIDDEN = {
    "link": {"gnuradio", "pmt", "torch"},
    "phy": {"gnuradio", "pmt", "torch"},
    "diagnosis": {"gnuradio", "pmt", "torch"},
    "semantic": {"gnuradio", "pmt"},
    "data": {"gnuradio", "pmt", "torch"},
    "capture": {"gnuradio", "pmt", "torch"},
    "results": {"gnuradio", "pmt", "torch"},
}
LARGEST_SHARE = 0.15
MOST_FILES = 25


def modules() -> dict[str, Path]:
    """All modules of the package by their full names."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = ("sdr_sc", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imported(path: Path) -> frozenset[str]:
    """Full names of all modules that a file imports, in functions and for type checkers too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def room(name: str) -> str:
    """Of a module: the folder below the package, or the module's own name."""
    return (name.split(".") + [""])[1]


@pytest.mark.parametrize("floor", range(len(ROOMS)))
def test_a_room_imports_only_from_below(floor: int) -> None:
    below = {name for names in ROOMS[floor + 1 :] for name in names}
    for name in ROOMS[floor]:
        for path in (PACKAGE / name).rglob("*.py"):
            own = {room(each) for each in imported(path) if each.startswith("sdr_sc.")}
            assert own <= below | {name} | EVERYWHERE, path
            outside = {each.split(".")[0] for each in imported(path)}
            assert not outside & FORBIDDEN.get(name, set()), path


def test_every_folder_is_a_known_room() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert folders == {name for names in ROOMS for name in names}


def test_what_all_rooms_share_imports_no_room() -> None:
    for path in PACKAGE.glob("*.py"):
        assert {room(name) for name in imported(path) if name.startswith("sdr_sc.")} <= EVERYWHERE, path


def test_modules_import_each_other_in_no_circle() -> None:
    known = modules()
    # What a package's __init__ imports, its own modules cannot wait for: those edges are left out.
    graph = {
        name: {each for each in imported(path) if each in known and each != name and not name.startswith(f"{each}.")}
        for name, path in known.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_private_modules_and_names_stay_in_their_room() -> None:
    for name, path in modules().items():
        for each in imported(path):
            if each.startswith("sdr_sc.") and any(part.startswith("_") for part in each.split(".")[1:]):
                assert room(each) == room(name) or each == "sdr_sc.__version__", f"{name} imports {each}"


def test_no_room_holds_more_than_its_share_and_no_folder_more_than_a_glance() -> None:
    lines: Counter[str] = Counter()
    for name, path in modules().items():
        lines[room(name)] += len(path.read_text(encoding="utf-8").splitlines())
    largest, count = lines.most_common(1)[0]
    assert count <= LARGEST_SHARE * sum(lines.values()), largest
    for folder in (PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir() and path.name != "__pycache__")):
        assert sum(path.is_file() for path in folder.iterdir()) <= MOST_FILES, folder


READERS = {
    "json": {"loads", "load"},
    "yaml": {"load", "safe_load"},
    "csv": {"reader", "DictReader"},
    "pmt": {"deserialize_str"},
}
"""Calls by which a foreign text reaches a parser without bounds; sigmf/json_pieces.py streams within its own."""
MAY_READ = {
    "documents.py": {"json", "csv"},
    "yaml_values.py": {"yaml"},
    "blocks/runtime/vectors.py": {"pmt"},  # bytes that it has made itself
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


def test_no_two_test_files_have_one_name() -> None:
    """pytest imports them by name, and two of one name clash where both are in the same half of the suite."""
    names = Counter(path.name for path in (PACKAGE.parent / "tests").rglob("*.py"))
    assert [name for name, count in names.items() if count > 1] == []
