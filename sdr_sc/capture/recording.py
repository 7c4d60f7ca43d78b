# SPDX-License-Identifier: GPL-3.0-or-later
"""A recording's files taken apart without trust: what is there is read, and each fault is reported.

`Capture` refuses what has a fatal fault; ``sdr-sc capture check`` and ``info`` show what there is all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sdr_sc.capture.datatype import SampleFormat, sample_format
from sdr_sc.capture.journal import read_journal
from sdr_sc.capture.locate import locate, stem_of
from sdr_sc.capture.region import Region
from sdr_sc.capture.sigmf.fields import BadValue, int_of, number_of, short, text_of
from sdr_sc.capture.sigmf.findings import ERROR, WARNING, Finding, Findings
from sdr_sc.capture.sigmf.info import CaptureInfo, declared_extensions, read_info
from sdr_sc.capture.sigmf.json_pieces import BEGIN, LISTS, BrokenJson, pieces
from sdr_sc.capture.sigmf.metadata import NAMESPACE, SentFrame
from sdr_sc.capture.sigmf.segments import header_runs, read_segments
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
        self.segments = read_segments(self)
        self.info: CaptureInfo | None = None
        if self.form is not None and rate_hz is not None:
            self.info = read_info(self.raw_global, self._field, self.form.name, rate_hz, self.segments[0].freq_hz)

    def annotations(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Where each annotation stands, and itself, in the file's order; what is no object is reported and left out."""
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
        """Pieces of the metadata, up to the fault if there is one, which is reported."""
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

    def stop(self, where: str, text: str) -> None:
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
        """A member of the global object; one of a wrong type is reported, and counts as missing."""
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
            self.stop("global", f"{error}.")
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
            self.stop("global", f"it is of SigMF {version}, and versions from 2 on are not known here.")
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
                self.stop("global", f"{error}; give the sample rate (--rate).")
                return None
        if rate_hz is None:
            self.stop("global", "core:sample_rate is missing; give the sample rate (--rate).")
        elif not 0 < rate_hz <= 1e12:
            self.stop("global", f"sample rate {rate_hz:g} Hz is not between 0 and 1e12; give the right one (--rate).")
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
            self.stop("global", str(error))
        channels = self._needed(int_of, "core:num_channels", 1, lowest=1)
        if channels != 1:
            self.stop("global", f"it has {channels} channels, and only one can be received.")
        self._dataset()
        if self.parts.data is None or self.form is None:
            return
        self.parts.data.leave_out(header_runs(self), self._needed(int_of, "core:trailing_bytes", 0, lowest=0))
        size = self.parts.data.size
        self.sample_count, rest = divmod(size, self.form.sample_bytes)
        if rest:
            text = f"{size} bytes are no whole number of {self.form.name} samples; the last {rest} bytes are left out."
            self.findings.add(ERROR, self.parts.data_name, text)
        promised = self._field(int_of, "sdr_sc:sample_count", None, lowest=0)
        if promised is not None and promised != self.sample_count:
            word = "shorter" if self.sample_count < promised else "longer"
            text = f"the data is {word} than stated: {self.sample_count} samples instead of {promised}."
            self.findings.add(ERROR, self.parts.data_name, text)

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
            self.stop(self.parts.meta_name, f"its data is missing{alone}; there is no {missing}.")
        elif self.parts.mismatch:
            self.stop(self.parts.path.name, self.parts.mismatch)
