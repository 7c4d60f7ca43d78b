# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings: what is written is read again, part by part, by us and by SigMF's own library."""

from __future__ import annotations

import dataclasses
import json
import math
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
import sigmf
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import BANDWIDTH_HZ, FREQ_HZ, RATE_HZ, all_samples, assert_valid, change, noise, note, record, sha512

from sdr_sc.capture import Capture, CaptureWriter, FrameNote, Segment, SentFrame
from sdr_sc.capture.check import check
from sdr_sc.capture.datatype import FORMATS, from_complex64, to_complex64
from sdr_sc.capture.edit import convert, cut
from sdr_sc.capture.sigmf.fields import BadValue
from sdr_sc.capture.sigmf.json_pieces import BEGIN, BrokenJson, pieces
from sdr_sc.capture.span import span
from sdr_sc.errors import CaptureError


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    samples = record(tmp_path / "a", git_commit="abc", description="noise", author="me")
    assert_valid(tmp_path / "a")
    assert check(tmp_path / "a") == []
    with Capture(tmp_path / "a.sigmf-data") as capture:
        assert np.array_equal(all_samples(capture), samples)
        assert np.array_equal(np.concatenate(list(capture.blocks(777, 100, 9000))), samples[100:9000])
        assert list(capture.frames()) == [note(n, at) for n, at in ((0, 1000), (1, 5000), (3, 12_000), (4, 16_000))]
        assert np.array_equal(capture.frame_samples(note(0, 1000), 50), samples[950:1850])
        assert len(capture.frame_samples(note(0, 1000), 10**6)) == len(samples)
        assert capture.not_received == (SentFrame(2, 8, (6, 7, 8), (1, 2, 3)),)
        assert [raw["core:comment"] for raw in capture.foreign] == ["by hand"]
        assert capture.problems == []
        first, second = capture.segments
        assert (first.rx_time_s, first.datetime, first.global_index) == ((7, 0.75), "2026-01-02T03:04:05.5Z", 0)
        assert (second.sample_start, second.cause, second.global_index) == (10_000, "overflow", 15_000)
        info = capture.info
        assert (info.sample_rate_hz, info.freq_hz, info.hardware, info.git_commit) == (RATE_HZ, FREQ_HZ, "test", "abc")
        assert info.config == {"seed": 1, "channel": "awgn"}
        assert info.sha512 == sha512(tmp_path / "a")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.sigmf-data", "a.sigmf-meta"]


def test_other_programs_find_the_frames(tmp_path: Path) -> None:
    samples = record(tmp_path / "a")
    theirs = sigmf.fromfile(str(tmp_path / "a"))
    assert np.array_equal(theirs.read_samples(), samples)
    frames = [raw for raw in theirs.get_annotations() if "sdr_sc:k" in raw]
    assert [raw["core:sample_start"] for raw in frames] == [1000, 5000, 12_000, 16_000]
    assert frames[0]["core:label"] == "k=8 10.0 dB 2/3"
    edges = frames[0]["core:freq_lower_edge"], frames[0]["core:freq_upper_edge"]
    assert edges == (FREQ_HZ - BANDWIDTH_HZ / 2, FREQ_HZ + BANDWIDTH_HZ / 2)
    assert theirs.get_global_info()["core:extensions"] == [{"name": "sdr_sc", "version": "1.0.0", "optional": True}]


def test_what_is_right_for_further_tasks_comes_back_and_what_makes_no_sense_does_not() -> None:
    targets = {"retrieval": (70_000, -1, 2), "subgroup": (0, 1, 2)}
    whole = note(1, 0, targets=targets)
    raw = json.loads(json.dumps(whole.to_json()))
    assert FrameNote.from_json(raw) == whole and "sdr_sc:targets" not in note(1, 0).to_json()
    missed = SentFrame(4, 8, (1, 2, 3), (0, 0, 0), targets=targets)
    assert SentFrame.from_json(json.loads(json.dumps(missed.to_json()))) == missed
    asked = note(1, 0, questions=("what colour is it?", "", "¿qué es?"))
    raw_asked = json.loads(json.dumps(asked.to_json()))
    assert FrameNote.from_json(raw_asked) == asked and "sdr_sc:questions" not in raw
    lost = SentFrame(4, 8, (1, 2), (0, 0), questions=("what colour is it?", ""))
    raw_lost = json.loads(json.dumps(lost.to_json()))
    assert SentFrame.from_json(raw_lost) == lost and "questions" not in missed.to_json()
    with pytest.raises(BadValue, match="questions"):
        SentFrame.from_json(raw_lost | {"questions": ["why?"]})
    for bad in ("why?", ["why?"], ["a", "b", 3], ["a", "b", "c" * 2000]):
        with pytest.raises(BadValue, match="sdr_sc:questions"):
            FrameNote.from_json(raw | {"sdr_sc:questions": bad})
    for wrong in ([1, 2, 3], {"retrieval": [1, 2]}, {"retrieval": "x"}, {str(task): [1, 2, 3] for task in range(17)}):
        with pytest.raises(BadValue, match="targets|retrieval"):
            FrameNote.from_json(raw | {"sdr_sc:targets": wrong})


