# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a recording lies: a pair of files by any of its names, an archive, or a plain file of samples."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdr_sc.capture.archive import Members, members_of
from sdr_sc.capture.other_files import head_of, is_tar, refuse_other_kinds
from sdr_sc.capture.region import Region
from sdr_sc.capture.sigmf.findings import Finding
from sdr_sc.documents import read_json
from sdr_sc.errors import CaptureError
from sdr_sc.files import is_file
from sdr_sc.shown import shown

META, DATA, JOURNAL, ARCHIVE = ".sigmf-meta", ".sigmf-data", ".sigmf-journal", ".sigmf"
COLLECTION = ".sigmf-collection"
_PAIR_SUFFIXES = (META, DATA, JOURNAL)

_PLAIN = "give its datatype (--datatype) and sample rate (--rate)"
_NAMED_STREAMS = 8
_COLLECTION_BYTES = 4 << 20


@dataclass
class Parts:
    """What a recording consists of.

    Attributes:
        path: as it was given.
        kind: ``"pair"``, ``"archive"`` or ``"plain"``.
        meta, data: where they lie; None where there is none.
        journal: left by a recording that did not end, or that still goes on.
        members: of an archive.
        mismatch: what is wrong where names in an archive do not fit; '' where they do.
        findings: what is wrong with the files.
    """

    path: Path
    kind: str
    meta: Region | None = None
    data: Region | None = None
    journal: Path | None = None
    members: Members | None = None
    mismatch: str = ""
    findings: list[Finding] = field(default_factory=list)

    @property
    def data_name(self) -> str:
        """The data's file, for messages."""
        return self.path.name if self.data is None else self.data.path.name

    @property
    def meta_name(self) -> str:
        """The metadata's file, for messages."""
        return self.path.name if self.meta is None else self.meta.path.name

    def named(self, name: str) -> Region | None:
        """Data under a name of its own beside the metadata (``core:dataset``); None where there is none.

        Only the name counts, folders in it do not: a recording reads nothing outside its own folder.
        """
        if self.members is not None:
            member = self.members.beside_meta(name)
            return None if member is None else Region(self.path, *self.members.places[member])
        if self.meta is None or not Path(name).name:
            return None
        path = self.meta.path.with_name(Path(name).name)
        return Region(path) if is_file(path) else None

    def use_data(self, data: Region) -> None:
        """Read samples from there, and from nowhere else."""
        if self.data is not None:
            self.data.close()
        self.data = data

    def close(self) -> None:
        """Close the files."""
        for region in (self.meta, self.data):
            if region is not None:
                region.close()


def stem_of(path: str | Path) -> Path:
    """A pair's path without the endings of SigMF.

    >>> str(stem_of("a/run_2.4GHz.sigmf-data"))
    'a/run_2.4GHz'
    """
    path = Path(path)
    for suffix in _PAIR_SUFFIXES:
        if path.name.lower().endswith(suffix) and path.name.lower() != suffix:
            return path.with_name(path.name[: -len(suffix)])
    return path


def pair_paths(path: str | Path) -> tuple[Path, Path, Path]:
    """Paths of metadata, data and journal of a pair.

    Raises:
        CaptureError: the name is none for a pair.
    """
    stem = stem_of(path)
    if not stem.name or stem.name.lower().endswith(ARCHIVE):
        raise CaptureError(f"{path} is no name for a pair of files; give one without .sigmf at its end.")
    meta, data, journal = (stem.with_name(stem.name + suffix) for suffix in _PAIR_SUFFIXES)
    return meta, data, journal


