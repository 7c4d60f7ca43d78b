# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF's captures, taken apart without trust: segments, headers in front of them, and what a journal adds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from sdr_sc.capture.journal import Tally, read_journal
from sdr_sc.capture.sigmf.fields import BadValue, int_of, short
from sdr_sc.capture.sigmf.findings import ERROR, WARNING
from sdr_sc.capture.sigmf.metadata import Segment, SentFrame
from sdr_sc.capture.sigmf.times import utc_time
from sdr_sc.documents import whole_number


class Recording(Protocol):
    """What is known of a recording before its segments are read; see `sdr_sc.capture.recording.Recording`."""

    raw_global: Any
    raw_captures: Any
    offset: Any
    parts: Any
    form: Any
    findings: Any
    times_left: Any
    not_received: Any
    sample_count: int

    def stop(self, where: str, text: str) -> None: ...


def header_runs(recording: Recording) -> list[tuple[int, int]]:
    """Headers in front of segments (``core:header_bytes``): bytes of samples before each, and its length."""
    found: dict[int, int] = {}
    for number, raw in enumerate(recording.raw_captures):
        if not isinstance(raw, dict) or "core:header_bytes" not in raw:
            continue
        try:
            length = int_of(raw, "core:header_bytes", lowest=0)
            start = int_of(shifted(raw, -recording.offset), "core:sample_start", lowest=0)
        except BadValue as error:
            recording.stop(f"captures[{number}]", f"{error}.")
            continue
        if length:
            found[start] = length
    sample_bytes = 0 if recording.form is None else recording.form.sample_bytes
    return [(start * sample_bytes, found[start]) for start in sorted(found)]


def read_segments(recording: Recording) -> tuple[Segment, ...]:
    """Segments by place, the first at 0; what is wrong with them is reported."""
    found: dict[int, Segment] = {}
    latest = -1
    for number, raw in enumerate(recording.raw_captures):
        where = f"captures[{number}]"
        try:
            if not isinstance(raw, dict):
                raise BadValue(f"{short(raw)} is no object")
            segment = Segment.from_json(shifted(raw, -recording.offset), partial(_tell_member, recording, where))
        except BadValue as error:
            if isinstance(raw, dict) and "core:sample_start" in raw:
                recording.stop(where, f"{error}.")
            else:
                recording.findings.add(ERROR, where, f"{error}; left out.", "such captures")
            continue
        _judge_time(recording, where, segment.sample_start, raw.get("core:datetime"))
        if segment.sample_start < latest:
            text = f"it begins at sample {segment.sample_start}, before the one in front of it; sorted for reading."
            recording.findings.add(ERROR, where, text, "captures out of order")
        latest = max(latest, segment.sample_start)
        found[segment.sample_start] = segment
    _read_journal(recording, found)
    for start in [start for start in found if start > 0 and start >= recording.sample_count]:
        if recording.form is not None and recording.parts.data is not None:
            text = (
                f"it begins at sample {start} of {recording.sample_count}: the data is shorter than stated; left out."
            )
            recording.findings.add(ERROR, f"capture at {start}", text, "captures beyond the end")
        del found[start]
    found.setdefault(0, Segment(0))
    return tuple(found[start] for start in sorted(found))


def _tell_member(recording: Recording, where: str, error: BadValue) -> None:
    recording.findings.add(ERROR, where, f"{error}; counts as missing.", "members of captures of wrong types")


def _judge_time(recording: Recording, where: str, start: int, value: Any) -> None:
    time, text = utc_time(value)
    recording.times_left.pop(start, None)
    if text:
        recording.findings.add(WARNING, where, f"{text}.", "odd times")
    if text and time is None:
        recording.times_left[start] = value


def _read_journal(recording: Recording, found: dict[int, Segment]) -> None:
    """Segments and lost frames of a recording that did not end."""
    listed = recording.raw_global.get("sdr_sc:not_received", [])
    raws: list[Any] = listed if isinstance(listed, list) else [listed]
    if recording.parts.journal is not None:
        text = "the recording did not end properly, or still goes on; 'sdr-sc capture check --repair' completes it."
        recording.findings.add(WARNING, recording.parts.journal.name, text)
        tally = Tally()
        for key, value in read_journal(recording.parts.journal, tally):
            try:
                if key == "segment":
                    segment = Segment.from_json(value)
                    found[segment.sample_start] = segment
                elif key == "not_received":
                    raws.append(value)
            except BadValue as error:
                recording.findings.add(ERROR, recording.parts.journal.name, f"{error}.", "such lines")
        if tally.changed:
            recording.findings.add(ERROR, recording.parts.journal.name, tally.left_out("it"))
        if tally.unchecked:
            text = "it has no checksums, as those of older versions; changed bits in it cannot be noticed."
            recording.findings.add(WARNING, recording.parts.journal.name, text)
    for number, raw in enumerate(raws):
        try:
            recording.not_received.append(SentFrame.from_json(raw if isinstance(raw, dict) else {}))
        except BadValue as error:
            recording.findings.add(ERROR, f"sdr_sc:not_received[{number}]", f"{error}.", "such frames")


def shifted(raw: Mapping[str, Any], samples: int) -> dict[str, Any]:
    """A capture or annotation moved by so many samples; a place of the wrong type stays as it is."""
    start = whole_number(raw.get("core:sample_start")) if samples else None
    return dict(raw) if start is None else {**raw, "core:sample_start": start + samples}
