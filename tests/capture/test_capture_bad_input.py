# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged, foreign and wrong recordings: one clear line each, and what can be read is read."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import ROOT
from recordings import FREQ_HZ, all_samples, assert_valid, change, data_file, noise, note, record

from sdr_sc.capture import Capture, CaptureWriter
from sdr_sc.capture.check import check
from sdr_sc.capture.edit import convert, cut
from sdr_sc.capture.sigmf.findings import SHOWN_OF_A_KIND
from sdr_sc.errors import CaptureError

FOREIGN = ROOT.parent / "shared" / "data" / "foreign_sigmf"


def texts(path: Path, severity: str = "error", **how: Any) -> list[str]:
    """Findings of one severity, as they are printed."""
    return [str(finding) for finding in check(path, **how) if finding.severity == severity]


def set_global(key: str, value: Any) -> Callable[[dict], None]:
    def edit(meta: dict) -> None:
        meta["global"][key] = value

    return edit


def drop_global(key: str) -> Callable[[dict], None]:
    return lambda meta: meta["global"].pop(key)


@pytest.mark.parametrize(
    "edit, told",
    [
        (set_global("core:datatype", "ri16_le"), "datatype 'ri16_le' is of real samples"),
        (set_global("core:datatype", "cf32"), "datatype 'cf32' says no byte order; write cf32_le or cf32_be"),
        (set_global("core:datatype", "qf7"), "datatype 'qf7' is unknown; known are cf32_be"),
        (set_global("core:datatype", 7), "datatype 7 is unknown"),
        (set_global("core:datatype", 10**400), "…000"),
        (drop_global("core:datatype"), "core:datatype is missing; give the datatype"),
        (set_global("core:num_channels", 2), "it has 2 channels"),
        (drop_global("core:sample_rate"), "core:sample_rate is missing; give the sample rate"),
        (set_global("core:sample_rate", "fast"), "core:sample_rate is 'fast', which is not a number"),
        (set_global("core:sample_rate", -1), "sample rate -1 Hz is not between"),
        (set_global("core:version", "2.0.0"), "it is of SigMF 2.0.0, and versions from 2 on"),
        (lambda meta: meta["captures"][0].update({"core:header_bytes": "4"}), "core:header_bytes is '4', which is not"),
        (lambda meta: meta["captures"][1].update({"core:sample_start": "9"}), "core:sample_start is '9', which is not"),
        (set_global("core:num_channels", "2"), "core:num_channels is '2', which is not a whole number"),
        (set_global("core:num_channels", 2.0), "it has 2 channels"),
        (set_global("core:num_channels", None), "core:num_channels is null"),
        (set_global("core:trailing_bytes", 1.5), "core:trailing_bytes is 1.5, which is not a whole number of 0 or"),
        (set_global("core:offset", True), "core:offset is True, which is not a whole number"),
        (lambda meta: meta.pop("global"), "it has no global object"),
    ],
)
def test_what_keeps_samples_from_being_read(edit: Callable, told: str, tmp_path: Path) -> None:
    record(tmp_path / "a")
    change(tmp_path / "a", edit)
    with pytest.raises(CaptureError, match="^" + re.escape(str(tmp_path / "a"))) as error:
        Capture(tmp_path / "a")
    assert "\n" not in str(error.value)
    assert any(told in text for text in texts(tmp_path / "a"))
    if "core:sample_rate" not in told:
        assert told in str(error.value)


def test_what_is_missing_may_be_reported(tmp_path: Path) -> None:
    samples = record(tmp_path / "a")
    change(tmp_path / "a", drop_global("core:sample_rate"))
    change(tmp_path / "a", set_global("core:datatype", "ci16_le"))
    with Capture(tmp_path / "a", "cf32_le", 3e6) as capture:
        assert np.array_equal(all_samples(capture), samples)
        assert capture.sample_rate_hz == 3e6
        assert "read as cf32_le as you asked" in str(capture.problems[0])
    (tmp_path / "a.sigmf-meta").unlink()
    with pytest.raises(CaptureError, match="there is no a.sigmf-meta; give its datatype"):
        Capture(tmp_path / "a")
    with Capture(tmp_path / "a", "cf32_le", 3e6) as capture:
        assert np.array_equal(all_samples(capture), samples)