def locate(path: str | Path, plain: bool = False) -> Parts:
    """Find a recording's parts.

    Args:
        path: either file of a pair, their name without ending, an archive, or a plain file.
        plain: that a file without metadata may be samples, because their format is known.

    Raises:
        CaptureError: there is nothing that could be read.
    """
    path = Path(path)
    if os.path.isdir(path):
        raise CaptureError(f"{path} is a folder; give a recording in it.")
    if os.path.exists(path) and not is_file(path):
        raise CaptureError(f"{path} is no regular file; give a recording that lies on a disk.")
    ending = path.suffix.lower()
    if is_file(path) and ending == COLLECTION:
        return _of_collection(path, plain)
    if is_file(path) and ending not in _PAIR_SUFFIXES:
        head = head_of(path)
        if ending == ARCHIVE and not is_tar(head):
            refuse_other_kinds(path, head)
        if ending == ARCHIVE or is_tar(head):
            return _archive(path)
        refuse_other_kinds(path, head)
        if not is_file(_there(path.with_name(path.name + META))):
            if not plain:
                raise CaptureError(f"{path} has no metadata; {_PLAIN}, or a SigMF recording.")
            return Parts(path, "plain", data=Region(path))
    meta, data, journal = (_there(one) for one in pair_paths(path))
    if ending in (META, DATA) and is_file(path):  # spelled as it was given
        meta, data = (path, data) if ending == META else (meta, path)
    if not is_file(meta) and not is_file(data):
        if is_file(journal):
            raise CaptureError(
                f"recording {path} was killed before its first sample, or just begins; 'sdr-sc capture check --repair' "
                f"removes its {journal.name}."
            )
        raise CaptureError(f"recording {path} does not exist; there is no {meta.name} and no {data.name} there.")
    if not is_file(meta):
        if not plain:
            raise CaptureError(f"{data} has no metadata; there is no {meta.name}; {_PLAIN}.")
        refuse_other_kinds(data, head_of(data))
    parts = Parts(path, "pair" if is_file(meta) else "plain")
    if is_file(meta):
        parts.meta = Region(meta)
    if is_file(data):
        parts.data = Region(data)
    if is_file(journal):
        parts.journal = journal
    return parts


def _there(path: Path) -> Path:
    """A file of a pair, or the one whose ending is in capitals where only that is there."""
    for suffix in _PAIR_SUFFIXES:
        if path.name.endswith(suffix) and not is_file(path):
            loud = path.with_name(path.name[: -len(suffix)] + suffix.upper())
            return loud if is_file(loud) else path
    return path


def _archive(path: Path) -> Parts:
    found = members_of(path, META, DATA)
    parts = Parts(path, "archive", members=found, mismatch=found.mismatch(), findings=found.findings)
    if found.meta is not None:
        parts.meta = Region(path, *found.places[found.meta])
    if found.data is not None:
        parts.data = Region(path, *found.places[found.data])
    return parts


def _of_collection(path: Path, plain: bool) -> Parts:
    """The only recording of a collection; of several, the sentence lists them."""
    content = read_json(path, "collection", "give one of its recordings", CaptureError, _COLLECTION_BYTES)
    names = [shown(name, 60) for name in _streams(content)]
    if not names:
        raise CaptureError(f"{path} is a collection that names no recordings; give a recording.")
    if len(names) > 1:
        more = f" and {len(names) - _NAMED_STREAMS} more" if len(names) > _NAMED_STREAMS else ""
        listed = ", ".join(names[:_NAMED_STREAMS])
        raise CaptureError(f"{path} is a collection of {len(names)} recordings ({listed}{more}); give one of them.")
    [name] = _streams(content)
    if not pair_like(name):
        raise CaptureError(f"{path} is a collection of {names[0]}, which is no name of a recording beside it.")
    try:
        return locate(path.with_name(name), plain)
    except CaptureError as error:
        raise CaptureError(f"{path} is a collection of {names[0]}, which cannot be read: {error}") from None


def pair_like(name: str) -> bool:
    """Whether a name can be that of a pair in the same folder.

    >>> pair_like("first"), pair_like("../first"), pair_like("x.sigmf-collection")
    (True, False, False)
    """
    return name == Path(name).name and "\0" not in name and not name.lower().endswith((ARCHIVE, COLLECTION))


def _streams(content: Any) -> list[str]:
    collection = content.get("collection") if isinstance(content, dict) else None
    streams = collection.get("core:streams") if isinstance(collection, dict) else None
    # Until version 1.0 a stream was a list of name and checksum.
    names = [one.get("name") if isinstance(one, dict) else one[0] if isinstance(one, list) and one else one
             for one in streams or []] if isinstance(streams, list) else []  # fmt: skip
    return [name for name in names if isinstance(name, str) and name]
