# SPDX-License-Identifier: GPL-3.0-or-later
"""The link and the commands with students as ONNX, and the command that exports them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from command import assert_one_line_error, sdr_sc
from onnx_pairs import copied

from sdr_sc.distill.export.onnx_export import StudentExporter
from sdr_sc.files import write_whole
from sdr_sc.flowgraph.compile import compile_flowgraph
from sdr_sc.flowgraph.generated import build, load_module, top_block_class
from sdr_sc.flowgraph.harness import watch_flowgraph
from sdr_sc.flowgraph.loopback import LOOPBACK, account, run_loopback
from sdr_sc.semantic import weights

CONTRACT = weights.read_contract(weights.DEFAULT_MODEL)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("float32") / "student.onnx"
    write_whole(StudentExporter(weights.DEFAULT_MODEL).float32(path))
    return path


def answers_of(folder: Path) -> list[tuple[str, ...]]:
    with open(folder / "frames.csv", newline="") as file:
        frames = sorted(csv.DictReader(file), key=lambda frame: int(frame["frame_index"]))
    return [tuple(frame[key] for key in ("frame_index", "status", "k", "correct", "n_items")) for frame in frames]


def test_the_link_answers_as_with_torch(pair: Path, tmp_path: Path) -> None:
    settings = {"images": 60, "items_per_frame": 4, "snr_db": 8.0, "seed": 3}
    for name, model in (("torch", weights.DEFAULT_MODEL), ("onnx", pair)):
        done = run_loopback(200, model=str(model), folder=str(tmp_path / name), **settings)
        assert done.discrepancies == [] and done.items_answered == 60
    generated = compile_flowgraph(LOOPBACK, tmp_path)
    parameters = {**settings, "model": str(pair), "folder": str(tmp_path / "mixed")}
    tb = build(top_block_class(load_module(generated), generated), parameters)
    tb.decoder.models.names = [weights.DEFAULT_MODEL]
    watch_flowgraph(tb, 200)
    tb.results.stop()
    assert (account(tb).items_answered, account(tb).frames_refused) == (60, 0)
    assert answers_of(tmp_path / "torch") == answers_of(tmp_path / "onnx") == answers_of(tmp_path / "mixed")


def test_the_commands_take_a_pair_and_report_mistakes_in_one_line(pair: Path, tmp_path: Path) -> None:
    k = str(CONTRACT.k_list[-1])
    options = ["--images", "50", "--snr", "15", "--k", k]
    done = sdr_sc("evaluate", "--model", pair, *options)
    assert done.returncode == 0, done.stderr
    half = pair.with_name("student.decoder.onnx")
    assert_one_line_error(sdr_sc("evaluate", "--model", half, *options), "where the encoder is needed")
    assert_one_line_error(sdr_sc("run", LOOPBACK, "--model", half, "--timeout", 200), "where the encoder is needed")
    alone = copied(pair, tmp_path, "encoder")
    assert_one_line_error(sdr_sc("evaluate", "--model", alone, *options), "has no decoder here")
    assert_one_line_error(sdr_sc("evaluate", "--model", "none.onnx"), "neither a file nor a shipped model")


def test_the_export_command(tmp_path: Path) -> None:
    out, figures = tmp_path / "new" / "my.onnx", tmp_path / "f.json"
    small = ["--precision", "int8", "--calibration-images", 128, "--check-images", 4000]
    done = sdr_sc("export", "--out", out, *small, "--json", figures, OMP_NUM_THREADS="1")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert {path.name for path in out.parent.iterdir()} == {"my.encoder.onnx", "my.decoder.onnx"}
    assert weights.read_contract(out) == CONTRACT
    rows = {row["name"]: row for row in json.loads(figures.read_text())["rows"]}
    assert rows["symbols, largest difference to torch"]["ok"] and rows["accuracy lost by int8, AWGN 20 dB"]["ok"]
    assert_one_line_error(sdr_sc("export", "--out", tmp_path / "my.encoder.onnx"), "has to end in .onnx, without")
    assert_one_line_error(sdr_sc("export", "none", "--out", out), "neither a file nor a shipped model")
    assert_one_line_error(sdr_sc("export", out, "--out", tmp_path / "b.onnx"), "is an exported model already")
