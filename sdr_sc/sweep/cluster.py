# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers of a Dask cluster, given its address."""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from sdr_sc.errors import SdrScError
from sdr_sc.shown import reason_of
from sdr_sc.sweep.grid import Point, Task
from sdr_sc.sweep.tally import PointResult
from sdr_sc.sweep.workers import Measure, OnDone, OnTrouble

if TYPE_CHECKING:
    from distributed import Client, Future

_LOGGERS = ("distributed", "tornado", "asyncio")
_CONNECT_S, _PORT = 10.0, 8786
_LOOK_S = 1.0
_KEPT = "finished points are kept: run the same command again"


class DaskWorkers:
    """The workers of a running cluster. More may join at any time; what a lost one had not finished is measured by
    another.

    Args:
        address: of its scheduler, such as ``tcp://10.0.0.5:8786``.
        patience_s: how long the cluster may be without any worker before the sweep ends.
    """

    def __init__(self, address: str, patience_s: float = 60.0) -> None:
        self._address, self._patience_s = address, patience_s

    def run(self, measure: Measure, tasks: Sequence[Task], on_done: OnDone, on_trouble: OnTrouble) -> None:
        """See `sdr_sc.sweep.workers.Workers.run`.

        Raises:
            SdrScError: the cluster cannot be reached or is lost, has no workers, or they run another program.
        """
        with _quiet(), self._connected() as client:
            watch = _Watch(client, self._address, self._patience_s, on_trouble)
            finished: queue.Queue[Future] = queue.Queue()
            left: dict[Any, tuple[Future, Point]] = {}
            for number, task in enumerate(tasks):
                # The scheduler begins with the highest priority, and may run a task again that has no side effects.
                future = client.submit(measure, task, pure=False, priority=-number)
                left[future.key] = future, task.point
                future.add_done_callback(finished.put)
            while left:
                watch.look_now_and_then()
                with contextlib.suppress(queue.Empty):
                    future = finished.get(timeout=_LOOK_S)
                    on_done(self._result(future, left[future.key][1], watch))
                    del left[future.key]
            watch.look()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Client]:
        from distributed import Client

        try:
            _knock(self._address)
            client = Client(self._address, timeout=_CONNECT_S, set_as_default=False, name="sdr-sc-sweep")
        except (OSError, ValueError, ImportError, RuntimeError) as error:
            raise SdrScError(
                f"the Dask cluster at {self._address} cannot be reached ({reason_of(error)}); check that its scheduler "
                "runs there, and the address, such as tcp://127.0.0.1:8786."
            ) from error
        try:
            yield client
        finally:
            with contextlib.suppress(Exception):
                client.close(timeout=5)

    def _result(self, future: Future, point: Point, watch: _Watch) -> PointResult:
        """The result of a future that is done; waits where its worker was lost in the meantime."""
        from distributed import KilledWorker

        while True:
            try:
                return future.result(timeout=10)
            except TimeoutError:
                watch.look()
            except (CancelledError, OSError) as error:
                raise SdrScError(f"the Dask cluster at {self._address} was lost; {_KEPT}.") from error
            except KilledWorker as error:
                raise SdrScError(
                    f"the cluster lost worker after worker at {point}, for want of memory perhaps; {_KEPT}."
                ) from error
            except ModuleNotFoundError as error:
                raise SdrScError(
                    f"a worker of the cluster has no Python module {error.name!r}; install this project on all of them."
                ) from error


class _Watch:
    """Notices lost workers, and a cluster that has none left: its scheduler would wait for ever."""

    def __init__(self, client: Client, address: str, patience_s: float, on_trouble: OnTrouble) -> None:
        self._client, self._address, self._patience_s, self._on_trouble = client, address, patience_s, on_trouble
        self._workers: set[str] = set()
        self._seen = self._looked = time.monotonic()
        self.look()

    def look_now_and_then(self) -> None:
        """`look`, unless it is not long ago."""
        if time.monotonic() - self._looked > _LOOK_S:
            self.look()

    def look(self) -> None:
        """Ask the scheduler for its workers.

        Raises:
            SdrScError: it does not answer, or has had none for too long.
        """
        self._looked = time.monotonic()
        try:
            workers = set(self._client.nthreads(callback_timeout=self._patience_s))
        except (TimeoutError, OSError, AttributeError, CancelledError) as error:
            raise SdrScError(f"the Dask cluster at {self._address} was lost; {_KEPT}.") from error
        for lost in sorted(self._workers - workers):
            self._on_trouble(f"worker {lost} was lost; what it had not finished is measured again.")
        self._workers = workers
        if workers:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > self._patience_s:
            raise SdrScError(
                f"the Dask cluster at {self._address} has had no worker for {self._patience_s:g} s; start some with "
                f"'dask worker {self._address}'; {_KEPT}."
            )


def _knock(address: str) -> None:
    """Whether somebody is there at all: Dask would try for long, and leave threads behind where the address is none.

    Raises:
        OSError, ValueError: nobody is there, or that is no address.
    """
    from distributed.comm.addressing import parse_address, parse_host_port
    from distributed.comm.registry import get_backend

    scheme, place = parse_address(address)
    get_backend(scheme)
    if scheme in ("tcp", "tls"):
        socket.create_connection(parse_host_port(place, _PORT), _CONNECT_S).close()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Lost connections are reported in our words, not with tracebacks in Dask's log."""
    import distributed  # noqa: F401  # sets the levels of its loggers, of each one

    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in _LOGGERS]
    before = {name: logging.getLogger(name).level for name in (*_LOGGERS, *names)}
    for name in before:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
