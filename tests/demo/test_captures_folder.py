# SPDX-License-Identifier: GPL-3.0-or-later
"""The recordings that come with the project give the answers that stand beside them, and are what their cards say."""

from __future__ import annotations

import json

import pytest
from command import ROOT

from sdr_sc.capture import open_capture
from sdr_sc.capture.check import check
from sdr_sc.demo.example_captures import EXAMPLES, answers, card, differences

FOLDER = ROOT / "captures"
NAMES = [example.name for example in EXAMPLES]


def test_the_folder_holds_what_is_listed_and_stays_small() -> None:
    stems = {path.name.partition(".")[0] for path in FOLDER.iterdir() if path.name != "README.md"}
    assert stems == set(NAMES)
    for name in NAMES:
        assert all(
            (FOLDER / f"{name}{end}").is_file() for end in (".sigmf-meta", ".sigmf-data", ".md", ".answers.json")
        )
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 10e6


@pytest.mark.parametrize("name", NAMES)
def test_a_replay_gives_the_answers_beside_it(name: str) -> None:
    expected = json.loads((FOLDER / f"{name}.answers.json").read_text())
    found = answers(FOLDER / name)
    assert differences(expected, found) == []
    capture = open_capture(FOLDER / name)
    noted = {note.frame_index: note.answer for note in capture.frames()}  # of the live run
    replayed = {frame["frame_index"]: tuple(frame["answers"]) for frame in found["frames"]}
    assert noted == {index: answer for index, answer in replayed.items() if index in noted}
    assert {frame.frame_index for frame in capture.not_received} == set(replayed) - set(noted)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wrong_with_it_and_its_card_fits(name: str) -> None:
    assert check(FOLDER / name) == []
    expected = json.loads((FOLDER / f"{name}.answers.json").read_text())
    (example,) = (example for example in EXAMPLES if example.name == name)
    assert card(example, FOLDER, expected) == (FOLDER / f"{name}.md").read_text()


def test_they_show_what_they_are_for() -> None:
    gaps, usrp = open_capture(FOLDER / "gaps_12db"), open_capture(FOLDER / "usrp_clock_offset")
    assert len(gaps.segments) > 4 and {segment.cause for segment in gaps.segments[1:]} == {"gap"}
    offsets = [note.cfo_hz for note in usrp.frames()]
    assert sum(offsets) / len(offsets) == pytest.approx(-3.5e-6 * 915e6, abs=30)
    assert len({note.k for note in open_capture(FOLDER / "tdl_c_15db").frames()}) > 2
