# SPDX-License-Identifier: GPL-3.0-or-later
"""The command itself: help, errors, doctor, companion."""

from __future__ import annotations

import importlib.util
import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from command import assert_one_line_error, environment, sdr_sc

from sdr_sc.cli import main as cli_main
from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph.compile import GRC_FOLDER

HEAVY = {"numpy", "torch", "rich", "yaml", "gnuradio", "scipy", "numba"}


def processor_time_s(*command: str) -> float:
    """Of a child process, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment(), check=True, capture_output=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_names_every_verb_and_costs_little_more_than_click():
    process = sdr_sc("--help")
    assert process.returncode == 0
    assert all(verb in process.stdout for verb in cli_main.VERBS)
    # Against what a command with click costs on this machine at this moment; numpy alone would double it.
    pairs = [
        (
            processor_time_s(sys.executable, "-m", "sdr_sc.cli.main", "--help"),
            processor_time_s(sys.executable, "-c", "import click, importlib.metadata"),
        )
        for _ in range(5)
    ]
    assert min(own for own, _ in pairs) < 1.8 * min(click for _, click in pairs)


def test_help_is_in_groups_and_says_where_to_start():
    for arguments in ((), ("--help",)):
        process = sdr_sc(*arguments)
        places = [process.stdout.index(f"{heading}:\n") for heading in cli_main.GROUPS]
        assert places == sorted(places)
        assert "Start with 'sdr-sc demo'" in process.stdout


def test_bash_completes_verbs_and_options_with_the_line_that_help_shows():
    assert cli_main.COMPLETION in " ".join(sdr_sc("--help").stdout.split())
    script = sdr_sc(_SDR_SC_COMPLETE="bash_source").stdout
    assert "complete -o nosort -F" in script
    found = sdr_sc(_SDR_SC_COMPLETE="bash_complete", COMP_WORDS="sdr-sc de", COMP_CWORD="1").stdout
    assert found.split() == ["plain,demo"]
    found = sdr_sc(_SDR_SC_COMPLETE="bash_complete", COMP_WORDS="sdr-sc demo --im", COMP_CWORD="2").stdout
    assert "--images" in found


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom sdr_sc.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    print(sorted(sys.modules), file=sys.stderr)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=30
    )
    imported = {name.split(".")[0].strip("'[] ") for name in process.stderr.split(",")}
    assert "click" in imported
    assert not imported & HEAVY


@pytest.mark.parametrize("verb", list(cli_main.VERBS))
def test_every_verb_has_a_command(verb):
    if importlib.util.find_spec(f"sdr_sc.cli.{verb.replace('-', '_')}") is None:
        pytest.fail(f"the verb {verb} is in the table, but has no module")
    assert sdr_sc(verb, "--help").returncode == 0


def test_unknown_verb_is_refused():
    process = sdr_sc("frobnicate")
    assert process.returncode == 2
    assert "frobnicate" in process.stderr and "Traceback" not in process.stderr


def _main_with(monkeypatch, error):
    def fail(**_kwargs):
        raise error

    monkeypatch.setattr(cli_main.cli, "main", fail)
    with pytest.raises(SystemExit) as stop:
        cli_main.main(["x"])
    return stop.value.code


def test_user_error_is_one_line_and_status_1(monkeypatch, capsys):
    assert _main_with(monkeypatch, SdrScError("the cat is out; let it in.")) == 1
    assert capsys.readouterr().err == "sdr-sc: error: the cat is out; let it in.\n"


def test_ctrl_c_is_status_130(monkeypatch, capsys):
    assert _main_with(monkeypatch, KeyboardInterrupt()) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_missing_python_module_is_one_line(monkeypatch, capsys):
    assert _main_with(monkeypatch, ModuleNotFoundError("No module named 'sigmf'", name="sigmf")) == 1
    assert capsys.readouterr().err == "sdr-sc: error: the Python module 'sigmf' is missing; run 'make setup'.\n"


def test_grc_path():
    assert Path(sdr_sc("grc-path").stdout.strip()) == GRC_FOLDER


def test_doctor_finds_what_is_installed():
    process = sdr_sc("doctor", "--json")
    rows = {row["what"]: row for row in json.loads(process.stdout)}
    assert rows["GNU Radio 3.10"]["ok"] and rows["GNU Radio 3.10"]["found"].startswith("3.10")
    assert rows["numpy below 2"]["ok"]
    assert rows["Fashion-MNIST"]["ok"]
    assert process.returncode == int(any(row["required"] and not row["ok"] for row in rows.values()))


def test_doctor_reports_what_is_missing_and_how_to_fix_it(tmp_path):
    process = sdr_sc("doctor", SDR_SC_FASHION_MNIST=str(tmp_path), COLUMNS="60")
    assert process.returncode == 1
    lines = process.stdout.splitlines()
    place = next(number for number, line in enumerate(lines) if "Fashion-MNIST" in line)
    assert lines[place].startswith("missing") and str(tmp_path) in lines[place]  # whole, on however narrow a terminal
    assert "to fix it: sudo apt-get install" in lines[place + 1]


def test_doctor_names_a_home_that_cannot_be_written(tmp_path):
    process = sdr_sc("doctor", "--json", HOME="/nonexistent", XDG_CACHE_HOME=str(tmp_path), timeout_s=120)
    rows = {row["what"]: row for row in json.loads(process.stdout)}
    row = rows["HOME that can be written"]
    assert not row["ok"] and not row["required"] and "/nonexistent" in row["found"] and "set HOME" in row["remedy"]
    assert rows["folder for caches"]["ok"] and str(tmp_path) in row["found"]
    assert "simulated USRP" in rows and "terminal for GRC's F6" in rows and "browser for the tests" in rows


def test_companion_without_a_display():
    process = sdr_sc("companion", DISPLAY=None, WAYLAND_DISPLAY=None)
    assert_one_line_error(process, "display")


def test_companion_without_gnuradio(tmp_path):
    assert_one_line_error(sdr_sc("companion", PATH=str(tmp_path)), "gnuradio-companion", "apt-get install gnuradio")


def test_companion_starts_grc_with_our_blocks_and_this_python(tmp_path):
    fake = tmp_path / "gnuradio-companion"
    fake.write_text("import os, sys\nprint(sys.executable, os.environ['GRC_BLOCKS_PATH'], sys.argv[1:])\n")
    fake.chmod(0o755)
    process = sdr_sc("companion", "a.grc", PATH=str(tmp_path), DISPLAY=":0", GRC_BLOCKS_PATH="/elsewhere")
    assert process.stdout.strip() == f"{sys.executable} {GRC_FOLDER}:/elsewhere ['a.grc']"
