# SPDX-License-Identifier: GPL-3.0-or-later
"""Results files of sweeps: Parquet, one row a point, the whole configuration in the file's metadata."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sdr_sc.documents import parse_json
from sdr_sc.errors import SdrScError
from sdr_sc.files import is_file, read_plain, write_whole
from sdr_sc.results.rows import clustered_interval, wilson_interval
from sdr_sc.sealed import canonical, is_almost
from sdr_sc.shown import reason_of, shown, utf8
from sdr_sc.sweep.checks import LARGEST_COUNT, check_about, check_result, whole_numbers
from sdr_sc.sweep.config import CAM
from sdr_sc.sweep.grid import Point
from sdr_sc.sweep.tally import PointResult

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 1
METADATA_KEY = b"sdr_sc_sweep"
CHECKSUM_KEY = b"sdr_sc_sha256"
"""Of the SHA-256 over that, and over all rows."""
MOST_POINTS = 200_000
MOST_BYTES = 512 << 20
"""Of all rows of a file in memory; those of the headline have 20 kB a point."""
_BATCH = 1000
_DAMAGED = "get it again, or measure it again with --force"
_LONGEST_SHOWN = 60
"""Characters of a value in a message."""
_POINT = tuple(field.name for field in fields(Point))
_LISTS = ("correct_by_frame", "items_by_frame", "correct_by_block", "items_by_block", "confusion", "sample_item",
          "sample_answer", "frames_by_mode")  # fmt: skip
_LONG_LISTS = ("on_air_by_mode",)
_BY_MODE = {"frames_by_mode": "frames", "on_air_by_mode": "symbols_on_air"}
"""And what they add up to."""
_TEXT, _FLOATS = ("scheme", "channel", "air", "git"), ("snr_db", "snr_est_mean_db", "seconds")


@dataclass(frozen=True)
class Results:
    """What a results file holds.

    Attributes:
        about: what was measured and with what, see docs/sweeps.md.
        points: results by point.
        is_verified: whether the file holds a checksum, which was then compared; those of earlier versions do not.
    """

    about: dict[str, Any]
    points: dict[Point, PointResult]
    is_verified: bool = True


def columns(result: PointResult) -> dict[str, Any]:
    """A result as the row of a table, in plain types."""
    row: dict[str, Any] = {name: getattr(result.point, name) for name in _POINT}
    for field in fields(PointResult):
        if field.name != "point":
            value = getattr(result, field.name)
            row[field.name] = value.ravel().tolist() if isinstance(value, np.ndarray) else value
    return row


def from_columns(row: Mapping[str, Any]) -> PointResult:
    """A result from a row of `columns`; in those of earlier versions, without modes, all frames are normal.

    Raises:
        KeyError, ValueError, TypeError: the row is not one, or its numbers contradict each other.
    """
    if not {*_BY_MODE} & row.keys():
        row = {**row, **{name: [0, row[total], 0] for name, total in _BY_MODE.items()}}
    values = {name: row[name] for name in (field.name for field in fields(PointResult)) if name != "point"}
    for name in _LISTS:
        values[name] = whole_numbers(row[name])
    for name in _LONG_LISTS:
        values[name] = whole_numbers(row[name], LARGEST_COUNT)
    classes = (math.isqrt(4 * len(values["confusion"]) + 1) - 1) // 2
    values["confusion"] = values["confusion"].reshape(classes, classes + 1)
    result = PointResult(point=Point(**{name: row[name] for name in _POINT}), **values)
    check_result(result)
    return result


def _schema() -> pa.Schema:
    import pyarrow as pa

    def kind(name: str) -> pa.DataType:
        if name in _LISTS:
            return pa.list_(pa.int32())
        if name in _LONG_LISTS:
            return pa.list_(pa.int64())
        if name in _TEXT:
            return pa.string()
        return pa.float64() if name in _FLOATS else pa.int64()

    names = [*_POINT, *(field.name for field in fields(PointResult) if field.name != "point")]
    return pa.schema([pa.field(name, kind(name), nullable=name in ("k", "snr_est_mean_db")) for name in names])


def write_results(path: Path, about: Mapping[str, Any], results: Iterable[PointResult]) -> None:
    """Write a results file, whole or not at all.

    Raises:
        SdrScError: it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist([columns(result) for result in results], _schema())
    told = utf8(json.dumps(dict(about), ensure_ascii=False))
    # Of the rows as a reader finds them: 0 became 0.0 where a column has floats.
    metadata = {METADATA_KEY: told, CHECKSUM_KEY: _checksum(told, table.to_pylist())}
    table = table.replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    write_whole({path: sink.getvalue().to_pybytes()}, "make room there, and run the sweep again: its points are kept")


