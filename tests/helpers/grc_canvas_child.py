# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws flowgraphs as GNU Radio Companion does, under a display, and finds where every block and port lies.

    xvfb-run -a python tests/helpers/grc_canvas_child.py ANSWER.json PICTURES FILE.grc ...

PICTURES is a folder for a PNG of each, or '-'. The answer gives, by file, a list of blocks with ``name``, ``id``,
``corner`` (as in the file), ``box`` (left, top, right, bottom of the block with its ports, pixels), ``comment`` (the
same of its comment, or null) and ``elided`` (texts that are cut short).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("PangoCairo", "1.0")

# isort: off
import cairo  # noqa: E402
from gi.repository import Gio, Gtk  # noqa: E402
from gnuradio import gr  # noqa: E402
from gnuradio.grc.gui.Platform import Platform  # noqa: E402  # first of these: they import each other
from gnuradio.grc.gui import Actions  # noqa: E402
from gnuradio.grc.gui.Utils import make_screenshot  # noqa: E402
from gnuradio.grc.gui.canvas import flowgraph as canvas  # noqa: E402
# isort: on


def boxes(flowgraph) -> list[dict]:
    """Where the blocks of a flowgraph lie."""
    context = cairo.Context(cairo.ImageSurface(cairo.FORMAT_ARGB32, 8, 8))
    flowgraph.create_labels(context)
    flowgraph.create_shapes()
    found = []
    for block in flowgraph.blocks:
        elided = [
            text
            for layout in block._surface_layouts
            for text in layout.get_text().splitlines()
            if "..." in text or "\u2026" in text
        ]
        comment = block.get_extents_comment() if block.comment else None
        found.append(
            {
                "name": block.name,
                "id": block.key,
                "corner": block.coordinate,
                "box": block.get_extents(),
                "comment": comment,
                "elided": elided,
            }
        )
    return found


def main(answer: str, pictures: str, *files: str) -> None:
    application = Gtk.Application()
    Gio.Application.set_default(application)  # a flowgraph asks it for its windows, of which there are none
    canvas._ContextMenu = lambda window: None
    for action in Actions.get_actions().values():
        if action.preference_name:
            action.set_active(action.default)  # as for a user who has changed nothing
    platform = Platform(version=gr.version(), version_parts=(gr.major_version(), gr.api_version(), gr.minor_version()),
                        prefs=gr.prefs(), install_prefix=gr.prefix())  # fmt: skip
    platform.build_library()
    found = {}
    for file in files:
        flowgraph = platform.make_flow_graph(file)
        flowgraph.update()
        found[file] = boxes(flowgraph)
        if pictures != "-":
            make_screenshot(flowgraph, str(Path(pictures) / f"{Path(file).stem}.png"))
    Path(answer).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
