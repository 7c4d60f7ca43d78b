# SPDX-License-Identifier: GPL-3.0-or-later
"""Decorators that turn an exception in a Python block into the end of the flowgraph, told once, instead of a hang.

Set ``SDR_SC_DEBUG=1`` to see the traceback as well.
"""

from __future__ import annotations

import functools
import os
import threading
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from sdr_sc.blocks import _errors

_WORK_DONE = -1
Method = TypeVar("Method", bound=Callable[..., Any])
_once = threading.Lock()


def guarded(method: Method) -> Method:
    """For ``work`` and ``general_work``: an exception ends the block (the call returns WORK_DONE) and is reported.

    The exception is kept in the block's ``error`` attribute.
    """

    # wraps() keeps __name__, by which GNU Radio looks methods up.
    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            _fail(self, error)
            return _WORK_DONE

    return call  # type: ignore[return-value]


def guarded_handler(method: Method) -> Method:
    """For message handlers: an exception ends the block and is reported; messages after it are dropped."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(self, "error", None) is not None:
            return None
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            _fail(self, error)
            post_done(self)
            return None

    return call  # type: ignore[return-value]


def guarded_start(method: Method) -> Method:
    """For ``start``, which runs in the block's own thread: an exception there would leave the flowgraph hanging."""

    @functools.wraps(method)
    def call(self: Any) -> bool:
        try:
            return method(self)
        except Exception as error:
            _fail(self, error)
            return True

    return call  # type: ignore[return-value]


def post_done(block: Any) -> None:
    """End a message-only block as if it had done its work; GNU Radio passes this on to the blocks downstream."""
    import pmt

    block.to_basic_block()._post(pmt.intern("system"), pmt.cons(pmt.intern("done"), pmt.from_long(1)))


def guard_every_python_block() -> None:
    """Guard also the Python blocks of others (embedded ones, other modules), for the whole process; harnesses call it.

    ``work`` is guarded for blocks that exist already, message handlers for blocks that are constructed afterwards.
    """
    from gnuradio.gr import gateway

    block_class = gateway.gateway_block
    if getattr(block_class, "_sdr_sc_guarded", False):
        return
    set_msg_handler = block_class.set_msg_handler

    @functools.wraps(set_msg_handler)
    def set_guarded_handler(self: Any, which_port: Any, handler: Any) -> None:
        name = getattr(handler, "__name__", "")
        # GNU Radio keeps only the name and looks it up on the block for each message.
        if getattr(handler, "__self__", None) is self and getattr(self, name, None) == handler:
            setattr(self, name, functools.wraps(handler)(functools.partial(_call_handler, self, handler)))
            handler = getattr(self, name)
        set_msg_handler(self, which_port, handler)

    block_class.handle_general_work = guarded(block_class.handle_general_work)
    block_class.set_msg_handler = set_guarded_handler
    block_class._sdr_sc_guarded = True


def _call_handler(block: Any, handler: Callable[[Any], None], message: Any) -> None:
    if getattr(block, "error", None) is not None:
        return
    try:
        handler(message)
    except Exception as error:
        _fail(block, error)
        post_done(block)


def block_name(block: Any) -> str:
    """The alias that GRC gives a block where there is one, otherwise the name from its constructor."""
    for method in ("alias", "name"):
        try:
            name = getattr(block, method)()
        except Exception:
            continue
        if name:
            return str(name)
    return type(block).__name__


def _fail(block: Any, error: Exception) -> None:
    with _once:
        if getattr(block, "error", None) is not None:
            return
        block.error = error
    # The line for the user comes from the harness or from report(); here is what a developer wants.
    if os.environ.get("SDR_SC_DEBUG"):
        traceback.print_exception(error)
    _errors.report(block_name(block), error)