def _checksum(told: bytes, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """SHA-256 over the metadata's text and the rows as JSON, hexadecimal."""
    digest = hashlib.sha256(told)
    for row in rows:
        digest.update(b"\n" + canonical(row))
    return digest.hexdigest().encode()


def read_results(path: str | Path) -> Results:
    """Read a results file, and compare its checksum; one of an earlier version has none.

    Raises:
        SdrScError: it is not there, is no results file, is damaged, or one of another version; in one sentence.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    if not is_file(path):
        raise SdrScError(f"{path} is not there; make it with 'sdr-sc sweep'.")
    try:
        content = read_plain(path)
        metadata = pq.read_schema(pa.BufferReader(content)).metadata or {}
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise SdrScError(f"{path} is no results file that can be read ({reason_of(error)}); get it again.") from error
    if METADATA_KEY not in metadata:
        raise SdrScError(f"{path} is Parquet, but no results of a sweep; give a file made by 'sdr-sc sweep'.")
    told = metadata[METADATA_KEY]
    about = parse_json(told, f"what {shown(path)} says of itself", _DAMAGED)
    if not isinstance(about, dict):
        raise SdrScError(f"{path} is Parquet, but no results of a sweep; give a file made by 'sdr-sc sweep'.")
    try:
        check_about(about)
        check_version(about, path)
        rows = _rows(content)
        checksum = metadata.get(CHECKSUM_KEY)
        if checksum is None and any(is_almost(name.decode("latin-1"), CHECKSUM_KEY.decode()) for name in metadata):
            raise ValueError("its checksum has another name")
        if checksum is not None and checksum != _checksum(told, rows):
            raise ValueError("its checksum is not that of its content")
        found = {result.point: result for result in map(from_columns, rows)}
        if len(found) < len(rows):
            raise ValueError("a point stands twice")
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, MemoryError) as error:
        raise SdrScError(f"{path} is damaged ({reason_of(error)}); {_DAMAGED}.") from error
    return Results(about, found, checksum is not None)


def _rows(content: bytes) -> list[dict[str, Any]]:
    """All rows, a batch at a time: a few bytes can stand for millions of them.

    Raises:
        ValueError: they would fill the memory.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
    rows: list[dict[str, Any]] = []
    size = 0
    told = file.metadata.num_rows  # more of the footer is not looked at: where it is damaged, pyarrow may abort
    for batch in () if told > MOST_POINTS else file.iter_batches(batch_size=_BATCH):
        size += batch.nbytes
        if size > MOST_BYTES or len(rows) > MOST_POINTS:
            break
        rows += batch.to_pylist()
    else:
        if told <= MOST_POINTS:
            return rows
    raise ValueError(f"it has more than {MOST_POINTS:,} points, or {MOST_BYTES >> 20} MiB of them")


def check_version(about: Mapping[str, Any], path: Path) -> None:
    """Raise `SdrScError` unless a file's version is ours."""
    version = about.get("version")
    if version != VERSION:
        program = about.get("versions", {}).get("sdr_sc", "unknown")
        raise SdrScError(
            f"{path} has results of version {version} (sdr_sc {program}) where "
            f"this program has version {VERSION}; give another --out, or measure again with --force."
        )


def check_same_sweep(old: Mapping[str, Any], new: Mapping[str, Any], path: Path) -> None:
    """Raise `SdrScError` unless points of one sweep can stand beside those of the other.

    The grid may differ: a sweep may grow. What a scheme's or channel's name stands for, and the settings that all
    points share, may not.
    """
    found = first_difference(old, new)
    if found is not None:
        what, was, value = found
        raise SdrScError(
            f"{path} was measured with {what} {was}, not {value}; give another --out, or measure again with --force."
        )


def first_difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Why points of two files cannot stand side by side: what differs, and both its values as texts; None if they can.

    A key that one of them does not have, such as one that came later, counts as None. Long values are shown around the
    place where they differ.
    """

    def of(a: Mapping[str, Any], b: Mapping[str, Any], whose: str = "") -> tuple[str, Any, Any] | None:
        names = (name for name in dict.fromkeys((*a, *b)) if a.get(name) != b.get(name))
        return next(((name + whose, a.get(name), b.get(name)) for name in names), None)

    found = of(one["settings"], other["settings"])
    if found is None and one["data_set_sha256"] != other["data_set_sha256"]:
        found = "the data set", one["data_set_sha256"][:16], other["data_set_sha256"][:16]
    for kind in ("schemes", "channels"):
        for label in one[kind]:
            if found is None and label in other[kind]:
                mine, theirs, whose = one[kind][label], other[kind][label], f" of {kind[:-1]} {label!r}"
                found = of(mine, theirs, whose)
                if found is not None and found[0] == "is" + whose and found[1] and found[2]:
                    # All that a scheme says of itself, with its tables, would be a page and not a sentence. What it
                    # says in words, in `told`, decides no figure.
                    words = {"told": ""}
                    found = of({**mine["is"], **words}, {**theirs["is"], **words}, whose)
    return None if found is None else (found[0], *_shown(found[1], found[2]))


def _shown(one: Any, other: Any) -> tuple[str, str]:
    """Two values that differ, as texts for a message: whole if they are short, else around the difference."""
    texts = repr(one), repr(other)
    if max(map(len, texts)) <= _LONGEST_SHOWN:
        return texts
    same = len(os.path.commonprefix(texts))
    begin = 0 if same < _LONGEST_SHOWN // 2 else same - _LONGEST_SHOWN // 3

    def part(text: str) -> str:
        end = begin + _LONGEST_SHOWN
        return ("…" if begin else "") + text[begin:end] + ("…" if len(text) > end else "")

    return part(texts[0]), part(texts[1])


def pooled_interval(results: Sequence[PointResult], different_items: int) -> tuple[float, float]:
    """95 % interval of the accuracy at one operating point over its seeds, as fractions.

    Over blocks of items that share a channel, see `clustered_interval`; but seeds that send the same images again make
    nothing known of other images, so it is never narrower than the interval of ``different_items`` images.

    Args:
        different_items: images in the test set.
    """
    correct = np.concatenate([result.correct_by_block for result in results])
    sizes = np.concatenate([result.items_by_block for result in results])
    low, high = clustered_interval(correct, sizes)
    different = min(int(sizes.sum()), different_items)
    least = wilson_interval(round(different * float(correct.sum() / sizes.sum())), different)
    return min(low, least[0]), max(high, least[1])


def title(point: Point) -> str:
    """Name of a figure at a point, over all seeds.

    >>> title(Point("ours", "awgn", 10.0, 4, 1))
    'ours, awgn 10 dB, k=4'
    """
    return f"{point.scheme}, {point.channel} {point.snr_db:g} dB, k={CAM if point.k is None else point.k}"