def test_the_wrong_datatype_is_reported_by_the_length(tmp_path: Path) -> None:
    record(tmp_path / "a")
    change(tmp_path / "a", set_global("core:datatype", "ci16_le"))
    longer = "the data is longer than stated: 40000 samples instead of 20000"
    assert any(longer in text for text in texts(tmp_path / "a"))


def test_data_that_is_shorter_than_reported(tmp_path: Path) -> None:
    samples = record(tmp_path / "a")
    with open(data_file(tmp_path / "a"), "r+b") as file:
        file.truncate(8 * 9000 + 3)
    errors = texts(tmp_path / "a")
    for told in ("a.sigmf-data: 72003 bytes are no whole number of cf32_le samples; the last 3 bytes are left out",
                 "a.sigmf-data: the data is shorter than stated: 9000 samples instead of 20000",
                 "capture at 10000: it begins at sample 10000 of 9000: the data is shorter",
                 "samples 12000 to 12800 are beyond the end of the data, 9000; left out",
                 "its sha512 begins with"):  # fmt: skip
        assert any(told in text for text in errors), told
    with Capture(tmp_path / "a") as capture:
        assert np.array_equal(all_samples(capture), samples[:9000])
        assert [found.frame_index for found in capture.frames()] == [0, 1]
        assert len(capture.problems) == 6
        with pytest.raises(CaptureError, match="has no samples 8999 to 9001; it has 9000 samples"):
            capture.samples(8999, 2)


def test_data_that_is_longer_than_reported(tmp_path: Path) -> None:
    record(tmp_path / "a")
    with open(data_file(tmp_path / "a"), "ab") as file:
        file.write(noise(5).tobytes())
    errors = texts(tmp_path / "a")
    assert any("the data is longer than stated: 20005 samples instead of 20000" in text for text in errors)
    assert any("sha512" in text for text in errors)


def test_a_changed_bit_is_found_unless_the_checksum_is_skipped(tmp_path: Path) -> None:
    record(tmp_path / "a")
    with open(data_file(tmp_path / "a"), "r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))
    [error] = texts(tmp_path / "a")
    assert error.startswith("error: a.sigmf-data: its sha512 begins with ")
    assert texts(tmp_path / "a", hash=False) == []


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="recording .*nothing does not exist"):
        Capture(tmp_path / "nothing")
    with pytest.raises(CaptureError, match="is a folder"):
        Capture(tmp_path)
    record(tmp_path / "a")
    data_file(tmp_path / "a").unlink()
    assert texts(tmp_path / "a") == ["error: a.sigmf-meta: its data is missing; there is no a.sigmf-data."]


@pytest.mark.parametrize("version, told", [("0.0.1", "older than 1.0"), (None, "core:version is missing"),
                                           ("new", "which is no version"), (3, "not a text")])  # fmt: skip
def test_metadata_of_an_old_version_is_read(version: Any, told: str, tmp_path: Path) -> None:
    samples = record(tmp_path / "a")
    change(tmp_path / "a", drop_global("core:version") if version is None else set_global("core:version", version))
    with Capture(tmp_path / "a") as capture:
        assert np.array_equal(all_samples(capture), samples) and capture.frame_count == 4
        assert any(told in str(problem) for problem in capture.problems)
    cut(tmp_path / "a", tmp_path / "b", samples=(0, 5000))
    assert_valid(tmp_path / "b")