def test_every_key_is_described() -> None:
    """The page of the extension names each key that can be written, and no other."""
    import re

    from sdr_sc.capture.sigmf.info import CaptureInfo

    info = CaptureInfo("cf32_le", 1.0, sample_count=1, bandwidth_hz=1.0, config={"a": 1}, git_commit="x", clipped=1,
                       history=[{"action": "cut"}])  # fmt: skip
    segment = Segment(0, 1.0, "x", (1, 0.5), "gap", 1)
    whole = note(1, 0, snr_set_db=3.0, label_text="x", request=1, refined_symbols=2, rounds=(1,), mode=2, report_age=1,
                 targets={"retrieval": (70_000,)}, questions=("why?",))  # fmt: skip
    keys = {*info.to_json(), *segment.to_json(), *whole.to_json(), "sdr_sc:not_received"}
    page = (Path(__file__).parents[2] / "docs" / "sdr_sc.sigmf-ext.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.M)) == {key[7:] for key in keys if key.startswith("sdr_sc:")}


@pytest.mark.parametrize("datatype", FORMATS)
def test_every_datatype_is_what_sigmf_reads(datatype: str, tmp_path: Path) -> None:
    samples = noise(500)
    samples[:4] = [0, -1 - 1j, 0.5, 0.25j]
    record(tmp_path / "a", samples, datatype)
    theirs = sigmf.fromfile(str(tmp_path / "a")).read_samples()
    with Capture(tmp_path / "a") as capture:
        ours = all_samples(capture)
        assert capture.info.clipped == 0
    assert ours.dtype == np.complex64
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-7)
    step = 0 if FORMATS[datatype].scale == 1 else 0.5001 / FORMATS[datatype].scale + 1e-7
    assert np.abs((ours - samples).view(np.float32)).max() <= step
    again, clipped = from_complex64(ours, datatype)
    assert clipped == 0 and np.array_equal(to_complex64(again, datatype), ours)


def test_sixteen_bits_come_back_bit_for_bit() -> None:
    values = np.arange(-32768, 32768, dtype="<i2")
    back, clipped = from_complex64(to_complex64(values, "ci16_le"), "ci16_le")
    assert clipped == 0 and np.array_equal(back, values)


def sixteen_bits_by_numpy(samples: np.ndarray) -> tuple[np.ndarray, int]:
    """ci16_le by numpy's own functions, which the compiled kernel has to equal bit by bit."""
    with np.errstate(over="ignore"):
        wide = np.rint(np.ascontiguousarray(samples).view(np.float32) * np.float32(32768))
    outside = ~((wide >= -32768) & (wide <= 32767))
    held = np.clip(np.where(np.isnan(wide), 0, wide), -32768, 32767).astype("<i2")
    return held, int(np.count_nonzero(outside[0::2] | outside[1::2]))


def assert_sixteen_bits(samples: np.ndarray) -> int:
    values, clipped = from_complex64(samples, "ci16_le")
    expected = sixteen_bits_by_numpy(samples)
    assert values.dtype == "<i2" and values.tobytes() == expected[0].tobytes() and clipped == expected[1]
    return clipped


