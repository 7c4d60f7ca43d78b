# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a test takes its time, as a marker of its whole file: found in what the file uses, so that no list grows stale.

``unit`` computes in this process, and is all that ``make test-fast`` runs; ``long`` does so for more than some
seconds; ``process`` starts programs; ``flowgraph`` runs GNU Radio; ``realtime`` waits for an air or for workers;
``train`` trains a network.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

CAUSES = {
    "realtime": r"from (usrp_ends|simusrp_children|simusrp_device|dask_cluster|strangers) |simusrp import build",
    "process": r"from command import .*sdr_sc|subprocess|sys\.executable|chromium|record_loopback|run_loopback",
    "flowgraph": r"\bgnuradio\b|compile_flowgraph|flowgraph\.replay import",
    "train": r"distill\.train import|teachers\.fit import|\bPrestorer\(|schemes\.learn import",
}
LONG = (
    "bench/test_phy_bench_rows", "bench/test_phy_endurance", "bench/test_phy_fuzz", "bench/test_wifi_captures",
    "demo/test_captures_folder", "distill/test_losses", "hostile/test_bench_integrity", "hostile/test_fuzz",
    "hostile/test_knowledge_kills",
    "hostile/test_results", "hostile/test_run_folders", "phy/test_diagnosis", "phy/test_phy_bad_numerology",
    "phy/test_phy_channel_spec", "report/test_report", "schemes/test_grouped", "schemes/test_schemes",
    "schemes/test_thumbnail", "semantic/test_cam_table", "sweep/test_sweep_points", "sweep/test_sweep_report",
)  # fmt: skip
"""Beginnings of the files that compute for long, although in this process."""


@cache
def causes_of(path: Path) -> tuple[str, ...]:
    """The markers of a test file."""
    text = path.read_text(encoding="utf-8")
    found = tuple(name for name, pattern in CAUSES.items() if re.search(pattern, text))
    if any(f"/{start}" in path.as_posix() for start in LONG):
        found += ("long",)
    return found or ("unit",)
