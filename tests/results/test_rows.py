# SPDX-License-Identifier: GPL-3.0-or-later
"""Intervals, provenance, and the JSON shape of measurements."""

from __future__ import annotations

import io
import json
import math
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import sdr_sc
from sdr_sc.errors import SdrScError
from sdr_sc.results import rows as measurements
from sdr_sc.results.rows import Row, format_value, mean_interval, print_rows, wilson_interval, write_json

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def read(path: Path) -> dict:
    """Parse strictly: NaN and Infinity are not JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


@pytest.mark.parametrize("successes, n", [(0, 5), (5, 5), (1, 1), (0, 1), (910, 1000), (7, 2000)])
def test_wilson_bounds_solve_the_score_equation(successes: int, n: int) -> None:
    share = successes / n
    low, high = wilson_interval(successes, n)
    assert 0 <= low <= share <= high <= 1
    for bound in (low, high):
        if 0 < bound < 1:
            assert abs(share - bound) / math.sqrt(bound * (1 - bound) / n) == pytest.approx(1.95996, abs=1e-4)
    assert (low == 0) == (successes == 0)
    assert (high == 1) == (successes == n)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.91])
def test_wilson_covers_about_95_percent(share: float) -> None:
    draws = np.random.default_rng(3).binomial(200, share, size=4000)
    covered = sum(low <= share <= high for low, high in (wilson_interval(int(d), 200) for d in draws)) / len(draws)
    assert 0.93 < covered < 0.97


@pytest.mark.parametrize("successes, n", [(-1, 5), (6, 5), (0, -1)])
def test_wilson_refuses_counts_that_contradict(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="not a proportion"):
        wilson_interval(successes, n)


def test_mean_interval_is_students_t() -> None:
    from scipy import stats

    values = np.random.default_rng(5).normal(3.0, 2.0, 17)
    expected = stats.t.interval(0.95, 16, loc=values.mean(), scale=stats.sem(values))
    assert mean_interval(values) == pytest.approx(expected)
    assert all(math.isnan(bound) for bound in mean_interval([4.2]))
    assert all(math.isnan(bound) for bound in mean_interval([]))


def test_goals() -> None:
    assert Row.at_least("accuracy", 91.0, "%", 91.0).ok is True
    assert Row.at_least("accuracy", 90.9, "%", 91.0) == Row("accuracy", 90.9, "%", ">= 91 %", False)
    assert Row.at_most("lost", 0, "", 0) == Row("lost", 0, "", "<= 0", True)
    assert Row.at_least("accuracy", math.nan, "%", 91.0).ok is False
    assert Row.at_most("bias", math.nan, "dB", 1.0).ok is False
    assert Row.at_least("accuracy", np.float32(92), "%", 91).ok is True  # a bool, not a numpy one


def test_json_shape(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "out.json"
    rows = [
        Row.at_least("accuracy", np.float64(91.5), "%", 91.0, n=np.int64(10_000), ci95=(np.float32(91.0), 92.0)),
        Row("bias", math.nan, "dB", ci95=(math.nan, math.nan)),
        Row("gain", math.inf, "dB"),
    ]
    extra = {"config": {"seed": np.int32(7), "path": tmp_path, 4: (1, math.inf)}, "grid": np.array([[1.0, np.nan]])}
    write_json(target, ["sdr-sc", "evaluate", "--json", "a file.json"], rows, extra)
    content = read(target)
    assert list(content) == ["command", "git", "machine", "rows", "config", "grid", "sha256"]
    assert content["command"] == "sdr-sc evaluate --json 'a file.json'"
    assert [list(row) for row in content["rows"]] == [["name", "value", "unit", "goal", "ok", "n", "ci95"]] * 3
    assert content["rows"][0] == {
        "name": "accuracy", "value": 91.5, "unit": "%", "goal": ">= 91 %", "ok": True, "n": 10000, "ci95": [91.0, 92.0],
    }  # fmt: skip
    assert content["rows"][1]["value"] is None and content["rows"][1]["ci95"] is None
    assert content["rows"][2]["value"] is None
    assert content["config"] == {"seed": 7, "path": str(tmp_path), "4": [1, None]}
    assert content["grid"] == [[1.0, None]]
    assert os.listdir(target.parent) == ["out.json"], "no partial file stays behind"


def test_json_refuses_what_would_mislead(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'rows'"):
        write_json(tmp_path / "a.json", "x", [], {"rows": []})
    with pytest.raises(TypeError, match="complex"):
        write_json(tmp_path / "a.json", "x", [], {"gain": 1 + 2j})
    (tmp_path / "file").write_text("")
    with pytest.raises(SdrScError, match="cannot be written"):
        write_json(tmp_path / "file" / "a.json", "x", [])
    assert not (tmp_path / "a.json").exists()


def test_machine_says_what_it_is() -> None:
    found = measurements.machine()
    assert list(found) == ["cpu", "cores", "memory_gib", "system", "python", "numpy", "gnuradio"]
    assert found["cores"] >= 1 and found["memory_gib"] > 0.1
    assert found["numpy"] == np.__version__
    assert os.uname().nodename not in map(str, found.values())


def git(folder: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "core.hooksPath=/dev/null", *arguments],
        cwd=folder, capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    return done.stdout.strip()


@needs_git
def test_git_commit_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "sdr_sc"
    package.mkdir()
    source = package / "__init__.py"
    source.write_text("")
    monkeypatch.setattr(sdr_sc, "__file__", str(source))
    assert measurements.git_commit() == "unknown"  # no repository
    git(tmp_path, "init", "-q")
    assert measurements.git_commit() == "unknown"  # no commit
    (tmp_path / "other").write_text("")
    git(tmp_path, "add", "other")
    git(tmp_path, "commit", "-q", "-m", "other")
    assert measurements.git_commit() == "unknown"  # a repository that does not hold the package
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "package")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert measurements.git_commit() == commit and len(commit) == 40
    monkeypatch.setenv("GIT_DIR", "/nonexistent")  # as inside a hook of another repository
    assert measurements.git_commit() == commit
    (tmp_path / "untracked").write_text("")
    assert measurements.git_commit() == commit
    source.write_text("# changed")
    assert measurements.git_commit() == f"{commit}+dirty"


def test_git_commit_without_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert measurements.git_commit() == "unknown"


def test_printed_rows() -> None:
    stream = io.StringIO()
    rows = [
        Row.at_least("accuracy [k=16]", 91.52, "%", 91.0, n=10_000, ci95=(90.96, 92.05)),
        Row.at_most("frames lost", 2, "", 0),
        Row("bias", math.nan, "dB"),
    ]
    print_rows(rows, "figures", Console(file=stream, width=100))
    text = stream.getvalue()
    for part in ("accuracy [k=16]", "91.52 %", "90.96 .. 92.05", "10,000", ">= 91 %", "yes", "NO", "figures"):
        assert part in text


@pytest.mark.parametrize("value, text", [(0, "0"), (-0.5, "-0.5"), (12345.6, "12,346"), (None, "–"), (1e20, "1e+20")])
def test_formatted(value: float | None, text: str) -> None:
    assert format_value(value) == text


PLACES = "home|root|tmp|work|usr|var|opt|mnt|media|srv|data|builds?|workspace|Users|private"


def test_no_stored_figure_names_a_place_on_one_machine() -> None:
    root = Path(__file__).resolve().parents[2]
    files = [*(root / "benchmarks").rglob("*.json"), *(root / "captures").glob("*.sigmf-meta")]
    assert len(files) > 10
    for path in files:
        # Not any slash: answers of images are kept as base64, which may begin with one.
        assert not re.search(rf"[\"' =]/({PLACES})/|\.\./", path.read_text()), path
