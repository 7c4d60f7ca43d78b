# SPDX-License-Identifier: GPL-3.0-or-later
"""Python flowgraphs made by grcc: loaded, and built with what their blocks need."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from sdr_sc.blocks.runtime import failures
from sdr_sc.errors import FlowgraphError, MissingDependencyError, SdrScError


class Interrupted(BaseException):
    """SIGINT, SIGTERM or SIGHUP came. Not an Exception, so that no block or snippet swallows it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def load_module(path: Path) -> ModuleType:
    """Import a generated flowgraph; its folder comes first on sys.path, as when Python runs the file.

    Raises:
        MissingDependencyError: something that it imports is missing.
        FlowgraphError: it cannot be imported for another reason.
    """
    if not path.is_file():
        raise FlowgraphError(f"flowgraph {path} does not exist; check its path.")
    sys.path.insert(0, str(path.parent.resolve()))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FlowgraphError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise MissingDependencyError(f"flowgraph {path.name} needs something that is not there: {error}.") from error
    except SdrScError:
        raise
    except Exception as error:
        raise FlowgraphError(f"flowgraph {path.name} cannot be loaded: {failures.describe(error)}.") from error
    return module


def top_block_class(module: ModuleType, path: Path) -> Any:
    """The top block that the module defines.

    Raises:
        FlowgraphError: it defines none.
    """
    from gnuradio import gr

    for value in vars(module).values():
        if inspect.isclass(value) and issubclass(value, gr.top_block) and value.__module__ == module.__name__:
            return value
    raise FlowgraphError(f"{path} defines no GNU Radio top block; compile a .grc file that is no hierarchical block.")


def parse_options(module: ModuleType, options: list[str], program: str) -> argparse.Namespace:
    """The flowgraph's own options (``parameter`` blocks in GRC), parsed by the parser that grcc generated.

    Raises:
        FlowgraphError: it has no options, but some were given.
    """
    if hasattr(module, "argument_parser"):
        parser = module.argument_parser()
        parser.prog = program
        return parser.parse_args(options)
    if options:
        raise FlowgraphError(f"flowgraph {program} has no options, but was given '{' '.join(options)}'.")
    return argparse.Namespace()


def build(cls: Any, arguments: dict[str, Any]) -> Any:
    """Construct the top block, and load what its blocks need.

    Raises:
        SdrScError: from a block's constructor, as it is; other exceptions as a FlowgraphError.
    """
    try:
        tb = cls(**arguments)
    except SdrScError:
        raise
    except Exception as error:
        reason = failures.describe(error).rstrip(".")
        raise FlowgraphError(f"flowgraph {cls.__name__} cannot be built: {reason}.") from error
    _load(tb)
    return tb


def _load(tb: Any) -> None:
    """Load models and kernels before any block starts: on a machine that does it for the first time, the encoder would
    give frames up for lost that wait for a decoder that is still loading."""
    for block in vars(tb).values():
        if type(block).__module__.startswith("sdr_sc.blocks.") and hasattr(block, "load"):
            with contextlib.suppress(Exception):  # its start() fails in the same way, and is reported
                block.load()


def snippets(module: ModuleType, section: str, tb: Any) -> None:
    """Run the code of GRC's ``snippet`` blocks for a section, where there is any."""
    function = getattr(module, f"snippets_{section}", None)
    if function is not None:
        function(tb)


def warn_of_deaf_receivers(tb: Any) -> None:
    """Say on stderr why a receiver of a flowgraph that has ended received no frame, as far as that can be known."""
    from sdr_sc.flowgraph.received_nothing import hints_of  # nothing that a run without our receiver needs

    for hint in hints_of(tb):
        print(f"sdr-sc: warning: no frame was received: {hint.text}", file=sys.stderr)
