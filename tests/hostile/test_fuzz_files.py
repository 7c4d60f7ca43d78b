# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz targets of what reads files: whatever is in them, a sentence or an answer comes out, in bounded time and memory.

``SDR_SC_FUZZ_EXAMPLES=100000 pytest tests/hostile/test_fuzz_files.py --timeout 0`` looks for longer, with other seeds.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from recordings import noise, note, record

from sdr_sc.capture import Capture, CaptureWriter, SentFrame
from sdr_sc.capture.check import check
from sdr_sc.capture.edit import cut
from sdr_sc.capture.repair import repair
from sdr_sc.errors import SdrScError
from sdr_sc.phy.channels import MODEL_NAMES, parse_chain
from sdr_sc.phy.numerology import Numerology

EXAMPLES = os.environ.get("SDR_SC_FUZZ_EXAMPLES")
fuzz = settings(
    max_examples=int(EXAMPLES or 60),
    derandomize=EXAMPLES is None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
MOST_BYTES, MOST_CPU_S = 64 << 20, 20.0
NUMEROLOGY = Numerology()

HOSTILE = [
    *(
        b"[" * 3000,
        b"{" * 300,
        b"1" + b"0" * 5000,
        b"0x" + b"f" * 6000,
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b"\n",
        b"\r",
    ),
    *b'] " \\ , : {} [] 1e999 1e308 -1 2.0 NaN -Infinity null true 9223372036854775808 &a *a'.split(),
    *b'"\\u001b[2J" "\\ud800" "core:sample_start" "core:header_bytes" !!python/object:os.system'.split(),
    b"&a [*a]",
]
"""Pieces that have broken parsers: deep, long, not UTF-8, numbers at limits, words that JSON does not know."""


@contextmanager
def bounded() -> Iterator[None]:
    """Nothing but a sentence may come out, and neither much time nor much memory may go in."""
    start, before = time.process_time(), tracemalloc.get_traced_memory()[0]
    tracemalloc.is_tracing() and tracemalloc.reset_peak()
    try:
        yield
    except SdrScError as error:
        text = str(error)
        assert text and "\n" not in text and len(text) < 2000
    assert tracemalloc.get_traced_memory()[1] - before < MOST_BYTES
    assert time.process_time() - start < MOST_CPU_S


@pytest.fixture(scope="module", autouse=True)
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file with a few bytes changed, cut out, doubled, cut off, or with hostile pieces put in."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        match draw(st.sampled_from(["flip", "piece", "over", "cut", "double", "end"])):
            case "flip" if content:
                content[place] ^= 1 << draw(st.integers(0, 7))
            case "piece":
                content[place:place] = draw(st.sampled_from(HOSTILE))
            case "over":
                piece = draw(st.sampled_from(HOSTILE))
                content[place : place + len(piece)] = piece
            case "cut":
                del content[place : place + draw(st.integers(1, 600))]
            case "double":
                content[place:place] = content[place : place + draw(st.integers(1, 600))]
            case "end":
                del content[place:]
    return bytes(content)


def made(make: Callable[[Path], Any], *names: str) -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        make(Path(folder))
        return {name: (Path(folder) / name).read_bytes() for name in names}


PAIR = made(lambda folder: record(folder / "a", noise(17_000)), "a.sigmf-meta", "a.sigmf-data")


def _killed(folder: Path) -> None:
    writer = CaptureWriter(folder / "a", 1e6)
    writer.write(noise(3000))
    writer.annotate(note(0, 10, 500))
    writer.annotate(note(1, 1000, 500))
    writer.not_received(SentFrame(2, 8, [1], [2]))
    writer._release(remove_journal=False)


KILLED = made(_killed, "a.sigmf-meta", "a.sigmf-data", "a.sigmf-journal")


def _archive() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, content in PAIR.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return target.getvalue()


ARCHIVE = _archive()


def use(path: Path) -> None:
    """All that reads a recording."""
    with bounded():
        for finding in check(path):
            assert str(finding)
    with bounded(), Capture(path) as capture:
        assert 0 <= capture.sample_count <= 20_000
        for found in capture.frames():
            assert len(capture.frame_samples(found)) <= 20_000
        assert len(capture.samples(0, capture.sample_count)) == capture.sample_count
        assert isinstance(capture.foreign, tuple) and isinstance(capture.problems, list)
    with bounded():
        cut(path, path.with_name("part"), samples=(5, 9000), force=True)
        # An annotation that claims to be a frame and is none is kept as it is.
        assert {
            found.where.partition("[")[0] for found in check(path.with_name("part")) if found.severity == "error"
        } <= {
            "annotations",
            "and",
        }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def lay(place: Path, files: dict[str, bytes]) -> Path:
    for left in place.iterdir():
        left.unlink()
    for name, content in files.items():
        (place / name).write_bytes(content)
    return place / "a"


@fuzz
@given(meta=damaged(PAIR["a.sigmf-meta"]))
def test_metadata(place: Path, meta: bytes) -> None:
    use(lay(place, {**PAIR, "a.sigmf-meta": meta}))


ODD = [2.0, -1, "2", 2**63, 1e300, 10**30, "2024-05-01T12:00:00+02:00", "\x1b[2J", "ci16_le", "cf32_le", "../x"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_CORE = """datatype sample_rate version num_channels trailing_bytes offset dataset sha512 extensions sample_start
    sample_count header_bytes datetime frequency global_index freq_lower_edge freq_upper_edge label metadata_only hw"""
_OURS = """sample_count not_received config history clipped bandwidth_hz rx_time cause frame_num frame_index k n_items
    snr_db model_id item_id label answer confidence label_text"""
KEYS = st.sampled_from([*(f"core:{name}" for name in _CORE.split()), *(f"sdr_sc:{name}" for name in _OURS.split())])


@fuzz
@given(data=st.data())
def test_metadata_whose_members_are_anything(place: Path, data: st.DataObject) -> None:
    meta = json.loads(PAIR["a.sigmf-meta"])
    for _ in range(data.draw(st.integers(1, 4))):
        part = data.draw(st.sampled_from([meta, meta["global"], *meta["captures"], *meta["annotations"]]))
        key = data.draw(KEYS | st.sampled_from(sorted(part)))
        if isinstance(part, dict):
            part[key] = data.draw(VALUES)
        if any(not isinstance(meta.get(name), list) for name in ("captures", "annotations")) or not isinstance(
            meta["global"], dict
        ):
            break
    use(lay(place, {**PAIR, "a.sigmf-meta": json.dumps(meta).encode("utf-8", "surrogatepass")}))


@fuzz
@given(content=damaged(ARCHIVE))
def test_archives(place: Path, content: bytes) -> None:
    use(lay(place, {"a.sigmf": content}).with_name("a.sigmf"))


@fuzz
@given(head=damaged(ARCHIVE[:512]))
def test_archives_with_damaged_headers(place: Path, head: bytes) -> None:
    use(lay(place, {"a.sigmf": head + ARCHIVE[512:]}).with_name("a.sigmf"))


@fuzz
@given(content=damaged(KILLED["a.sigmf-journal"]))
def test_journals(place: Path, content: bytes) -> None:
    path = lay(place, {**KILLED, "a.sigmf-journal": content})
    use(path)
    with bounded():
        repair(path)
        assert not [finding for finding in check(path) if finding.severity == "error"]


@fuzz
@given(content=damaged(b'{"collection": {"core:version": "1.2.0", "core:streams": [{"name": "a", "hash": "0"}]}}'))
def test_collections(place: Path, content: bytes) -> None:
    path = lay(place, {**PAIR, "c.sigmf-collection": content}).with_name("c.sigmf-collection")
    with bounded(), Capture(path):
        pass


SPEC_PIECES = st.sampled_from([
    *MODEL_NAMES,
    *"( ) () , = samples= taps= doppler_hz= bits= ppm= file= every_samples= 1 -1 1e999 1e308 nan None True".split(),
    *"'x' b'x' [1,0.5j] [ ] ~ * ** {1:2} 1j yield := # lambda:0 f'{1}' __import__('os')".split(),
    *("\x00", "\x1b[2J", "\ud800", "\n", " ", "0x" + "f" * 6000, "9" * 5000, "[" * 300, "(" * 300, "-" * 3000),
    *("1" + "+1" * 3000, "a" + ".b" * 3000, "not " * 2000, "x" * 100_000),
])  # fmt: skip


@fuzz
@given(st.lists(SPEC_PIECES, max_size=12).map("".join) | st.text(max_size=60))
def test_channel_texts(text: str) -> None:
    with bounded():
        parse_chain(text, 1e6, 1, NUMEROLOGY)


@fuzz
@given(st.sampled_from([name for name in MODEL_NAMES]), st.data())
def test_channel_parameters(name: str, data: st.DataObject) -> None:
    names = (
        """samples taps doppler_hz bits ppm file gap_samples every_samples delay_spread_ns k_factor_db relative_db
        gain_db cfo_hz block_samples renew_samples tagged seed rms_deg corner_hz""".split()
        + ["told"]
    )
    huge = "0x" + "f" * 5000
    odd = "0 1 -1 2.5 1e308 1e999 10**9 1e12 [] [[1]] ['a'] [1e308,1e308] True None 'a\\x00'".split()
    values = st.sampled_from([*odd, "1" * 300, huge, f"[1, {huge}]"])
    arguments = data.draw(st.dictionaries(st.sampled_from(names), values, max_size=3))
    with bounded():
        parse_chain(f"{name}({', '.join(f'{key}={value}' for key, value in arguments.items())})", 1e6, 1, NUMEROLOGY)


YAML = b"fft_size: 64\ncyclic_prefix: 16\nsample_rate_hz: 2.0e6\nheader_symbols: 6.0\n"


@fuzz
@given(content=damaged(YAML))
def test_numerologies(place: Path, content: bytes) -> None:
    path = lay(place, {"a": content})
    with bounded():
        assert isinstance(Numerology.from_yaml(path), Numerology)


def test_numbers_of_a_numerology_may_be_spelled_as_floats(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(YAML)
    assert Numerology.from_yaml(tmp_path / "a") == Numerology(sample_rate_hz=2e6, header_symbols=6)
    for content, told in (
        (b"fft_size: 1" + b"0" * 5000, "number of thousands of digits"),
        (b"[" * 20_000, "nested too deeply"),
        (b"fft_size: 64\nfft_size: 128\n", "stands twice"),
        (b"\xff\xfe", "not UTF-8"),
        (b"fft_size: 64.5\n", "fft_size is 64.5"),
        (b"fft_size: '64'\n", "fft_size is '64'"),
        (b'"\\e[2J": 1\n', r"unknown field"),
    ):
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(SdrScError, match=told) as error:
            Numerology.from_yaml(tmp_path / "a")
        assert "\x1b" not in str(error.value)
