# SPDX-License-Identifier: GPL-3.0-or-later
"""Decorators that turn an exception in a Python block into the end of the flowgraph, reported once, instead of a hang.

Set ``SDR_SC_DEBUG=1`` to see the traceback as well.
"""

from __future__ import annotations

import functools
import inspect
import os
import threading
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from sdr_sc.blocks.runtime import failures

_WORK_DONE = -1
_MARK = "_sdr_sc_guard"
Method = TypeVar("Method", bound=Callable[..., Any])
_once = threading.Lock()


def guarded(method: Method) -> Method:
    """For ``work`` and ``general_work``: an exception ends the block (the call returns WORK_DONE) and is reported.

    The exception is kept in the block's ``error`` attribute. A block that failed before, as in ``start``, ends as well:
    without a harness GNU Radio runs it all the same.
    """

    # wraps() keeps __name__, by which GNU Radio looks methods up.
    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(self, "error", None) is not None:
            return _WORK_DONE
        try:
            return method(self, *args, **kwargs)
        except BaseException as error:
            _fail(self, error)
            return _WORK_DONE

    return _marked(call)


def guarded_handler(method: Method) -> Method:
    """For message handlers: an exception ends the block and is reported; messages after it are dropped."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(self, "error", None) is not None:
            return None
        try:
            return method(self, *args, **kwargs)
        except BaseException as error:
            _fail(self, error)
            post_done(self)
            return None

    return _marked(call)


def guarded_start(method: Method) -> Method:
    """For ``start``, which runs in the block's own thread: an exception there would leave the flowgraph hanging."""

    @functools.wraps(method)
    def call(self: Any) -> bool:
        try:
            return method(self)
        except BaseException as error:
            _fail(self, error)
            return True

    return _marked(call)


guarded_stop = guarded_start
"""For ``stop``, likewise: an exception there would end the process (``std::terminate``), and with it the other blocks,
which have not come to their ends."""


def guarded_thread(method: Method) -> Method:
    """For the target of a block's own thread: an exception ends the block and is reported."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            method(self, *args, **kwargs)
        except BaseException as error:
            _fail(self, error)
            post_done(self)

    return _marked(call)


def is_guarded(method: Any) -> bool:
    """Whether one of these decorators is on a method."""
    return bool(getattr(method, _MARK, False))


def _marked(call: Any) -> Any:
    setattr(call, _MARK, True)
    return call


def post_done(block: Any) -> None:
    """End a message-only block as if it had done its work; GNU Radio passes this on to the blocks downstream."""
    import pmt

    block.to_basic_block()._post(pmt.intern("system"), pmt.cons(pmt.intern("done"), pmt.from_long(1)))


def guard_every_python_block() -> None:
    """Guard also the Python blocks of others (embedded ones, other modules), for the whole process; harnesses call it.

    ``work``, ``forecast``, ``start`` and ``stop`` are guarded for blocks that exist already, message handlers for
    blocks that are constructed afterwards.
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
    block_class.handle_forecast = _guarded_forecast(block_class.handle_forecast)
    block_class.set_msg_handler = set_guarded_handler
    _guard_start_and_stop(block_class)
    block_class.__init_subclass__ = classmethod(_guard_new_class)
    block_class._sdr_sc_guarded = True


def _guard_start_and_stop(block_class: Any) -> None:
    """In a class of blocks and all that are derived from it."""
    for name in ("start", "stop"):
        method = vars(block_class).get(name)
        if inspect.isfunction(method) and not is_guarded(method):
            setattr(block_class, name, guarded_stop(method))
    for derived in block_class.__subclasses__():
        _guard_start_and_stop(derived)


def _guard_new_class(block_class: Any, **_: Any) -> None:
    _guard_start_and_stop(block_class)


def _guarded_forecast(forecast: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(forecast)
    def call(self: Any, noutput_items: int, ninputs: int) -> Any:
        try:
            return forecast(self, noutput_items, ninputs)
        except BaseException as error:
            _fail(self, error)
            return [1] * ninputs

    return call


def _call_handler(block: Any, handler: Callable[[Any], None], message: Any) -> None:
    if getattr(block, "error", None) is not None:
        return
    try:
        handler(message)
    except BaseException as error:
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


def _fail(block: Any, error: BaseException) -> None:
    # Ctrl-C comes to the main thread, where a harness may call a block, and is no failure of the block. In GNU Radio's
    # threads nobody is there to take anything, SystemExit included.
    if not isinstance(error, Exception) and threading.current_thread() is threading.main_thread():
        raise error
    with _once:
        if getattr(block, "error", None) is not None:
            return
        block.error = error
    # The line for the user comes from the harness or from report(); here is what a developer wants.
    if os.environ.get("SDR_SC_DEBUG"):
        traceback.print_exception(error)
    failures.report(block_name(block), error)
