# SPDX-License-Identifier: GPL-3.0-or-later
"""A recording's files taken apart without trust: what is there is read, and each fault is told.

`Capture` refuses what has a fatal fault; ``sdr-sc capture check`` and ``info`` show what there is all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sdr_sc.capture.datatype import SampleFormat, sample_format
from sdr_sc.capture.fields import BadValue, int_of, number_of, short, text_of
from sdr_sc.capture.findings import ERROR, WARNING, Finding, Findings
from sdr_sc.capture.info import CaptureInfo, declared_extensions, read_info
from sdr_sc.capture.journal import Tally, read_journal
from sdr_sc.capture.json_pieces import BEGIN, LISTS, BrokenJson, pieces
from sdr_sc.capture.locate import locate, stem_of
from sdr_sc.capture.metadata import NAMESPACE, Segment, SentFrame
from sdr_sc.capture.region import Region
from sdr_sc.capture.times import utc_time
from sdr_sc.documents import whole_number
from sdr_sc.errors import CaptureError


class Recording:
    """The parts of a recording, and all that is wrong with them.

    Args:
        path, datatype, sample_rate_hz: see `sdr_sc.capture.reader.Capture`.

    Attributes:
        parts: where it lies.
        findings: what is wrong, so far.
        fatal: of these, what keeps the samples from being read.
        raw_global, raw_captures: SigMF's global object and captures, as they are.
        keys_seen: members of the metadata that were come across.
        form: of the samples; None where that is not known.
        sample_count: whole samples that are there.
        info: None if a fatal fault leaves datatype or rate unknown.
        segments: by place, the first at 0.
        times_left: times of segments that cannot be read, as they are in the file, by the segments' places.

    Raises:
        CaptureError: there is no such recording.
    """

    def __init__(self, path: str | Path, datatype: str | None = None, sample_rate_hz: float | None = None) -> None:
        self.parts = locate(path, plain=datatype is not None and sample_rate_hz is not None)
        self.findings = Findings()
        self.findings.extend(self.parts.findings)
        self.fatal: list[Finding] = []
        self.raw_global: dict[str, Any] = {}
        self.keys_seen: set[str] = set()
        self.not_received: list[SentFrame] = []
        self.form: SampleFormat | None = None
        self.sample_count = 0
        self.raw_captures = self._read_head()
        if self.parts.journal is not None and "sdr_sc:sample_count" in self.raw_global:
            text = "it is left over; all that it holds is in the metadata. 'sdr-sc capture check --repair' removes it."
            self.findings.add(WARNING, self.parts.journal.name, text)
            self.parts.journal = None
        self.times_left: dict[int, Any] = {}
        self.offset = self._needed(int_of, "core:offset", 0, lowest=0)
        self._judge_version()
        rate_hz = self._rate(sample_rate_hz)
        self._find_data(datatype)
        self.segments = self._segments(self.raw_captures)
        self.info: CaptureInfo | None = None
        if self.form is not None and rate_hz is not None:
            self.info = read_info(self.raw_global, self._field, self.form.name, rate_hz, self.segments[0].freq_hz)

    def annotations(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Where each annotation stands, and itself, in the file's order; what is no object is told and left out."""
        number = 0
        for key, value in self._metadata():
            if key == "annotations":
                if isinstance(value, dict):
                    yield f"annotations[{number}]", value
                else:
                    self.findings.add(ERROR, f"annotations[{number}]", f"{short(value)} is no object.", "such elements")
                number += 1
        if self.parts.journal is not None:
            for key, value in read_journal(self.parts.journal):
                if key == "annotation":
                    yield f"{self.parts.journal.name}, annotation {number}", value
                    number += 1

    def _metadata(self) -> Iterator[tuple[str, Any]]:
        """Pieces of the metadata, up to the fault if there is one, which is told."""
        if self.parts.meta is None:
            return
        words: list[str] = []
        in_list = ""
        try:
            for key, value in pieces(self.parts.meta.chunks(), words):
                self.keys_seen.add(key)
                if value is BEGIN:
                    in_list = key
                elif key in LISTS and key != in_list:
                    self.findings.add(ERROR, self.parts.meta_name, f"{key!r} is {short(value)}, which is no list.")
                else:
                    yield key, value
        except BrokenJson as error:
            self.findings.add(ERROR, self.parts.meta_name, f"{error}.")
        for word in words:
            self.findings.add(ERROR, self.parts.meta_name, f"{word} is not JSON, and no other program reads it.")

    def _stop(self, where: str, text: str) -> None:
        """A fault that keeps the samples from being read."""
        self.fatal.append(Finding(ERROR, where, text))
        self.findings.add(ERROR, where, text)

    def _read_head(self) -> list[Any]:
        """Read the global object, and return the captures; annotations, which come last as a rule, are not read."""
        captures, found = [], False
        for key, value in self._metadata():
            if key == "global":
                found = isinstance(value, dict)
                self.raw_global = value if found else {}
            elif key == "captures":
                captures.append(value)
            elif key == "annotations" and found and captures:
                break
            elif key not in ("annotations", "collection"):
                self.findings.add(WARNING, self.parts.meta_name, f"{key!r} is none of SigMF's objects.", "such keys")
        if self.parts.meta is None and self.parts.kind == "archive":
            self.findings.add(ERROR, self.parts.path.name, "it holds no metadata (.sigmf-meta).")
        elif self.parts.meta is not None and not found:
            self.findings.add(ERROR, self.parts.meta_name, "it has no global object.")
        return captures

    def _field(self, read: Any, key: str, default: Any, **limits: Any) -> Any:
        """A member of the global object; one of a wrong type is told, and counts as missing."""
        try:
            return read(self.raw_global, key, default, **limits)
        except BadValue as error:
            self.findings.add(ERROR, "global", f"{error}.")
            return default

    def _needed(self, read: Any, key: str, default: Any, **limits: Any) -> Any:
        """A member that says how the samples are read: a bad one keeps them from being read, never a guess."""
        try:
            if key in self.raw_global and self.raw_global[key] is None:
                raise BadValue(f"{key} is null")
            return read(self.raw_global, key, default, **limits)
        except BadValue as error:
            self._stop("global", f"{error}.")
            return default

    def _judge_version(self) -> None:
        if not self.raw_global:
            return
        version = self._field(text_of, "core:version", None)
        match = re.match(r"(\d+)\.(\d+)\.\d", version or "")
        if version is None:
            self.findings.add(WARNING, "global", "core:version is missing; it is read as version 1.")
        elif match is None:
            self.findings.add(WARNING, "global", f"core:version is {version!r}, which is no version.")
        elif int(match[1]) > 1:
            self._stop("global", f"it is of SigMF {version}, and versions from 2 on are not known here.")
        elif int(match[1]) < 1:
            self.findings.add(WARNING, "global", f"it is of SigMF {version}, older than 1.0, and is read as version 1.")
        for name, needed in declared_extensions(self.raw_global).items():
            if needed and name not in ("core", NAMESPACE):
                text = f"extension {name!r} is declared as needed, and is not known here"
                self.findings.add(WARNING, "global", f"{text}; its keys are kept as they are.")

    def _rate(self, given_hz: float | None) -> float | None:
        rate_hz = given_hz
        if given_hz is None:
            try:
                rate_hz = number_of(self.raw_global, "core:sample_rate", None)
            except BadValue as error:
                self._stop("global", f"{error}; give the sample rate (--rate).")
                return None
        if rate_hz is None:
            self._stop("global", "core:sample_rate is missing; give the sample rate (--rate).")
        elif not 0 < rate_hz <= 1e12:
            self._stop("global", f"sample rate {rate_hz:g} Hz is not between 0 and 1e12; give the right one (--rate).")
        else:
            return float(rate_hz)
        return None

    def _find_data(self, given: str | None) -> None:
        """Find data and datatype, and count the samples."""
        told = self.raw_global.get("core:datatype")
        if given is not None and told not in (None, given):
            text = f"core:datatype is {short(told)}, and the samples are read as {given} as you asked."
            self.findings.add(WARNING, "global", text)
        try:
            if given is None and told is None:
                raise CaptureError("core:datatype is missing; give the datatype (--datatype).")
            self.form = sample_format(told if given is None else given)
        except CaptureError as error:
            self._stop("global", str(error))
        channels = self._needed(int_of, "core:num_channels", 1, lowest=1)
        if channels != 1:
            self._stop("global", f"it has {channels} channels, and only one can be received.")
        self._dataset()
        if self.parts.data is None or self.form is None:
            return
        self.parts.data.leave_out(self._headers(), self._needed(int_of, "core:trailing_bytes", 0, lowest=0))
        size = self.parts.data.size
        self.sample_count, rest = divmod(size, self.form.sample_bytes)
        if rest:
            text = f"{size} bytes are no whole number of {self.form.name} samples; the last {rest} bytes are left out."
            self.findings.add(ERROR, self.parts.data_name, text)
        promised = self._field(int_of, "sdr_sc:sample_count", None, lowest=0)
        if promised is not None and promised != self.sample_count:
            word = "shorter" if self.sample_count < promised else "longer"
            text = f"the data is {word} than told: {self.sample_count} samples instead of {promised}."
            self.findings.add(ERROR, self.parts.data_name, text)

    def _headers(self) -> list[tuple[int, int]]:
        """Headers in front of segments (``core:header_bytes``): bytes of samples before each, and its length."""
        found: dict[int, int] = {}
        for number, raw in enumerate(self.raw_captures):
            if not isinstance(raw, dict) or "core:header_bytes" not in raw:
                continue
            try:
                length = int_of(raw, "core:header_bytes", lowest=0)
                start = int_of(shifted(raw, -self.offset), "core:sample_start", lowest=0)
            except BadValue as error:
                self._stop(f"captures[{number}]", f"{error}.")
                continue
            if length:
                found[start] = length
        sample_bytes = 0 if self.form is None else self.form.sample_bytes
        return [(start * sample_bytes, found[start]) for start in sorted(found)]

    def _dataset(self) -> None:
        """Data under another name, which SigMF allows; in an archive it is a member."""
        name = self._field(text_of, "core:dataset", None)
        if name and self.parts.meta is not None:
            data = self.parts.named(name)
            if data is not None:
                self.parts.use_data(data)
                self.parts.mismatch = ""
            elif self.parts.data is not None:
                text = f"core:dataset names {short(name)}, which is not there; {self.parts.data_name} is read."
                self.findings.add(WARNING, "global", text)
        if self.parts.data is None and self.raw_global.get("sdr_sc:sample_count") == 0 and self.parts.meta is not None:
            self.parts.data = Region(self.parts.meta.path, 0, 0)  # a recording that ended before its first sample
        if self.parts.data is None:
            missing = name or ("" if self.parts.kind == "archive" else stem_of(self.parts.path).name) + ".sigmf-data"
            alone = " (core:metadata_only)" if self.raw_global.get("core:metadata_only") is True else ""
            self._stop(self.parts.meta_name, f"its data is missing{alone}; there is no {missing}.")
        elif self.parts.mismatch:
            self._stop(self.parts.path.name, self.parts.mismatch)

    def _segments(self, raw_captures: list[Any]) -> tuple[Segment, ...]:
        found: dict[int, Segment] = {}
        latest = -1
        for number, raw in enumerate(raw_captures):
            where = f"captures[{number}]"
            try:
                if not isinstance(raw, dict):
                    raise BadValue(f"{short(raw)} is no object")
                segment = Segment.from_json(shifted(raw, -self.offset), partial(self._tell_member, where))
            except BadValue as error:
                if isinstance(raw, dict) and "core:sample_start" in raw:
                    self._stop(where, f"{error}.")
                else:
                    self.findings.add(ERROR, where, f"{error}; left out.", "such captures")
                continue
            self._judge_time(where, segment.sample_start, raw.get("core:datetime"))
            if segment.sample_start < latest:
                text = f"it begins at sample {segment.sample_start}, before the one in front of it; sorted for reading."
                self.findings.add(ERROR, where, text, "captures out of order")
            latest = max(latest, segment.sample_start)
            found[segment.sample_start] = segment
        self._read_journal(found)
        for start in [start for start in found if start > 0 and start >= self.sample_count]:
            if self.form is not None and self.parts.data is not None:
                text = f"it begins at sample {start} of {self.sample_count}: the data is shorter than told; left out."
                self.findings.add(ERROR, f"capture at {start}", text, "captures beyond the end")
            del found[start]
        found.setdefault(0, Segment(0))
        return tuple(found[start] for start in sorted(found))

    def _tell_member(self, where: str, error: BadValue) -> None:
        self.findings.add(ERROR, where, f"{error}; counts as missing.", "members of captures of wrong types")

    def _judge_time(self, where: str, start: int, value: Any) -> None:
        time, text = utc_time(value)
        self.times_left.pop(start, None)
        if text:
            self.findings.add(WARNING, where, f"{text}.", "odd times")
        if text and time is None:
            self.times_left[start] = value

    def _read_journal(self, found: dict[int, Segment]) -> None:
        """Segments and lost frames of a recording that did not end."""
        listed = self.raw_global.get("sdr_sc:not_received", [])
        raws: list[Any] = listed if isinstance(listed, list) else [listed]
        if self.parts.journal is not None:
            text = "the recording did not end properly, or still goes on; 'sdr-sc capture check --repair' completes it."
            self.findings.add(WARNING, self.parts.journal.name, text)
            tally = Tally()
            for key, value in read_journal(self.parts.journal, tally):
                try:
                    if key == "segment":
                        segment = Segment.from_json(value)
                        found[segment.sample_start] = segment
                    elif key == "not_received":
                        raws.append(value)
                except BadValue as error:
                    self.findings.add(ERROR, self.parts.journal.name, f"{error}.", "such lines")
            if tally.changed:
                self.findings.add(ERROR, self.parts.journal.name, tally.left_out("it"))
            if tally.unchecked:
                text = "it has no checksums, as those of older versions; changed bits in it cannot be noticed."
                self.findings.add(WARNING, self.parts.journal.name, text)
        for number, raw in enumerate(raws):
            try:
                self.not_received.append(SentFrame.from_json(raw if isinstance(raw, dict) else {}))
            except BadValue as error:
                self.findings.add(ERROR, f"sdr_sc:not_received[{number}]", f"{error}.", "such frames")


def shifted(raw: Mapping[str, Any], samples: int) -> dict[str, Any]:
    """A capture or annotation moved by so many samples; a place of the wrong type stays as it is."""
    start = whole_number(raw.get("core:sample_start")) if samples else None
    return dict(raw) if start is None else {**raw, "core:sample_start": start + samples}
