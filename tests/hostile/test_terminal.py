# SPDX-License-Identifier: GPL-3.0-or-later
"""What reaches the terminal: nothing that controls it, one line for any error, whatever the output can carry."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from command import ROOT, environment
from recordings import change, record

from sdr_sc.cli import main as cli_main
from sdr_sc.cli.shared import last_resort as _last_resort
from sdr_sc.shown import shown

pytestmark = pytest.mark.timeout(1200)  # a loaded machine takes minutes for a replay
ESCAPES = "x\x1b[2J\x1b]0;title\x07\x9b31m\r\x08\x7fy"
"""Clears the screen, sets a title, C1's introducer, goes back over what was written."""
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def run(*arguments: object, **how) -> subprocess.CompletedProcess:
    """``sdr-sc`` in a process of its own, with bytes as output."""
    command = [sys.executable, "-m", "sdr_sc.cli.main", *arguments]
    how.setdefault("env", environment(PYTHONUTF8="1"))
    how.setdefault("stdout", subprocess.PIPE)
    how.setdefault("stderr", subprocess.PIPE)
    return subprocess.run(command, timeout=500, **how)


def assert_harmless(done: subprocess.CompletedProcess) -> str:
    text = (done.stdout or b"").decode("utf-8", "replace") + (done.stderr or b"").decode("utf-8", "replace")
    assert not CONTROL.search(text), text
    assert "Traceback" not in text, text
    return text


def evil_recording(folder: Path) -> Path:
    """A recording whose every text holds control characters, in a file whose name does, too."""
    path = folder / ESCAPES
    record(path)

    def spoil(meta: dict) -> None:
        for key in ("hw", "recorder", "description", "author", "license", "version"):
            meta["global"][f"core:{key}"] = ESCAPES
        meta["global"]["sdr_sc:config"] = {ESCAPES: ESCAPES}
        meta["global"]["sdr_sc:git_commit"] = ESCAPES
        meta["global"]["sdr_sc:history"] = [{"action": ESCAPES, "source": ESCAPES, "from": ESCAPES, "to": 1}, ESCAPES]
        meta["global"]["core:extensions"].append({"name": ESCAPES, "version": ESCAPES, "optional": False})
        meta["global"]["core:dataset"] = ESCAPES
        meta["global"][ESCAPES] = ESCAPES
        meta[ESCAPES] = 1
        meta["captures"][0]["core:datetime"] = ESCAPES
        meta["captures"][1]["sdr_sc:cause"] = ESCAPES
        meta["captures"].append({"core:frequency": ESCAPES})
        meta["annotations"][0][f"{ESCAPES}:key"] = ESCAPES
        meta["annotations"][1]["sdr_sc:label_text"] = ESCAPES
        meta["annotations"][2]["sdr_sc:label"] = ESCAPES
        meta["annotations"][3][f"sdr_sc:{ESCAPES}"] = ESCAPES
        meta["annotations"].append(ESCAPES)

    change(path, spoil)
    return path


@pytest.mark.parametrize("verb", ["info", "check", "cut", "convert", "plot", "repair"])
def test_recordings_with_control_characters(verb: str, tmp_path: Path) -> None:
    path, target = evil_recording(tmp_path), tmp_path / f"{ESCAPES}2"
    if verb == "repair":
        (tmp_path / f"{ESCAPES}.sigmf-journal").write_text(f'{{"annotation": {{"{ESCAPES}": 1}}}}\n')
    arguments = {
        "info": ["info", "--frames", path, tmp_path / ESCAPES[::-1]],
        "check": ["check", path],
        "cut": ["cut", path, target, "--samples", "100:18000"],
        "convert": ["convert", path, target],
        "plot": ["plot", path, tmp_path / f"{ESCAPES}.png"],
        "repair": ["check", "--repair", path],
    }[verb]
    done = run("capture", *arguments)
    assert shown(ESCAPES) in assert_harmless(done)
    assert done.returncode == (1 if verb in ("info", "check", "repair") else 0), done.stderr


def test_a_recording_that_cannot_be_read_shows_its_keys_harmlessly(tmp_path: Path) -> None:
    path = evil_recording(tmp_path)
    change(path, lambda meta: meta["global"].update({"core:datatype": ESCAPES}))
    done = run("capture", "info", path)
    assert done.returncode == 1 and shown(ESCAPES) in assert_harmless(done)


def test_archives_and_collections_with_control_characters(tmp_path: Path) -> None:
    for names in ([f"{ESCAPES}.sigmf-meta", "b.sigmf-data"], [f"{ESCAPES}.sigmf-data"] * 2, [f"{ESCAPES}.sigmf-meta"]):
        archive = tmp_path / f"{ESCAPES}.sigmf"
        with tarfile.open(archive, "w") as tar:
            for name in names:
                member = tarfile.TarInfo(name)
                member.size = 3
                tar.addfile(member, io.BytesIO(b"abc"))
        done = run("capture", "check", archive)
        assert done.returncode == 1 and shown(ESCAPES) in assert_harmless(done)
    collection = tmp_path / "c.sigmf-collection"
    for streams in ([{"name": ESCAPES}], [{"name": ESCAPES}, {"name": ESCAPES}]):
        collection.write_text(json.dumps({"collection": {"core:streams": streams}}))
        done = run("capture", "info", collection)
        assert done.returncode == 1 and shown(ESCAPES) in assert_harmless(done)
    (tmp_path / f"{ESCAPES};rm -rf a.gz").write_bytes(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + bytes(20))
    done = run("capture", "info", tmp_path / f"{ESCAPES};rm -rf a.gz")
    assert "gunzip -c '" in assert_harmless(done) and done.returncode == 1


