# SPDX-License-Identifier: GPL-3.0-or-later
"""What a whole recording says of itself: SigMF's global object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sdr_sc
from sdr_sc.capture.sigmf.fields import int_of, list_of, number_of, object_of, text_of
from sdr_sc.capture.sigmf.metadata import EXTENSION_VERSION, NAMESPACE, SPECIFICATION
from sdr_sc.jsonable import plain

_TEXTS = {
    "hardware": "core:hw",
    "recorder": "core:recorder",
    "description": "core:description",
    "author": "core:author",
    "license": "core:license",
    "git_commit": "sdr_sc:git_commit",
}
_KNOWN = frozenset(_TEXTS.values()) | {
    *(f"core:{name}" for name in ("version", "datatype", "sample_rate", "sha512", "num_channels", "extensions")),
    *(f"core:{name}" for name in ("dataset", "offset", "trailing_bytes", "metadata_only")),
    *(f"sdr_sc:{name}" for name in ("sample_count", "bandwidth_hz", "clipped", "config", "history", "not_received")),
}
"""Keys that are understood; what else there is stays as it is."""

RECORDER = f"sdr_sc {sdr_sc.__version__}"


@dataclass(frozen=True)
class CaptureInfo:
    """SigMF's global object.

    Attributes:
        datatype: of the samples, a key of `sdr_sc.capture.datatype.FORMATS`.
        sample_rate_hz: complex samples per second.
        freq_hz: centre frequency of the first segment, Hz; None where it is not known.
        hardware, recorder, description, author, license: in words; ``""`` where they are not stated.
        sha512: of the data, in hexadecimal; None where it is not stated.
        sample_count: that the metadata says; None where it does not. `Capture.sample_count` is what there is.
        bandwidth_hz: that a frame occupies; None where it is not stated.
        config: with what it was made.
        git_commit: of the code that made it; ``""`` where it is not stated.
        clipped: samples that the datatype could not hold.
        history: what was done to the recording since, the oldest first.
        version: of SigMF, as the file gives it.
        extensions: names of the namespaces that the file declares.
        other: keys of others, as they are, with the objects that declare their namespaces.
    """

    datatype: str
    sample_rate_hz: float
    freq_hz: float | None = None
    hardware: str = ""
    recorder: str = RECORDER
    description: str = ""
    author: str = ""
    license: str = ""
    sha512: str | None = None
    sample_count: int | None = None
    bandwidth_hz: float | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    git_commit: str = ""
    clipped: int = 0
    history: Sequence[Mapping[str, Any]] = ()
    version: str = SPECIFICATION
    extensions: Sequence[str] = (NAMESPACE,)
    other: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The members of SigMF's object, of the version of SigMF and of the extension that is written here.

        A recording without samples is one of metadata alone: SigMF's own library cannot open an empty file of data.
        """
        known: dict[str, Any] = {
            "core:version": SPECIFICATION,
            "core:datatype": self.datatype,
            "core:sample_rate": float(self.sample_rate_hz),
            "core:num_channels": 1,
            "core:sha512": self.sha512,
            "core:hw": self.hardware,
            "core:recorder": self.recorder,
            "core:description": self.description,
            "core:author": self.author,
            "core:license": self.license,
            "core:extensions": [
                {"name": NAMESPACE, "version": EXTENSION_VERSION, "optional": True},
                *self.other.get("core:extensions", []),
            ],
            "sdr_sc:sample_count": self.sample_count,
            "sdr_sc:bandwidth_hz": self.bandwidth_hz,
            "sdr_sc:clipped": self.clipped,
            "sdr_sc:git_commit": self.git_commit,
            "sdr_sc:config": self.config,
            "sdr_sc:history": list(self.history),
        }
        kept = {key: value for key, value in known.items() if value not in (None, "", 0, {}, [])}
        if self.sample_count is not None:
            kept["sdr_sc:sample_count"] = self.sample_count
            if self.sample_count == 0:
                kept["core:metadata_only"] = True
        others = {key: value for key, value in self.other.items() if key not in known}
        return plain({**kept, **others}, lenient=True)


def read_info(
    raw: Mapping[str, Any], field: Callable[..., Any], datatype: str, sample_rate_hz: float, freq_hz: float | None
) -> CaptureInfo:
    """What a global object says.

    Args:
        raw: the object.
        field: reads a member by one of the functions of `sdr_sc.capture.sigmf.fields`; of one that has the wrong type
            it reports that, and takes the default.
        datatype, sample_rate_hz, freq_hz: as the samples are read.
    """
    texts = {name: field(text_of, key, "") for name, key in _TEXTS.items()}
    declared = field(list_of, "core:extensions", [])
    foreign = [one for one in declared if isinstance(one, dict) and one.get("name") != NAMESPACE]
    other = {key: value for key, value in raw.items() if key not in _KNOWN}
    return CaptureInfo(
        datatype,
        sample_rate_hz,
        freq_hz,
        **texts,
        sha512=field(text_of, "core:sha512", None),
        sample_count=field(int_of, "sdr_sc:sample_count", None, lowest=0),
        bandwidth_hz=field(number_of, "sdr_sc:bandwidth_hz", None),
        config=field(object_of, "sdr_sc:config", {}),
        clipped=field(int_of, "sdr_sc:clipped", 0, lowest=0),
        history=field(list_of, "sdr_sc:history", []),
        version=field(text_of, "core:version", ""),
        extensions=tuple(declared_extensions(raw)),
        other={**other, "core:extensions": foreign} if foreign else other,
    )


def declared_extensions(raw: Mapping[str, Any]) -> dict[str, bool]:
    """Namespaces that a global object declares, and whether each is needed for reading; the malformed are skipped."""
    declared = raw.get("core:extensions")
    if not isinstance(declared, list):
        return {}
    good = [one for one in declared if isinstance(one, dict) and isinstance(one.get("name"), str)]
    return {one["name"].partition(":")[0]: one.get("optional") is False for one in good}
