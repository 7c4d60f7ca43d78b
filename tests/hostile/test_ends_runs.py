# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs that meet a fault, and what their ends write down."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from command import ROOT

from sdr_sc.bench.hardening import faults as bench_faults
from sdr_sc.bench.hardening.faults import _KINDS, _Try
from sdr_sc.cli.shared.usrp import InterimSummary, lost_first
from sdr_sc.errors import FlowgraphError, SdrScError
from sdr_sc.flowgraph.compile import compile_flowgraph


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "kind", [kind for kind in _KINDS if "shared memory" not in kind.name], ids=lambda kind: kind.name
)
def test_a_fault_in_a_run_is_one_line_and_leaves_what_was_written(kind: bench_faults._Kind, tmp_path: Path) -> None:
    verdict = kind.run(_Try(tmp_path, np.random.default_rng(5), False), kind.cause)
    assert vars(verdict) == {"aborts": [], "tracebacks": [], "unreadable": [], "unreported": []}


def test_foreign_shared_memory_is_refused_in_one_line(tmp_path: Path) -> None:
    (kind,) = (kind for kind in _KINDS if "shared memory" in kind.name)
    try:
        verdict = kind.run(_Try(tmp_path, np.random.default_rng(5), False), kind.cause)
    except bench_faults._NotHereError as error:
        assert "root" in str(error)  # another user's file cannot be made here, and the bench says so
        return
    assert vars(verdict) == {"aborts": [], "tracebacks": [], "unreadable": [], "unreported": []}


def test_the_cause_comes_before_what_follows_from_it() -> None:
    tb = SimpleNamespace(lost="")
    with lost_first(tb):
        pass
    with pytest.raises(SdrScError, match="^no room$"), lost_first(tb):
        raise SdrScError("no room")
    tb.lost = "block 'results' failed: the disk is full."
    for error in (None, SdrScError("summary.json cannot be written")):
        with pytest.raises(SdrScError, match="^block 'results' failed"), lost_first(tb):
            if error is not None:
                raise error


def test_a_summary_is_kept_up_to_date_and_not_made_again_in_a_removed_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdr_sc.cli.shared.usrp.INTERIM_S", 0.0)
    folder, counts = tmp_path / "run", SimpleNamespace(frames=0)
    interim = InterimSummary(folder, "sdr-sc rx", lambda tb: {"accounting": {"frames": tb.frames}})
    interim(counts)
    assert not folder.exists()
    folder.mkdir()
    for frames in (1, 2):
        counts.frames = frames
        interim(counts)
        summary = json.loads((folder / "summary.json").read_text())
        assert summary["accounting"] == {"frames": frames} and summary["interim"] is True and summary["rows"] == []
    (folder / "summary.json").unlink()
    (folder / "summary.json").mkdir()  # cannot be written now: the end reports it
    interim(counts)


def test_a_flowgraph_whose_source_does_not_publish_the_truth_is_one_line(tmp_path: Path) -> None:
    """As those of the version before."""
    content = yaml.safe_load((ROOT / "flowgraphs" / "sim_loopback.grc").read_text())
    content["connections"].remove(["source", "truth", "results", "truth"])
    path = tmp_path / "sim_loopback.grc"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(FlowgraphError, match="truth") as error:
        compile_flowgraph(path, tmp_path / "out")
    assert "\n" not in str(error.value) and "source" in str(error.value).lower()


@pytest.mark.parametrize("without_truth", [True, False])
def test_the_news_of_what_was_sent_may_be_left_out_where_the_truth_is_not_known(
    without_truth: bool, tmp_path: Path
) -> None:
    content = yaml.safe_load((ROOT / "flowgraphs" / "replay.grc").read_text())
    content["connections"].remove(["source", "told", "results", "sent"])
    (sink,) = (block for block in content["blocks"] if block["name"] == "results")
    sink["parameters"]["without_truth"] = str(without_truth)
    path = tmp_path / "replay.grc"
    path.write_text(yaml.safe_dump(content))
    if without_truth:
        assert compile_flowgraph(path, tmp_path / "out").is_file()
    else:
        with pytest.raises(FlowgraphError, match="sent"):
            compile_flowgraph(path, tmp_path / "out")
