# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz targets for the readers of files: whatever a file holds, it is read, or refused in one sentence.

A fixed small budget here; ``SDR_SC_FUZZ_EXAMPLES`` gives a larger one, with other examples each time.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_pages import FRAME_FIELDS, ITEM_FIELDS, make_run
from sweep_studies import about_of, made_up

from sdr_sc.bench.hardening.integrity_files import _Linear
from sdr_sc.data.fashion_mnist import read_idx
from sdr_sc.distill.targets.prestore import PrestoreConfig, Prestorer
from sdr_sc.distill.targets.prestored_manifest import read_manifest
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.report.run.write import write_report
from sdr_sc.report.sweep.results_set import load_study
from sdr_sc.sealed import digest_of, sealed
from sdr_sc.semantic import weights
from sdr_sc.semantic.contract_reading import read_contract_text
from sdr_sc.sweep.config import config_from, load_config
from sdr_sc.sweep.grid import Point
from sdr_sc.sweep.results import read_results, write_results

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.timeout(3600)]
EXAMPLES = int(os.environ.get("SDR_SC_FUZZ_EXAMPLES", "60"))
FUZZ = settings(
    max_examples=EXAMPLES, deadline=None, derandomize="SDR_SC_FUZZ_EXAMPLES" not in os.environ, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)  # fmt: skip
SLOW = settings(FUZZ, max_examples=max(1, EXAMPLES // 10))
SHIPPED = json.loads((weights.MODELS_FOLDER / f"{weights.DEFAULT_MODEL}.contract.json").read_text())

numbers = st.one_of(
    st.integers(-5, 5),
    st.integers(),
    st.floats(),
    st.sampled_from([1 << 31, 1 << 53, 1 << 64, 10**300, -(10**300), 1e300, 2.0, -0.0]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=8))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)),
    max_leaves=12,
)


def paths_in(value: Any, at: tuple = ()) -> list[tuple]:
    """Where a value's parts stand."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, one in inner for path in paths_in(one, (*at, key)))]


def put(value: Any, path: tuple, new: Any) -> Any:
    """The value with one part replaced."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy


@st.composite
def changed(draw: st.DrawFn, original: Any) -> Any:
    """A JSON value with one to three parts replaced or removed."""
    value = original
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(paths_in(value)))
        parent = value
        for key in path[:-1]:
            parent = parent[key]
        if path and isinstance(parent, dict) and draw(st.integers(0, 4)) == 0:
            value = put(value, path[:-1], {key: one for key, one in parent.items() if key != path[-1]})
        else:
            value = put(value, path, draw(values))
    return value


def read_or_refused(read: Callable[[], Any]) -> None:
    """The reader returns, or raises one sentence of bounded length."""
    try:
        read()
    except SdrScError as error:
        assert len(str(error)) < 1500 and "\n" not in str(error), str(error)


@FUZZ
@given(changed({name: value for name, value in SHIPPED.items() if name != "sha256"}), st.booleans())
def test_contracts(content: Any, is_sealed: bool) -> None:
    text = json.dumps(sealed(content) if is_sealed and isinstance(content, dict) else content)
    read_or_refused(lambda: read_contract_text(text, "file"))


@FUZZ
@given(st.text(max_size=200))
def test_contracts_of_any_text(text: str) -> None:
    read_or_refused(lambda: read_contract_text(text, "file"))


HEADER = {
    "__metadata__": {"sdr_sc_contract": json.dumps(SHIPPED)},
    "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "b": {"dtype": "F32", "shape": [1], "data_offsets": [24, 28]},
}


@FUZZ
@given(changed(HEADER), st.binary(min_size=0, max_size=40), st.integers(-3, 3))
def test_headers_of_safetensors(tmp_path: Path, header: Any, data: bytes, off: int) -> None:
    text = json.dumps(header).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", max(0, len(text) + off)) + text + data)
    read_or_refused(lambda: weights.read_tensors(path))


SWEEP = {
    "schemes": ["ours", {"scheme": "pca", "name": "p", "k": [8, "cam"], "stop": {"interval_points": 2}}],
    "channels": {"awgn": "", "t": {"models": "tdl_c(delay_spread_ns=300)", "realisation_items": 50}},
    "snr_db": {"from": 0, "to": 10, "step": 5},
    "k": [4, "cam"],
    "seeds": [1],
    "items": 100,
    "items_per_frame": 50,
    "air": "phy",
    "carrier_offset_hz": 700,
    "stop": {"interval_points": 1, "minimum_items": 100},
}


