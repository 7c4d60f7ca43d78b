# SPDX-License-Identifier: GPL-3.0-or-later
"""Run something as another user of the machine, where these tests run as root."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any

import pytest

OTHER = 65534
"""User and group that owns nothing: ``nobody``."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="a second user needs root")


def call_as_other(function: Callable[[], Any]) -> Any:
    """What a function returns in a forked process of the other user, or the exception that it raises."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(OTHER)
            os.setuid(OTHER)
            try:
                answer = function()
            except Exception as error:
                answer = f"{type(error).__name__}: {error}"
            os.write(writing, pickle.dumps(answer))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        content = stream.read()
    os.waitpid(child, 0)
    return pickle.loads(content)
