# SPDX-License-Identifier: GPL-3.0-or-later
"""What all pools of processes need: one thread each, and an end that comes with the parent's."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let the processes that are started within have one thread each: small networks gain nothing by more."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def end_with_parent() -> None:
    """End this process when its parent has ended in whatever way; to be called in a process of ``multiprocessing``.

    A parent that is killed ends nothing; its processes would work on for hours, and nobody would have their results.
    """
    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()
