# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc run``: ends, errors, deadlines and signals, with and without Qt."""

from __future__ import annotations

import signal
import subprocess
import sys

import grc_files
import pytest
from command import assert_one_line_error, environment, sdr_sc

from sdr_sc.flowgraph.compile import compile_flowgraph

QT = {"QT_QPA_PLATFORM": "offscreen", "DISPLAY": None}
KINDS = pytest.mark.parametrize("qt", [False, pytest.param(True, marks=pytest.mark.gui)], ids=["plain", "qt"])


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """The test flowgraphs, compiled once: for qt False and True."""
    folder = tmp_path_factory.mktemp("run")
    files = {}
    for qt in (False, True):
        name = f"under_test_{'qt' if qt else 'plain'}"
        files[qt] = compile_flowgraph(grc_files.write(folder / f"{name}.grc", grc_files.chain(name, qt)), folder)
    return files


@KINDS
def test_ends_by_itself(generated, qt):
    process = sdr_sc("run", generated[qt], "--items", 500, "--timeout", 20, **QT)
    assert process.returncode == 0, process.stderr
    assert "error" not in process.stderr


@KINDS
def test_failing_block_is_named(generated, qt):
    process = sdr_sc("run", generated[qt], "--fail-at", 100, "--timeout", 20, **QT)
    assert_one_line_error(process, "block 'failing' failed: ValueError: no more than that")


@KINDS
def test_constructor_that_refuses(generated, qt):
    process = sdr_sc("run", generated[qt], "--refuse", 1, "--timeout", 20, **QT)
    assert_one_line_error(process, "block 'failing' refuses; give it refuse=False.")


@KINDS
def test_deadline(generated, qt):
    process = sdr_sc("run", generated[qt], "-n", 10_000_000, "--timeout", 1, **QT)
    assert_one_line_error(process, "still running after 1 s", status=124)


@KINDS
@pytest.mark.parametrize("sleep_s", [0, 100], ids=["working", "stuck"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_it_though_a_block_is_stuck(generated, qt, sleep_s, number, status):
    options = ["-n", "10000000", "--sleep-s", str(sleep_s)]
    command = [sys.executable, "-m", "sdr_sc.cli.main", "run", str(generated[qt]), *options]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=environment(**QT), stdout=pipe, stderr=pipe, text=True)
    try:
        assert "working" in process.stdout.readline()
        process.send_signal(number)
        assert process.wait(50) == status  # a machine may be busy; what is stuck sleeps for longer
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.wait()


def test_grc_file_is_compiled_first(tmp_path):
    path = grc_files.write(tmp_path / "whole.grc", grc_files.chain("whole"))
    process = sdr_sc("run", path, "--items", 10, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == ["whole.grc"]


def test_snippets_run_in_their_places(tmp_path):
    data = grc_files.chain("snippets")
    for section in ("main_after_init", "main_after_start", "main_after_stop"):
        code = f"print('{section}', self.head is not None)"
        data["blocks"].append(grc_files.block(f"s_{section}", "snippet", section=section, priority=0, code=code))
    process = sdr_sc("run", grc_files.write(tmp_path / "snippets.grc", data), "--timeout", 20)
    lines = [line for line in process.stdout.splitlines() if line.startswith("main_after")]
    assert lines == [f"main_after_{part} True" for part in ("init", "start", "stop")], process.stderr


@KINDS
def test_guarded_block_ends_a_flowgraph_that_runs_without_us(tmp_path, qt):
    """As GRC runs it: python FILE, no harness."""
    data = grc_files.chain("direct", qt)
    failing = next(block for block in data["blocks"] if block["name"] == "failing")
    source = failing["parameters"]["_source_code"].replace("    def work", "    @guarded\n    def work")
    failing["parameters"]["_source_code"] = "from sdr_sc.blocks.runtime.guard import guarded\n" + source
    generated = compile_flowgraph(grc_files.write(tmp_path / "direct.grc", data), tmp_path)
    command = [sys.executable, str(generated), "--fail-at", "100"]
    process = subprocess.run(command, env=environment(**QT), capture_output=True, text=True, timeout=30)
    assert process.returncode == 1
    assert "sdr_sc: error: block 'failing0' failed: ValueError: no more than that\n" in process.stderr


def test_qt_without_a_display(generated):
    process = sdr_sc("run", generated[True], DISPLAY=None, WAYLAND_DISPLAY=None, QT_QPA_PLATFORM=None)
    assert_one_line_error(process, "DISPLAY", "xvfb-run")


def test_qt_with_a_display_that_is_not_there(generated):
    process = sdr_sc("run", generated[True], DISPLAY=":77", QT_QPA_PLATFORM=None)
    assert_one_line_error(process, "crashed (SIGABRT)")


def test_option_that_does_not_exist(generated):
    process = sdr_sc("run", generated[False], "--nonsense", 3)
    assert process.returncode == 2 and "--nonsense" in process.stderr and "Traceback" not in process.stderr


def test_file_that_is_no_flowgraph(tmp_path):
    (tmp_path / "plain.py").write_text("x = 1\n")
    assert_one_line_error(sdr_sc("run", tmp_path / "plain.py"), "defines no GNU Radio top block")
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    assert_one_line_error(sdr_sc("run", tmp_path / "broken.py"), "broken.py", "no_such_module")
    assert_one_line_error(sdr_sc("run", tmp_path / "absent.py"), "absent.py does not exist")


def test_flowgraph_without_options_refuses_them(tmp_path):
    data = grc_files.flowgraph("bare", [grc_files.block("v", "variable", value=1)], [])
    process = sdr_sc("run", grc_files.write(tmp_path / "bare.grc", data), "--timeout", 5, "--snr", 3)
    assert_one_line_error(process, "has no options", "--snr 3")