def test_sixteen_bits_are_what_numpy_rounds_them_to() -> None:
    halves = (np.arange(-33_000, 33_000) + np.float32(0.5)) / np.float32(32768)  # ties go to the even neighbour
    assert assert_sixteen_bits(halves.astype(np.complex64)) == 464  # 231 below -32768.5, and 233 from 32767.5 on
    odd = [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, -0.0, 1.0, -1.0, 32767.5 / 32768, -32768.5 / 32768, -1.00002]
    pairs = np.array([complex(a, b) for a in odd for b in odd], np.complex64)
    assert assert_sixteen_bits(pairs) == 12 * 12 - 4 * 4  # 1e-45, -0, -1 and -32768.5 are within range
    rng = np.random.default_rng(1)
    for count in (0, 1, 2047, 2048, 2049, 10_001):
        for level in (0.1, 0.5):
            samples = (level * (rng.standard_normal(count) + 1j * rng.standard_normal(count))).astype(np.complex64)
            samples.flags.writeable = False  # as some buffers are
            assert_sixteen_bits(samples)
            assert_sixteen_bits(samples[::2])
    within = np.full(8192, 0.25, np.complex64)
    for place in (0, 2047, 2048, 8191):  # at the edges of the kernel's blocks
        one = within.copy()
        one[place] = complex(0.25, np.nan)
        assert assert_sixteen_bits(one) == 1


@pytest.mark.parametrize("datatype", ["ci8", "cu16_le", "ci32_be"])
def test_what_does_not_fit_is_clipped_and_counted(datatype: str) -> None:
    samples = np.array([1.5, -2j, np.inf, np.nan, 0.5 + 0.5j, 1j * np.nan], np.complex64)
    values, clipped = from_complex64(samples, datatype)
    assert clipped == 5
    back = to_complex64(values, datatype)
    np.testing.assert_allclose(back, [1, -1j, 1, 0, 0.5 + 0.5j, 0], atol=0.01)


def test_an_archive_is_read_in_place(tmp_path: Path) -> None:
    samples = record(tmp_path / "a")
    for number, order in enumerate((("a/a.sigmf-meta", "a/a.sigmf-data"), ("a.sigmf-data", "a.sigmf-meta"))):
        with tarfile.open(tmp_path / f"{number}.sigmf", "w") as archive:
            for name in order:
                archive.add(tmp_path / Path(name).name, name)
        with Capture(tmp_path / f"{number}.sigmf") as capture:
            assert np.array_equal(all_samples(capture), samples)
            assert capture.frame_count == 4
        assert check(tmp_path / f"{number}.sigmf") == []
    cut(tmp_path / "1.sigmf", tmp_path / "part", frames=(0, 1))
    assert_valid(tmp_path / "part")


def test_a_plain_file_needs_format_and_rate(tmp_path: Path) -> None:
    samples = noise(1000)
    samples.tofile(tmp_path / "a.cf32")
    with Capture(tmp_path / "a.cf32", "cf32_le", 2e6) as capture:
        assert np.array_equal(all_samples(capture), samples)
        assert (capture.sample_rate_hz, list(capture.frames())) == (2e6, [])
    with pytest.raises(CaptureError, match="a.cf32 has no metadata; give its datatype"):
        Capture(tmp_path / "a.cf32", "cf32_le")
    convert(tmp_path / "a.cf32", tmp_path / "b", "cf32_le", datatype="cf32_le", sample_rate_hz=2e6)
    assert_valid(tmp_path / "b")


def test_a_cut_takes_metadata_along(tmp_path: Path) -> None:
    samples = record(tmp_path / "a")
    done = cut(tmp_path / "a", tmp_path / "b", samples=(5200, 17_000))
    assert (done.frames, done.frames_left) == (2, 1)
    assert_valid(tmp_path / "b")
    with Capture(tmp_path / "b") as part:
        assert np.array_equal(all_samples(part), samples[5200:17_000])
        assert [n.sample_start for n in part.frames()] == [6800, 10_800]
        assert [n.frame_index for n in part.frames()] == [3, 4]
        first, second = part.segments
        assert first.rx_time_s == pytest.approx((7, 0.7552)) and first.datetime == "2026-01-02T03:04:05.505200Z"
        assert (second.sample_start, second.cause, second.global_index) == (4800, "overflow", 15_000)
        assert first.global_index == 5200
        assert part.foreign[0]["core:sample_start"] == 0 and part.foreign[0]["core:sample_count"] == 6000
        assert part.not_received == ()  # where frame 2 was cannot be known: it may have been before the part
        step = part.info.history[-1]
        assert (step["source"], step["samples"]) == ("a", [5200, 17_000])


