# SPDX-License-Identifier: GPL-3.0-or-later
"""No exception of a Python block gets into GNU Radio's threads, where it would end the process."""

from __future__ import annotations

import ast
import threading
from pathlib import Path

import numpy as np
import pytest
from gnuradio import blocks, gr

import sdr_sc
from sdr_sc.blocks.runtime import failures
from sdr_sc.blocks.runtime.guard import guard_every_python_block, guarded_stop, is_guarded
from sdr_sc.errors import BlockError
from sdr_sc.flowgraph.harness import run_flowgraph

FOLDER = Path(sdr_sc.__file__).parent / "blocks"
CALLED_BY_GNU_RADIO = {"start", "stop", "work", "general_work"}


def method_names(node: ast.expr | None) -> set[str]:
    """``f`` of an expression ``self.f``."""
    is_own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    return {node.attr} if is_own else set()  # type: ignore[union-attr]


def called_from_other_threads(block: ast.ClassDef) -> set[str]:
    """Methods that GNU Radio, Qt or a thread calls."""
    found = set(CALLED_BY_GNU_RADIO)
    for node in ast.walk(block):
        found |= {node.name} if isinstance(node, ast.FunctionDef) and node.name.startswith("handle_") else set()
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("set_msg_handler", "connect", "Timer"):
            found |= {attr for argument in node.args for attr in method_names(argument)}
        if name in ("Thread", "Timer"):
            found |= {attr for keyword in node.keywords for attr in method_names(keyword.value)}
    return found


def unguarded(source: str) -> list[str]:
    """Methods of blocks that others call and that have no guard."""
    found = []
    for block in ast.walk(ast.parse(source)):
        if not isinstance(block, ast.ClassDef) or not any(ast.unparse(base).startswith("gr.") for base in block.bases):
            continue
        called = called_from_other_threads(block)
        for method in block.body:
            if isinstance(method, ast.FunctionDef) and method.name in called:
                guards = [ast.unparse(decorator) for decorator in method.decorator_list]
                if not any(guard.startswith("guarded") for guard in guards):
                    found.append(f"{block.name}.{method.name}")
    return found


def test_every_method_that_others_call_is_guarded() -> None:
    files = [path for path in FOLDER.glob("*.py") if "(gr." in path.read_text(encoding="utf-8")]
    assert len(files) >= 15
    assert [name for path in files for name in unguarded(path.read_text(encoding="utf-8"))] == []


def test_the_search_for_unguarded_methods_finds_them() -> None:
    source = """
class one(gr.basic_block):
    def __init__(self):
        self.set_msg_handler(port, self.take)
        self.bridge.arrived.connect(self.show)
        threading.Thread(target=self.listen)
    def stop(self): pass
    def take(self, message): pass
    def show(self): pass
    def listen(self): pass
    def handle_x(self, message): pass
    def helper(self): pass
    @guarded
    def general_work(self, i, o): pass
"""
    assert unguarded(source) == [f"one.{name}" for name in ("stop", "take", "show", "listen", "handle_x")]


class plain_sink(gr.sync_block):  # noqa: N801
    """As somebody else writes it: raises where it is asked to."""

    def __init__(self, where: str) -> None:
        gr.sync_block.__init__(self, "plain_sink", [np.float32], None)
        self.where = where

    def start(self):
        return self._maybe("start")

    def stop(self):
        return self._maybe("stop")

    def work(self, input_items, output_items):
        if self.where == "exit":
            raise SystemExit(3)
        self._maybe("work")
        return len(input_items[0])

    def _maybe(self, where: str) -> bool:
        if where == self.where:
            raise OSError(28, f"no room in {where}")
        return True


class plain_general(gr.basic_block):  # noqa: N801
    def __init__(self) -> None:
        gr.basic_block.__init__(self, "plain_general", [np.float32], None)

    def forecast(self, noutput_items, ninputs):
        raise RuntimeError("no forecast")

    def general_work(self, input_items, output_items):
        self.consume(0, len(input_items[0]))
        return 0


class ending(gr.sync_block):  # noqa: N801
    """Notes that it was stopped."""

    def __init__(self) -> None:
        gr.sync_block.__init__(self, "ending", [np.float32], None)
        self.ended = threading.Event()

    def work(self, input_items, output_items):
        return len(input_items[0])

    @guarded_stop
    def stop(self):
        self.ended.set()
        return True


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: plain_sink("start"), "no room in start"),
        (lambda: plain_sink("stop"), "no room in stop"),
        (lambda: plain_sink("work"), "no room in work"),
        (lambda: plain_sink("exit"), "SystemExit"),
        (plain_general, "no forecast"),
    ],
)
def test_an_exception_of_anybodys_block_is_the_runs_error_and_the_others_end(make, words: str) -> None:
    guard_every_python_block()
    tb, other = gr.top_block(), ending()
    tb.source, tb.head = blocks.null_source(4), blocks.head(4, 100_000)
    tb.culprit = make()
    tb.connect(tb.source, tb.head, tb.culprit)
    tb.connect(tb.head, other)
    with pytest.raises(BlockError, match=f"^block 'culprit' failed: .*{words}"):
        run_flowgraph(tb, 200)
    assert other.ended.wait(30)


def test_blocks_that_exist_and_those_of_later_are_guarded() -> None:
    guard_every_python_block()
    assert is_guarded(plain_sink.stop) and is_guarded(plain_sink.start)

    class later(gr.sync_block):  # noqa: N801
        def stop(self):
            raise ValueError("late")

    assert is_guarded(later.stop)


def test_ctrl_c_in_the_main_thread_is_no_failure_of_a_block() -> None:
    class one:  # noqa: N801
        @guarded_stop
        def stop(self) -> bool:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one().stop()
    assert failures.first() is None
