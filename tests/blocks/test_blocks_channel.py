# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel block where it gives another number of samples than it gets."""

from __future__ import annotations

import ast

import grc_files
import numpy as np
import pmt
import pytest
import yaml
from gnuradio import blocks, gr
from measured_files import write

from sdr_sc.blocks.channel import channel
from sdr_sc.blocks.runtime.pdu import read_pdu
from sdr_sc.errors import BlockError
from sdr_sc.flowgraph.compile import GRC_FOLDER, compile_flowgraph
from sdr_sc.flowgraph.harness import run_flowgraph
from sdr_sc.phy.channels import Awgn, Chain, parse_chain
from sdr_sc.phy.numerology import Numerology

DEADLINE_S = 200.0


def run(samples: np.ndarray, models: str, chunk: int = 0, tags: dict[int, int] | None = None, **more) -> tuple:
    """What comes out, and what the block reported of each frame."""
    gr_tags = []
    for offset, index in (tags or {}).items():
        tag = gr.tag_t()
        tag.offset, tag.key, tag.value = offset, pmt.intern("frame_index"), pmt.from_long(index)
        gr_tags.append(tag)
    tb, sink, debug = gr.top_block(), blocks.vector_sink_c(), blocks.message_debug()
    tb.source = blocks.vector_source_c(samples.tolist(), False, 1, gr_tags)
    tb.block = channel(models=models, seed=3, **more)
    if chunk:
        tb.source.set_max_noutput_items(chunk)
        tb.block.set_max_noutput_items(chunk)
    tb.connect(tb.source, tb.block, sink)
    tb.msg_connect(tb.block, "truth", debug, "store")
    run_flowgraph(tb, DEADLINE_S)
    truths = [read_pdu(debug.get_message(i), "truth")[0] for i in range(debug.num_messages())]
    assert not sink.tags()
    return np.array(sink.data(), np.complex64), truths


@pytest.mark.parametrize(
    "models",
    [
        "clock_offset(ppm=900)",
        "clock_offset(ppm=-900)",
        "gaps(gap_samples=30000, every_samples=40000)",
        "clock_offset(ppm=50), noise(), gaps(gap_samples=7, every_samples=100), clock_offset(ppm=900), quantise()",
    ],
)
@pytest.mark.parametrize("chunk", [0, 1, 700])
def test_every_sample_that_comes_out_of_the_chain_comes_out_of_the_block(models: str, chunk: int) -> None:
    rng = np.random.default_rng(1)
    count = 4000 if chunk == 1 else 200_000
    samples = (rng.standard_normal(count) + 1j * rng.standard_normal(count)).astype(np.complex64)
    parsed = parse_chain(models, 1e6, 3, Numerology())
    chain = Chain([*parsed.before.models, Awgn(30.0, 3, parsed.subcarrier_power), *parsed.after.models])
    out, _ = run(samples, models, chunk, snr_db=30.0)
    assert np.array_equal(out, chain.process(samples))


def test_frames_are_reported_in_order_and_the_snr_changes_at_their_first_sample() -> None:
    tags = {0: 0, 50_000: 1, 100_000: 2}
    out, truths = run(np.zeros(150_000, np.complex64), "clock_offset(ppm=500)", 0, tags, snr_schedule="0:0, 1:40, 2:20")
    assert [(t["frame_index"], t["snr_db"]) for t in truths] == [(0, 0.0), (1, 40.0), (2, 20.0)]
    assert len(out) == pytest.approx(150_075, abs=2)
    chain, noise = parse_chain("clock_offset(ppm=500)", 1e6, 3, Numerology()).before, Awgn(0.0, 3)
    for place, snr_db in zip((0, 50_000, 100_000), (0.0, 40.0, 20.0), strict=True):
        noise.snr_db = snr_db
        part = noise.process(chain.process(np.zeros(50_000, np.complex64)))
        assert np.array_equal(out[: len(part)], part), place
        out = out[len(part) :]
    assert len(out) == 0


def test_what_the_last_input_gives_gets_out_though_there_is_no_room() -> None:
    model = parse_chain("clock_offset(ppm=900)", 1e6, 3, Numerology()).before
    count = next(i for i in range(1, 5000) if len(model.process(np.ones(1, np.complex64))) == 2 and i > 100)
    out, _ = run(np.ones(count, np.complex64), "clock_offset(ppm=900)", chunk=1)
    assert len(out) == len(
        parse_chain("clock_offset(ppm=900)", 1e6, 3, Numerology()).before.process(np.ones(count, "F"))
    )


def test_mean_power_of_the_models_is_counted() -> None:
    ones = np.zeros(200_000, np.complex64)
    out, _ = run(ones, "multipath(taps=[2])", snr_db=10.0)
    assert 10 * np.log10(np.mean(np.abs(out) ** 2)) == pytest.approx(20 * np.log10(2) - 10, abs=0.1)


def test_a_mistake_in_the_models_is_reported_in_one_sentence() -> None:
    for models, words in (("measured(file='none.npz')", "cannot be found"), ("tdl_a(x=1)", "no parameter 'x'")):
        with pytest.raises(BlockError, match=words):
            channel(models=models)


def test_every_preset_and_quoted_text_goes_through_grc_unharmed(tmp_path) -> None:
    description = yaml.safe_load((GRC_FOLDER / "sdr_sc_channel.block.yml").read_text())
    (parameter,) = [p for p in description["parameters"] if p["id"] == "models"]
    assert len(parameter["options"]) == len(parameter["option_labels"]) and parameter["options"][0] == ""
    path = write(tmp_path / "a 'quoted' name.npz")
    texts = [*parameter["options"], f'measured(file="{path}")', "multipath(taps=[1, -0.3j], )"]
    stages = [grc_files.block(f"c{i}", "sdr_sc_channel", models=text) for i, text in enumerate(texts)]
    source = grc_files.block("src", "blocks_null_source", type="complex")
    sink = grc_files.block("snk", "blocks_null_sink", type="complex")
    names = ["src", *(f"c{i}" for i in range(len(texts))), "snk"]
    graph = grc_files.flowgraph("presets", [source, *stages, sink], names)
    generated = compile_flowgraph(grc_files.write(tmp_path / "presets.grc", graph), tmp_path)
    calls = [node for node in ast.walk(ast.parse(generated.read_text())) if isinstance(node, ast.Call)]
    got = [
        ast.literal_eval(keyword.value)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "channel"
        for keyword in call.keywords
        if keyword.arg == "models"
    ]
    assert sorted(got) == sorted(texts)
    for text in texts:
        if "channel.npz" not in text:
            channel(models=text)