@FUZZ
@given(changed(SWEEP))
def test_sweeps(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(json.dumps(content))  # which is YAML, but for NaN
    read_or_refused(lambda: load_config(path))


@FUZZ
@given(st.one_of(st.binary(max_size=200), st.text("[]{}:-&*!|>'\"#\n ab01.", max_size=200).map(str.encode)))
def test_sweeps_of_any_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    read_or_refused(lambda: load_config(path))


ABOUT = json.loads(json.dumps(about_of(config_from({"schemes": ["label_ldpc"], "snr_db": [0]}))))
RESULT = made_up(Point("label_ldpc", "awgn", 0.0, None, 1), 17, 4)


@SLOW
@given(changed(ABOUT))
def test_metadata_of_results(tmp_path: Path, about: Any) -> None:
    path = tmp_path / "x.parquet"
    write_results(path, about if isinstance(about, dict) else {"version": about}, [RESULT])
    read_or_refused(lambda: load_study([path]))


@FUZZ
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=6), st.data())
def test_bytes_of_results(tmp_path: Path, edits: list[tuple[int, int]], data: st.DataObject) -> None:
    path = tmp_path / "x.parquet"
    write_results(path, ABOUT, [RESULT])
    content = bytearray(path.read_bytes())
    for place, value in edits:
        content[place % len(content)] = value
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    read_or_refused(lambda: read_results(path))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run."""
    return make_run(tmp_path_factory.mktemp("fuzz") / "run", frames=3)


@SLOW
@given(st.data())
def test_summaries_of_runs(run_folder: Path, data: st.DataObject) -> None:
    path = run_folder / "summary.json"
    original = path.read_text()
    try:
        content = data.draw(changed({k: v for k, v in json.loads(original).items() if k != "sha256"}))
        path.write_text(json.dumps(content))
        read_or_refused(lambda: write_report(run_folder))
    finally:
        path.write_text(original)


@SLOW
@given(
    st.sampled_from(["frames.csv", "items.csv"]),
    st.integers(0, 8),
    st.one_of(numbers.map(repr), st.text(max_size=12), st.sampled_from(["nan", "-inf", "1_0", "0x1", "1e400", "１"])),
)
def test_tables_of_runs(run_folder: Path, name: str, column: int, cell: str) -> None:
    path = run_folder / name
    original = path.read_bytes()
    fields = FRAME_FIELDS if name == "frames.csv" else ITEM_FIELDS
    lines = original.decode().splitlines()
    cells = lines[2].split(",")
    cells[column % len(fields)] = cell
    try:
        path.write_bytes("\n".join([*lines[:2], ",".join(cells), *lines[3:]]).encode("utf-8", "surrogatepass") + b"\n")
        read_or_refused(lambda: write_report(run_folder))
    finally:
        path.write_bytes(original)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of a little pre-stored knowledge."""
    from sdr_sc.data import fashion_mnist

    folder = tmp_path_factory.mktemp("fuzz") / "knowledge"
    Prestorer(_Linear(), fashion_mnist.load("train").first(20), PrestoreConfig(views=1, shard_items=8), folder).run()
    return folder / "manifest.json"


@FUZZ
@given(st.data())
def test_manifests(manifest: Path, data: st.DataObject) -> None:
    original = manifest.read_text()
    plain = {name: value for name, value in json.loads(original).items() if name != "checksum"}
    try:
        content = data.draw(changed(plain))
        if isinstance(content, dict):
            content = {**content, "checksum": digest_of({k: v for k, v in content.items() if k != "checksum"})}
        manifest.write_text(json.dumps(content))
        read_or_refused(lambda: read_manifest(manifest.parent))
    finally:
        manifest.write_text(original)


@FUZZ
@given(
    st.one_of(
        st.binary(max_size=64),
        st.builds(
            lambda kind, sizes, data: bytes([0, 0, kind, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + data,
            st.sampled_from([8, 9, 14]),
            st.lists(st.one_of(st.integers(0, 4), st.integers(0, 2**32 - 1)), max_size=40),
            st.binary(max_size=64),
        ),
    )
)
def test_idx_files(raw: bytes) -> None:
    read_or_refused(lambda: read_idx(raw, "file"))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "x" * 300},
        {"class_names": ["x" * 300, "y"]},
        {"cam": {**SHIPPED["cam"], "snr": [0.0]}},
        {"architecture": [1]},
        {"extra": 1},
    ],
)
def test_contracts_with_long_names_or_unknown_members_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match="is unknown|no contract that can be read") as error:
        read_contract_text(json.dumps(sealed({**SHIPPED, **changes})), "file")
    assert len(str(error.value)) < 400


def test_what_was_not_changed_is_read(run_folder: Path, manifest: Path, tmp_path: Path) -> None:
    """The originals of all targets are good: else nothing behind the first check would be reached."""
    write_report(run_folder)
    assert read_manifest(manifest.parent).items == 20
    read_contract_text(json.dumps(sealed(SHIPPED)), "file")
    assert config_from(SWEEP).items == 100
    write_results(tmp_path / "x.parquet", ABOUT, [RESULT])
    assert len(load_study([tmp_path / "x.parquet"]).points) == 1
    idx = bytes([0, 0, 8, 2]) + struct.pack(">2I", 2, 2) + b"abcd"
    assert np.array_equal(read_idx(idx, "file"), [[97, 98], [99, 100]])
