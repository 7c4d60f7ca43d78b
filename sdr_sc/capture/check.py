# SPDX-License-Identifier: GPL-3.0-or-later
"""Names each fault of a recording; a bad file is no reason to stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from sdr_sc.capture.recording import Recording
from sdr_sc.capture.sigmf.annotations import Survey, core_faults, told_annotations
from sdr_sc.capture.sigmf.fields import short
from sdr_sc.capture.sigmf.findings import ERROR, WARNING, Finding
from sdr_sc.capture.sigmf.info import declared_extensions
from sdr_sc.capture.sigmf.metadata import NAMESPACE
from sdr_sc.errors import CaptureError


def check(
    path: str | Path,
    hash: bool = True,
    datatype: str | None = None,
    sample_rate_hz: float | None = None,  # noqa: A002
) -> list[Finding]:
    """Every fault of a recording.

    Args:
        path, datatype, sample_rate_hz: see `sdr_sc.capture.reader.Capture`.
        hash: compare the data's checksum, for which all of it is read.

    Returns:
        Findings; none for a recording that is as it should be. Never raises for what a file holds.
    """
    try:
        recording = Recording(path, datatype, sample_rate_hz)
    except CaptureError as error:
        return [Finding(ERROR, Path(path).name, str(error))]
    try:
        _judge(recording, hash)
    except CaptureError as error:  # the file vanished, or cannot be read
        recording.findings.add(ERROR, Path(path).name, str(error))
    finally:
        recording.parts.close()
    return recording.findings.all()


def _judge(recording: Recording, hash: bool) -> None:  # noqa: A002
    add = recording.findings.add
    used = set(_namespaces([recording.raw_global, *recording.raw_captures]))
    for found in told_annotations(recording, Survey()):
        used |= set(_namespaces([found.raw]))
        for text in core_faults(found.raw).values():
            add(ERROR, found.where, f"{text}.", "keys of wrong types")
        for key in found.note.other if found.note is not None else ():
            if key.startswith(f"{NAMESPACE}:"):
                add(WARNING, found.where, f"{key!r} is no key of this extension; kept as it is.", "unknown keys")
    for name in sorted(used - set(declared_extensions(recording.raw_global))):
        text = f"keys of namespace {name!r} are used, which core:extensions does not declare; kept as they are."
        add(WARNING, "global", text)
    if recording.parts.meta is not None:
        _judge_schema(recording)
    _judge_checksum(recording, hash)


def _judge_schema(recording: Recording) -> None:
    told = " ".join(finding.text for finding in recording.findings.all())
    for name in ("captures", "annotations"):
        if name not in recording.keys_seen and "is not JSON" not in told:
            recording.findings.add(ERROR, recording.parts.meta_name, f"it has no list {name!r}.")
    if not recording.raw_global:
        return
    for place, text in schema_faults(recording.raw_global, recording.raw_captures):
        depth = 1 if place[0] == "global" else 2
        key = str(place[depth]) if len(place) > depth else "this"
        if key not in told:  # what was found before is reported in better words
            where = "global" if depth == 1 else f"captures[{place[1]}]"
            recording.findings.add(ERROR, where, f"{key}: {text}", "faults by the schema")


@lru_cache(maxsize=1)
def _validator() -> Any:
    # Imported here: only what checks and edits needs them.
    from jsonschema.validators import validator_for
    from sigmf.schema import get_schema

    schema = get_schema()
    return validator_for(schema)(schema)


def schema_faults(raw_global: Mapping[str, Any], raw_captures: list[Any]) -> Iterator[tuple[list[Any], str]]:
    """What SigMF's schema says against a global object and captures: the path of each fault, and words."""
    whole = {"global": dict(raw_global), "captures": raw_captures, "annotations": []}
    for error in _validator().iter_errors(whole):
        place = list(error.absolute_path)
        if error.validator == "required":
            place.append(error.message.split("'")[1])
            yield place, "it is required, and missing."
        else:
            yield place, f"{short(error.instance)} does not fit SigMF's schema ({error.validator})."


def _judge_checksum(recording: Recording, hash: bool) -> None:  # noqa: A002
    told, data = recording.raw_global.get("core:sha512"), recording.parts.data
    if told is None or data is None or not hash or not isinstance(told, str):
        if told is None and data is not None and data.size and recording.parts.meta is not None:
            text = "core:sha512 is missing; whether the data was changed cannot be checked."
            recording.findings.add(WARNING, "global", text)
        return
    found = data.sha512()
    if found != told.lower():
        text = f"its sha512 begins with {found[:16]}, and the metadata says {short(told[:16])}: the data was changed."
        recording.findings.add(ERROR, recording.parts.data_name, text)


def _namespaces(objects: Iterable[Any]) -> Iterator[str]:
    for raw in objects:
        for key in raw if isinstance(raw, dict) else ():
            name, colon, _ = key.partition(":")
            if colon and name != "core":
                yield name
