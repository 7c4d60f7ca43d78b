# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``sdr-sc tx`` and ``sdr-sc rx`` share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdr_sc.cli.shared.options import model_option

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from sdr_sc.cli.shared.signals import StopSignals

REFRESH_HZ = 4
INTERIM_S = 0.8
FRESH_S = 2.0
"""Age up to which a value in a status line counts as that of now."""


def device_options(function: Callable) -> Callable:
    """Options of the device."""
    for option in (
        click.option("--time-source", default="", help="internal, external, gpsdo  [the device's own choice]"),
        click.option("--clock-source", default="", help="The same for its clock."),
        click.option(
            "--lo-offset",
            "lo_offset_hz",
            default=0.0,
            show_default=True,
            help="Tune the local oscillator so far beside the centre, Hz; its leakage is then not in the middle.",
        ),
        click.option("--subdev", default="", help="Frontend by UHD's specification, such as A:A  [the device's first]"),
        click.option(
            "--rate",
            "sample_rate_hz",
            default=1e6,
            show_default=True,
            help="Sample rate, Hz.",
            type=click.FloatRange(1.0),
        ),  # fmt: skip
        click.option("--freq", "freq_hz", default=-1.0, help="Centre frequency, Hz  [simulated device: 915e6]"),
        click.option("--args", "device_args", default="type=simusrp", show_default=True, help="UHD device arguments."),
    ):
        function = option(function)
    return function


def common_options(function: Callable) -> Callable:
    """Options that are not the device's."""
    for option in (
        click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Stop after so many seconds."),
        click.option("--out", default="runs", show_default=True, type=click.Path(path_type=Path), help="For results."),
        model_option,
    ):
        function = option(function)
    return function


def new_folder(out: Path, verb: str) -> Path:
    """A new folder for the results of a run of ``sdr-sc VERB``, see `sdr_sc.results.run_folder.new_run_folder`.

    Raises:
        SdrScError: it cannot be made.
    """
    from sdr_sc.errors import SdrScError
    from sdr_sc.results.run_folder import new_run_folder

    try:
        return new_run_folder(out, verb)
    except OSError as error:
        raise SdrScError(
            f"run folder in {out} cannot be made ({error.strerror or error}); choose another --out."
        ) from error


def run_live(
    end: Any,
    parameters: dict[str, Any],
    seconds: float | None,
    console: Console,
    table: Callable[[Any], Table],
    warnings: Callable[[Any], list[str]],
    prepare: Callable[[Any], None] = lambda tb: None,
    interim: Callable[[Any], None] = lambda tb: None,
    *,
    signals: StopSignals,
) -> Any:
    """Run an end with a live table; each warning is printed once, as soon as it is due.

    Ctrl-C, SIGTERM and SIGHUP, which ``signals`` counts until the caller has written the results, end it as its own end
    does. A device that is lost does so, too: then the top block's attribute ``lost`` holds it, see `lost_first`.
    """
    from rich.live import Live

    from sdr_sc.flowgraph.usrp import run_end, transmitter_status, unsent_warning

    warned: set[str] = set()

    def warn(warning: str) -> None:
        if warning not in warned:
            warned.add(warning)
            with suppress(OSError):  # output that nobody takes costs no results
                console.print(f"[yellow]warning:[/] {warning}", soft_wrap=True)

    def prepare_and_arm(tb: Any) -> None:
        prepare(tb)
        signals.arm()

    with Live(console=console, refresh_per_second=REFRESH_HZ, transient=True) as live:

        def on_poll(tb: Any) -> None:
            with suppress(OSError):
                live.update(table(tb))
            interim(tb)
            for warning in warnings(tb):
                warn(warning)

        tb = run_end(end, parameters, seconds, on_poll, prepare_and_arm, lambda: signals.count, warn)
    if signals.count:
        with suppress(OSError):
            console.print("interrupted")
    if end == "tx" and not tb.lost:
        unsent = unsent_warning(transmitter_status(tb))
        if unsent:
            warn(unsent)
    return tb


@contextmanager
def lost_first(tb: Any) -> Iterator[None]:
    """While a command writes its results: at the end the sentence of ``tb.lost``, if there is one, is its error.

    Where the results cannot be written because of the same cause, that sentence comes first all the same.

    Raises:
        SdrScError: the device was lost, a block failed, or results cannot be written.
    """
    from sdr_sc.errors import SdrScError

    try:
        yield
    except SdrScError as error:
        raise SdrScError(tb.lost or str(error)) from error
    if tb.lost:
        raise SdrScError(tb.lost)


class InterimSummary:
    """Writes ``summary.json`` about once a second while an end runs, so that a kill leaves its counts.

    Args:
        folder: of the results.
        command: as the summary names it.
        details: of a top block: the summary's content beside the rows.
    """

    def __init__(self, folder: Path, command: str, details: Callable[[Any], dict[str, Any]]) -> None:
        self._path, self._command, self._details = folder / "summary.json", command, details
        self._last_s = -INTERIM_S

    def __call__(self, tb: Any) -> None:
        """Write it if it is time; what fails here fails again, and is reported, at the end."""
        from sdr_sc.errors import SdrScError
        from sdr_sc.results.rows import write_interim

        now = time.monotonic()
        if now - self._last_s < INTERIM_S or not self._path.parent.is_dir():
            return
        self._last_s = now
        with suppress(SdrScError):
            write_interim(self._path, self._command, self._details(tb))


def level_text(level: Any) -> str:
    """Level of a stream in the last second, for a status line."""
    level = level.recent()
    if not level.samples:
        return "-"
    clipped = f", [red]{level.clipped} clipped[/]" if level.clipped else ""
    return f"{level.mean_dbfs:.1f} dBFS, peak {level.peak_dbfs:.1f}, PAPR {level.papr_db:.1f} dB{clipped}"


def aged(text: str, age_s: float) -> str:
    """A value for a status line: dimmed and with its age once it is no longer the value of now.

    Args:
        age_s: since it was measured.

    >>> aged("-1.4 dB", 0.3)
    '-1.4 dB'
    >>> aged("-1.4 dB", 12.3)
    '[dim]-1.4 dB, 12 s ago[/]'
    """
    return text if age_s < FRESH_S else f"[dim]{text}, {age_s:.0f} s ago[/]"


def faults_text(faults: dict[str, int]) -> str:
    """Counts of faults for a status line."""
    return ", ".join(f"[red]{count} {words.split(':')[0]}[/]" for words, count in faults.items()) or "none"


@contextmanager
def kept_if_used(folder: Path) -> Iterator[Path]:
    """Leave no empty folder behind when a run is refused."""
    try:
        yield folder
    finally:
        with suppress(OSError):
            folder.rmdir()  # only an empty one can be removed
