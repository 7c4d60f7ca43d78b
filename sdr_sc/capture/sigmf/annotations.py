# SPDX-License-Identifier: GPL-3.0-or-later
"""Annotations of a recording: which are frames of ours, which are of others, and which fit no samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from sdr_sc.capture.recording import Recording
from sdr_sc.capture.sigmf.fields import BadValue, int_of, number_of, text_of
from sdr_sc.capture.sigmf.findings import ERROR
from sdr_sc.capture.sigmf.metadata import EDGES, FRAME_MARK, FrameNote
from sdr_sc.capture.sigmf.segments import shifted

_TEXTS = ("core:label", "core:comment", "core:generator", "core:uuid")


@dataclass(frozen=True)
class Annotation:
    """One annotation.

    Attributes:
        where: it stands in the metadata.
        raw: its members; the place counts from the first sample that is there.
        note: the frame that it is; None for one of others.
        start: its first sample.
    """

    where: str
    raw: dict[str, Any]
    note: FrameNote | None
    start: int


@dataclass
class Survey:
    """What a walk through all annotations found.

    Attributes:
        frames, foreign: annotations of either kind.
        in_order: whether they are sorted in the file.
    """

    frames: int = 0
    foreign: int = 0
    in_order: bool = True


def read_annotations(recording: Recording, tell: bool = False) -> Iterator[Annotation]:
    """Annotations in the file's order, without those that fit no samples.

    Args:
        tell: add what is wrong to the recording's findings.
    """
    end = recording.sample_count if recording.form is not None and recording.parts.data is not None else None
    for where, found in recording.annotations():
        raw = shifted(found, -recording.offset)
        try:
            start = int_of(raw, "core:sample_start", lowest=0)
            stop = start + int_of(raw, "core:sample_count", 0, lowest=0)
        except BadValue as error:
            if tell:
                recording.findings.add(ERROR, where, f"{error}; left out.", "annotations without a place")
            continue
        if end is not None and (stop > end or (start >= end and start > 0)):
            if tell:
                text = f"samples {start} to {stop} are beyond the end of the data, {end}; left out."
                recording.findings.add(ERROR, where, text, "annotations beyond the end")
            continue
        note = None
        if FRAME_MARK in raw:
            try:
                note = FrameNote.from_json(raw, partial(_tell_member, recording if tell else None, where))
            except BadValue as error:
                if tell:
                    text = f"{error}; kept as it is, but no frame."
                    recording.findings.add(ERROR, where, text, "annotations that are no frames")
        yield Annotation(where, raw, note, start)


def _tell_member(recording: Recording | None, where: str, error: BadValue) -> None:
    if recording is not None:
        recording.findings.add(ERROR, where, f"{error}; counts as missing.", "members of frames of wrong types")


def told_annotations(recording: Recording, survey: Survey) -> Iterator[Annotation]:
    """The same, counted, with all that is wrong reported."""
    latest = -1
    for found in read_annotations(recording, tell=True):
        survey.frames += found.note is not None
        survey.foreign += found.note is None
        if found.start < latest and survey.in_order:
            survey.in_order = False
            text = f"it begins at sample {found.start}, one before it at {latest}: out of order; sorted for reading."
            recording.findings.add(ERROR, found.where, text)
        latest = max(latest, found.start)
        yield found


def core_faults(raw: dict[str, Any]) -> dict[str, str]:
    """Keys of SigMF's core in an annotation that have the wrong type, and what is wrong; places are not looked at.

    >>> core_faults({"core:freq_lower_edge": 1.0, "core:label": "x"})
    {'core:freq_lower_edge': 'core:freq_lower_edge stands without core:freq_upper_edge'}
    """
    faults = {}
    for read, keys in ((text_of, _TEXTS), (number_of, EDGES)):
        for key in keys:
            try:
                if read(raw, key, None) is None and key in raw:
                    raise BadValue(f"{key} is null")
            except BadValue as error:
                faults[key] = str(error)
    for edge, other in (EDGES, EDGES[::-1]):
        if edge in raw and (other not in raw or other in faults):
            faults.setdefault(edge, f"{edge} stands without {other}")
    return faults
