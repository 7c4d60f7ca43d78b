# SPDX-License-Identifier: GPL-3.0-or-later
"""A child process that runs a Python flowgraph made by grcc, under the harness.

``python -m sdr_sc.flowgraph.run_generated FILE.py [--timeout S] [--close] [-- the flowgraph's own options]``

Exit status: 0 it ended or its window was closed; 1 an error, reported in one line; 124 the deadline; 130 Ctrl-C;
143 SIGTERM; 129 SIGHUP. Results that blocks write in their ``stop()`` are there in every case.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NoReturn

from sdr_sc.blocks.runtime import failures
from sdr_sc.blocks.runtime.guard import guard_every_python_block
from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph import harness
from sdr_sc.flowgraph.generated import (
    Interrupted,
    build,
    load_module,
    parse_options,
    snippets,
    top_block_class,
    warn_of_deaf_receivers,
)
from sdr_sc.flowgraph.run_child import STOP_SIGNALS
from sdr_sc.processes import end_now
from sdr_sc.shown import forgiving_streams, leave_terminal, shown, shown_lines

DEADLINE_STATUS = 124


def _once(function: Callable[[Any], None]) -> Callable[[Any], None]:
    called = threading.Event()

    def call(tb: Any) -> None:
        if not called.is_set():
            called.set()
            function(tb)

    return call


def run_plain(module: ModuleType, cls: Any, options: argparse.Namespace, timeout_s: float | None) -> None:
    """Run a flowgraph without windows until it ends; snippets run where the generated ``main`` runs them."""
    tb = build(cls, vars(options))
    snippets(module, "main_after_init", tb)
    start = tb.start

    def start_with_snippets(*args: Any) -> None:
        start(*args)
        snippets(module, "main_after_start", tb)

    tb.start = start_with_snippets
    try:
        harness.watch_flowgraph(tb, timeout_s)
    finally:
        snippets(module, "main_after_stop", tb)
    warn_of_deaf_receivers(tb)


def run_file(path: Path, options: list[str], timeout_s: float | None, close: bool = False) -> None:
    """Load, build and run a generated flowgraph.

    Args:
        path: the Python file.
        options: the flowgraph's own command-line options.
        timeout_s: deadline in seconds, or None.
        close: close a Qt flowgraph's window when its work is done.

    Raises:
        SdrScError: anything that went wrong, in one sentence.
    """
    guard_every_python_block()
    with failures.watching():
        module = load_module(path)
        # A window that is closed runs these itself, and so do we.
        if hasattr(module, "snippets_main_after_stop"):
            vars(module)["snippets_main_after_stop"] = _once(module.snippets_main_after_stop)
        cls = top_block_class(module, path)
        parsed = parse_options(module, options, path.name)
        if any(base.__name__ == "QWidget" for base in cls.__mro__):
            from sdr_sc.flowgraph.run_qt import run_qt

            run_qt(module, cls, parsed, timeout_s, close)
        else:
            run_plain(module, cls, parsed, timeout_s)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    # The end is bounded in time from here on; a second Ctrl-C would only lose results.
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    if number == signal.SIGHUP:
        leave_terminal()
    raise Interrupted(128 + number)


def main(arguments: list[str] | None = None) -> NoReturn:
    """The process's entry; see the module's docstring."""
    own, options = list(sys.argv[1:] if arguments is None else arguments), []
    if "--" in own:
        split = own.index("--")
        own, options = own[:split], own[split + 1 :]
    parser = argparse.ArgumentParser(prog="run_generated", description="Run a Python flowgraph made by grcc.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--timeout", type=float, metavar="S", help="stop with an error after S seconds")
    parser.add_argument("--close", action="store_true", help="close a Qt flowgraph's window when its work is done")
    known = parser.parse_args(own)
    forgiving_streams()
    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # ignored: under nohup
            signal.signal(number, _interrupt)
    status = 0
    try:
        run_file(known.file, options, known.timeout, known.close)
    except Interrupted as stop:
        status = stop.status
    except SdrScError as error:
        print(f"sdr-sc: error: {shown_lines(error)}", file=sys.stderr)
        status = DEADLINE_STATUS if isinstance(error, harness.DeadlineError) else 1
    except SystemExit as stop:
        # argparse: --help, or an option that does not exist.
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except Exception as error:
        print(f"sdr-sc: error: flowgraph {shown(known.file.name)}: {failures.describe(error)}", file=sys.stderr)
        status = 1
    end_now(status)


if __name__ == "__main__":
    # Run as __main__, this module would exist twice, and with it the class Interrupted.
    from sdr_sc.flowgraph.run_generated import main as imported_main

    imported_main()
