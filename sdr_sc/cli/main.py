# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``sdr-sc`` command. A verb's module is imported only when the verb runs, so that ``--help`` is quick."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import Any

import click

from sdr_sc import __version__
from sdr_sc.cli.shared import last_resort as last  # now: where no more files may be opened, nothing can be imported
from sdr_sc.cli.shared.signals import ends_as_ctrl_c
from sdr_sc.errors import SdrScError
from sdr_sc.places import use_writable_home
from sdr_sc.shown import forgiving_streams, shown, shown_lines

INTERRUPT_STATUS = 130

GROUPS = {
    "Start here": {
        "demo": "Send images over a simulated channel with the SNR loop closed, and report.",
        "doctor": "Show what is installed and what is missing, with the command that installs it.",
        "clean": "Remove what killed programs left in shared memory and temporary folders.",
    },
    "Flowgraphs": {
        "companion": "Open GNU Radio Companion with our blocks and this Python.",
        "run": "Compile a flowgraph and run it; errors, deadlines and Ctrl-C end it properly.",
        "compile": "Compile GRC flowgraphs to Python, and say which block is to blame if one fails.",
        "grc-path": "Print the folder of our GRC blocks, for GRC_BLOCKS_PATH.",
    },
    "Radios and recordings": {
        "tx": "Transmit images from a USRP, real or simulated, as the fed-back SNR calls for.",
        "rx": "Receive and answer them, and feed the SNR back.",
        "keys": "Make and show the keys that keep strangers off the network between tx and rx.",
        "simusrp": "The simulated USRP: build it, list, change and clean up; run UHD programs on it.",
        "record": "Record the simulated link, a USRP or ZMQ samples as SigMF, with what is known of the frames.",
        "replay": "Send a recording through the receiver again: the same answers, or a worse channel.",
        "capture": "Recordings (SigMF): look at them, check, cut, convert and draw them.",
    },
    "Models": {
        "data": "Data sets with one or more tasks: list them, fetch them, look at them.",
        "teacher": "Fit the large network that students are distilled from.",
        "prestore": "Ask the teacher once about views of every training image, and store what it knows.",
        "distill": "Train the student encoder and decoder from a teacher, and write the weights.",
        "calibrate": "Measure a student on held-out items: finer k, true confidence, rounds of refinement.",
        "kb": "Knowledge bases, which a receiver looks up: build, ask, check, update.",
        "export": "Write a student as a pair of ONNX files, in float32 or int8, and check them.",
    },
    "Measurements": {
        "evaluate": "Measure the accuracy on the whole test set over SNR and k.",
        "sweep": "Measure schemes over channels, SNR, k and seeds, on all cores or a Dask cluster.",
        "report": "Make one HTML page, and figures for papers, of a sweep's results or of a run.",
        "bench": "Measure what the project promises: link, receiver, USRP, recordings, coding, sweeps, distillation.",
    },
}
"""Verb -> its line in ``--help``, by heading."""
VERBS = {verb: line for group in GROUPS.values() for verb, line in group.items()}
"""Verb ``a-b`` is the click command ``command`` of the module or package ``sdr_sc.cli.a_b``."""
COMPLETION = 'eval "$(_SDR_SC_COMPLETE=bash_source sdr-sc)"'
"""What makes bash complete verbs and options; click knows zsh and fish too."""


class LazyGroup(click.Group):
    """A click group that imports a verb's module when the verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"sdr_sc.cli.{cmd_name.replace('-', '_')}")
        command = module.command
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(map(len, VERBS))
        for heading, verbs in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(verb.ljust(widest), line) for verb, line in verbs.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog=f"Start with 'sdr-sc demo'. Each verb has its own --help. For completion in bash: {COMPLETION}",
)
@click.version_option(__version__, prog_name="sdr-sc")
def cli() -> None:
    """Task-oriented semantic communication over OFDM, in GNU Radio."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point: an error is one line on stderr and status 1; tracebacks with SDR_SC_DEBUG=1.

    Ctrl-C gives status 130, SIGTERM 143, SIGHUP 129, where the verb has no end of its own for them.
    """
    forgiving_streams()
    with contextlib.suppress(SdrScError):  # whatever needs a folder says so itself
        use_writable_home()
    try:
        with ends_as_ctrl_c():
            status = _run(arguments)
    except Exception as error:
        status = _last_resort(error)
    sys.exit(_written(status))


def _run(arguments: list[str] | None) -> int:
    """Run the verb; its status."""
    try:
        status: Any = cli.main(args=arguments, prog_name="sdr-sc", standalone_mode=False)
    except SdrScError as error:
        return _fail(str(error))
    except click.exceptions.Exit as stop:
        status = stop.exit_code
    except click.ClickException as error:
        error.message = shown_lines(error.message)
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as stop:
        click.echo("sdr-sc: interrupted", err=True)
        return getattr(stop.__context__ or stop, "status", INTERRUPT_STATUS)  # click makes an Abort of it
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) or stop.code is None else _fail(str(stop.code))
    return status if isinstance(status, int) else 0


def _last_resort(error: Exception) -> int:
    """What nothing else caught, as one line."""
    if last.debugging():
        last.show_traceback(error)
    if isinstance(error, OSError) and last.of_output(error):
        return _output_lost(error)
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("sdr_sc"):
        return _fail(f"the Python module '{shown(error.name)}' is missing; run 'make setup'.")
    return _fail(last.sentence(error))


def _written(status: int) -> int:
    """The status once all output has left; where it cannot, 1. That its reader has gone (head, less) is no news."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        return status or _output_lost(error)
    return status


def _output_lost(error: Exception) -> int:
    # What is still held must not fail again at the end of the program.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 1
    reason = getattr(error, "strerror", None) or error
    return _fail(f"standard output cannot be written ({reason}); make room, or write to another place.")


def _fail(sentence: str) -> int:
    with contextlib.suppress(OSError, ValueError):  # standard error may be full or closed, too
        click.echo(f"sdr-sc: error: {shown_lines(sentence)}", err=True)
    return 1


if __name__ == "__main__":
    main()
