# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a SigMF metadata file, one line an annotation, without holding it in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from sdr_sc.capture.sigmf.info import CaptureInfo
from sdr_sc.capture.sigmf.metadata import Segment
from sdr_sc.files import whole_file
from sdr_sc.jsonable import compact, plain


def write_metadata(
    path: Path, info: CaptureInfo, segments: Iterable[Segment], annotations: Iterable[str], not_received: Iterable[str]
) -> None:
    """Write a metadata file whole or not at all.

    Args:
        path: the file.
        segments: sorted.
        annotations, not_received: the elements as JSON text, sorted.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    with whole_file(path) as partial, open(partial, "w", encoding="ascii") as file:
        file.write('{\n"global": ')
        _write_global(file, info, iter(not_received))
        file.write(',\n"captures": [\n')
        _write_list(file, (compact(plain(segment.to_json(), lenient=True)) for segment in segments))
        file.write('],\n"annotations": [\n')
        _write_list(file, annotations)
        file.write("]\n}\n")
        file.flush()
        os.fsync(file.fileno())


def _write_global(file: IO[str], info: CaptureInfo, not_received: Iterable[str]) -> None:
    text = json.dumps(info.to_json(), allow_nan=False, indent=1)
    first = next(iter(not_received), None)
    if first is None:
        file.write(text)
        return
    file.write(text.removesuffix("\n}") + ',\n "sdr_sc:not_received": [\n' + first)
    for one in not_received:
        file.write(f",\n{one}")
    file.write("\n]\n}")


def _write_list(file: IO[str], elements: Iterable[str]) -> None:
    for number, element in enumerate(elements):
        file.write(",\n" + element if number else element)
    file.write("\n")


def tidy_segments(raws: Iterable[dict[str, Any]], sample_count: int, sample_rate_hz: float) -> list[Segment]:
    """Segments as they are written: sorted, of two at one place the later, none beyond the end.

    Where the receiver's clock is known, each gets the number that its first sample had in the stream
    (``core:global_index``), counting the samples that gaps lost.
    """
    latest = {raw["core:sample_start"]: raw for raw in raws}
    starts = sorted(start for start in latest if start == 0 or start < sample_count)
    segments = [Segment.from_json(latest[start]) for start in starts]
    first = segments[0] if segments else None
    if first is None or first.rx_time_s is None or len(segments) == 1:
        return segments
    base = first.global_index or 0
    for place, segment in enumerate(segments):
        if segment.rx_time_s is not None and segment.global_index is None:
            whole, fraction = (now - then for now, then in zip(segment.rx_time_s, first.rx_time_s, strict=True))
            index = base + round(whole * sample_rate_hz + fraction * sample_rate_hz)
            if index >= segment.sample_start:
                segments[place] = replace(segment, global_index=index)
    return segments
