# SPDX-License-Identifier: GPL-3.0-or-later
"""A child process in which GRC's compiler runs; see ``grc_compile.py``. It imports nothing of ours.

``compile_child.py ANSWER CACHE compile FLOWGRAPH FOLDER`` or ``... list``: the answer is a JSON file.
grcc reports a block that it does not know as "Port is not connected", and its errors name no instance. Both are to be
had from the objects it works with, so this wraps three of its functions and leaves the rest as it is.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from pathlib import Path
from typing import Any


class _UnknownBlockError(Exception):
    pass


class _NoDocstrings:
    """Stands in for GRC's docstring loader, which imports every installed block in a further process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def _nothing(self, *args: Any, **kwargs: Any) -> None:
        pass

    start = query = finish = wait = terminate = _nothing


_FAILED_IMPORT = re.compile(r"""(?:Failed to evaluate import expression |Import )('.*'|".*")""")


def _with_cause(message: str) -> str:
    """An error message; one about an import gets what the import raises, which GRC leaves out."""
    found = _FAILED_IMPORT.search(message)
    if found is None:
        return message
    try:
        exec(ast.literal_eval(found.group(1)), {})  # as GRC has just done
    except Exception as error:
        return f"{message} ({type(error).__name__}: {' '.join(str(error).split())})"
    return message


def _errors(flow_graph: Any) -> list[str]:
    """A validated flowgraph's errors, each with the instance and the parameter or port that it is about."""
    lines = []
    for element, message in flow_graph.iter_error_messages():
        block = element if hasattr(element, "params") else getattr(element, "parent_block", None)
        instance = getattr(block, "name", None) if element is not flow_graph else None
        detail = _with_cause(" ".join(message.split()).rstrip("."))
        if hasattr(element, "source_block") and hasattr(element, "sink_block"):
            lines.append(f"connection from '{element.source_block.name}' to '{element.sink_block.name}': {detail}")
        elif instance is None:
            lines.append(detail)
        elif element is block:
            lines.append(f"block '{instance}': {detail}")
        else:
            part = getattr(element, "key", None) or getattr(element, "name", "")
            kind = "parameter" if getattr(element, "is_param", False) else "port"
            lines.append(f"block '{instance}', {kind} '{part}': {detail}")
    return list(dict.fromkeys(lines))


def _used_blocks(data: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (str(block["id"]), str(block["name"]))
        for block in data.get("blocks", [])
        # GRC, too, lets a disabled block stay unknown.
        if (block.get("states") or {}).get("state", "enabled") not in ("disabled", False)
    ]


def main() -> int:
    answer_file, cache, task, *rest = sys.argv[1:]
    # Else this file's folder would shadow modules of GRC or of the flowgraph.
    sys.path.pop(0)
    from gnuradio.grc import compiler
    from gnuradio.grc.core import Constants, Messages
    from gnuradio.grc.core.platform import Platform
    from gnuradio.grc.core.utils import extract_docs

    answer: dict[str, Any] = {"unknown": [], "errors": [], "generated": None}
    Constants.CACHE_FILE = cache
    extract_docs.SubprocessLoader = _NoDocstrings
    parse_flow_graph = Platform.parse_flow_graph
    load_and_generate = Platform.load_and_generate_flow_graph

    def parse_known(self: Any, filename: str) -> Any:
        data = parse_flow_graph(self, filename)
        answer["unknown"] = [use for use in _used_blocks(data) if use[0].rstrip("_") not in self.blocks]
        if answer["unknown"]:
            raise _UnknownBlockError
        return data

    def load_and_note(self: Any, *args: Any, **kwargs: Any) -> Any:
        if task == "list":
            answer["known"] = sorted(self.blocks)
            return None, None
        flow_graph, result = load_and_generate(self, *args, **kwargs)
        # A path up to 3.10.12, later the generator.
        answer["generated"] = getattr(result, "file_path", result)
        return flow_graph, result

    def note_errors(flow_graph: Any) -> None:
        answer["errors"] += _errors(flow_graph)

    def note_message(message: str) -> None:
        for marker in (">>> Load Error: ", ">>> Generate Error: "):
            if marker in message:
                messages.append(message.partition(marker)[2].partition(": ")[2].strip())

    messages: list[str] = []
    Platform.parse_flow_graph = parse_known
    Platform.load_and_generate_flow_graph = load_and_note
    Messages.send_flowgraph_error_report = note_errors
    Messages.register_messenger(note_message)

    target, folder = (rest[0], rest[1]) if task == "compile" else (__file__, str(Path(answer_file).parent))
    try:
        compiler.main(argparse.Namespace(grc_files=[target], output=folder, user_lib_dir=False, run=False))
    except SystemExit as stop:
        if not answer["errors"] and task == "compile":
            answer["errors"] = [" ".join(message.split()).rstrip(".") for message in messages] or [str(stop.code)]
    Path(answer_file).write_text(json.dumps(answer), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
