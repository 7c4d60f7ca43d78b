# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of other programs: numbers and times in other spellings, headers, archives, names, other kinds of files."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import all_samples, assert_valid, change, data_file, noise, record, sha512

from sdr_sc.capture import Capture, CaptureWriter, Segment
from sdr_sc.capture.check import check
from sdr_sc.capture.edit import cut
from sdr_sc.capture.repair import repair
from sdr_sc.errors import CaptureError


def warnings(path: Path) -> list[str]:
    return [str(finding) for finding in check(path) if finding.severity == "warning"]


def foreign(path: Path, samples: np.ndarray, **members: Any) -> None:
    """A pair as another program writes it; ``global_`` and ``capture`` go into these objects."""
    meta = {
        "global": {
            "core:datatype": "cf32_le",
            "core:sample_rate": 1e6,
            "core:version": "1.2.0",
            **members.pop("global_", {}),
        },
        "captures": [{"core:sample_start": 0, "core:frequency": 915e6, **members.pop("capture", {})}],
        "annotations": [],
        **members,
    }
    path.with_name(f"{path.name}.sigmf-meta").write_text(json.dumps(meta))
    samples.tofile(path.with_name(f"{path.name}.sigmf-data"))


def archive(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_whole_numbers_may_be_spelled_as_floats(tmp_path: Path) -> None:
    samples = record(tmp_path / "a")
    with Capture(tmp_path / "a") as capture:
        before, frames = capture.segments, list(capture.frames())

    def respell(meta: dict) -> None:
        meta["global"].update({"core:num_channels": 1.0, "core:trailing_bytes": 16.0, "core:offset": 500.0})
        for raw in meta["captures"] + meta["annotations"]:
            raw["core:sample_start"] = float(raw["core:sample_start"] + 500)
        meta["captures"][1]["sdr_sc:rx_time"][0] = 7.0
        for raw in meta["annotations"]:
            for key, value in raw.items():
                if isinstance(value, int):
                    raw[key] = float(value)
                elif isinstance(value, list) and key != "sdr_sc:confidence":
                    raw[key] = [float(one) for one in value]

    change(tmp_path / "a", respell)
    with open(data_file(tmp_path / "a"), "ab") as file:
        file.write(bytes(16))
    with Capture(tmp_path / "a") as capture:
        assert np.array_equal(all_samples(capture), samples)
        assert capture.segments == before and list(capture.frames()) == frames


def test_a_number_that_is_text_costs_only_itself(tmp_path: Path) -> None:
    record(tmp_path / "a")
    change(tmp_path / "a", lambda meta: meta["captures"][1].update({"core:global_index": "7"}))
    with Capture(tmp_path / "a") as capture:
        assert capture.segments[1].freq_hz == 915e6 and capture.segments[1].global_index is None
        assert any("core:global_index is '7', which is not a whole number" in str(one) for one in capture.problems)


@pytest.mark.parametrize(
    "written, read, told",
    [
        ("2024-05-01T12:00:00Z", "2024-05-01T12:00:00Z", None),
        ("2024-05-01T14:00:00.123456789+02:00", "2024-05-01T12:00:00.123456789Z", "with an offset"),
        ("2023-12-31T23:30:00-01:00", "2024-01-01T00:30:00Z", "with an offset"),
        ("2024-05-01T12:00:00", "2024-05-01T12:00:00Z", "without a zone"),
        ("20240501T120000Z", None, "no time of RFC 3339"),
        ("2024-13-01T12:00:00Z", None, "no time of RFC 3339"),
        ("yesterday", None, "no time of RFC 3339"),
        (1714564800.5, None, "core:datetime is 1714564800.5, which is no time of RFC 3339"),
    ],
)
def test_times_are_read_or_named_and_never_dropped_silently(
    written: Any, read: str | None, told: str | None, tmp_path: Path
) -> None:
    foreign(tmp_path / "a", noise(4000), capture={"core:datetime": written})
    with Capture(tmp_path / "a") as capture:
        assert capture.segments[0].datetime == read and capture.segments[0].freq_hz == 915e6
    named = [text for text in warnings(tmp_path / "a") if "core:datetime" in text]
    assert (told is None and not named) or (len(named) == 1 and told in named[0])
    done = cut(tmp_path / "a", tmp_path / "b", samples=(1000, 3000))
    assert_valid(tmp_path / "b")
    with Capture(tmp_path / "b") as part:
        assert (part.segments[0].datetime is None) == (read is None)
    assert done.times_left == (read is None)


def test_headers_in_front_of_segments_are_passed_over(tmp_path: Path) -> None:
    samples = noise(9000)
    foreign(
        tmp_path / "a",
        samples,
        global_={"core:trailing_bytes": 7},
        captures=[
            {"core:sample_start": 0, "core:header_bytes": 100},
            {"core:sample_start": 4000},
            {"core:sample_start": 5000, "core:header_bytes": 33.0},
        ],
    )
    octets = samples.tobytes()
    content = b"H" * 100 + octets[: 8 * 5000] + b"h" * 33 + octets[8 * 5000 :] + b"trailer"
    data_file(tmp_path / "a").write_bytes(content)
    change(tmp_path / "a", lambda meta: meta["global"].update({"core:sha512": sha512(tmp_path / "a")}))
    assert [str(finding) for finding in check(tmp_path / "a")] == []
    with Capture(tmp_path / "a") as capture:
        assert capture.sample_count == 9000 and np.array_equal(all_samples(capture), samples)
        for start in (0, 4990, 4999, 5000, 5001, 8999):
            count = min(20, 9000 - start)
            assert np.array_equal(capture.samples(start, count), samples[start : start + count])
    cut(tmp_path / "a", tmp_path / "b", samples=(4500, 6000))
    assert_valid(tmp_path / "b")
    with Capture(tmp_path / "b") as part:
        assert np.array_equal(all_samples(part), samples[4500:6000])
    data_file(tmp_path / "a").write_bytes(content[: 100 + 8 * 5000 + 20])  # cut off within the second header
    with Capture(tmp_path / "a") as capture:
        assert np.array_equal(all_samples(capture), samples[:5000]) or capture.sample_count < 5000


def test_repair_leaves_data_with_headers_alone(tmp_path: Path) -> None:
    foreign(tmp_path / "a", noise(100), capture={"core:header_bytes": 8})
    (tmp_path / "a.sigmf-journal").write_bytes(b"")
    size = data_file(tmp_path / "a").stat().st_size
    with pytest.raises(CaptureError, match="header or trailing bytes"):
        repair(tmp_path / "a")
    assert data_file(tmp_path / "a").stat().st_size == size


def test_data_of_another_name_is_found_in_an_archive_too(tmp_path: Path) -> None:
    samples = noise(500)
    foreign(tmp_path / "a", samples, global_={"core:dataset": "raw.bin"})
    meta = (tmp_path / "a.sigmf-meta").read_bytes()
    archive(tmp_path / "a.sigmf", {"x/a.sigmf-meta": meta, "raw.bin": b"", "x/raw.bin": samples.tobytes()})
    with Capture(tmp_path / "a.sigmf") as capture:
        assert np.array_equal(all_samples(capture), samples)
    archive(tmp_path / "b.sigmf", {"a.sigmf-meta": meta, "other.bin": samples.tobytes()})
    with pytest.raises(CaptureError, match="its data is missing; there is no raw.bin"):
        Capture(tmp_path / "b.sigmf")


def test_a_named_data_file_that_is_missing_is_said(tmp_path: Path) -> None:
    foreign(tmp_path / "a", noise(500), global_={"core:dataset": "raw.bin"})
    assert any(
        "core:dataset names 'raw.bin', which is not there; a.sigmf-data is read" in w for w in warnings(tmp_path / "a")
    )


def test_names_in_an_archive_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    foreign(tmp_path / "a", noise(500))
    meta = (tmp_path / "a.sigmf-meta").read_bytes()
    archive(tmp_path / "m.sigmf", {"a.sigmf-meta": meta, "b\x1b[2J.sigmf-data": noise(500).tobytes()})
    with pytest.raises(
        CaptureError, match=r"metadata a.sigmf-meta and its data b\\x1b\[2J.sigmf-data have different"
    ) as error:
        Capture(tmp_path / "m.sigmf")
    assert "\x1b" not in str(error.value)
    assert any("different names" in str(finding) for finding in check(tmp_path / "m.sigmf"))


@pytest.mark.parametrize("tail", [b"", b"ordinary samples follow" * 100])
def test_plain_samples_may_begin_with_zeros(tail: bytes, tmp_path: Path) -> None:
    content = bytes(1600) + tail[: len(tail) // 8 * 8]
    (tmp_path / "z.cf32").write_bytes(content)
    with Capture(tmp_path / "z.cf32", "cf32_le", 1e6) as capture:
        assert all_samples(capture).tobytes() == content
    with pytest.raises(CaptureError, match="has no metadata; give its datatype"):
        Capture(tmp_path / "z.cf32")


def test_an_archive_may_have_any_name(tmp_path: Path) -> None:
    samples = noise(500)
    foreign(tmp_path / "a", samples)
    members = {f"a.sigmf-{part}": (tmp_path / f"a.sigmf-{part}").read_bytes() for part in ("meta", "data")}
    for name in ("a.tar", "A.SIGMF"):
        archive(tmp_path / name, members)
        with Capture(tmp_path / name) as capture:
            assert np.array_equal(all_samples(capture), samples)


@pytest.mark.parametrize("given", ["a.SIGMF-META", "a.SIGMF-DATA", "a", "a.sigmf-meta"])
def test_endings_in_capitals_are_those_of_a_pair(given: str, tmp_path: Path) -> None:
    samples = noise(500)
    foreign(tmp_path / "a", samples)
    for part in ("meta", "data"):
        (tmp_path / f"a.sigmf-{part}").rename(tmp_path / f"a.SIGMF-{part.upper()}")
    with Capture(tmp_path / given) as capture:
        assert np.array_equal(all_samples(capture), samples)


def collection(path: Path, streams: Any) -> Path:
    path.write_text(json.dumps({"collection": {"core:version": "1.2.0", "core:streams": streams}}))
    return path


def test_a_collection_is_one(tmp_path: Path) -> None:
    samples = noise(500)
    foreign(tmp_path / "a", samples)
    with Capture(collection(tmp_path / "one.sigmf-collection", [{"name": "a", "hash": "0"}])) as capture:
        assert np.array_equal(all_samples(capture), samples)
    with Capture(collection(tmp_path / "old.sigmf-collection", [["a", "0"]])) as capture:
        assert capture.sample_count == 500
    for streams, told in (
        ([{"name": "a"}, {"name": "b\x1b]0;x"}], r"is a collection of 2 recordings \(a, b\\x1b\]0;x\); give one"),
        ([], "is a collection that names no recordings"),
        ([{"name": 5}], "is a collection that names no recordings"),
        (7, "is a collection that names no recordings"),
        ([{"name": "../a"}], "which is no name of a recording beside it"),
        ([{"name": "a.sigmf-collection"}], "which is no name of a recording beside it"),
        ([{"name": "gone"}], "is a collection of gone, which cannot be read: recording .* does not exist"),
    ):
        path = collection(tmp_path / "b.sigmf-collection", streams)
        for how in ((), ("cf32_le", 1e6)):
            with pytest.raises(CaptureError, match=told):
                Capture(path, *how)
    (tmp_path / "b.sigmf-collection").write_bytes(b"[" * 50_000)
    with pytest.raises(CaptureError, match="nested too deeply"):
        Capture(tmp_path / "b.sigmf-collection")


@pytest.mark.parametrize(
    "content, told",
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(64), "is a WAV file, whose header would be taken for samples"),
        (b"RF64\xff\xff\xff\xffWAVEds64" + bytes(64), "is a WAV file"),
        (gzip.compress(bytes(1000)), "is compressed.*gunzip -c 'a b;c.raw' > 'a b;c.sigmf'"),
        (bz2.compress(b"x" * 1000), "is compressed"),
        (lzma.compress(b"x" * 1000), "is compressed"),
        (b"\x28\xb5\x2f\xfd\x24" + bytes(64), "is compressed"),
        (b"PK\x03\x04\x14\x00" + bytes(64), "is compressed.*unzip 'a b;c.raw'"),
        (b"\x93NUMPY\x01\x00" + bytes(64), "is a NumPy array file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "is an HDF5 file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
    ],
)
def test_files_of_other_kinds_are_known_by_their_content(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "a b;c.raw").write_bytes(content)
    with pytest.raises(CaptureError, match=told):
        Capture(tmp_path / "a b;c.raw", "ci16_le", 1e6)
    (tmp_path / "d.sigmf-data").write_bytes(content)
    with pytest.raises(CaptureError, match=told.partition(".*")[0]):
        Capture(tmp_path / "d", "ci16_le", 1e6)


def test_samples_that_only_begin_like_a_compressed_file_are_samples(tmp_path: Path) -> None:
    content = b"\x1f\x8b" + bytes(range(98))
    (tmp_path / "a.ci8").write_bytes(content)
    with Capture(tmp_path / "a.ci8", "ci8", 1e6) as capture:
        assert capture.sample_count == 50


def test_a_pipe_is_no_recording(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CaptureError, match="is no regular file"):
        Capture(tmp_path / "pipe", "cf32_le", 1e6)


def test_a_number_of_thousands_of_digits_is_one_sentence(tmp_path: Path) -> None:
    record(tmp_path / "a")
    meta = tmp_path / "a.sigmf-meta"
    text = meta.read_text()
    meta.write_text(text.replace('"core:sample_rate": 1000000.0', '"core:sample_rate": 1' + "0" * 5000))
    assert any("a number of thousands of digits" in str(finding) for finding in check(tmp_path / "a"))
    meta.write_text(text.replace('"core:sample_rate"', '"x:deep": ' + "[" * 100 + "]" * 100 + ', "core:sample_rate"'))
    assert any("nested too deeply" in str(finding) for finding in check(tmp_path / "a"))


def test_times_that_a_writer_is_given_stay(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "a", 1e6) as writer:
        writer.segment(Segment(0, None, "2026-01-02T03:04:05.123456789Z"))
        writer.write(noise(10))
    with Capture(tmp_path / "a") as capture:
        assert capture.segments[0].datetime == "2026-01-02T03:04:05.123456789Z"