def test_annotations_and_captures_out_of_order_are_sorted(tmp_path: Path) -> None:
    record(tmp_path / "a")

    def turn(meta: dict) -> None:
        meta["annotations"].reverse()
        meta["captures"].reverse()

    change(tmp_path / "a", turn)
    errors = texts(tmp_path / "a")
    assert any("annotations[1]: it begins at sample 12000, one before it at 16000: out of order" in e for e in errors)
    assert any("captures[1]: it begins at sample 0, before the one in front of it" in e for e in errors)
    with Capture(tmp_path / "a") as capture:
        assert [found.frame_index for found in capture.frames()] == [0, 1, 3, 4]
        assert [segment.sample_start for segment in capture.segments] == [0, 10_000]
    convert(tmp_path / "a", tmp_path / "b", "cf32_le")
    assert_valid(tmp_path / "b")


def test_of_many_alike_a_few_are_shown_and_all_counted(tmp_path: Path) -> None:
    record(tmp_path / "a")
    change(tmp_path / "a", lambda meta: meta["annotations"].extend({"core:sample_start": 10**9} for _ in range(500)))
    errors = texts(tmp_path / "a")
    assert len(errors) == SHOWN_OF_A_KIND + 1
    assert errors[-1] == "error: and: 495 more annotations beyond the end"


def test_keys_of_wrong_types(tmp_path: Path) -> None:
    record(tmp_path / "a")

    def spoil(meta: dict) -> None:
        frames = [raw for raw in meta["annotations"] if "sdr_sc:k" in raw]
        frames[0]["sdr_sc:label"] = [1, 2]
        frames[1]["sdr_sc:snr_db"] = "good"
        frames[2]["sdr_sc:unheard"] = 1
        frames[3]["core:sample_start"] = 3.5
        meta["annotations"][0]["core:comment"] = 5
        meta["annotations"][0]["core:freq_upper_edge"] = 5
        meta["annotations"].append("what")
        meta["captures"].append({"core:frequency": -1})
        meta["captures"][1]["sdr_sc:rx_time"] = 7.5
        meta["global"]["sdr_sc:config"] = "many"
        meta["global"]["core:author"] = ["me"]
        meta["global"]["core:hw"] = 1
        meta["global"]["sdr_sc:not_received"] = [{"frame_index": 1}]

    change(tmp_path / "a", spoil)
    errors = texts(tmp_path / "a")
    for told in ("sdr_sc:label has 2 elements for 3 items", "sdr_sc:snr_db is 'good', which is not a number",
                 "core:sample_start is 3.5, which is not a whole number of 0 or more", "'what' is no object",
                 "core:comment is 5, which is not a text", "core:freq_upper_edge stands without core:freq_lower_edge",
                 "captures[2]: core:sample_start is missing", "sdr_sc:rx_time is 7.5", "sdr_sc:config is 'many'",
                 "core:author is ['me'], which is not a text", "sdr_sc:not_received[0]"):  # fmt: skip
        assert sum(told in text for text in errors) == 1, (told, errors)
    assert any("'sdr_sc:unheard' is no key of this extension" in text for text in texts(tmp_path / "a", "warning"))
    with Capture(tmp_path / "a") as capture:
        assert [found.frame_index for found in capture.frames()] == [1, 3]
        assert capture.segments[1].freq_hz == FREQ_HZ and capture.segments[1].cause == "overflow"
    convert(tmp_path / "a", tmp_path / "b", "cf32_le")
    assert_valid(tmp_path / "b")