def test_frames_are_cut_by_number_with_a_margin(tmp_path: Path) -> None:
    samples = record(tmp_path / "a")
    cut(tmp_path / "a", tmp_path / "b", frames=(1, 3), margin=100)
    with Capture(tmp_path / "b") as part:
        assert np.array_equal(all_samples(part), samples[4900:12_900])
        assert [n.frame_index for n in part.frames()] == [1, 3]
        assert [frame.frame_index for frame in part.not_received] == [2]
        for found in part.frames():
            assert np.array_equal(part.frame_samples(found), samples[found.sample_start + 4900 :][:800])


def test_two_cuts_are_one(tmp_path: Path) -> None:
    record(tmp_path / "a", datatype="ci16_le")
    cut(tmp_path / "a", tmp_path / "b", samples=(2000, 18_000))
    cut(tmp_path / "b", tmp_path / "c", seconds=(0.003, 0.015))
    cut(tmp_path / "a", tmp_path / "d", samples=(5000, 17_000))
    assert sha512(tmp_path / "c") == sha512(tmp_path / "d")
    with Capture(tmp_path / "c") as one, Capture(tmp_path / "d") as other:
        assert list(one.frames()) == list(other.frames())
        assert [dataclasses.astuple(segment) for segment in one.segments][1:] == [
            dataclasses.astuple(segment) for segment in other.segments
        ][1:]


def test_conversion_keeps_all_but_the_format(tmp_path: Path) -> None:
    samples = record(tmp_path / "a")
    convert(tmp_path / "a", tmp_path / "b", "ci16_le")
    assert_valid(tmp_path / "b")
    with Capture(tmp_path / "a") as before, Capture(tmp_path / "b") as after:
        assert list(after.frames()) == list(before.frames())
        assert after.segments == before.segments and after.not_received == before.not_received
        assert np.abs((all_samples(after) - samples).view(np.float32)).max() <= 0.5 / 32768
    done = convert(tmp_path / "a", tmp_path / "c", "ci8", scale=20.0)
    assert done.clipped > 1000
    with Capture(tmp_path / "c") as loud:
        assert loud.info.clipped == done.clipped


@pytest.mark.parametrize(
    "part, told",
    [
        ({"samples": (0, 10), "seconds": (0, 1)}, "samples and in seconds"),
        ({"samples": (10, 10)}, "nothing in samples 10:10"),
        ({"samples": (20_000, None)}, "has 20000 samples"),
        ({"seconds": (1.0, 2.0)}, "0.02 s"),
        ({"frames": (4, 9)}, "it has 4 frames"),
        ({"seconds": (-1.0, 2.0)}, "smaller one first"),
    ],
)
def test_a_part_that_is_not_there(part: dict, told: str, tmp_path: Path) -> None:
    record(tmp_path / "a")
    with Capture(tmp_path / "a") as capture, pytest.raises(CaptureError, match=told):
        span(capture, **part)


def test_nothing_is_overwritten_unless_forced(tmp_path: Path) -> None:
    samples = record(tmp_path / "a")
    with pytest.raises(CaptureError, match="a.sigmf-meta exists already; give another name, or --force"):
        record(tmp_path / "a")
    with pytest.raises(CaptureError, match="is the recording that is read"):
        cut(tmp_path / "a", tmp_path / "a", samples=(0, 10), force=True)
    with Capture(tmp_path / "a") as capture:
        assert np.array_equal(all_samples(capture), samples)
    record(tmp_path / "a", noise(100), force=True)
    with Capture(tmp_path / "a") as capture:
        assert capture.sample_count == 100
    assert_valid(tmp_path / "a")


def test_a_failed_cut_leaves_nothing(tmp_path: Path) -> None:
    record(tmp_path / "a")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(CaptureError, match="unknown"):
        convert(tmp_path / "a", tmp_path / "b", "cf99_le")
    with pytest.raises(CaptureError, match="beyond|nothing|frames"):
        cut(tmp_path / "a", tmp_path / "b", frames=(7, 8))
    assert sorted(tmp_path.iterdir()) == before