def write(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def run_folder(path: Path) -> Path:
    path.mkdir()
    rows = [{"name": ESCAPES, "value": 1.0, "unit": ESCAPES}]
    (path / "summary.json").write_text(json.dumps({"command": [ESCAPES], "rows": rows, "config": {ESCAPES: ESCAPES}}))
    (path / "frames.csv").write_text(f"{ESCAPES},frame\n{ESCAPES},1\n")
    (path / "items.csv").write_text(f"{ESCAPES}\n{ESCAPES}\n")
    return path


GRC = """options:
  parameters:
    id: "{0}"
blocks:
- id: "{1}"
  name: "{1}"
  parameters: {{}}
connections: []
"""
VERBS: dict[str, Callable[[Path], list]] = {
    "report run": lambda to: ["report", run_folder(to / ESCAPES)],
    "report sweep": lambda to: ["report", write(to / f"{ESCAPES}.parquet", "PAR1" + ESCAPES)],
    "report nothing": lambda to: ["report", to / ESCAPES],
    "compile yaml": lambda to: ["compile", write(to / f"{ESCAPES}.grc", 'a: "\\x1b[2J": b\n')],
    "compile id": lambda to: ["compile", write(to / f"{ESCAPES}.grc", GRC.format("\\x1b[2J", "a"))],
    "compile block": lambda to: ["compile", write(to / f"{ESCAPES}.grc", GRC.format("a", "\\x1b[2J"))],
    "run py": lambda to: ["run", write(to / f"{ESCAPES}.py", f"raise ValueError({ESCAPES!r})")],
    "run nothing": lambda to: ["run", to / f"{ESCAPES}.py"],
    "sweep yaml": lambda to: ["sweep", write(to / f"{ESCAPES}.yaml", '"\\x1b[2J": 1\n"\\x1b[2J": 2\n')],
    "sweep keys": lambda to: ["sweep", write(to / f"{ESCAPES}.yaml", '"\\x1b[2J": 1\n')],
    "sweep nothing": lambda to: ["sweep", to / ESCAPES],
    "evaluate": lambda to: ["evaluate", "--model", write(to / ESCAPES, ESCAPES)],
    "export": lambda to: ["export", write(to / f"{ESCAPES}.onnx", ESCAPES), "--out", to / "x"],
    "teacher": lambda to: ["teacher", "export", write(to / ESCAPES, ESCAPES), "--out", to / "x.onnx"],
    "distill": lambda to: ["distill", "--prestored", to / ESCAPES, "--out", to / "x"],
    "prestore": lambda to: ["prestore", "--teacher", write(to / f"{ESCAPES}.onnx", ESCAPES), "--out", to / "x"],
    "replay nothing": lambda to: ["replay", to / ESCAPES],
    "replay model": lambda to: ["replay", ROOT / "captures" / "awgn_0db", "--model", to / ESCAPES, "--out", to],
    "option": lambda to: ["capture", "info", f"--{ESCAPES}", "x"],
    "verb": lambda to: [ESCAPES],
    "doctor": lambda to: ["doctor"],
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_that_reads_a_file(verb: str, tmp_path: Path) -> None:
    data = {"SDR_SC_FASHION_MNIST": str(tmp_path / ESCAPES)} if verb == "doctor" else {}
    done = run(*VERBS[verb](tmp_path), env=environment(PYTHONUTF8="1", **data), cwd=tmp_path)
    text = assert_harmless(done)
    assert done.returncode in ((0, 1) if verb == "report run" else (1, 2)), text


def evil_replay(folder: Path, name: str) -> Path:
    for suffix in ("data", "meta"):
        shutil.copy(ROOT / "captures" / f"awgn_20db.sigmf-{suffix}", os.path.join(folder, f"{name}.sigmf-{suffix}"))
    change(folder / name, lambda meta: meta["captures"][0].update({"core:datetime": ESCAPES}))
    return folder / name


@pytest.mark.parametrize("name", [ESCAPES, os.fsdecode(b"a\xefb"), "Aufnahme \u00fc 2,4 GHz (\u4e2d\u6587)"])
def test_a_replay_of_any_name_ends_with_its_summary(name: str, tmp_path: Path) -> None:
    path = evil_replay(tmp_path, name)
    done = run("replay", path, "--out", tmp_path / "out", env=environment(PYTHONIOENCODING="ascii"))
    text = assert_harmless(done)
    assert done.returncode == 0 and "is no time of RFC 3339" in text, text
    [summary] = (tmp_path / "out").glob("*/summary.json")
    assert json.loads(summary.read_bytes())["config"]["file"] == str(path)


@pytest.mark.parametrize("changes", [
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "LANG": "C"},
], ids=["ascii output", "C locale"])  # fmt: skip
@pytest.mark.parametrize("name", [b"a\xefb", "ü 中".encode()], ids=["not UTF-8", "not ASCII"])
def test_names_that_the_output_cannot_carry(name: bytes, changes: dict[str, str], tmp_path: Path) -> None:
    record(tmp_path / "a")
    for suffix in (b"data", b"meta"):
        os.rename(
            os.fsencode(tmp_path / "a") + b".sigmf-" + suffix, os.fsencode(tmp_path) + b"/" + name + b".sigmf-" + suffix
        )
    folder = os.fsencode(tmp_path) + b"/"
    env = environment(**changes)
    for arguments, status in (
        ([b"info", folder + name], 0),
        ([b"check", folder + name], 0),
        ([b"cut", folder + name, folder + name + b"2", b"--samples", b"0:5000"], 0),
        ([b"convert", folder + name, folder + name + b"3"], 0),
        ([b"plot", folder + name, folder + name + b".png"], 0),
        ([b"info", folder + name + b"4"], 1),
    ):
        done = run("capture", *arguments, env=env)
        assert_harmless(done)
        assert done.returncode == status, done.stderr
    assert os.path.exists(folder + name + b".png")
    done = run("report", folder + name, env=env)
    assert_harmless(done)
    assert done.returncode == 1


@pytest.mark.parametrize("unbuffered", [None, "1"])
def test_output_that_is_full_is_one_line(unbuffered: str | None, tmp_path: Path) -> None:
    record(tmp_path / "a")
    for arguments in (["capture", "info", tmp_path / "a"], ["--help"], ["grc-path"], ["doctor"]):
        with open("/dev/full", "w") as full:
            done = run(*arguments, stdout=full, env=environment(PYTHONUNBUFFERED=unbuffered))
        lines = done.stderr.decode().splitlines()
        assert done.returncode == 1 and len(lines) == 1, lines
        assert lines[0].startswith("sdr-sc: error: standard output cannot be written (No space left on device)")
    with open("/dev/full", "w") as full:
        done = run("capture", "info", tmp_path / "nothing", stdout=full, stderr=full)
    assert done.returncode == 1


@pytest.mark.parametrize("end", ["| true", "| head -1", ">&-", "2>&-", ">&- 2>&-"])
def test_output_that_is_closed_is_no_news(end: str, tmp_path: Path) -> None:
    record(tmp_path / "a")
    command = f'"$PYTHON" -m sdr_sc.cli.main capture info --frames "$FILE" {end}'
    env = environment(PYTHON=sys.executable, FILE=str(tmp_path / "a"))
    done = subprocess.run(["bash", "-c", command], env=env, capture_output=True, timeout=500)
    assert done.stderr == b"" and done.returncode == 0, done


@pytest.mark.parametrize(
    "error, told",
    [
        (MemoryError(), "there is not enough memory"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
        (OSError(28, "No space left on device", "/x/y"), "/x/y: No space left on device; make room there"),
        (OSError(24, "Too many open files"), "Too many open files; raise the limit of open files (ulimit -n"),
        (BrokenPipeError(32, "Broken pipe"), "Broken pipe"),
        (UnicodeEncodeError("ascii", "\x1b", 0, 1, "ordinal not in range"), "set a UTF-8 locale"),
        (KeyError(ESCAPES), "unexpected KeyError"),
        (ValueError("two\nlines"), "unexpected ValueError: two lines"),
        (ModuleNotFoundError("No module named 'sdr_sc.x'", name="sdr_sc.x"), "unexpected ModuleNotFoundError"),
    ],
)
def test_the_last_resort_is_one_line(error: Exception, told: str, monkeypatch, capsys) -> None:
    def fail(**_kwargs: object) -> None:
        raise error

    monkeypatch.setattr(cli_main.cli, "main", fail)
    monkeypatch.delenv(_last_resort.DEBUG, raising=False)
    with pytest.raises(SystemExit) as stop:
        cli_main.main(["x"])
    [line] = capsys.readouterr().err.splitlines()
    assert stop.value.code == 1 and line.startswith("sdr-sc: error: ") and told in line and not CONTROL.search(line)
    monkeypatch.setenv(_last_resort.DEBUG, "1")
    with pytest.raises(SystemExit):
        cli_main.main(["x"])
    assert "Traceback" in capsys.readouterr().err


def test_errors_of_libraries_are_one_line(monkeypatch, capsys) -> None:
    import pyarrow
    import zmq

    for error in (zmq.ZMQError(zmq.EADDRINUSE), pyarrow.ArrowInvalid("Not a Parquet\nfile")):
        monkeypatch.setattr(cli_main.cli, "main", lambda error=error, **_: (_ for _ in ()).throw(error))
        with pytest.raises(SystemExit):
            cli_main.main(["x"])
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("sdr-sc: error: ")