def test_extensions_of_others_are_reported_and_kept(tmp_path: Path) -> None:
    record(tmp_path / "a")

    def extend(meta: dict) -> None:
        meta["global"]["core:extensions"].append({"name": "antenna", "version": "1.0.0", "optional": False})
        meta["global"]["antenna:model"] = "dipole"
        meta["captures"][1]["antenna:azimuth"] = 12.5
        meta["annotations"][1]["radar:echo"] = {"far": 3}

    change(tmp_path / "a", extend)
    warnings = texts(tmp_path / "a", "warning")
    assert texts(tmp_path / "a") == []
    assert any("extension 'antenna' is declared as needed, and is not known here" in text for text in warnings)
    assert any("namespace 'radar' are used, which core:extensions does not declare" in text for text in warnings)
    assert len(warnings) == 2
    cut(tmp_path / "a", tmp_path / "b", samples=(900, 17_000))
    with Capture(tmp_path / "b") as part:
        assert part.info.other["antenna:model"] == "dipole"
        assert part.segments[1].other == {"antenna:azimuth": 12.5}
        assert next(part.frames()).other == {"radar:echo": {"far": 3}}
        assert {"name": "antenna", "version": "1.0.0", "optional": False} in part.raw_global["core:extensions"]


@pytest.mark.parametrize("kept, frames", [(0.0, 0), (0.02, 0), (0.75, 2), (0.999, 4)])
def test_metadata_that_is_cut_off(kept: float, frames: int, tmp_path: Path) -> None:
    samples = record(tmp_path / "a")
    meta = tmp_path / "a.sigmf-meta"
    content = meta.read_bytes()
    meta.write_bytes(content[: int(len(content) * kept)])
    assert any("a.sigmf-meta: it is " in text for text in texts(tmp_path / "a"))
    if kept < 0.5:
        with pytest.raises(CaptureError, match="a.sigmf-meta: it is (empty|not JSON)"):
            Capture(tmp_path / "a")
    else:
        with Capture(tmp_path / "a") as capture:
            assert np.array_equal(all_samples(capture), samples)
            assert len(list(capture.frames())) >= frames
            assert any("the file is cut off" in str(problem) for problem in capture.problems)


@pytest.mark.parametrize(
    "content, told",
    [
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"[1, 2]", "does not begin with {"),
        (b'{"global": {"core:version": "1.2.0",}, ', "in line 1"),
        (b'{\n\n"global": 7}', "no global object"),
        (b'{"global": {}, "captures": 5, "annotations": "x"}', "which is no list"),
        (b'{"global": {}} trailing', "more after its end"),
        (b'{"global": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"global": {"core:sample_rate": NaN}}', "NaN is not JSON"),
        (b'{"global": {"core:sample_rate": 1' + b"0" * 400 + b"}}", "which is not a number"),
    ],
)
def test_metadata_that_is_none(content: bytes, told: str, tmp_path: Path) -> None:
    record(tmp_path / "a")
    (tmp_path / "a.sigmf-meta").write_bytes(content)
    errors = texts(tmp_path / "a")
    assert any(told in text for text in errors), errors
    with pytest.raises(CaptureError, match="^[^\n]*$"):
        Capture(tmp_path / "a")


