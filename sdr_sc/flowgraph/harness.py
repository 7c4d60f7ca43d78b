# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a flowgraph so that it ends: with its work done, with a block's error, or at a deadline. Never with a hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from sdr_sc.blocks.runtime import failures
from sdr_sc.blocks.runtime.guard import block_name, guard_every_python_block
from sdr_sc.errors import BlockError, FlowgraphError, SdrScError

POLL_S = 0.02
STOP_LIMIT_S = 5.0
"""How long a flowgraph may take to stop; message_strobe, for one, takes up to its period."""
INTERRUPT_LIMIT_S = 0.8
"""The same after Ctrl-C, which has to end the program within a second."""


class DeadlineError(FlowgraphError):
    """The flowgraph was still running at its deadline; it has been stopped."""


class StuckError(FlowgraphError):
    """The flowgraph does not stop: a block is stuck in its work. Its threads still run, so end the process soon."""


def run_flowgraph(
    tb: Any,
    deadline_s: float | None,
    blocks: Iterable[Any] | None = None,
    until: Callable[[], bool] | None = None,
) -> None:
    """Start a top block and return when it has ended and stopped.

    Args:
        tb: the ``gr.top_block``, not started.
        deadline_s: seconds after which it is stopped with an error; None waits as long as it takes.
        blocks: further Python blocks whose ``error`` attribute is watched; guarded blocks need not be named.
        until: polled every 20 ms; True stops the flowgraph, which is then a success.

    Raises:
        BlockError: a block failed; the message names it as its top block does. The exception is the ``__cause__``.
        DeadlineError: the deadline passed.
        StuckError: it did not stop within ``STOP_LIMIT_S``.
        SdrScError: what ``until`` or a block's ``start`` raised.
    """
    with failures.watching():
        watch_flowgraph(tb, deadline_s, blocks, until)


def watch_flowgraph(
    tb: Any,
    deadline_s: float | None,
    blocks: Iterable[Any] | None = None,
    until: Callable[[], bool] | None = None,
    faults: list[str] | None = None,
) -> None:
    """``run_flowgraph`` for callers that are in ``failures.watching()`` already, as since before they built ``tb``.

    Args:
        faults: takes the sentences of what makes the run an error although its results are whole, such as a model that
            computes no numbers; without it, the first of them is raised.
    """
    guard_every_python_block()
    watched = list(blocks or ())
    raise_first_failure(tb, watched)
    start_s = time.monotonic()
    try:
        tb.start()
    except SdrScError:
        raise
    except Exception as error:
        raise FlowgraphError(f"the flowgraph cannot start: {failures.describe(error)}") from error
    finished = in_thread(tb.wait, "flowgraph-wait")
    stop_limit_s = STOP_LIMIT_S
    try:
        while not finished.wait(POLL_S):
            raise_first_failure(tb, watched)
            if until is not None and until():
                break
            if deadline_s is not None and time.monotonic() > start_s + deadline_s:
                raise DeadlineError(deadline_message(deadline_s))
    except Exception:
        raise
    except BaseException:
        stop_limit_s = INTERRUPT_LIMIT_S
        raise
    finally:
        stopped = stop_flowgraph(tb, finished, stop_limit_s)
    raise_first_failure(tb, watched)
    if not stopped:
        raise StuckError(
            f"the flowgraph did not stop within {STOP_LIMIT_S:g} s: a block is stuck in its work or in its stop()."
        )
    found = [_as_error(tb, fault) for fault in failures.faults()]
    if faults is not None:
        faults += [str(fault) for fault in found]
    elif found:
        raise found[0]


def stop_flowgraph(tb: Any, finished: threading.Event | None = None, limit_s: float = STOP_LIMIT_S) -> bool:
    """Stop a top block and wait until it has, at most ``limit_s`` seconds; False if it had not by then."""
    end = time.monotonic() + limit_s
    # stop() itself blocks while a block's own stop() does.
    stopped = in_thread(tb.stop, "flowgraph-stop")
    finished = finished or in_thread(tb.wait, "flowgraph-wait")
    return all(done.wait(max(0.0, end - time.monotonic())) for done in (stopped, finished))


def first_failure(tb: Any, blocks: Iterable[Any] = ()) -> BlockError | None:
    """The first block failure as an error that names the block as ``tb`` does (in GRC: its ID), or None."""
    failure = failures.first()
    if failure is None:
        for block in blocks:
            error = getattr(block, "error", None)
            if isinstance(error, BaseException):
                failure = failures.BlockFailure(block_name(block), error)
                break
        else:
            return None
    return _as_error(tb, failure)


def _as_error(tb: Any, failure: failures.BlockFailure) -> BlockError:
    name = _names(tb).get(failure.block_name, failure.block_name)
    result = BlockError(str(failures.BlockFailure(name, failure.error)))
    result.__cause__ = failure.error
    return result


def raise_first_failure(tb: Any, blocks: Iterable[Any] = ()) -> None:
    """Raise what ``first_failure`` returns, if anything."""
    failure = first_failure(tb, blocks)
    if failure is not None:
        raise failure


def _names(tb: Any) -> dict[str, str]:
    """From the names that blocks report to the attributes of the top block that hold them."""
    return {
        block_name(value): attribute
        for attribute, value in vars(tb).items()
        if not attribute.startswith("_") and hasattr(value, "to_basic_block")
    }


def deadline_message(deadline_s: float) -> str:
    """The sentence of a ``DeadlineError``."""
    return (
        f"the flowgraph was still running after {deadline_s:g} s and was stopped; give it more time, "
        "or look for a block that waits for input that never comes."
    )


def in_thread(function: Callable[[], Any], name: str) -> threading.Event:
    """Call ``function`` in a daemon thread; the event is set when it has returned or raised."""
    done = threading.Event()

    def call() -> None:
        try:
            function()
        finally:
            done.set()

    threading.Thread(target=call, name=name, daemon=True).start()
    return done