def test_metadata_is_valid_while_recording_goes_on(tmp_path: Path) -> None:
    writer = CaptureWriter(tmp_path / "a", RATE_HZ)
    writer.write(noise(1000))
    writer.annotate(note(0, 10, 100))
    assert_valid(tmp_path / "a")
    with Capture(tmp_path / "a") as live:
        assert live.sample_count == 1000 and live.frame_count == 1 and not live.complete
        assert "still goes on" in live.problems[0].text
    with pytest.raises(CaptureError, match="still goes on"):
        CaptureWriter(tmp_path / "a", RATE_HZ, force=True)
    writer.close()
    assert_valid(tmp_path / "a")
    with pytest.raises(CaptureError, match="closed"):
        writer.write(noise(1))


def test_a_recording_without_samples_is_valid(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "a", RATE_HZ) as writer:
        writer.annotate(note(0, 0))
    assert_valid(tmp_path / "a")
    assert check(tmp_path / "a") == []
    with Capture(tmp_path / "a") as capture:
        assert capture.sample_count == 0 and list(capture.frames()) == []


def test_what_is_unknown_is_left_out_not_made_up(tmp_path: Path) -> None:
    bare = FrameNote(10, 20, 5, 8, 2, math.nan, math.inf, 1, confidence=(0.5, math.nan))
    with CaptureWriter(tmp_path / "a", RATE_HZ) as writer:
        writer.write(noise(100))
        writer.annotate(bare)
    assert_valid(tmp_path / "a")
    assert "NaN" not in (tmp_path / "a.sigmf-meta").read_text()
    with Capture(tmp_path / "a") as capture:
        [found] = capture.frames()
        assert math.isnan(found.snr_db) and math.isnan(found.cfo_hz)
        assert (found.frame_index, found.item_id, found.answer, found.correct) == (None, None, None, None)
        assert found.confidence is not None and found.confidence[0] == 0.5 and math.isnan(found.confidence[1])


def test_threads_may_write_and_annotate_at_once(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "a", RATE_HZ) as writer:
        threads = [
            threading.Thread(target=lambda n=n: [writer.annotate(note(n * 50 + i, 10 * i, 5)) for i in range(50)])
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for _ in range(50):
            writer.write(noise(100))
        for thread in threads:
            thread.join()
    with Capture(tmp_path / "a") as capture:
        assert sorted(n.frame_index or 0 for n in capture.frames()) == list(range(200))
    assert_valid(tmp_path / "a")


def test_sample_numbers_may_have_an_offset(tmp_path: Path) -> None:
    samples = record(tmp_path / "a")

    def move(meta: dict) -> None:
        meta["global"]["core:offset"] = 10**12
        for raw in meta["captures"] + meta["annotations"]:
            raw["core:sample_start"] += 10**12

    change(tmp_path / "a", move)
    with Capture(tmp_path / "a") as capture:
        assert capture.problems == []
        assert [n.sample_start for n in capture.frames()] == [1000, 5000, 12_000, 16_000]
        assert [segment.sample_start for segment in capture.segments] == [0, 10_000]
    cut(tmp_path / "a", tmp_path / "b", samples=(900, 2000))
    with Capture(tmp_path / "b") as part:
        assert np.array_equal(all_samples(part), samples[900:2000])
        assert [n.sample_start for n in part.frames()] == [100]


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=6), stop=st.integers(0, 400))
def test_json_is_read_however_it_is_cut(cuts: list[int], stop: int) -> None:
    whole = {
        "global": {"a": 'ä\\n"{[', "n": [1.5e3, -2, None, True, {"x": {}}]},
        "captures": [{"b": 1}, {"b": 2}],
        "annotations": [{"c": "é" * 20, "d": 12345678}, {}, {"e": []}],
        "end": 123456,
    }
    text = json.dumps(whole, ensure_ascii=False, indent=1).encode()
    places = sorted(min(place, len(text)) for place in [0, *cuts, len(text)])
    chunks = [text[a:b] for a, b in zip(places, places[1:], strict=False)]
    found = [(key, value) for key, value in pieces(chunks) if value is not BEGIN]
    assert found == [("global", whole["global"]), *(("captures", raw) for raw in whole["captures"]),
                     *(("annotations", raw) for raw in whole["annotations"]), ("end", 123456)]  # fmt: skip
    if stop < len(text):
        got = []
        with pytest.raises(BrokenJson):
            got.extend(pieces([text[:stop]]))
