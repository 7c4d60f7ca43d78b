# SPDX-License-Identifier: GPL-3.0-or-later
"""Small .grc files for tests, made of stock blocks and one embedded Python block that fails on demand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FAILING_BLOCK = """
import time
import numpy as np
from gnuradio import gr

class blk(gr.sync_block):
    def __init__(self, fail_at=1e9, sleep_s=0.0, refuse=False):
        gr.sync_block.__init__(self, name='failing', in_sig=[np.float32], out_sig=[np.float32])
        self.fail_at, self.sleep_s = fail_at, sleep_s
        if refuse:
            from sdr_sc.errors import BlockError
            raise BlockError("block 'failing' refuses; give it refuse=False.")

    def work(self, input_items, output_items):
        if self.nitems_written(0) == 0:
            print('working', flush=True)
        time.sleep(self.sleep_s)
        if self.nitems_written(0) + len(output_items[0]) > self.fail_at:
            raise ValueError('no more\\nthan that')
        output_items[0][:] = input_items[0]
        return len(output_items[0])
"""


def block(name: str, block_id: str, /, **parameters: Any) -> dict[str, Any]:
    values = {key: str(value) for key, value in parameters.items()}
    return {"name": name, "id": block_id, "parameters": values, "states": {"state": "enabled"}}


def flowgraph(name: str, blocks: list[dict[str, Any]], chain: list[str], qt: bool = False) -> dict[str, Any]:
    parameters = {"id": name, "title": name, "author": "", "catch_exceptions": "True", "output_language": "python"}
    parameters |= {"generate_options": "qt_gui" if qt else "no_gui", "run_options": "run", "run": "True"}
    parameters |= {"max_nouts": "0", "realtime_scheduling": "", "window_size": "(1000,1000)"}
    return {
        "options": {"parameters": parameters, "states": {"state": "enabled"}},
        "blocks": blocks,
        "connections": [[a, "0", b, "0"] for a, b in zip(chain, chain[1:], strict=False)],
        "metadata": {"file_format": 1},
    }


def chain(name: str, qt: bool = False, endless: bool = False) -> dict[str, Any]:
    """source -> head(--items) -> throttle -> failing(--fail-at) -> sink; without the head when endless."""
    blocks = [
        block("items", "parameter", type="intx", value=1000, short_id="n"),
        block("fail_at", "parameter", type="eng_float", value="1e9"),
        block("sleep_s", "parameter", type="eng_float", value="0"),
        block("refuse", "parameter", type="intx", value="0"),
        block("src", "blocks_null_source", type="float"),
        block("thr", "blocks_throttle", type="float", samples_per_second="100e3"),
        block(
            "failing", "epy_block", _source_code=FAILING_BLOCK, fail_at="fail_at", sleep_s="sleep_s", refuse="refuse"
        ),
    ]
    names = ["src", "thr", "failing", "snk"]
    if not endless:
        blocks.append(block("head", "blocks_head", type="float", num_items="items"))
        names.insert(1, "head")
    if qt:
        blocks.append(
            block("snk", "qtgui_time_sink_x", type="float", name='"t"', size=256, srate="100e3", nconnections=1)
        )
    else:
        blocks.append(block("snk", "blocks_null_sink", type="float"))
    return flowgraph(name, blocks, names, qt)


def write(path: Path, data: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path