def test_archives_that_are_truncated_or_compressed(tmp_path: Path) -> None:
    samples = record(tmp_path / "a")
    with tarfile.open(tmp_path / "b.sigmf", "w") as archive:
        for suffix in ("meta", "data"):
            archive.add(tmp_path / f"a.sigmf-{suffix}", f"a.sigmf-{suffix}")
    whole = (tmp_path / "b.sigmf").read_bytes()
    (tmp_path / "b.sigmf").write_bytes(whole[: len(whole) // 2])
    with Capture(tmp_path / "b.sigmf") as capture:
        there = capture.sample_count
        assert 5000 < there < 15_000
        assert np.array_equal(all_samples(capture), samples[:there])
        assert any("the archive is truncated: " in str(problem) for problem in capture.problems)
    (tmp_path / "b.sigmf").write_bytes(whole[:100])
    with pytest.raises(CaptureError, match="is no SigMF archive, or is cut off at its beginning"):
        Capture(tmp_path / "b.sigmf")
    (tmp_path / "b.sigmf").write_bytes(whole[:3000])
    with pytest.raises(CaptureError, match="b.sigmf: the archive is truncated: [0-9]+ of [0-9]+ bytes of a.sigmf-meta"):
        Capture(tmp_path / "b.sigmf")
    with gzip.open(tmp_path / "c.sigmf.gz", "wb") as file:
        file.write(whole)
    with pytest.raises(CaptureError, match=r"is compressed.*unpack it: gunzip -c c.sigmf.gz > c.sigmf"):
        Capture(tmp_path / "c.sigmf.gz")
    with tarfile.open(tmp_path / "d.sigmf", "w") as archive:
        for name in ("a", "b"):
            archive.add(tmp_path / "a.sigmf-meta", f"{name}.sigmf-meta")
    with pytest.raises(CaptureError, match="holds 2 recordings"):
        Capture(tmp_path / "d.sigmf")


def test_data_may_have_another_name(tmp_path: Path) -> None:
    samples = record(tmp_path / "a")
    data_file(tmp_path / "a").rename(tmp_path / "other.bin")
    change(tmp_path / "a", set_global("core:dataset", "other.bin"))
    with Capture(tmp_path / "a") as capture:
        assert np.array_equal(all_samples(capture), samples)


def test_parameters_that_make_no_sense(tmp_path: Path) -> None:
    for rate_hz in (0.0, float("nan"), 1e13):
        with pytest.raises(CaptureError, match="sample rate"):
            CaptureWriter(tmp_path / "a", rate_hz)
    with pytest.raises(CaptureError, match="unknown"):
        CaptureWriter(tmp_path / "a", 1e6, "ci12")
    with pytest.raises(CaptureError, match="without .sigmf at its end"):
        CaptureWriter(tmp_path / "a.sigmf", 1e6)
    (tmp_path / "file").touch()
    with pytest.raises(CaptureError, match="cannot be begun .*; choose another place"):
        CaptureWriter(tmp_path / "file" / "a", 1e6)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not FOREIGN.is_dir(), reason="the foreign recording is not here")
def test_a_foreign_recording_of_two_real_channels(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="sigmf_logo: global: datatype 'ri16_le' is of real samples"):
        Capture(FOREIGN / "sigmf_logo")
    errors = texts(FOREIGN / "sigmf_logo.sigmf-meta")
    assert len(errors) == 2 and "2 channels" in errors[1]
    # Two real channels side by side have the layout of complex samples: declared so, they are read, and annotated.
    for suffix in ("meta", "data"):
        shutil.copy(FOREIGN / f"sigmf_logo.sigmf-{suffix}", tmp_path)
        (tmp_path / f"sigmf_logo.sigmf-{suffix}").chmod(0o644)
    change(tmp_path / "sigmf_logo", drop_global("core:num_channels"))
    with Capture(tmp_path / "sigmf_logo", "ci16_le") as capture:
        raw = np.fromfile(data_file(tmp_path / "sigmf_logo"), "<i2")
        assert np.array_equal(all_samples(capture).view(np.float32) * 32768, raw)
        assert [found["core:comment"] for found in capture.foreign] == ["logo warmup", "logo spinup", "logo steady"]
    cut(tmp_path / "sigmf_logo", tmp_path / "part", seconds=(1, 5), datatype="ci16_le")
    assert_valid(tmp_path / "part")


def test_an_example_of_the_extensions_page_is_valid(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "sdr_sc.sigmf-ext.md").read_text()
    example = page.rsplit("```json\n", 1)[1].partition("```")[0]
    (tmp_path / "a.sigmf-meta").write_text(example)
    noise(json.loads(example)["global"]["sdr_sc:sample_count"]).tofile(tmp_path / "a.sigmf-data")
    assert_valid(tmp_path / "a")
    assert texts(tmp_path / "a") == []
    with Capture(tmp_path / "a") as capture:
        [found] = capture.frames()
        assert found.correct == 1 and found.title == "k=8 12.3 dB 1/2"
        assert capture.not_received[0].item_id == (2, 3)
        assert capture.segments[1].cause == "overflow" and note(0, 0).title.startswith("k=8")
